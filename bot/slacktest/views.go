package slacktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// View is a modal, or a Home tab, as it was at one moment.
type View struct {
	ID              string
	Type            string // modal, home
	Title           string
	CallbackID      string
	PrivateMetadata string
	Hash            string
	Submit, Close   string // the labels of its buttons; "": there is none
	Blocks          json.RawMessage
	Errors          map[string]string // the errors in the answer to the last submission, by block_id

	w *Workspace
}

// Choice is an option that an external select offers.
type Choice struct {
	Text, Description, Value string

	raw map[string]any
}

type view struct {
	id, kind, user          string
	title, submit, close    string
	callbackID, externalID  string
	privateMetadata, hash   string
	root, previous          string
	clearOnClose, notifyEnd bool
	blocks                  json.RawMessage
	raw                     map[string]any
	errors                  map[string]string
}

func (w *Workspace) view(v *view) *View {
	return &View{
		ID: v.id, Type: v.kind, Title: v.title, CallbackID: v.callbackID, PrivateMetadata: v.privateMetadata,
		Hash: v.hash, Submit: v.submit, Close: v.close, Blocks: slices.Clone(v.blocks), Errors: maps.Clone(v.errors), w: w,
	}
}

// Buttons are all that can be clicked in the view, except its submit and close buttons.
func (v *View) Buttons() []*Button {
	if v == nil {
		return nil
	}
	out := buttonsIn(withIDs(v.Blocks, v.ID))
	for _, b := range out {
		b.viewID = v.ID
	}
	return out
}

// Button is the first one with this label; nil when there is none.
func (v *View) Button(label string) *Button { return labelled(v.Buttons(), label) }

// Shows is all that a person reads in the view, its title first.
func (v *View) Shows() string {
	if v == nil {
		return ""
	}
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	return strings.TrimSpace(v.Title + "\n" + strings.Join(v.w.lines(v.Blocks), "\n"))
}

func (w *Workspace) topModal(user string) *view {
	stack := w.modals[user]
	if len(stack) == 0 {
		return nil
	}
	return w.views[stack[len(stack)-1]]
}

// Modal is the topmost modal the person sees; nil when there is none.
func (p *Person) Modal() *View {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if v := p.w.topModal(p.ID); v != nil {
		return p.w.view(v)
	}
	return nil
}

// Home is what was last published for the person's Home tab; nil if nothing was.
func (p *Person) Home() *View {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if v := p.w.views[p.w.homes[p.ID]]; v != nil {
		return p.w.view(v)
	}
	return nil
}

// fill sets v to the view in a call, or refuses it.
func (w *Workspace) fill(v *view, raw string) *refusal {
	problems := checkView(json.RawMessage(raw))
	for _, p := range problems {
		w.complain("view: %s", p)
	}
	if code := firstCode(problems); code != "" {
		return &refusal{code: code, more: map[string]any{"response_metadata": map[string]any{"messages": hard(problems)}}}
	}
	var m map[string]any
	_ = json.Unmarshal([]byte(raw), &m)
	v.raw = m
	v.blocks = marshal(m["blocks"])
	v.kind, v.title, v.submit, v.close = str(m, "type"), textOf(m["title"]), textOf(m["submit"]), textOf(m["close"])
	v.callbackID, v.externalID, v.privateMetadata = str(m, "callback_id"), str(m, "external_id"), str(m, "private_metadata")
	v.clearOnClose, _ = m["clear_on_close"].(bool)
	v.notifyEnd, _ = m["notify_on_close"].(bool)
	v.hash = fmt.Sprintf("%d.%s", w.now().Unix(), random(8))
	v.errors = nil
	w.touch()
	return nil
}

// viewPayload is a view as the Web API's answers and the requests to the bot carry it. The mutex must be held.
func (w *Workspace) viewPayload(v *view, state map[string]any) map[string]any {
	if state == nil {
		state = map[string]any{}
	}
	m := map[string]any{
		"id": v.id, "team_id": w.teamID, "app_id": appID, "app_installed_team_id": w.teamID, "bot_id": botID, "type": v.kind,
		"callback_id": v.callbackID, "external_id": v.externalID, "private_metadata": v.privateMetadata, "hash": v.hash,
		"blocks": withIDs(v.blocks, v.id), "state": map[string]any{"values": state}, "clear_on_close": v.clearOnClose,
		"notify_on_close": v.notifyEnd, "root_view_id": v.root, "previous_view_id": nullable(v.previous),
	}
	for _, k := range []string{"title", "submit", "close"} {
		m[k] = v.raw[k]
	}
	return m
}

// spend uses a trigger_id, which is valid once, for 3 s: https://docs.slack.dev/surfaces/modals.
func (w *Workspace) spend(id string) (user string, no *refusal) {
	t := w.triggers[id]
	switch {
	case t == nil:
		return "", blame("invalid_trigger_id", "no such trigger_id: %q", id)
	case t.used:
		return "", blame("exchanged_trigger_id", "used a second time")
	case w.now().Sub(t.made) > 3*time.Second:
		return "", blame("expired_trigger_id", "used after %v", w.now().Sub(t.made))
	}
	t.used = true
	return t.user, nil
}

func (w *Workspace) viewsOpen(a args) (reply, *refusal) {
	user, no := w.spend(a["trigger_id"])
	if no != nil {
		return nil, no
	}
	return w.show(user, a, nil)
}

func (w *Workspace) viewsPush(a args) (reply, *refusal) {
	user, no := w.spend(a["trigger_id"])
	if no != nil {
		return nil, no
	}
	top := w.topModal(user)
	if top == nil {
		return nil, blame("invalid_trigger_id", "there is no modal to push onto")
	}
	if len(w.modals[user]) >= 3 {
		return nil, blame("push_limit_reached", "three modals at most")
	}
	return w.show(user, a, top)
}

// show opens a modal, alone (below is nil) or on top of another.
func (w *Workspace) show(user string, a args, below *view) (reply, *refusal) {
	v := &view{id: "V" + random(10), user: user}
	if no := w.fill(v, a["view"]); no != nil {
		return nil, no
	}
	if v.kind != "modal" {
		return nil, blame("invalid_arguments", "a %s view can't be opened", v.kind)
	}
	if v.externalID != "" && w.byExternalID(v.externalID) != nil {
		return nil, blame("duplicate_external_id", "external_id %q", v.externalID)
	}
	v.root = v.id
	if below != nil {
		v.root, v.previous = below.root, below.id
		w.modals[user] = append(w.modals[user], v.id)
	} else {
		w.dismiss(user)
		w.modals[user] = []string{v.id}
	}
	w.views[v.id] = v
	return reply{"view": w.viewPayload(v, nil)}, nil
}

func (w *Workspace) dismiss(user string) {
	for _, id := range w.modals[user] {
		delete(w.views, id)
		delete(w.choices, id)
	}
	delete(w.modals, user)
}

func (w *Workspace) byExternalID(id string) *view {
	for _, v := range w.views {
		if v.externalID == id {
			return v
		}
	}
	return nil
}

func (w *Workspace) viewsUpdate(a args) (reply, *refusal) {
	v := w.views[a["view_id"]]
	if a["view_id"] == "" && a["external_id"] != "" {
		v = w.byExternalID(a["external_id"])
	}
	switch {
	case v == nil:
		return nil, refuse("not_found") // no complaint: the person may have closed it
	case a["hash"] != "" && a["hash"] != v.hash:
		return nil, refuse("hash_conflict")
	}
	next := *v
	if no := w.fill(&next, a["view"]); no != nil {
		return nil, no
	}
	if next.kind != v.kind {
		return nil, blame("invalid_arguments", "a %s can't become a %s", v.kind, next.kind)
	}
	*v = next
	return reply{"view": w.viewPayload(v, nil)}, nil
}

func (w *Workspace) viewsPublish(a args) (reply, *refusal) {
	user := a["user_id"]
	if w.users[user] == nil {
		return nil, blame("invalid_arguments", "user_id %q", user)
	}
	v := w.views[w.homes[user]]
	if v != nil && a["hash"] != "" && a["hash"] != v.hash {
		return nil, refuse("hash_conflict")
	}
	next := view{id: "V" + random(10), user: user}
	if v != nil {
		next = *v
	}
	if no := w.fill(&next, a["view"]); no != nil {
		return nil, no
	}
	if next.kind != "home" {
		return nil, blame("invalid_arguments", "a %s view can't be published", next.kind)
	}
	next.root = next.id
	w.views[next.id], w.homes[user] = &next, next.id
	return reply{"view": w.viewPayload(&next, nil)}, nil
}

// OpensHome sends app_home_opened for the Home tab, with the view that was published, if any.
func (p *Person) OpensHome() *Ack {
	w := p.w
	w.helper()
	w.mu.Lock()
	inner := map[string]any{
		"type": "app_home_opened", "user": p.ID, "channel": w.openDM(p.ID).ID, "tab": "home", "event_ts": w.stamp(),
	}
	if v := w.views[w.homes[p.ID]]; v != nil {
		shown := w.viewPayload(v, nil)
		shown["state"] = map[string]any{"values": []any{}} // here Slack sends an empty list, everywhere else an object (slack-go#943)
		inner["view"] = shown
	}
	w.mu.Unlock()
	return w.Event(inner)
}

// Options types into an external select and returns what the bot offers: at most 100 options, https://docs.slack.dev/reference/block-kit.
// Submits can then name an option that was offered last, by its text or value.
func (p *Person) Options(v *View, actionID, query string) ([]Choice, *Ack) {
	w := p.w
	w.helper()
	if v == nil {
		w.fail("%s types into a select of no view", p.Name)
		return nil, &Ack{Err: "no_such_select", w: w}
	}
	w.mu.Lock()
	var block string
	for _, b := range withIDs(v.Blocks, v.ID) {
		b, _ := b.(map[string]any)
		for _, e := range elementsOf(b) {
			if str(e, "action_id") == actionID && strings.HasSuffix(str(e, "type"), "external_select") {
				block = str(b, "block_id")
			}
		}
	}
	open := w.views[v.ID]
	if block == "" || open == nil {
		w.mu.Unlock()
		w.fail("%s types into %q: there is no such external select", p.Name, actionID)
		return nil, &Ack{Err: "no_such_select", w: w}
	}
	payload := w.common("block_suggestion", p)
	delete(payload, "trigger_id")
	payload["action_id"], payload["block_id"], payload["value"] = actionID, block, query
	payload["container"] = map[string]any{"type": "view", "view_id": v.ID}
	payload["view"] = w.viewPayload(open, w.untouched(open))
	w.mu.Unlock()

	ack := w.sendPayload("/slack/options", payload)
	w.must(ack, fmt.Sprintf("%s typed %q into %s", p.Name, query, actionID))
	if ack.Err != "" {
		return nil, ack
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var body map[string]any
	if err := json.Unmarshal(ack.Body, &body); err != nil {
		w.complain("the answer to an external select is no JSON: %v", err)
		return nil, ack
	}
	c := &checker{kind: "modal"}
	c.options("options", body, "external_select", 100, false)
	w.grumble("the answer to an external select", c.problems)
	var out []Choice
	offered := map[string]*Choice{}
	for _, o := range optionsOf(body) {
		one := Choice{Text: textOf(o["text"]), Description: textOf(o["description"]), Value: str(o, "value"), raw: o}
		out = append(out, one)
		offered[one.Text] = &one
		offered[one.Value] = &one
	}
	w.choices[v.ID+"/"+actionID] = offered
	return out, ack
}

// Submits fills an open modal and submits it. values are by action_id (or block_id): a string for inputs, the text or the value
// of an option for selects and radio buttons, a []string of them for checkboxes and multi-selects, an id for people and
// channels. A field that isn't named keeps its initial value. A form whose required fields are empty is not sent, as in Slack: that fails.
// The answer is obeyed: errors (see View.Errors), update, push, clear; an empty one closes the modal.
func (p *Person) Submits(v *View, values map[string]any) *Ack {
	w := p.w
	w.helper()
	if v == nil {
		w.fail("%s submits a modal that is not there", p.Name)
		return &Ack{Err: "no_such_view", w: w}
	}
	w.mu.Lock()
	open := w.views[v.ID]
	if open == nil || open.kind != "modal" || open.user != p.ID {
		w.mu.Unlock()
		w.fail("%s submits a modal that is not open", p.Name)
		return &Ack{Err: "no_such_view", w: w}
	}
	state, err := w.state(open, values, true)
	if err != nil {
		w.mu.Unlock()
		w.fail("%s submits %q: %v", p.Name, v.Title, err)
		return &Ack{Err: "no_such_field", w: w}
	}
	payload := w.common("view_submission", p)
	if u := w.users[p.ID]; u != nil { // the person's team; the installing one is the view's app_installed_team_id: bolt-js#1614
		payload["team"] = map[string]any{"id": u.TeamID, "domain": domain}
	}
	payload["view"] = w.viewPayload(open, state)
	payload["response_urls"] = []any{}
	w.mu.Unlock()

	ack := w.sendPayload("/slack/interactions", payload)
	w.must(ack, fmt.Sprintf("%s submitted %q", p.Name, v.Title))
	if ack.Err == "" {
		w.mu.Lock()
		w.obey(p.ID, open, ack.Body)
		w.mu.Unlock()
	}
	return ack
}

// Closes closes the topmost modal. The bot is told if the view asked for that (notify_on_close); else the Ack is nil.
func (p *Person) Closes() *Ack {
	w := p.w
	w.helper()
	w.mu.Lock()
	v := w.topModal(p.ID)
	if v == nil {
		w.mu.Unlock()
		w.fail("%s closes a modal that is not there", p.Name)
		return nil
	}
	payload := w.common("view_closed", p)
	delete(payload, "trigger_id")
	payload["view"] = w.viewPayload(v, w.untouched(v))
	payload["is_cleared"] = v.clearOnClose
	tell := v.notifyEnd
	w.pop(p.ID, v)
	w.mu.Unlock()
	if !tell {
		return nil
	}
	ack := w.sendPayload("/slack/interactions", payload)
	w.must(ack, p.Name+" closed a modal")
	return ack
}

func (w *Workspace) pop(user string, v *view) {
	if v.clearOnClose {
		w.dismiss(user)
	} else {
		w.modals[user] = slices.DeleteFunc(w.modals[user], func(id string) bool { return id == v.id })
		delete(w.views, v.id)
	}
	w.touch()
}

// obey does what the answer to a submission says. The mutex must be held.
func (w *Workspace) obey(user string, v *view, body []byte) {
	if strings.TrimSpace(string(body)) == "" {
		w.pop(user, v)
		return
	}
	var answer struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   json.RawMessage   `json:"view"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		w.complain("the answer to a submission is neither empty nor JSON, the modal is stuck: %.100s", body)
		return
	}
	switch answer.Action {
	case "errors":
		inputs := map[string]bool{}
		for _, b := range withIDs(v.blocks, v.id) {
			if b, ok := b.(map[string]any); ok && str(b, "type") == "input" {
				inputs[str(b, "block_id")] = true
			}
		}
		for id, said := range answer.Errors {
			if !inputs[id] || said == "" {
				w.complain("the answer to a submission: an error at %q (%q), which is no input block with words", id, said)
			}
		}
		if len(answer.Errors) == 0 {
			w.complain("the answer to a submission: errors without any")
		}
		v.errors = answer.Errors
		w.touch()
	case "clear":
		w.dismiss(user)
		w.touch()
	case "update":
		next := *v
		if w.fill(&next, string(answer.View)) == nil {
			*v = next
		}
	case "push":
		if _, no := w.show(user, args{"view": string(answer.View)}, v); no != nil && no.complaint != "" {
			w.complain("the answer to a submission: %s: %s", no.code, no.complaint)
		}
	default:
		w.complain("the answer to a submission has no response_action, the modal is stuck: %.100s", body)
	}
}

// state is what a filled form sends. If complete, an empty required field is an error. The mutex must be held.
func (w *Workspace) state(v *view, values map[string]any, complete bool) (map[string]any, error) {
	out := map[string]any{}
	used := map[string]bool{}
	for _, b := range withIDs(v.blocks, v.id) {
		block, _ := b.(map[string]any)
		for _, e := range elementsOf(block) {
			kind, action, id := str(e, "type"), str(e, "action_id"), str(block, "block_id")
			key, known := stateKey[kind]
			if !known {
				continue
			}
			given, ok := values[action]
			if ok {
				used[action] = true
			} else if given, ok = values[id]; ok {
				used[id] = true
			}
			field := map[string]any{"type": kind}
			var value any
			switch {
			case !ok:
				value = initial(e, kind)
			case key == "selected_option":
				o, err := w.choose(v, e, fmt.Sprint(given))
				if err != nil {
					return nil, err
				}
				value = o
			case key == "selected_options":
				list, isList := given.([]string)
				if !isList {
					return nil, fmt.Errorf("%s wants a []string", action)
				}
				chosen := []any{}
				for _, s := range list {
					o, err := w.choose(v, e, s)
					if err != nil {
						return nil, err
					}
					chosen = append(chosen, o)
				}
				value = chosen
			default:
				value = given
				if given == "" {
					value = nil
				}
			}
			optional, _ := block["optional"].(bool)
			if list, isList := value.([]any); complete && str(block, "type") == "input" && !optional && (value == nil || isList && len(list) == 0) {
				return nil, fmt.Errorf("%s is required", action)
			}
			field[key] = value
			if out[id] == nil {
				out[id] = map[string]any{}
			}
			out[id].(map[string]any)[action] = field
		}
	}
	for k := range values {
		if !used[k] {
			return nil, fmt.Errorf("there is no field %q", k)
		}
	}
	return out, nil
}

// untouched is the state of a form that nobody has typed into.
func (w *Workspace) untouched(v *view) map[string]any {
	state, _ := w.state(v, nil, false) // it can't fail: only values can be wrong
	return state
}

// choose finds the option of a select that has this text or value.
func (w *Workspace) choose(v *view, e map[string]any, s string) (map[string]any, error) {
	for _, o := range optionsOf(e) {
		if textOf(o["text"]) == s || str(o, "value") == s {
			return o, nil
		}
	}
	if c := w.choices[v.id+"/"+str(e, "action_id")][s]; c != nil {
		return c.raw, nil
	}
	if o, ok := e["initial_option"].(map[string]any); ok && (textOf(o["text"]) == s || str(o, "value") == s) {
		return o, nil
	}
	return nil, fmt.Errorf("%s does not offer %q", str(e, "action_id"), s)
}

// stateKey is the name of each stateful element's value in state.values.
var stateKey = map[string]string{
	"plain_text_input": "value", "email_text_input": "value", "url_text_input": "value", "number_input": "value",
	"static_select": "selected_option", "external_select": "selected_option", "radio_buttons": "selected_option",
	"checkboxes": "selected_options", "multi_static_select": "selected_options", "multi_external_select": "selected_options",
	"users_select": "selected_user", "multi_users_select": "selected_users",
	"channels_select": "selected_channel", "multi_channels_select": "selected_channels",
	"conversations_select": "selected_conversation", "multi_conversations_select": "selected_conversations",
	"datepicker": "selected_date", "timepicker": "selected_time", "datetimepicker": "selected_date_time",
}

func initial(e map[string]any, kind string) any {
	for _, k := range []string{
		"initial_value", "initial_option", "initial_options", "initial_user", "initial_users", "initial_channel", "initial_channels",
		"initial_conversation", "initial_conversations", "initial_date", "initial_time", "initial_date_time",
	} {
		if v, ok := e[k]; ok {
			return v
		}
	}
	if k := stateKey[kind]; strings.HasSuffix(k, "s") {
		return []any{}
	}
	return nil
}
