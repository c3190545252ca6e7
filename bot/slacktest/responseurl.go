package slacktest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// hook is one response_url.
type hook struct {
	channel, user string
	from          *post // the clicked message; nil for commands and shortcuts
	made          time.Time
	uses          int
}

const (
	responseURL = "response_url" // the name of such calls in Call and Fault

	hookUses = 5
	hookLife = 30 * time.Minute
)

// newHook makes a response_url, good for 5 uses within 30 minutes: https://docs.slack.dev/interactivity/handling-user-interaction.
// The mutex must be held.
func (w *Workspace) newHook(h *hook) string {
	id := random(24)
	h.made = w.now()
	w.hooks[id] = h
	return w.server.URL + "/response/" + id
}

func (w *Workspace) serveResponseURL(rw http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/response/")
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxCall))
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var fields map[string]json.RawMessage
	isObject := err == nil && json.Unmarshal(raw, &fields) == nil
	a := flatten(fields)

	// No grace: a response_url is used by one call after the other, so none is on its way when another is told to wait.
	body, status := w.serve(rw, r, responseURL, a, responseURL+" "+id, 0, func() (reply, int, int) {
		var status int
		var code, complaint string
		switch {
		case r.Method != http.MethodPost:
			status, code, complaint = http.StatusMethodNotAllowed, "invalid_method", r.Method
		case kind != "application/json":
			status, code, complaint = http.StatusBadRequest, "invalid_payload", "content type "+strconv.Quote(kind)
		case !isObject:
			status, code, complaint = http.StatusBadRequest, "invalid_payload", "no JSON object"
		default:
			status, code, complaint = w.respond(w.hooks[id], a)
		}
		if complaint != "" {
			w.complain("%s: %s: %s", responseURL, code, complaint)
		}
		return reply{"ok": false, "error": code}, status, 0
	})
	if status == http.StatusOK {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(rw, "ok")
		return
	}
	answerJSON(rw, status, body)
}

// respond carries out what was posted to a response_url. The mutex must be held.
func (w *Workspace) respond(h *hook, a args) (status int, code, complaint string) {
	switch {
	case h == nil:
		return http.StatusNotFound, "invalid_url", "no such response_url"
	case w.now().Sub(h.made) > hookLife:
		return http.StatusNotFound, "expired_url", "used " + w.now().Sub(h.made).Round(time.Second).String() + " after it was given"
	case h.uses >= hookUses:
		return http.StatusNotFound, "used_url", "used for the sixth time"
	}
	public := a["response_type"] == "in_channel"
	if t := a["response_type"]; t != "" && t != "in_channel" && t != "ephemeral" {
		return http.StatusBadRequest, "invalid_payload", "response_type " + t
	}
	if a.yes("delete_original") {
		if h.from == nil {
			return http.StatusNotFound, "message_not_found", "delete_original, but no click on a message came before"
		}
		h.uses++
		h.from.deleted = true
		w.touch()
		return http.StatusOK, "", ""
	}
	problems := checkContent(a["text"], json.RawMessage(a["blocks"]), json.RawMessage(a["attachments"]), postLimit)
	w.grumble("response_url", problems)
	if code := firstCode(problems); code != "" {
		return http.StatusBadRequest, code, ""
	}
	r := revision{text: a["text"], blocks: normal(json.RawMessage(a["blocks"]))}
	if a.yes("replace_original") {
		switch {
		case h.from == nil:
			// Slack posts a new message (bolt-js#2287), which is hardly what was meant.
			w.complain("response_url: replace_original, but no click on a message came before")
		case h.from.deleted:
			return http.StatusNotFound, "message_not_found", ""
		default:
			if public && h.from.ephemeral != "" {
				w.complain("response_url: an ephemeral can't be replaced by a message for all")
			}
			h.uses++
			w.redraw(h.from, r)
			return http.StatusOK, "", ""
		}
	}
	h.uses++
	q := &post{channel: h.channel, author: botUserID, via: "response_url", ephemeral: h.user, revs: []revision{r}}
	if public {
		q.ephemeral = ""
	}
	if ts := a["thread_ts"]; ts != "" && w.byTS[h.channel][ts] != nil {
		q.thread = ts
	}
	w.add(q)
	return http.StatusOK, "", ""
}
