package invent

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Route is one call of Invent's API, written as the API's own OpenAPI document writes it.
type Route struct {
	Op     string   // what it is called in errors
	Method string   // GET, PATCH
	Path   string   // with {chat_id} and {org_id}
	Body   []string // the properties of the body that the client may send
	Public bool     // documented in public; the others are known from other clients or guessed, and must be looked up before use
}

// All that the client knows of Invent's paths: a route that turns out to be another is changed here and nowhere else.
var (
	routeChat     = Route{Op: "chat", Method: "GET", Path: "/chats/{chat_id}"}
	routeAssign   = Route{Op: "assign", Method: "PATCH", Path: "/chats/{chat_id}/state/assign", Body: []string{"member_id"}, Public: true}
	routeState    = Route{Op: "state", Method: "PATCH", Path: "/chats/{chat_id}/state", Body: []string{"ai_enabled", "state"}, Public: true}
	routeNewer    = Route{Op: "newer", Method: "GET", Path: "/chats/{chat_id}/state/info", Public: true}
	routeMemories = Route{Op: "memories", Method: "GET", Path: "/chats/{chat_id}/memories", Public: true}
	routeMembers  = Route{Op: "members", Method: "GET", Path: "/orgs/{org_id}/members"}
	routeInbox    = Route{Op: "inbox", Method: "GET", Path: "/orgs/{org_id}/inbox"}
	routeListen   = Route{Op: "listen", Method: "GET", Path: "/orgs/{org_id}/inbox/ws", Public: true}
	routeContract = Route{Op: "contract", Method: "GET", Path: "/openapi.json", Public: true}
)

// Routes returns the calls that the client can make, for a comparison with the contract that the API publishes ([Client.Check]).
// Of PATCH /chats/{chat_id}/state only ai_enabled is documented; state is a guess.
func Routes() []Route {
	return []Route{routeChat, routeAssign, routeState, routeNewer, routeMemories, routeMembers, routeInbox, routeListen}
}

// ErrID says that an id cannot be one, so nothing was sent.
var ErrID = errors.New("not an id")

// fill puts the id, escaped, in the place of the path's parameter. Ids are opaque, and people paste them: whatever one holds, it stays
// one segment of this route, or is refused with ErrID.
func (r Route) fill(id string) (string, error) {
	before, rest, ok := strings.Cut(r.Path, "{")
	if !ok {
		return r.Path, nil
	}
	if err := checkID(id); err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(rest, "}")
	return before + url.PathEscape(id) + after, nil
}

// checkID refuses what no escaping makes safe: dot segments (also behind a slash, for proxies that decode %2F), control characters,
// broken UTF-8, nothing, and too much.
func checkID(id string) error {
	if id == "" || len(id) > 200 || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return ErrID
	}
	for s := range strings.FieldsFuncSeq(id, func(r rune) bool { return r == '/' || r == '\\' }) {
		if s == "." || s == ".." {
			return ErrID
		}
	}
	return nil
}
