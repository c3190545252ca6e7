package bot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// hook is what a response_url takes (docs.slack.dev, "Handling user interaction": five times within 30 minutes).
type hook struct {
	ResponseType    string `json:"response_type,omitempty"` // "" is ephemeral to Slack
	ReplaceOriginal bool   `json:"replace_original"`
	DeleteOriginal  bool   `json:"delete_original,omitempty"`
	ThreadTS        string `json:"thread_ts,omitempty"` // in whose thread; "" for the channel itself
	slackui.Message
}

// responses posts to response_urls, and to nowhere else.
type responses struct {
	client *http.Client
	host   string // of an overridden Slack API, allowed too; "" for none
}

func newResponses(host string) *responses {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxResponseHeaderBytes = 128, headersMost
	return &responses{client: &http.Client{Transport: timeResponses(transport), CheckRedirect: noRedirect}, host: host}
}

// allowed says whether an address is one of Slack's: a request that names another must not make the bot
// call it.
func (r *responses) allowed(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil {
		return false
	}
	if r.host != "" && u.Host == r.host && (u.Scheme == "https" || u.Scheme == "http") {
		return true
	}
	host := strings.ToLower(strings.TrimSuffix(u.Host, ":443"))
	return u.Scheme == "https" && (host == "slack.com" || host == "slack-gov.com" || strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com"))
}

// send posts to a response_url. The error never holds the address: who knows it can post.
func (r *responses) send(ctx context.Context, to string, h hook) error {
	if to == "" || !r.allowed(to) {
		return &slackError{doing: "answering a request", code: "no_response_url"}
	}
	if h.ResponseType == "" && !h.ReplaceOriginal && !h.DeleteOriginal {
		h.ResponseType = "ephemeral" // as it is without; said all the same
	}
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	// The client's own timeout would cost a goroutine for each call.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return &slackError{doing: "answering a request", code: "no_response_url"}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return &slackError{doing: "answering a request", retry: true}
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode != http.StatusOK {
		return &slackError{
			doing: "answering a request", code: resp.Status,
			retry: resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, after: retryAfter(resp.Header),
		}
	}
	return nil
}

// say tells the person something privately: by the request's response_url, or where that is spent or dead without it.
func (b *Bot) say(ctx context.Context, i slackui.Intent, m slackui.Message) error {
	return b.sayIn(ctx, i, false, m)
}

// reply is say in the place of the private message that was clicked, but for a list: who looks at one of many goes on with it.
func (b *Bot) reply(ctx context.Context, i slackui.Intent, m slackui.Message) error {
	return b.sayIn(ctx, i, i.Private && i.List == "", m)
}

// sayIn is say, in the place of what was clicked or beside it.
func (b *Bot) sayIn(ctx context.Context, i slackui.Intent, place bool, m slackui.Message) error {
	h := hook{ReplaceOriginal: place, Message: m}
	if !place {
		h.ThreadTS = i.Thread
	}
	err := b.hooks.send(ctx, i.ResponseURL, h)
	if err == nil {
		return nil
	}
	t, teamErr := b.teams(ctx, i.Team, i.Enterprise)
	if teamErr != nil {
		return err
	}
	if past := b.sayPast(ctx, t, i, m); past == nil || !temporary(err) {
		return past
	}
	return err
}

// sayPast tells somebody something without a response_url: in the channel, or in a direct message where the bot is no member of it.
func (b *Bot) sayPast(ctx context.Context, t *Team, i slackui.Intent, m slackui.Message) error {
	if i.Channel != "" {
		_, err := t.Slack.PostEphemeralContext(ctx, i.Channel, i.User, under(i.Thread, m)...)
		if err = wrapSlack("telling somebody privately", err); err == nil || temporary(err) {
			return err
		}
	}
	return b.dm(ctx, t, i.User, m)
}

// whisper is say for words that nobody waits for: whether they arrive changes nothing about the outcome.
func (b *Bot) whisper(ctx context.Context, i slackui.Intent, m slackui.Message) {
	if err := b.say(ctx, i, m); err != nil {
		b.log.Warn("somebody could not be told", "error", err, "ref", ref(i.Key))
	}
}

// under is options for a message in a thread, or with "" in the channel itself.
func under(thread string, m slackui.Message) []slack.MsgOption {
	if thread == "" {
		return options(m)
	}
	return append(options(m), slack.MsgOptionTS(thread))
}

// aloud is under for what all in the channel are to see: who doesn't follow a thread sees nothing of it.
func aloud(thread string, m slackui.Message) []slack.MsgOption {
	if thread == "" {
		return options(m)
	}
	return append(under(thread, m), slack.MsgOptionBroadcast())
}

func options(m slackui.Message) []slack.MsgOption {
	return []slack.MsgOption{
		slack.MsgOptionText(m.Text, false), slack.MsgOptionBlocks(m.Blocks...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
}

// card draws the conversation as it is now, for a channel with the given reach.
func (b *Bot) card(ctx context.Context, s *scene, reach cache.Reach) slackui.Card {
	state := s.chat.State
	c := slackui.Card{
		Chat: s.chat, Holder: s.holder(ctx, b), Waits: waitsSince(s), URL: b.chatURL.For(s.chat.ID), Anonymous: reach != cache.Own,
		NoAssign: !s.team.assigns(), More: more(s.team),
	}
	if via, now := s.known.Via, viaOf("", state); via.Assignee == now.Assignee && via.At.Equal(now.At) {
		c.Via = via.User
	}
	return c
}

// holder finds out once for an action and its state who has the conversation.
func (s *scene) holder(ctx context.Context, b *Bot) *slackui.Holder {
	u := s.chat.State.AssignedUser
	if u == nil {
		return nil
	}
	if s.held == nil || s.held.ID != u.ID {
		s.held = b.holder(ctx, s.team, u, s.people)
	}
	return s.held
}

// cardAt draws the conversation for the place where a card of it stands. The error says that Slack is to be asked later.
func (b *Bot) cardAt(ctx context.Context, s *scene, place cache.Card) (slackui.Card, error) {
	reach := cache.Own // somebody's direct messages
	if place.For == "" {
		var err error
		if reach, err = b.reach(ctx, s, place.Channel); err != nil {
			return slackui.Card{}, err
		}
	}
	c := b.card(ctx, s, reach)
	c.For = place.For
	return c, nil
}

// reach says who can read a channel: as kept for ten minutes, else as Slack says. What Slack doesn't say is taken for shared: a
// customer's name is never shown to strangers. The error says that Slack is to be asked later.
func (b *Bot) reach(ctx context.Context, s *scene, channel string) (cache.Reach, error) {
	if s.reaches == nil {
		s.reaches = map[string]cache.Reach{s.work.Intent.Channel: s.known.Reach}
	}
	reach, read := s.reaches[channel]
	var err error
	if !read {
		reach, err = b.cache.Reach(ctx, s.team.ID, channel)
		b.debug("a channel's reach can't be read", err)
	}
	if reach == cache.ReachUnknown {
		if reach, err = b.askReach(ctx, s.team, channel); err != nil {
			if s.job.Tries == 0 || slackSays(err, "ratelimited", "rate_limited") {
				return cache.ReachUnknown, err
			}
			reach = cache.Shared // somebody waits for what is tried once more: the name comes with a redraw
			b.redrawIn(ctx, s, time.Second)
		}
	}
	s.reaches[channel] = reach
	return reach, nil
}

// askReach asks Slack who can read a channel. The error may pass.
func (b *Bot) askReach(ctx context.Context, t *Team, channel string) (reach cache.Reach, err error) {
	info, err := t.Slack.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
	err = wrapSlack("looking at a channel", err)
	switch {
	case err == nil && (info.IsExtShared || info.IsPendingExtShared):
		reach = cache.Shared
	case err == nil, slackSays(err, "unknown_method", "404 Not Found"):
		reach = cache.Own // a stand-in of Slack without the method has no shared channels
	case temporary(err):
		return cache.ReachUnknown, err // the card would stay without the name
	default:
		// Not kept: the app may be invited the next moment.
		b.log.Debug("it can't be told who reads a channel: customers' names are left out", "error", err)
		return cache.Shared, nil
	}
	b.debug("a channel's reach can't be kept", b.cache.SetReach(ctx, t.ID, channel, reach))
	return reach, nil
}

// through notes through whom the conversation was assigned, for all cards drawn from now on.
func (s *scene) through() { s.known.Via = viaOf(s.work.Intent.User, s.chat.State) }

// viaOf says that a person brought about the state.
func viaOf(user string, state invent.ChatState) cache.Via {
	via := cache.Via{User: user}
	if u := state.AssignedUser; u != nil {
		via.Assignee = u.ID
	}
	if at := state.AssignedAt; at != nil {
		via.At = *at
	}
	return via
}

// showChange shows what was done: the clicked card redrawn, or a new card in the channel; then every other card
// of the conversation.
func (b *Bot) showChange(ctx context.Context, s *scene) error {
	i, w := s.work.Intent, s.work
	if w.Deed == nil {
		w.Deed = &cache.Deed{
			Job: s.job.ID, Chat: i.Chat, User: i.User, Verb: string(i.Verb), From: nameOf(w.Before),
			To: nameOf(s.chat.State.AssignedUser), Channel: i.Channel, At: b.now(),
		}
		if s.since { // who has it now has it by somebody else
			w.Deed.To = ""
			if s.target != nil {
				w.Deed.To = s.target.Name
			}
		}
	}
	card, unplaced := b.place(ctx, s)
	if unplaced != nil && temporary(unplaced) {
		return unplaced
	}
	b.passed(drawn, s.job) // or there is no place for it: whom it concerns must know all the same
	b.announcedBy(ctx, s, card)
	change := cache.Change{Chat: s.chat.ID, State: stateDigest(s.chat.State), Via: s.known.Via, Card: card, Deed: *w.Deed}
	if w.kept && unplaced == nil && s.shown(card) {
		change.Done = &s.job
	}
	home, opened, done, err := b.cache.Changed(ctx, s.team.ID, change)
	w.ended = done
	if err != nil {
		b.log.Warn("a change can't be kept yet: until it is, its card isn't redrawn, and the history lacks it", "error", err, "ref", ref(s.job.ID))
		b.oweChange(s.team.ID, change)
	}
	if card != nil && i.Origin == nil && (i.Clicked == nil || i.Private) {
		i.Origin = &slackui.Place{Channel: card.Channel, TS: card.TS, Link: card.Link} // what undoes it redraws this card
	}
	s.had = b.holder(ctx, s.team, w.Before, s.people) // now: the redraws below may take all of the try's time
	back := b.back(s)
	words := func(back *slackui.Back) slackui.Message {
		h := s.holder(ctx, b)
		switch {
		case s.since:
			return slackui.About(s.chat, slackui.ChangedSince(i, h))
		case i.Verb.Sets():
			return slackui.About(s.chat, slackui.Set(i.Verb, false))
		}
		return slackui.About(s.chat, slackui.Changed(i, h, s.mine, back))
	}
	b.showListAnew(ctx, s, words(nil).Text)
	switch {
	case i.Private && i.List == "":
		b.replace(ctx, i, words(back)) // the card is drawn; that the question is gone is a courtesy
	case back != nil, s.since:
		b.whisper(ctx, i, words(back))
	}
	b.passed(remembered, s.job)
	b.redrawOthers(ctx, s, card)
	b.notify(ctx, s)
	b.redrawOpened(ctx, i, home, opened)
	return unplaced
}

// shown says whether nobody is to be shown or told anything any more, once the card is drawn: then the job may end with what is
// kept of it. (A Home tab that isn't redrawn because the process dies in that moment is drawn when it is opened.)
func (s *scene) shown(card *cache.Card) bool {
	i := s.work.Intent
	for _, c := range s.known.Cards {
		if card == nil || c.Channel != card.Channel || c.TS != card.TS {
			return false
		}
	}
	took, gave := s.concerns()
	return !i.Private && i.List == "" && !took && !gave && !s.since
}

// showListAnew shows the list in which somebody pressed a button once more, with what became of it.
func (b *Bot) showListAnew(ctx context.Context, s *scene, done string) {
	i, err := s.work.Intent, error(nil)
	switch i.List {
	case slackui.Queue, slackui.Mine:
		_, err = b.list(ctx, s.team, i, i.List, s.people[i.User], s.job.At.Add(-listAlone), done)
	case slackui.Pick:
		if done != "" { // what was taken isn't in the list any more, and its buttons aren't either
			done = slackui.Linked(done, b.chatURL.For(i.Chat))
		}
		_, err = b.fill(ctx, s.team, s.work, s.job.At.Add(-listAlone), done)
	}
	if err != nil {
		b.log.Warn("a list could not be shown anew", "error", err, "ref", ref(i.Key))
	}
}

// showListAgain shows the list in which somebody pressed a button as it is now, though nothing was changed; in a window with the words.
func (b *Bot) showListAgain(ctx context.Context, s *scene, words string) {
	switch s.work.Intent.List {
	case slackui.Home:
		b.redrawHome(ctx, s.team, s.work.Intent)
	case slackui.Pick:
		b.showListAnew(ctx, s, words)
	default:
		b.showListAnew(ctx, s, "")
	}
}

// place draws the card where the change was asked for.
func (b *Bot) place(ctx context.Context, s *scene) (*cache.Card, error) {
	i := s.work.Intent
	if i.Channel == "" {
		return nil, nil // on the Home tab, or in a modal: there is no place for a card
	}
	if i.Clicked != nil && !i.Private {
		return b.redrawClicked(ctx, s)
	}
	if i.Origin != nil {
		return b.updateOrPost(ctx, s, s.at(*i.Origin))
	}
	return b.post(ctx, s)
}

// oweChange keeps what a change left behind once Redis takes it. By then somebody may have changed the conversation again: only the card,
// to be redrawn whatever it shows, and the history are owed.
func (b *Bot) oweChange(team string, change cache.Change) {
	change.Done, change.State, change.Via = nil, "", cache.Via{}
	if change.Card != nil {
		card := *change.Card
		card.Shows = ""
		change.Card = &card
	}
	b.owe(team, change.Chat, func(ctx context.Context) error {
		_, _, _, err := b.cache.Changed(ctx, team, change)
		return err
	})
}

// oweCard keeps a card once Redis takes it. By then somebody may have drawn it anew: what it shows isn't known.
func (b *Bot) oweCard(s *scene, card cache.Card, why error) {
	b.log.Warn("a card can't be remembered yet: until it is, it isn't redrawn", "error", why, "ref", ref(s.job.ID))
	team, chat := s.team.ID, s.chat.ID
	card.Shows = ""
	b.owe(team, chat, func(ctx context.Context) error { return b.cache.AddCard(ctx, team, chat, "", card) })
}

// owe keeps something of a conversation once Redis takes it, and has its cards redrawn then.
func (b *Bot) owe(team, chat string, keep func(context.Context) error) {
	redraw := map[string]time.Time{chat: b.now()}
	b.settled.owe(b.cache, func(ctx context.Context) error {
		return errors.Join(keep(ctx), b.cache.RedrawAt(ctx, team, redraw))
	})
}

// at answers the card that stands in a place, whatever it shows; on a later try after a write, what somebody drew since.
func (s *scene) at(p slackui.Place) cache.Card {
	if c, known := s.remembered(p); known {
		if s.work.Wrote != written || s.job.Tries == 0 {
			c.Shows = ""
		}
		return c
	}
	place := cache.Card{Channel: p.Channel, TS: p.TS, Link: p.Link}
	if p.Link == "" && !s.work.Intent.Snapshot {
		place.For = s.asker(p.Channel)
	}
	return place
}

// remembered finds the card that is known to stand in a place.
func (s *scene) remembered(p slackui.Place) (cache.Card, bool) {
	for _, c := range s.known.Cards {
		if c.Channel == p.Channel && c.TS == p.TS {
			return c, true
		}
	}
	return cache.Card{}, false
}

// asker answers whose direct messages those are where the bot can post: of the one who asks there; "" in a channel.
func (s *scene) asker(channel string) string {
	if strings.HasPrefix(channel, "D") {
		return s.work.Intent.User
	}
	return ""
}

// forgotten says whether the clicked card could be redrawn later, and isn't known any more.
func (s *scene) forgotten() bool {
	i := s.work.Intent
	if i.Clicked == nil || i.Private || i.Snapshot {
		return false
	}
	_, known := s.remembered(*i.Clicked)
	return !known
}

// redrawClicked redraws the clicked card by its own response_url, or else as any other card.
func (b *Bot) redrawClicked(ctx context.Context, s *scene) (*cache.Card, error) {
	i := s.work.Intent
	place := s.at(*i.Clicked)
	if place.Link != "" { // a response_url would rewrite the message of whoever pasted the link
		return b.updateOrPost(ctx, s, place)
	}
	c, err := b.cardAt(ctx, s, place)
	if err != nil {
		return nil, err
	}
	c.Snapshot = i.Snapshot
	m := c.Message()
	shows := digest(m)
	if place.Shows == shows {
		return &place, nil
	}
	err = b.hooks.send(ctx, i.ResponseURL, hook{ReplaceOriginal: true, Message: m})
	if err == nil {
		if i.Snapshot {
			return nil, nil // there is nothing to remember: it can't be redrawn later
		}
		place.Shows = shows
		return &place, nil
	}
	if i.Snapshot { // Slack takes no other redraw of it
		if temporary(err) {
			return nil, err
		}
		return b.post(ctx, s)
	}
	if temporary(err) {
		if drawn, updateErr := b.update(ctx, s, place); updateErr == nil {
			return drawn, nil
		}
		return nil, err
	}
	return b.updateOrPost(ctx, s, place)
}

// updateOrPost redraws a card, or posts another where that is beyond reach: the outcome must be seen all the same.
func (b *Bot) updateOrPost(ctx context.Context, s *scene, place cache.Card) (*cache.Card, error) {
	drawn, err := b.update(ctx, s, place)
	if err == nil || temporary(err) {
		return drawn, err
	}
	return b.post(ctx, s)
}

// post puts a new card into the channel, unless an earlier try of the same job has. Where the bot is no member it
// goes by the response_url, and says that it can't be redrawn; then there is nothing to remember.
func (b *Bot) post(ctx context.Context, s *scene) (*cache.Card, error) {
	i := s.work.Intent
	id := s.job.ID
	if i.Verb == slackui.Share && i.Clicked != nil {
		id = "share " + i.User + " " + i.Clicked.TS // a second click on the same button asks for nothing more
	}
	for _, c := range s.known.Cards {
		if c.Job == id {
			return b.update(ctx, s, c)
		}
	}
	place, thread := cache.Card{Channel: i.Channel, Job: id, For: s.asker(i.Channel)}, i.Thread
	if place.For != "" {
		thread = "" // words go below their card, and no thread begins at a reply
	}
	c, err := b.cardAt(ctx, s, place)
	if err != nil {
		return nil, err
	}
	m := c.Message()
	how := under
	if i.Verb == slackui.Announce {
		how = aloud
	}
	channel, ts, err := s.team.Slack.PostMessageContext(ctx, i.Channel, how(thread, m)...)
	if err == nil {
		place.Channel, place.TS, place.Shows = channel, ts, digest(m)
		return &place, nil
	}
	err = wrapSlack("posting a card", err)
	if temporary(err) {
		return nil, err
	}
	if i.ResponseURL == "" {
		return nil, err
	}
	if place.For != "" { // no conversation of theirs with the bot, then: who else reads it must be asked
		place.For = ""
		var unread error
		if c, unread = b.cardAt(ctx, s, place); unread != nil {
			return nil, unread
		}
	}
	c.Snapshot = true
	if hookErr := b.hooks.send(ctx, i.ResponseURL, hook{ResponseType: "in_channel", ThreadTS: i.Thread, Message: c.Message()}); hookErr == nil || temporary(hookErr) {
		return nil, hookErr
	}
	return nil, err
}

// update redraws a card of the bot's own.
func (b *Bot) update(ctx context.Context, s *scene, place cache.Card) (*cache.Card, error) {
	c, err := b.cardAt(ctx, s, place)
	if err != nil {
		return nil, err
	}
	m := c.Message()
	if shows := digest(m); shows != place.Shows {
		if err := b.draw(ctx, s.team, place, m); err != nil {
			return nil, err
		}
		place.Shows = shows
	}
	return &place, nil
}

// draw puts a card in its place: into a message of the bot's own, or below somebody's link.
func (b *Bot) draw(ctx context.Context, t *Team, place cache.Card, m slackui.Message) error {
	if place.Link == "" {
		_, _, _, err := t.Slack.UpdateMessageContext(ctx, place.Channel, place.TS, options(m)...)
		return wrapSlack("redrawing a card", err)
	}
	_, _, _, err := t.Slack.UnfurlMessageContext(ctx, place.Channel, place.TS, map[string]slack.Attachment{
		place.Link: {Fallback: m.Text, Blocks: slack.Blocks{BlockSet: m.Blocks}},
	})
	return wrapSlack("unfolding a link", err)
}

// unfold makes a card of a link to a conversation, for everybody who reads it. Whoever may not read conversations pasted a link, and
// hears nothing.
func (b *Bot) unfold(ctx context.Context, s *scene) error {
	drawn, err := b.update(ctx, s, s.at(*s.work.Intent.Clicked))
	if err == nil {
		b.add(ctx, s, drawn)
	}
	return err
}

// ask shows which conversations a message may speak of, of those that Invent knows.
func (b *Bot) ask(ctx context.Context, t *Team, i slackui.Intent, me cache.Link) (string, error) {
	var cards []slackui.Card
	for _, id := range i.Chats {
		chat, err := t.Invent.Chat(ctx, id)
		if invent.NotFound(err) || errors.Is(err, invent.ErrID) {
			continue
		}
		if err != nil {
			return "", err
		}
		h := b.holder(ctx, t, chat.State.AssignedUser, map[string]cache.Link{i.User: me})
		cards = append(cards, slackui.Card{Chat: chat, Holder: h, URL: b.chatURL.For(chat.ID), Private: true, NoAssign: !t.assigns(), More: more(t)})
	}
	if len(cards) == 1 {
		return shown, b.say(ctx, i, cards[0].Message())
	}
	return said, b.say(ctx, i, slackui.Found(cards))
}

// redrawOthers redraws all other cards of the conversation, and says whether one of them showed something else. Those that are gone
// are forgotten; those whose channel had its redraw of this second already come later, with the state of then.
func (b *Bot) redrawOthers(ctx context.Context, s *scene, drawn *cache.Card) (stale bool) {
	var gone []cache.Card
	var postponed time.Duration
	for n, c := range s.known.Cards {
		if drawn != nil && c.Channel == drawn.Channel && c.TS == drawn.TS {
			continue
		}
		card, err := b.cardAt(ctx, s, c)
		m := card.Message()
		shows := digest(m)
		if err == nil && shows == c.Shows {
			continue
		}
		stale = true
		if s.work.Intent.Verb != slackui.Redraw { // else the feed gave it its turn
			if wait := b.paces.wait(c.Channel, b.now()); wait > 0 {
				postponed = max(postponed, wait)
				continue
			}
		}
		closed := false
		if err == nil && c.For != "" {
			closed, err = b.closed(ctx, s, c)
		}
		if err == nil && !closed {
			err = b.draw(ctx, s.team, c, m)
		}
		switch {
		case err == nil && closed:
			gone = append(gone, c)
		case err == nil:
			c.Shows = shows
			s.known.Cards[n] = c // what this action keeps of it later must not say that it shows what it showed before
			b.remember(ctx, s, &c)
			b.metrics.redrawn.Inc()
		case slackSays(err, "message_not_found", "cant_update_message", "channel_not_found", "is_archived", "is_inactive", "not_in_channel",
			"edit_window_closed", "cannot_find_channel", "cannot_find_message", "cannot_unfurl_url", "cannot_unfurl_message"):
			gone = append(gone, c)
		case temporary(err):
			postponed = max(postponed, time.Second)
			if said, ok := errors.AsType[*slackError](err); ok {
				postponed = max(postponed, said.after)
			}
		default:
			b.log.Warn("a card could not be redrawn", "error", err, "ref", ref(s.job.ID))
		}
	}
	ctx, cancel := s.work.parting(ctx) // the try's own time may be up: that is why some are postponed
	defer cancel()
	b.debug("cards can't be forgotten", b.cache.Forget(ctx, s.team.ID, s.chat.ID, gone...))
	if postponed > 0 {
		b.redrawIn(ctx, s, postponed)
	}
	return stale
}

// redrawIn asks for a redraw of the conversation's cards after a while.
func (b *Bot) redrawIn(ctx context.Context, s *scene, wait time.Duration) {
	team, at := s.team.ID, map[string]time.Time{s.chat.ID: b.now().Add(wait)}
	b.orOwe(ctx, b.cache, s.job.ID, "a redraw can't be asked for yet", func(ctx context.Context) error { return b.cache.RedrawAt(ctx, team, at) })
}

// closed closes the card in the direct messages of somebody who may not read conversations any more, and says whether it was to be
// closed.
func (b *Bot) closed(ctx context.Context, s *scene, c cache.Card) (bool, error) {
	_, err := b.member(ctx, s.team, c.For, s.job.At)
	if refused(err) == nil {
		return false, err
	}
	return true, b.draw(ctx, s.team, c, slackui.Closed(b.commandName))
}

// paces keeps the redraws of a channel that follow from what people do a second apart, as Slack wants. They wait for no other redraw.
type paces struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// wait takes the channel's turn, or answers how long to wait for the next.
func (p *paces) wait(channel string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[string]time.Time{}
	}
	if left := p.last[channel].Add(turnEvery).Sub(now); left > 0 {
		return left
	}
	for c, t := range p.last {
		if now.Sub(t) > turnEvery {
			delete(p.last, c)
		}
	}
	p.last[channel] = now
	return 0
}

// remember keeps where the card stands, that all cards show this state, and who assigned the conversation: whoever calls it redraws
// the others too. Without a card it keeps only the last.
func (b *Bot) remember(ctx context.Context, s *scene, drawn *cache.Card) {
	var cards []cache.Card
	state := ""
	if drawn != nil {
		cards, state = append(cards, *drawn), stateDigest(s.chat.State)
	}
	err := b.cache.Remember(ctx, s.team.ID, s.chat.ID, state, s.known.Via, cards...)
	if err != nil && drawn != nil {
		b.oweCard(s, *drawn, err)
	} else {
		b.debug("through whom it was assigned can't be remembered", err)
	}
}

// add keeps where a new card stands. The other cards aren't redrawn with it: what they show stays known, for the feed to compare.
func (b *Bot) add(ctx context.Context, s *scene, drawn *cache.Card) {
	if drawn == nil {
		return
	}
	if err := b.cache.AddCard(ctx, s.team.ID, s.chat.ID, stateDigest(s.chat.State), *drawn); err != nil {
		b.oweCard(s, *drawn, err)
	}
}

// replace puts other words in the place of a clicked private message.
func (b *Bot) replace(ctx context.Context, i slackui.Intent, m slackui.Message) {
	if err := b.hooks.send(ctx, i.ResponseURL, hook{ReplaceOriginal: true, Message: m}); err != nil {
		b.log.Warn("a private message could not be replaced", "error", err, "ref", ref(i.Key))
	}
}

// redrawStale redraws the card that the person acted on, because it shows what is no longer so.
func (b *Bot) redrawStale(ctx context.Context, s *scene) {
	i := s.work.Intent
	var drawn *cache.Card
	var err error
	switch {
	case i.Clicked != nil && !i.Private:
		drawn, err = b.redrawClicked(ctx, s)
	case i.Origin != nil:
		drawn, err = b.update(ctx, s, s.at(*i.Origin))
	}
	if err != nil {
		b.log.Warn("the clicked card could not be redrawn", "error", err, "ref", ref(i.Key))
		if temporary(err) {
			b.redrawIn(ctx, s, time.Second)
		}
		return
	}
	if drawn != nil {
		b.remember(ctx, s, drawn)
	}
	b.redrawOthers(ctx, s, drawn)
}

// showLate tells the person who came too late who has the conversation, and what can be done.
func (b *Bot) showLate(ctx context.Context, s *scene) error {
	s.team.inbox.changed(s.chat, b.now())
	b.redrawStale(ctx, s)
	i := s.work.Intent
	if !b.keepNote(ctx, &i) {
		defer b.noteBack(ctx, i) // below the question
	}
	words := slackui.About(s.chat, slackui.Late(i, *s.holder(ctx, b), s.chat.State, b.now()))
	b.showListAgain(ctx, s, words.Text) // a list has no place for the question: it comes as a message
	if i.List != slackui.Home {
		b.redrawHome(ctx, s.team, i)
	}
	return b.reply(ctx, i, words)
}

// showAlready says that it is so already; a card that showed something else is redrawn. Clicks that were made before it was said need
// no words of their own.
func (b *Bot) showAlready(ctx context.Context, s *scene) error {
	i := s.work.Intent
	asked := i.User + " " + string(i.Verb) + " " + i.Chat
	onCard := i.Clicked != nil && !i.Private && i.Note+i.NoteID == ""
	if onCard && b.answered.since(asked, s.job.At) {
		return nil
	}
	s.team.inbox.changed(s.chat, b.now())
	h := s.holder(ctx, b)
	if i.Seen != nil && (h == nil && *i.Seen != "" || h != nil && *i.Seen != h.ID) || s.forgotten() {
		b.redrawStale(ctx, s)
	}
	words := slackui.About(s.chat, slackui.Already(h, s.mine, h != nil && !s.mine && b.give(ctx, s, h, slackui.Message{})))
	if b.showListAgain(ctx, s, words.Text); i.List == slackui.Pick {
		return nil
	}
	err := b.reply(ctx, i, words)
	if err == nil && onCard {
		b.answered.note(asked, b.now())
	}
	return err
}

// answered remembers when somebody's clicks were last answered by "already", so that a hundred at once get no hundred answers.
type answered struct {
	mu sync.Mutex
	at map[string]time.Time
}

const answeredMost = 1000

func (a *answered) note(what string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at == nil || len(a.at) >= answeredMost {
		a.at = map[string]time.Time{}
	}
	a.at[what] = at
}

// since says whether it was answered after the click.
func (a *answered) since(what string, clicked time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at[what].After(clicked)
}

// showPrivately shows the card to the one who asks.
func (b *Bot) showPrivately(ctx context.Context, s *scene) error {
	c := b.card(ctx, s, cache.Own)
	c.Private = true
	return b.reply(ctx, s.work.Intent, c.Message())
}

// refresh redraws what was clicked.
func (b *Bot) refresh(ctx context.Context, s *scene) error {
	i := s.work.Intent
	if i.Private || i.Clicked == nil {
		if err := b.showPrivately(ctx, s); err != nil {
			return err
		}
	} else {
		drawn, err := b.redrawClicked(ctx, s)
		if err != nil {
			return err
		}
		b.remember(ctx, s, drawn)
		b.redrawOthers(ctx, s, drawn)
	}
	if i.Retired {
		return b.say(ctx, i, slackui.RetiredButton())
	}
	return nil
}

// share posts the card that one person sees for all in the channel.
func (b *Bot) share(ctx context.Context, s *scene) error {
	drawn, err := b.post(ctx, s)
	if err != nil {
		return err
	}
	b.add(ctx, s, drawn)
	b.replace(ctx, s.work.Intent, slackui.Shared())
	return nil
}

// digest tells whether two drawings of a card differ: in the words, all of which stand in the text too, or in what
// its buttons carry. (Encoding the blocks for it would cost as much as all else that a click takes.)
func digest(m slackui.Message) string {
	sum := sha256.New()
	add := func(s string) { _, _ = sum.Write(append([]byte(s), 0)) } // a hash takes everything
	add(m.Text)
	for _, block := range m.Blocks {
		row, isRow := block.(*slack.ActionBlock)
		if !isRow {
			continue
		}
		for _, e := range row.Elements.ElementSet {
			if button, isButton := e.(*slack.ButtonBlockElement); isButton {
				add(button.ActionID)
				add(button.Value)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
