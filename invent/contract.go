package invent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// Contract says which of the client's routes the API has, as its own OpenAPI document says. The zero Contract is that of a
// document that could not be read: then only what is documented in public counts, and the two routes without which nothing works.
type Contract struct {
	Read  bool      // the document was read
	At    time.Time // when
	found map[string]bool
}

// Finding is one line of a comparison: a route, or a property of its body.
type Finding struct {
	Op, Method, Path, Property string // Property is "" for the route itself
	Found                      bool
}

// Check reads the document that the API publishes about itself, and compares it with what the client may use. An error is one of
// the other calls', or says that the document can't be understood.
func (c *Client) Check(ctx context.Context) (Contract, error) {
	text, err := c.Contract(ctx)
	if err != nil {
		return Contract{}, err
	}
	loader := openapi3.NewLoader() // which follows no reference out of the document
	loader.Context = ctx
	doc, err := loader.LoadFromData(text)
	if err != nil || doc.Paths == nil {
		return Contract{}, &Error{Op: routeContract.Op, Status: 200, Err: fmt.Errorf("%w: not an OpenAPI document", ErrAnswer), final: true}
	}
	k := Contract{Read: true, At: c.now(), found: map[string]bool{}}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for _, r := range Routes() {
				if r.Method == method && samePath(r.Path, path) {
					k.found[r.Op] = true
					for _, p := range r.Body {
						k.found[r.Op+"."+p] = accepts(operation, p)
					}
				}
			}
		}
	}
	return k, nil
}

// Has says whether a route (by its Op), with these properties of its body, may be used.
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

// samePath compares two templates of paths, whatever their parameters are called.
func samePath(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(strings.TrimSuffix(b, "/"), "/")
	return slices.EqualFunc(as, bs, func(x, y string) bool {
		return x == y || strings.HasPrefix(x, "{") && strings.HasPrefix(y, "{")
	})
}

// accepts says whether the JSON body of an operation may have the property.
func accepts(o *openapi3.Operation, property string) bool {
	if o.RequestBody == nil || o.RequestBody.Value == nil {
		return false
	}
	media := o.RequestBody.Value.Content.Get("application/json")
	return media != nil && has(media.Schema, property, 8)
}

func has(s *openapi3.SchemaRef, property string, depth int) bool {
	if s == nil || s.Value == nil || depth == 0 {
		return false
	}
	if s.Value.Properties[property] != nil {
		return true
	}
	for _, part := range slices.Concat(s.Value.AllOf, s.Value.AnyOf, s.Value.OneOf) {
		if has(part, property, depth-1) {
			return true
		}
	}
	return false
}
