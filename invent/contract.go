package invent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
)

// Contract says which of the client's routes the API has, according to its own OpenAPI document. The zero Contract stands for a document
// that could not be read: then only what is documented in public may be used, and the two routes without which nothing works.
type Contract struct {
	Read  bool // the document was read
	found map[string]bool
}

// Finding says whether one route, or one property of its body, may be used.
type Finding struct {
	Op, Method, Path, Property string // Property is "" for the route itself
	Found                      bool
}

// Check reads the API's own OpenAPI document, without sending the key, and compares it with what the client may use. It fails as other
// calls do, and also if it can't understand the document.
func (c *Client) Check(ctx context.Context) (Contract, error) {
	var text []byte
	if _, err := c.call(ctx, routeContract, "", nil, nil, &text); err != nil {
		return Contract{}, err
	}
	var doc document
	if json.Unmarshal(text, &doc) != nil || doc.Version == "" || doc.Paths == nil {
		return Contract{}, &Error{Op: routeContract.Op, Status: 200, Err: fmt.Errorf("%w: not an OpenAPI document", errAnswer), final: true}
	}
	k := Contract{Read: true, found: map[string]bool{}}
	if doc.elsewhere(c.base) {
		return k, nil
	}
	for path, item := range doc.Paths {
		for _, r := range Routes() {
			if !samePath(r.Path, path) {
				continue
			}
			operation := doc.operation(item, r.Method)
			if operation == nil {
				continue
			}
			k.found[r.Op] = true
			for _, p := range r.Body {
				k.found[r.Op+"."+p] = doc.accepts(operation, p)
			}
		}
	}
	return k, nil
}

// Has reports whether a route (by its Op), with these properties of its body, may be used.
func (k Contract) Has(op string, properties ...string) bool {
	if !k.Read {
		i := slices.IndexFunc(Routes(), func(r Route) bool { return r.Op == op })
		return i >= 0 && (Routes()[i].Public || op == routeChat.Op || op == routeMembers.Op) && !slices.Contains(properties, "state")
	}
	for _, p := range properties {
		if !k.found[op+"."+p] {
			return false
		}
	}
	return k.found[op]
}

// Findings lists every route and property that the client may use, in the order of Routes.
func (k Contract) Findings() []Finding {
	var list []Finding
	for _, r := range Routes() {
		list = append(list, Finding{Op: r.Op, Method: r.Method, Path: r.Path, Found: k.Has(r.Op)})
		for _, p := range r.Body {
			list = append(list, Finding{Op: r.Op, Method: r.Method, Path: r.Path, Property: p, Found: k.Has(r.Op, p)})
		}
	}
	return list
}

// samePath compares two path templates, ignoring the names of their parameters.
func samePath(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(strings.TrimSuffix(b, "/"), "/")
	return slices.EqualFunc(as, bs, func(x, y string) bool {
		return x == y || isParameter(x) && isParameter(y)
	})
}

// isParameter reports whether a segment of a path is one parameter and nothing else.
func isParameter(s string) bool {
	return strings.HasPrefix(s, "{") && strings.Index(s, "}") == len(s)-1
}

// document is what Check reads of an OpenAPI document (spec.openapis.org, versions 3.0 and 3.1). Its parts are decoded only when they
// are asked about: a library that reads all of it would take an eighth of the bot's memory at rest.
type document struct {
	Version    string                     `json:"openapi"`
	Servers    json.RawMessage            `json:"servers"`
	Paths      map[string]json.RawMessage `json:"paths"`
	Components struct {
		Items   map[string]json.RawMessage `json:"pathItems"`
		Bodies  map[string]json.RawMessage `json:"requestBodies"`
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

// elsewhere reports whether the path of every server in the document differs from that of the base URL: then the document describes
// another API. A server without a path differs from none, as it may stand behind a proxy that adds one.
func (d document) elsewhere(base string) bool {
	var servers []struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(d.Servers, &servers) != nil || len(servers) == 0 {
		return false
	}
	for _, s := range servers {
		u, err := url.Parse(s.URL)
		if err != nil || strings.Contains(u.Path, "{") || strings.HasSuffix(base, strings.TrimRight(u.Path, "/")) {
			return false
		}
	}
	return true
}

// operation returns what a path offers for a method, nil for nothing.
func (d document) operation(item json.RawMessage, method string) json.RawMessage {
	var p struct {
		Ref string `json:"$ref"`
	}
	if json.Unmarshal(item, &p) != nil {
		return nil
	}
	if part := named(d.Components.Items, p.Ref, "#/components/pathItems/"); part != nil {
		item = part
	}
	var operations map[string]json.RawMessage // by method; what isn't an operation has other names
	_ = json.Unmarshal(item, &operations)     // what can't be read offers nothing
	operation := operations[strings.ToLower(method)]
	if !bytes.HasPrefix(operation, []byte("{")) {
		return nil
	}
	return operation
}

// accepts reports whether the JSON body of an operation may have the property. What can't be read accepts nothing.
func (d document) accepts(operation json.RawMessage, property string) bool {
	var o struct {
		Body json.RawMessage `json:"requestBody"`
	}
	var body struct {
		Ref     string `json:"$ref"`
		Content map[string]struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"content"`
	}
	if json.Unmarshal(operation, &o) != nil || json.Unmarshal(o.Body, &body) != nil {
		return false
	}
	if part := named(d.Components.Bodies, body.Ref, "#/components/requestBodies/"); part != nil && json.Unmarshal(part, &body) != nil {
		return false
	}
	for kind, media := range body.Content {
		if kind, _, _ := mime.ParseMediaType(kind); kind == "application/json" && d.has(media.Schema, property) {
			return true
		}
	}
	return false
}

// schemasMost is how many schemas are looked at, at most, for one property.
const schemasMost = 1000

// has reports whether a schema, or one that it is made of, has the property. It follows each reference once: else a schema that refers
// to itself would never end.
func (d document) has(schema json.RawMessage, property string) bool {
	all, seen := []json.RawMessage{schema}, map[string]bool{}
	for n := 0; n < min(len(all), schemasMost); n++ {
		var s struct {
			Ref        string                     `json:"$ref"`
			Properties map[string]json.RawMessage `json:"properties"`
			AllOf      []json.RawMessage          `json:"allOf"`
			AnyOf      []json.RawMessage          `json:"anyOf"`
			OneOf      []json.RawMessage          `json:"oneOf"`
		}
		if json.Unmarshal(all[n], &s) != nil {
			continue
		}
		if _, found := s.Properties[property]; found {
			return true
		}
		all = append(append(append(all, s.AllOf...), s.AnyOf...), s.OneOf...)
		if part := named(d.Components.Schemas, s.Ref, "#/components/schemas/"); part != nil && !seen[s.Ref] {
			seen[s.Ref] = true
			all = append(all, part)
		}
	}
	return false
}

// named returns the component that a reference within the document leads to, nil for none.
func named(components map[string]json.RawMessage, ref, prefix string) json.RawMessage {
	name, found := strings.CutPrefix(ref, prefix)
	if !found {
		return nil
	}
	return components[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
}
