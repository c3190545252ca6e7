package slacktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// helper marks the caller as a helper of the test, if there is a test.
func (w *Workspace) helper() {
	if w.tb != nil {
		w.tb.Helper()
	}
}

// fail ends the test; without one it records a complaint. The mutex must not be held.
func (w *Workspace) fail(format string, args ...any) {
	if w.tb != nil {
		w.tb.Helper()
		w.tb.Fatalf(format, args...)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complain(format, args...)
}

// await calls look, and again after each change, until it finds something; after w.patience it fails with what wanted says. Both
// functions are called with the mutex held.
func await[T any](w *Workspace, look func() *T, wanted func() string) *T {
	w.helper()
	timer := time.NewTimer(w.patience)
	defer timer.Stop()
	for late := false; ; {
		w.mu.Lock()
		found, changed := look(), w.changed
		if found != nil {
			w.mu.Unlock()
			return found
		}
		if late {
			said := wanted()
			w.mu.Unlock()
			w.fail("%s", said)
			return nil
		}
		w.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			late = true
		case <-w.done:
			late = true
		}
	}
}

// holds reports whether people read all of these words in a drawing: as it looks (@grace), or as it was sent (<@U1>).
func (w *Workspace) holds(r revision, contains []string) bool {
	looks, sent := w.shows(r.text, r.blocks), raw(r.text, r.blocks)
	for _, c := range contains {
		if !strings.Contains(looks, c) && !strings.Contains(sent, c) {
			return false
		}
	}
	return true
}

// match returns the first drawing, from the given one on, that holds all words, and marks it as expected, and with it all drawings before
// it; nil if there is none.
func (w *Workspace) match(q *post, from int, contains []string) *Message {
	for i := from; i < len(q.revs); i++ {
		if w.holds(q.revs[i], contains) {
			q.seen = i + 1
			return w.message(q, i)
		}
	}
	return nil
}

// wants returns a function that makes the message of a failed expectation: what was wanted, and what there was instead.
func (w *Workspace) wants(what, channel string, contains []string) func() string {
	return func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s%s with %q did not come within %v.", what, w.where(" in ", channel), contains, w.patience)
		n := 0
		for _, id := range w.chanOrder {
			for _, q := range w.posts[id] {
				if state := q.pending(); state != "" || id == channel && q.author == botUserID {
					if state == "" {
						state = "expected already"
					}
					if n++; n == 1 {
						b.WriteString(" What there was:")
					}
					if n <= 20 {
						fmt.Fprintf(&b, "\n- %s: %s", state, w.describe(q))
					}
				}
			}
		}
		switch {
		case n == 0:
			b.WriteString(" There was no message at all.")
		case n > 20:
			fmt.Fprintf(&b, "\n- and %d more", n-20)
		}
		for _, c := range w.complaints {
			b.WriteString("\ncomplaint: " + c)
		}
		return b.String()
	}
}

// where is a channel's name behind word; "" for no channel.
func (w *Workspace) where(word, channel string) string {
	switch c := w.channels[channel]; {
	case c == nil:
		return ""
	case c.im == "":
		return word + "#" + c.Name
	case w.users[c.im] == nil:
		return word + c.ID
	default:
		return word + "the DM with " + w.users[c.im].Name
	}
}

func (w *Workspace) describe(q *post) string {
	r := q.last()
	only := ""
	if u := w.users[q.ephemeral]; u != nil {
		only = ", only for " + u.Name
	}
	gone := ""
	if q.deleted {
		gone = ", deleted since"
	}
	return fmt.Sprintf("%s%s, by %s, drawn %d times%s: %q", w.where("", q.channel), only, q.via, len(q.revs), gone, w.shows(r.text, r.blocks))
}

// pending says in which way the post has not been expected yet; "" if there is nothing left to expect.
func (q *post) pending() string {
	switch {
	case q.seen == 0:
		return "not expected"
	case !q.deleted && !q.last().equal(q.revs[q.seen-1]):
		return "redrawn, which was not expected"
	}
	for link, raw := range q.unfurls {
		if q.unfurlsSeen[link] != string(raw) {
			return "unfolded, which was not expected"
		}
	}
	return ""
}

// ExpectMessage waits for a message in this channel that all can see, that nobody has expected yet, and that shows all of these words. It
// returns the first, in its first drawing with those words, even if it was redrawn since. If there are blocks, the top-level text is ignored.
func (c *Channel) ExpectMessage(contains ...string) *Message {
	w := c.w
	w.helper()
	return await(w, func() *Message {
		for _, q := range w.posts[c.ID] {
			if q.seen == 0 && q.ephemeral == "" {
				if m := w.match(q, 0, contains); m != nil {
					return m
				}
			}
		}
		return nil
	}, w.wants("A message", c.ID, contains))
}

// ExpectUpdate waits for a drawing of the message, later than the last that was expected, that shows all of these words. Drawings in
// between count as expected too.
func (c *Channel) ExpectUpdate(m *Message, contains ...string) *Message {
	w, what := c.w, "A new drawing of the message"
	w.helper()
	if m == nil {
		w.fail("%s is expected, but there is no message", what)
		return nil
	}
	return await(w, func() *Message {
		if q := w.byTS[m.Channel][m.TS]; q != nil && !q.deleted {
			return w.match(q, max(1, q.seen), contains)
		}
		return nil
	}, w.wants(what, m.Channel, contains))
}

// ExpectPrivate waits for a message in this channel that only this person sees and that shows all of these words: a new message, or
// a new drawing of one.
func (p *Person) ExpectPrivate(ch *Channel, contains ...string) *Message {
	w := p.w
	w.helper()
	return await(w, func() *Message {
		for _, q := range w.posts[ch.ID] {
			if q.ephemeral == p.ID && !(q.deleted && q.seen > 0) {
				if m := w.match(q, q.seen, contains); m != nil {
					return m
				}
			}
		}
		return nil
	}, w.wants("A message that only "+p.Name+" sees", ch.ID, contains))
}

// ExpectPrivateGone waits until the message is deleted.
func (p *Person) ExpectPrivateGone(m *Message) {
	w := p.w
	w.helper()
	if m == nil {
		w.fail("A message is expected to go, but there is none")
		return
	}
	await(w, func() *Message {
		if q := w.byTS[m.Channel][m.TS]; q != nil && q.deleted {
			return w.message(q, -1)
		}
		return nil
	}, w.wants("The end of the message for "+p.Name, m.Channel, nil))
}

// ExpectDM waits for the bot's next direct message to the person that shows all of these words.
func (p *Person) ExpectDM(contains ...string) *Message {
	p.w.helper()
	return p.DM().ExpectMessage(contains...)
}

// ExpectUnfurl waits until a link in the message has unfolded to a card that shows all of these words, and returns the message.
func (c *Channel) ExpectUnfurl(m *Message, link string, contains ...string) *Message {
	w := c.w
	w.helper()
	if m == nil {
		w.fail("A link is expected to unfold in a message that is not there")
		return nil
	}
	return await(w, func() *Message {
		q := w.byTS[m.Channel][m.TS]
		if q == nil || q.unfurls[link] == nil || !w.holds(revision{blocks: unfurlBlocks(q.unfurls[link])}, contains) {
			return nil
		}
		if q.unfurlsSeen == nil {
			q.unfurlsSeen = map[string]string{}
		}
		q.unfurlsSeen[link] = string(q.unfurls[link])
		return w.message(q, -1)
	}, w.wants("The card of "+link, m.Channel, contains))
}

// ExpectModal waits until the person's topmost modal shows all of these words.
func (p *Person) ExpectModal(contains ...string) *View {
	w := p.w
	w.helper()
	return await(w, func() *View { return w.showing(w.topModal(p.ID), contains) }, w.wantsView("A modal for "+p.Name, p, contains))
}

// ExpectHome waits until the person's Home tab shows all of these words.
func (p *Person) ExpectHome(contains ...string) *View {
	w := p.w
	w.helper()
	return await(w, func() *View { return w.showing(w.views[w.homes[p.ID]], contains) }, w.wantsView("The Home tab of "+p.Name, p, contains))
}

func (w *Workspace) showing(v *view, contains []string) *View {
	if v == nil {
		return nil
	}
	looks := v.title + "\n" + strings.Join(w.lines(v.blocks), "\n")
	for _, c := range contains {
		if !strings.Contains(looks, c) {
			return nil
		}
	}
	return w.view(v)
}

func (w *Workspace) wantsView(what string, p *Person, contains []string) func() string {
	said := w.wants(what, "", contains)
	return func() string {
		s := said()
		for _, v := range []*view{w.topModal(p.ID), w.views[w.homes[p.ID]]} {
			if v != nil {
				s += fmt.Sprintf("\n%s %q: %q", v.kind, v.title, strings.Join(w.lines(v.blocks), "\n"))
			}
		}
		return s
	}
}

// Leftovers are the messages that nobody expected, and those whose last drawing or unfurl nobody expected and that differs from the last
// expected one. Views never count, nor does the deletion of an expected message.
func (w *Workspace) Leftovers() []*Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*Message
	for _, q := range w.leftovers() {
		out = append(out, w.message(q, -1))
	}
	return out
}

func (w *Workspace) leftovers() []*post {
	var out []*post
	if w.ignoring {
		return nil
	}
	for _, id := range w.chanOrder {
		for _, q := range w.posts[id] {
			if q.pending() != "" && !w.tolerates(q) {
				out = append(out, q)
			}
		}
	}
	return out
}

func (w *Workspace) tolerates(q *post) bool {
	r := q.last()
	return q.seen == 0 && slices.ContainsFunc(w.tolerated, func(words string) bool { return strings.Contains(w.shows(r.text, r.blocks), words) })
}

// ExpectNothing returns an error that lists the leftovers; nil if there are none. It doesn't wait: let the bot finish first.
func (w *Workspace) ExpectNothing() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var said []error
	for _, q := range w.leftovers() {
		said = append(said, fmt.Errorf("left over (%s): %s", q.pending(), w.describe(q)))
	}
	return errors.Join(said...)
}

// IgnoreLeftovers makes leftovers not count: for tests of load, and of crashes.
func (w *Workspace) IgnoreLeftovers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ignoring = true
}
