package invent_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"inventbot/invent"
)

// sends is a transport that answers each call with the same bytes.
type sends []byte

// RoundTrip implements http.RoundTripper.
func (s sends) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(s)), Request: r}, nil
}

// FuzzAnswers: whatever Invent answers to a call, the client makes of it what can be relied on, or its one type of error.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		`{"id":"chat_1","state":{"id":"s","state":"OPEN","assigned_user":{"id":"mem_1","name":"Ada"}}}`, `{"id":"s","state":"CLOSED","assigned_user":null}`,
		`[{"id":"mem_1","user_id":"usr_1","name":"Ada","email":"ada@example.com","status":"ACTIVE"},{"id":"mem_1"}]`, `[{"id":""}]`,
		`[{"id":"chat_1","state":{"state":"OPEN"}},{"id":"","state":null},{}]`, `[{"id":"m","summary":"x","key_points":["y"],"message_count":1e9,"summarized_at":"x"}]`,
		`{"id":"c","members":[{"id":"p","contact_channel":{"name":"Carla","contact":{"name":null}}}],"state":{"state":"OPEN","assigned_at":"9999-12-31T23:59:59-23:00"}}`,
		"", "null", "{}", "[]", "[null]", `{"id":"chat_1","state":{}}`, `{"state":{"state":"OPEN"}}`, `[{"state":{"state":"OPEN"}}]`, `"x"`, `<html>`, `{"id":`, "\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c := invent.New(invent.Options{URL: "http://invent.example", Key: "key", Org: "c", Wrap: instead(sends(in))})
		known := func(err error) bool {
			if err == nil {
				return true
			}
			if one := (*invent.Error)(nil); !errors.As(err, &one) || len(in) > 40 && strings.Contains(err.Error(), string(in)) {
				t.Errorf("%q: %v", in, err) // an error quotes nothing of the body
			}
			return false
		}
		chat, err := c.Chat(t.Context(), "chat_1")
		if known(err) && (chat.ID == "" || chat.State.State == "") {
			t.Errorf("%q: a conversation without id or state: %+v", in, chat)
		}
		chat.Customer()
		member := "mem_1"
		state, err := c.Assign(t.Context(), "chat_1", &member)
		if known(err) && state.State == "" {
			t.Errorf("%q: a state that is none: %+v", in, state)
		}
		members, err := c.Members(t.Context())
		seen := map[string]bool{}
		for _, m := range members {
			if known(err); m.ID == "" || seen[m.ID] {
				t.Errorf("%q: a member without an id of its own: %+v", in, m)
			}
			seen[m.ID] = true
		}
		chats, _, err := c.Inbox(t.Context(), 1)
		known(err)
		for _, chat := range chats {
			if chat.ID == "" || chat.State.State == "" {
				t.Errorf("%q: a row without id or state: %+v", in, chat)
			}
		}
		_, err = c.Memories(t.Context(), "chat_1")
		known(err)
		known(c.Ping(t.Context()))
	})
}

// FuzzContract: whatever the API says about itself, it is understood or refused, and nothing is found that the client doesn't use.
func FuzzContract(f *testing.F) {
	for _, s := range []string{
		`{"openapi":"3.0.0","info":{"title":"x","version":"1"},"paths":{"/chats/{id}":{"get":{"responses":{}}}}}`,
		`{"openapi":"3.1.0","paths":{"/chats/{chat_id}/state/assign":{"patch":{"requestBody":{"content":{"application/json":{"schema":{"allOf":[{"properties":{"member_id":{}}}]}}}}}}}}`,
		`{"openapi":"3.0.0","paths":{"/chats/{id}":{"$ref":"#/paths/~1chats~1{id}"}}}`, `{"paths":null}`, `{"paths":{"/x":null}}`, "", "{}", "null", "[]", "paths: {}", "\xff",
		`{"paths":{"/chats/{chat_id}/state":{"patch":{"requestBody":{"$ref":"file:///etc/hosts"}}}}}`,
		`{"components":{"schemas":{"a":{"allOf":[{"$ref":"#/components/schemas/a"}]}}},"paths":{"/chats/{chat_id}/state":{"patch":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/a"}}}}}}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c := invent.New(invent.Options{URL: "http://invent.example", Key: "key", Org: "c", Wrap: instead(sends(in))})
		k, err := c.Check(t.Context())
		if one := (*invent.Error)(nil); err != nil && !errors.As(err, &one) || (err == nil) != k.Read {
			t.Errorf("%q: %v, read: %v", in, err, k.Read)
		}
		for _, r := range k.Findings() {
			if r.Property != "" && r.Found && !k.Has(r.Op) {
				t.Errorf("%q: %s of a route that isn't there: %s", in, r.Property, r.Op)
			}
		}
	})
}
