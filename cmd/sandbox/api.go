package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

//go:embed page
var files embed.FS

// dm is how the page calls a person's direct message with the bot; no channel of a world has this name.
const dm = "invent"

// home is how the page calls a person's Home tab with the bot.
const home = "home"

// handler serves the page and its API. Other websites that are open in the same browser can neither read from it (because
// of the checked Host) nor act through it (Origin, content type).
func (w *world) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.HandleFunc("GET /api/stream", w.stream)
	mux.Handle("POST /api/type", post(w.types))
	mux.Handle("POST /api/click", post(w.click))
	mux.Handle("POST /api/submit", post(w.submit))
	mux.Handle("POST /api/home", post(w.openHome))
	mux.Handle("POST /api/shortcut", post(w.shortcut))
	mux.Handle("POST /api/close", post(w.close))
	mux.Handle("POST /api/options", post(w.options))
	mux.Handle("POST /api/chat", post(w.setChat))
	mux.Handle("POST /api/member", post(w.setMember))
	mux.Handle("POST /api/away", post(w.setAway))
	own := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !thisMachine(strings.Trim(host, "[]")) {
			http.Error(rw, "this page is only served under an address of this machine", http.StatusMisdirectedRequest)
			return
		}
		h := rw.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		own.ServeHTTP(rw, r)
	})
}

// answer is what became of something the person did. Said is shown only to that person, as if Slack itself said it.
type answer struct {
	Said    string             `json:"said,omitempty"`
	Choices []slacktest.Choice `json:"choices,omitempty"` // of an external select
}

func said(format string, args ...any) answer { return answer{Said: fmt.Sprintf(format, args...)} }

// post makes a handler that decodes a JSON body, calls do, and answers its result as JSON.
func post[T any](do func(T) answer) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			http.Error(rw, "the content type must be application/json", http.StatusUnsupportedMediaType)
			return
		}
		var asked T
		d := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 64<<10))
		d.DisallowUnknownFields()
		if err := d.Decode(&asked); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(do(asked)) // it fails if whoever asked has gone: there is nobody left to tell
	})
}

// stream sends, as server-sent events, what the person sees in the channel and what Invent holds: at once, and again
// whenever it changes.
func (w *world) stream(rw http.ResponseWriter, r *http.Request) {
	p := w.person(r.FormValue("as"))
	if p == nil {
		http.Error(rw, "nobody has that name", http.StatusNotFound)
		return
	}
	ctx := r.Context()
	slackChanged, inventChanged := w.slack.Watch(ctx), w.invent.Watch(ctx)
	rw.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(rw)
	var last []byte
	for {
		now, err := json.Marshal(w.look(p, r.FormValue("channel")))
		if err != nil {
			return // can't be: blocks that aren't JSON were refused
		}
		if !bytes.Equal(now, last) {
			last = now
			if _, err := fmt.Fprintf(rw, "data: %s\n\n", now); err != nil || flush.Flush() != nil {
				return
			}
		}
		select {
		case _, open := <-slackChanged:
			if !open {
				return
			}
		case <-inventChanged:
		case <-ctx.Done():
			return
		}
	}
}

// The state of the page, as JSON.
type (
	state struct {
		People     []person          `json:"people"`
		Names      map[string]string `json:"names"` // of people and channels, by id
		Channels   []channel         `json:"channels"`
		Messages   []message         `json:"messages"`
		Modal      *slacktest.View   `json:"modal"`
		Home       *slacktest.View   `json:"home"`
		Chats      []inventtest.Chat `json:"chats"`
		Members    []invent.Member   `json:"members"`
		Complaints []string          `json:"complaints"` // about the bot, by either pretended side
		Away       bool              `json:"away"`       // Invent answers every call with 503
	}
	person struct {
		Name  string `json:"name"`
		Real  string `json:"real"`
		About string `json:"about"`
	}
	channel struct {
		Name  string `json:"name"`
		About string `json:"about"`
		Last  string `json:"last"` // ts of the newest message
	}
	message struct {
		TS      string          `json:"ts"`
		User    string          `json:"user"`
		Bot     bool            `json:"bot"`
		Text    string          `json:"text"`
		Blocks  json.RawMessage `json:"blocks,omitempty"`
		Private bool            `json:"private"`
		Thread  string          `json:"thread,omitempty"` // for a message in a thread: where people see it, in words
		Unfurls []unfurl        `json:"unfurls,omitempty"`
	}
	unfurl struct { // the card that a link in the message unfolded to
		Link   string          `json:"link"`
		Blocks json.RawMessage `json:"blocks"`
	}
)

// kept is how many messages of a channel the page shows.
const kept = 200

func (w *world) look(p *slacktest.Person, in string) state {
	s := state{
		Names: map[string]string{}, Chats: w.invent.Chats(), Members: w.invent.Members(), Modal: p.Modal(), Home: p.Home(),
		Messages: []message{}, Complaints: append(append([]string{}, w.slack.Complaints()...), w.invent.Complaints()...),
	}
	w.mu.Lock()
	s.Away = w.back != nil
	w.mu.Unlock()
	for _, u := range w.slack.Users() {
		first, _, _ := strings.Cut(u.RealName, " ")
		s.Names[u.ID] = first
		if !u.Bot {
			s.People = append(s.People, person{u.Name, u.RealName, w.about[u.ID]})
		}
	}
	for _, c := range w.slack.Channels() {
		s.Names[c.ID] = c.Name
		if !w.in(p, &c) {
			continue
		}
		one := channel{Name: c.Name, About: w.about[c.ID]}
		if c.IsDM() {
			one = channel{Name: dm, About: "Between you and the bot"}
		}
		all := w.slack.Messages(c.ID, p.ID)
		if len(all) > 0 {
			one.Last = all[len(all)-1].TS
		}
		s.Channels = append(s.Channels, one)
		if one.Name != in {
			continue
		}
		for _, m := range all[max(0, len(all)-kept):] {
			one := message{m.TS, m.User, m.User == w.slack.BotUserID(), m.Text, m.Blocks, m.Ephemeral != "", threadOf(m), nil}
			for _, link := range slices.Sorted(maps.Keys(m.Unfurls)) {
				var card struct {
					Blocks json.RawMessage `json:"blocks"`
				}
				if json.Unmarshal(m.Unfurls[link], &card) == nil {
					one.Unfurls = append(one.Unfurls, unfurl{link, card.Blocks})
				}
			}
			s.Messages = append(s.Messages, one)
		}
	}
	s.Channels = append(s.Channels, channel{Name: home, About: "The app's own page, for you alone"})
	return s
}

// threadOf says where people see a message that is in a thread, because the page shows all messages in one list; "" for others.
func threadOf(m slacktest.Message) string {
	switch {
	case m.ThreadTS == "":
		return ""
	case m.Broadcast:
		return "In a thread, and in the channel"
	}
	return "In a thread"
}

// in reports whether the person sees the channel. Members is never nil here, which would mean everybody.
func (w *world) in(p *slacktest.Person, c *slacktest.Channel) bool {
	return slices.Contains(c.Members, p.ID)
}

// person is nil when nobody has the name.
func (w *world) person(name string) *slacktest.Person {
	for _, u := range w.slack.Users() {
		if u.Name == name && !u.Bot {
			return w.slack.Person(u.ID)
		}
	}
	return nil
}

// place is where somebody does something.
type place struct {
	As      string `json:"as"`
	Channel string `json:"channel"`
}

// find returns the person and the channel of a place: nil for a person that doesn't exist, or a channel that the person doesn't see.
func (w *world) find(at place) (*slacktest.Person, *slacktest.Channel) {
	p := w.person(at.As)
	if p == nil {
		return nil, nil
	}
	for _, c := range w.slack.Channels() {
		if w.in(p, &c) && (c.Name == at.Channel && !c.IsDM() || c.IsDM() && at.Channel == dm) {
			return p, &c
		}
	}
	return p, nil
}

var gone = answer{Said: "That isn't there any more. Nothing was sent."}

func (w *world) types(a struct {
	place
	Text string `json:"text"`
}) answer {
	p, c := w.find(a.place)
	line := strings.TrimSpace(a.Text)
	word, _, _ := strings.Cut(line, " ")
	switch {
	case p == nil || c == nil:
		return gone
	case c.IsDM(): // as the manifest says: nobody can write to the bot in its direct messages
		return said("Sending messages to this app has been turned off, commands too. Type it in a channel.")
	case !strings.HasPrefix(line, "/"):
		p.Says(c, line)
		return answer{}
	case word != "/invent":
		return said("%s is not a valid command. The sandbox knows /invent: try /invent help", word)
	}
	if ack := p.Types(c, line); ack.Err != "" {
		return said("%s failed with the error “%s”", word, ack.Err)
	}
	return answer{}
}

// clicked names a button, or an option, that the person sees now: in the message TS, in the Home tab if TS is "home", or in the modal if
// TS is empty.
type clicked struct {
	place
	TS     string `json:"ts"`
	Action string `json:"action"`
	Label  string `json:"label"`
	Value  string `json:"value"`
}

func (w *world) click(a clicked) answer {
	p, c := w.find(a.place)
	var buttons []*slacktest.Button
	switch {
	case p == nil:
		return gone
	case a.TS == "":
		buttons = p.Modal().Buttons()
	case a.TS == home:
		buttons = p.Home().Buttons()
	case c == nil:
		return gone
	default:
		for _, m := range w.slack.Messages(c.ID, p.ID) {
			if m.TS != a.TS {
				continue
			}
			buttons = m.Buttons()
			for link := range m.Unfurls {
				buttons = append(buttons, m.Unfurled(link)...)
			}
		}
	}
	for _, b := range buttons {
		if b.Label == a.Label && b.Value == a.Value && (b.ActionID == a.Action || a.Action == "") {
			return acknowledged(p.Clicks(b))
		}
	}
	return said("This was redrawn just before you clicked. Nothing was sent: look again.")
}

// openHome opens the app's Home tab.
func (w *world) openHome(a place) answer {
	p := w.person(a.As)
	if p == nil {
		return gone
	}
	return acknowledged(p.OpensHome())
}

// shortcut runs the message shortcut on the message TS, or the global shortcut if TS is empty.
func (w *world) shortcut(a struct {
	place
	TS string `json:"ts"`
}) answer {
	p, c := w.find(a.place)
	switch {
	case p == nil:
		return gone
	case a.TS == "":
		return acknowledged(p.Shortcut(slackui.TakeShortcut))
	case c == nil:
		return gone
	}
	for _, m := range w.slack.Messages(c.ID, p.ID) {
		if m.TS == a.TS && m.Ephemeral == "" {
			return acknowledged(p.MessageShortcut(slackui.WorkShortcut, &m))
		}
	}
	return gone
}

// acknowledged is what Slack shows after an interaction: nothing, or a warning.
func acknowledged(ack *slacktest.Ack) answer {
	switch {
	case ack == nil || ack.Err == "":
		return answer{}
	case ack.Err == "operation_timeout":
		return said("The app didn't answer within three seconds (%s).", ack.Err)
	}
	return said("The app couldn't take this (%s).", ack.Err)
}

// modal returns the person and their topmost modal, if that has this id; else the modal is nil.
func (w *world) modal(as, id string) (*slacktest.Person, *slacktest.View) {
	p := w.person(as)
	if p == nil {
		return nil, nil
	}
	if v := p.Modal(); v != nil && v.ID == id {
		return p, v
	}
	return p, nil
}

func (w *world) submit(a struct {
	As     string         `json:"as"`
	Modal  string         `json:"modal"`
	Values map[string]any `json:"values"` // by action_id: a string, or a list of them
}) answer {
	p, v := w.modal(a.As, a.Modal)
	if v == nil {
		return gone
	}
	for k, value := range a.Values {
		if list, ok := value.([]any); ok {
			words := []string{}
			for _, one := range list {
				words = append(words, fmt.Sprint(one))
			}
			a.Values[k] = words
		}
	}
	return acknowledged(p.Submits(v, a.Values))
}

func (w *world) close(a struct {
	As    string `json:"as"`
	Modal string `json:"modal"`
}) answer {
	p, v := w.modal(a.As, a.Modal)
	if v == nil {
		return gone
	}
	return acknowledged(p.Closes())
}

func (w *world) options(a struct {
	As     string `json:"as"`
	Modal  string `json:"modal"`
	Action string `json:"action"`
	Query  string `json:"query"`
}) answer {
	p, v := w.modal(a.As, a.Modal)
	if v == nil {
		return gone
	}
	choices, ack := p.Options(v, a.Action, a.Query)
	told := acknowledged(ack)
	told.Choices = choices
	return told
}

// setChat changes a conversation as somebody in the dashboard would. What is nil stays as it is.
func (w *world) setChat(a struct {
	Chat     string        `json:"chat"`
	Assignee *string       `json:"assignee"`
	AI       *bool         `json:"ai"`
	State    *invent.State `json:"state"`
	Asks     bool          `json:"asks"` // the customer writes, and asks for a human
}) answer {
	member := func(m invent.Member) bool { return m.ID == *a.Assignee }
	switch _, ok := w.invent.Chat(a.Chat); {
	case !ok,
		a.Assignee != nil && *a.Assignee != "" && !slices.ContainsFunc(w.invent.Members(), member),
		a.State != nil && !slices.Contains([]invent.State{invent.Open, invent.Snoozed, invent.Closed}, *a.State):
		return gone
	}
	w.invent.SetChat(a.Chat, func(c *inventtest.Chat) {
		if a.Assignee != nil {
			c.AssigneeID = *a.Assignee
		}
		if a.AI != nil {
			c.AIEnabled = *a.AI
		}
		if a.State != nil {
			c.State = *a.State
		}
		if a.Asks {
			c.AIEnabled, c.AssigneeID, c.State = false, "", invent.Open
			c.Unseen, c.LastContactMessageAt = c.Unseen+1, time.Now()
		}
	})
	return answer{}
}

// setMember makes a member active or inactive.
func (w *world) setMember(a struct {
	Member string `json:"member"`
	Active bool   `json:"active"`
}) answer {
	if !slices.ContainsFunc(w.invent.Members(), func(m invent.Member) bool { return m.ID == a.Member }) {
		return gone
	}
	w.invent.SetMember(a.Member, func(m *invent.Member) {
		m.Status = "INACTIVE"
		if a.Active {
			m.Status = "ACTIVE"
		}
	})
	return answer{}
}

// setAway makes Invent fail each call, or answer again.
func (w *world) setAway(a struct {
	Away bool `json:"away"`
}) answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.back != nil {
		w.back()
		w.back = nil
	}
	if a.Away {
		w.back = w.invent.Fault(inventtest.Fault{Status: http.StatusServiceUnavailable})
	}
	return answer{}
}
