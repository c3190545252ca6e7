package bot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

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

// holder returns who has the conversation. It looks each assignee up once for an action.
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

// cardAt draws the conversation for the place where a card of it stands. An error means that Slack must be asked again later.
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

// reach says who can read a channel: as kept for ten minutes, else as Slack says. When Slack doesn't say, the channel counts as shared: a
// customer's name must not be shown to strangers. An error means that Slack must be asked again later.
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
			reach = cache.Shared // this is a later try, and somebody waits for it: the name comes with a redraw
			b.redrawIn(ctx, s, time.Second)
		}
	}
	s.reaches[channel] = reach
	return reach, nil
}

// askReach asks Slack who can read a channel. Its error is temporary.
func (b *Bot) askReach(ctx context.Context, t *Team, channel string) (reach cache.Reach, err error) {
	info, err := t.Slack.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
	err = wrapSlack("looking at a channel", err)
	switch {
	case err == nil && (info.IsExtShared || info.IsPendingExtShared):
		reach = cache.Shared
	case err == nil, slackSays(err, "unknown_method", "404 Not Found"):
		reach = cache.Own // a stand-in of Slack without the method has no shared channels
	case temporary(err):
		return cache.ReachUnknown, err // else the card would stay without the name
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

// oweCard keeps a card as soon as Redis takes it. By then somebody may have redrawn it, so what it shows is left unknown.
func (b *Bot) oweCard(s *scene, card cache.Card, why error) {
	b.log.Warn("a card can't be remembered yet: until it is, it isn't redrawn", "error", why, "ref", ref(s.job.ID))
	team, chat := s.team.ID, s.chat.ID
	card.Shows = ""
	b.owe(team, chat, func(ctx context.Context) error { return b.cache.AddCard(ctx, team, chat, "", card) })
}

// owe calls keep, which stores something of a conversation, as soon as Redis takes it, and then has the conversation's cards redrawn.
func (b *Bot) owe(team, chat string, keep func(context.Context) error) {
	redraw := map[string]time.Time{chat: b.now()}
	b.settled.owe(b.cache, func(ctx context.Context) error {
		return errors.Join(keep(ctx), b.cache.RedrawAt(ctx, team, redraw))
	})
}

// at returns the card that stands in a place, without what it shows, so that it is redrawn in any case. Only in a later try after a write
// is that kept: an earlier try may have drawn the card.
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

// asker returns whose direct messages with the bot the channel is, namely those of the person who asks there; "" for any other channel.
func (s *scene) asker(channel string) string {
	if strings.HasPrefix(channel, "D") {
		return s.work.Intent.User
	}
	return ""
}

// forgotten says whether the clicked card is one that can be redrawn later, but isn't known any more.
func (s *scene) forgotten() bool {
	i := s.work.Intent
	if i.Clicked == nil || i.Private || i.Snapshot {
		return false
	}
	_, known := s.remembered(*i.Clicked)
	return !known
}

// redrawClicked redraws the clicked card by its own response_url, or else as updateOrPost does. It returns the card to remember, nil for
// none.
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

// updateOrPost redraws a card, or posts a new one if that card can't be redrawn any more: the outcome must be seen all the same.
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
		id = "share " + i.User + " " + i.Clicked.TS // a second click on the same button posts no second card
	}
	for _, c := range s.known.Cards {
		if c.Job == id {
			return b.update(ctx, s, c)
		}
	}
	place, thread := cache.Card{Channel: i.Channel, Job: id, For: s.asker(i.Channel)}, i.Thread
	if place.For != "" {
		thread = "" // in direct messages words go into the card's thread, and a reply can't begin one
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
	if place.For != "" { // then these are not their direct messages with the bot, and it must be asked who else reads them
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

// update redraws a card, unless it shows the same already.
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

// redrawOthers redraws all other cards of the conversation, and says whether one of them showed something else. It forgets cards that are
// gone. Cards in a channel that had its redraw of this second already are redrawn later, as the conversation is then.
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
		if s.work.Intent.Verb != slackui.Redraw { // for a Redraw the feed has waited for the turn
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
			s.known.Cards[n] = c // else this action might note later that the card shows what it showed before
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

// closed empties the card in the direct messages of a person who may not read conversations any more, and says whether that was due.
func (b *Bot) closed(ctx context.Context, s *scene, c cache.Card) (bool, error) {
	_, err := b.member(ctx, s.team, c.For, s.job.At)
	if refused(err) == nil {
		return false, err
	}
	return true, b.draw(ctx, s.team, c, slackui.Closed(b.commandName))
}

// paces keeps a channel's redraws a second apart, as Slack wants, if they follow from what people do. They don't wait for the feed's
// redraws.
type paces struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// wait takes the channel's turn and returns 0, or returns how long to wait for the next turn.
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

// remember keeps where the card stands, that all cards show this state, and through whom the conversation was assigned. So the caller
// must redraw the other cards too. Without a card it keeps only through whom.
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

// add keeps where a new card stands. What the other cards show stays noted as it was, because they aren't redrawn: the feed compares it.
func (b *Bot) add(ctx context.Context, s *scene, drawn *cache.Card) {
	if drawn == nil {
		return
	}
	if err := b.cache.AddCard(ctx, s.team.ID, s.chat.ID, stateDigest(s.chat.State), *drawn); err != nil {
		b.oweCard(s, *drawn, err)
	}
}

// redrawStale redraws the card that the person acted on, because it shows what is no longer so, and then the other cards.
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

// digest differs for two drawings of a card that differ: in the words, all of which stand in the text too, or in what the buttons carry.
// (Encoding the blocks for it would cost as much as all the rest of a click.)
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
