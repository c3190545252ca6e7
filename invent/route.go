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
	Op     string   // its name in errors
	Method string   // GET, PATCH
	Path   string   // with {chat_id} and {org_id}
	Body   []string // the properties of the body that the client may send
	Public bool     // documented in public; the others are known from other clients or guessed: ask the Contract before use
}

// All that the client knows of Invent's paths. If a route turns out to be different, change it here and nowhere else.
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

// Routes returns the routes that [Client.Check] looks for in the API's document: all that the client calls, except that document's own.
// Of PATCH /chats/{chat_id}/state only ai_enabled is documented; state is a guess.
func Routes() []Route {
	return []Route{routeChat, routeAssign, routeState, routeNewer, routeMemories, routeMembers, routeInbox, routeListen}
}

// ErrID says that an id cannot be one, so nothing was sent.
var ErrID = errors.New("not an id")

// fill replaces the path's parameter by the escaped id. Ids are opaque, and people paste them: whatever an id holds, it either stays one
// segment of this route, or is refused with ErrID.
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

// checkID refuses what no escaping makes safe: dot segments (also between slashes, for proxies that decode %2F), control characters,
// broken UTF-8, the empty id, and more than 200 bytes.
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
