package invent_test

import (
	"strings"
	"testing"

	"inventbot/invent"
	"inventbot/invent/inventtest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	i := inventtest.Start()
	t.Cleanup(i.Close)
	c := invent.New(invent.Options{URL: i.URL(), Key: i.Key(), Org: "c"})
	k, err := c.Check(t.Context())
	if err != nil || !k.Read {
		t.Fatalf("the document can't be read: %v", err)
	}
	for _, f := range k.Findings() {
		if !f.Found {
			t.Errorf("%s %s %s isn't found", f.Method, f.Path, f.Property)
		}
	}
	i.LeaveOut("GET /orgs/{org_id}/inbox", "PATCH /chats/{chat_id}/state state")
	if k, err = c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for op, want := range map[string]bool{"chat": true, "assign": true, "inbox": false, "listen": true, "state": true} {
		if got := k.Has(op); got != want {
			t.Errorf("Has(%q) is %t, want %t", op, got, want)
		}
	}
	if !k.Has("state", "ai_enabled") || k.Has("state", "state") {
		t.Error("a property that was left out is found, or another isn't")
	}
}

func TestCheckCut(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	i.Fault(inventtest.Fault{Cut: true})
	if k, err := c.Check(t.Context()); k.Read || !invent.Temporary(err) {
		t.Errorf("a document that was cut: read %t, %v; want a temporary error", k.Read, err)
	}
}

func TestCheckFindsABodysProperty(t *testing.T) {
	t.Parallel()
	with := func(body, components string) string {
		return `{"openapi":"3.1.0","paths":{"x-note":"none","/chats/{id}/state/assign":{"summary":"s","patch":{"requestBody":` + body + `}}},"components":{` + components + `}}`
	}
	schema := func(s string) string { return `{"content":{"application/json; charset=utf-8":{"schema":` + s + `}}}` }
	many := func(name string) string { // a schema that refers to another one often
		return `{"anyOf":[` + strings.Repeat(`{"$ref":"#/components/schemas/`+name+`"},`, 50) + `{}]}`
	}
	for name, tc := range map[string]struct {
		document string
		want     bool
	}{
		"in the schema itself":          {with(schema(`{"properties":{"member_id":{}}}`), ``), true},
		"in one it refers to":           {with(schema(`{"$ref":"#/components/schemas/a~1b"}`), `"schemas":{"a/b":{"properties":{"member_id":true}}}`), true},
		"in one it is made of":          {with(schema(`{"allOf":[true,{"anyOf":[{"oneOf":[{"properties":{"member_id":{}}}]}]}]}`), ``), true},
		"in a body that is referred":    {with(`{"$ref":"#/components/requestBodies/b"}`, `"requestBodies":{"b":`+schema(`{"properties":{"member_id":{}}}`)+`}`), true},
		"in a path that is referred":    {`{"openapi":"3.1.0","paths":{"/chats/{id}/state/assign":{"$ref":"#/components/pathItems/p"}},"components":{"pathItems":{"p":{"patch":{"requestBody":` + schema(`{"properties":{"member_id":{}}}`) + `}}}}}`, true},
		"in one behind many references": {with(schema(many("a")), `"schemas":{"a":`+many("b")+`,"b":`+many("c")+`,"c":{"properties":{"member_id":{}}}}`), true},
		"not in a body that is broken":  {with(`{"$ref":7,`+schema(`{"properties":{"member_id":{}}}`)[1:], ``), false},
		"not in a referred broken body": {with(`{"$ref":"#/components/requestBodies/b"}`, `"requestBodies":{"b":{"$ref":7,`+schema(`{"properties":{"member_id":{}}}`)[1:]+`}`), false},
		"not in a broken schema":        {with(schema(`{"properties":{"member_id":{}},"allOf":7}`), ``), false},
		"not in another property":       {with(schema(`{"properties":{"user_id":{"properties":{"member_id":{}}}}}`), ``), false},
		"not in a body of another kind": {with(`{"content":{"text/plain":{"schema":{"properties":{"member_id":{}}}}}}`, ``), false},
		"not in one that isn't there":   {with(schema(`{"$ref":"#/components/schemas/a"}`), ``), false},
		"not in one of another file":    {with(schema(`{"$ref":"a.json"}`), `"schemas":{"a.json":{"properties":{"member_id":{}}}}`), false},
		"not for ever":                  {with(schema(`{"$ref":"#/components/schemas/a"}`), `"schemas":{"a":{"allOf":[{"$ref":"#/components/schemas/a"}]}}`), false},
		"not for ever, in however many ways": {with(schema(`{"$ref":"#/components/schemas/a"}`),
			`"schemas":{"a":{"anyOf":[`+strings.Repeat(`{"$ref":"#/components/schemas/a"},`, 500)+`{}]}}`), false},
		"not behind thousands": {with(schema(`{"anyOf":[`+strings.Repeat(`{},`, 2000)+`{"properties":{"member_id":{}}}]}`), ``), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := inventtest.Start()
			t.Cleanup(i.Close)
			i.Fault(inventtest.Fault{Path: "/openapi.json", Body: []byte(tc.document), Status: 200})
			k, err := invent.New(invent.Options{URL: i.URL(), Key: i.Key(), Org: "c"}).Check(t.Context())
			if err != nil || !k.Has("assign") {
				t.Fatalf("the route isn't found: %v", err)
			}
			if got := k.Has("assign", "member_id"); got != tc.want {
				t.Errorf("Has is %t, want %t", got, tc.want)
			}
		})
	}
}

func TestCheckFindsARoute(t *testing.T) {
	t.Parallel()
	at := func(servers string) string {
		return `{"openapi":"3.1.0","servers":` + servers + `,"paths":{"/chats/{id}":{"get":{}}}}`
	}
	for name, tc := range map[string]struct {
		document, base string
		want           bool
	}{
		"as it is":                           {`{"openapi":"3.1.0","paths":{"/chats/{id}":{"get":{}}}}`, "", true},
		"not one that is null":               {`{"openapi":"3.1.0","paths":{"/chats/{id}":{"get":null}}}`, "", false},
		"not one that leads to itself":       {`{"openapi":"3.1.0","paths":{"/chats/{id}":{"$ref":"#/paths/~1chats~1{id}"}}}`, "", false},
		"not one with more than a parameter": {`{"openapi":"3.1.0","paths":{"/chats/{id}.json":{"get":{}}}}`, "", false},
		"not one with words before it":       {`{"openapi":"3.1.0","paths":{"/chats/id-{id}":{"get":{}}}}`, "", false},
		"not one whose name is a parameter":  {`{"openapi":"3.1.0","paths":{"/{kind}/{id}":{"get":{}}}}`, "", false},
		"not one that can't be read":         {`{"openapi":"3.1.0","paths":{"/chats/{id}":{"$ref":7,"get":{}}}}`, "", false},
		"not one of two parameters":          {`{"openapi":"3.1.0","paths":{"/chats/{id}-{n}":{"get":{}}}}`, "", false},
		"not below another path":             {at(`[{"url":"/v1"}]`), "", false},
		"below the same path":                {at(`[{"url":"/v1/"}]`), "/v1", true},
		"at one server of several":           {at(`[{"url":"https://old.example/v1"},{"url":"https://api.example"}]`), "", true},
		"at the root, behind a proxy":        {at(`[{"url":"/"}]`), "/invent", true},
		"at a server that can't be told":     {at(`[{"url":"https://{region}.example/{version}"}]`), "", true},
		"at a path that can't be told":       {at(`[{"url":"/{version}"}]`), "", true},
		"at servers that can't be read":      {at(`{}`), "", true},
		"at no server":                       {at(`[]`), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := inventtest.Start()
			t.Cleanup(i.Close)
			i.Fault(inventtest.Fault{Path: "/openapi.json", Body: []byte(tc.document), Status: 200})
			k, err := invent.New(invent.Options{URL: i.URL() + tc.base, Key: i.Key(), Org: "c"}).Check(t.Context())
			if got := k.Has("chat"); err != nil || !k.Read || got != tc.want {
				t.Errorf("Has is %t, want %t; read: %t, %v", got, tc.want, k.Read, err)
			}
		})
	}
}

func TestCheckUnreadable(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]inventtest.Fault{
		"no answer":   {Path: "/openapi.json", Status: 503},
		"not JSON":    {Path: "/openapi.json", HTML: true, Status: 200},
		"not OpenAPI": {Path: "/openapi.json", Body: []byte(`{"a":1}`), Status: 200},
		"no version":  {Path: "/openapi.json", Body: []byte(`{"paths":{"/orgs/{id}/inbox":{"get":{}}}}`), Status: 200},
		"half":        {Path: "/openapi.json", Body: []byte(`{"openapi":"3.1.0","paths":{"/orgs/{id}/inbox":{"get":{}}},"components":7}`), Status: 200},
		"no paths":    {Path: "/openapi.json", Body: []byte(`{"openapi":"3.1.0"}`), Status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := inventtest.Start()
			t.Cleanup(i.Close)
			i.Fault(f)
			k, err := invent.New(invent.Options{URL: i.URL(), Key: i.Key(), Org: "c"}).Check(t.Context())
			if err == nil || k.Read {
				t.Fatalf("it was read: %v", err)
			}
			for op, want := range map[string]bool{"chat": true, "assign": true, "members": true, "inbox": false, "listen": true, "of tomorrow": false} {
				if got := k.Has(op); got != want {
					t.Errorf("without the document Has(%q) is %t, want %t", op, got, want)
				}
			}
			if k.Has("state", "state") {
				t.Error("without the document a guessed property is used")
			}
		})
	}
}
