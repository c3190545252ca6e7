package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	orderHolds   = time.Minute // after which an order that has led to nothing is given again
	bundleFrom   = 5           // single cards within bundleWithin; more are bundled
	bundleWithin = 10 * time.Second
	countHolds   = time.Minute // after which the waiting conversations of a bundle are counted anew
	forgetAfter  = 30 * 24 * time.Hour
)

// announce notes which conversations wait, and orders an announcement of each that has none. One that isn't in the list may wait still,
// for the list moves while it is read: leftWaiting looks after those.
func (f *feed) announce(ctx context.Context, chats []invent.Chat, now time.Time) error {
	known, first, err := f.cache.Handoffs(ctx, f.team.ID)
	if err != nil {
		return err
	}
	notices, err := f.cache.Notices(ctx, f.team.ID)
	if err != nil {
		return err
	}
	unseen := now.Sub(f.listed) > 2*listBeside // so long ago that nobody knows what happened meanwhile
	changed, listed := map[string]cache.Handoff{}, map[string]bool{}
	var begun, waiting []invent.Chat
	for _, c := range chats {
		listed[c.ID] = true
		h, waits := known[c.ID], f.waits(c)
		switch {
		case waits && !h.Waiting:
			changed[c.ID] = cache.Handoff{Waiting: true, Episode: h.Episode + 1, Since: now, Before: unseen}
			begun = append(begun, c)
		case waits && f.listed.IsZero() && f.unheard(c, h, notices):
			changed[c.ID] = h
			begun = append(begun, c)
		case waits && f.unbundles(c, h, notices, now):
			h.Bundled = false
			changed[c.ID] = h
		case !waits && h.Waiting:
			h.Waiting = false
			changed[c.ID] = h
		case !waits:
			if missed := f.missed(c, notices, now); missed.Episode > h.Episode {
				changed[c.ID] = missed
			}
		}
		if waits {
			waiting = append(waiting, c)
		}
	}
	f.bundle(begun, changed, nextBundle(known, notices), first, now)
	f.leftWaiting(ctx, known, listed, changed)
	forget := forgotten(known, notices, listed, now)
	if first || len(changed)+len(forget) > 0 {
		if err := f.cache.SetHandoffs(ctx, f.team.ID, changed, forget); err != nil {
			return err
		}
	}
	f.pending = nil
	maps.DeleteFunc(f.ordered, func(_ string, at time.Time) bool { return now.Sub(at) >= orderHolds })
	bundles := map[bundleIn]int{}
	for _, c := range waiting {
		h, found := changed[c.ID]
		if !found {
			h = known[c.ID]
		}
		if !h.Bundled {
			f.single(ctx, c, h, notices, now)
			continue
		}
		for _, r := range f.routes.take(c) {
			bundles[bundleIn{r.Channel, h.Bundle}]++
		}
	}
	for where, count := range bundles {
		f.many(ctx, where, count, notices, now)
	}
	return nil
}

// leftMost is how many conversations leftWaiting looks at after a listing.
const leftMost = 3

// leftWaiting asks Invent whether conversations that waited and aren't listed any more still wait, and notes which don't: it isn't known
// which conversations Invent lists. Without that, one that is resolved and opened again would seem to have waited all the time. It takes
// a few in random order (a map's): some, beyond what an inbox can list, go on waiting, and would always come first in a fixed order.
func (f *feed) leftWaiting(ctx context.Context, known map[string]cache.Handoff, listed map[string]bool, changed map[string]cache.Handoff) {
	looked := 0
	for chat, h := range known {
		if !h.Waiting || listed[chat] {
			continue
		}
		if looked++; looked > leftMost {
			return // the others after the next one
		}
		c, err := f.team.Invent.Chat(ctx, chat)
		if invent.NotFound(err) || err == nil && !f.waits(c) {
			h.Waiting = false
			changed[chat] = h
		}
	}
}

// missed returns an episode that no listing saw: a change announced it (see announcedBy), and the conversation was taken before it was
// listed. Once that is noted, the next wait is another episode, to be announced. It returns an episode of 0 if there is none.
func (f *feed) missed(c invent.Chat, notices map[string]cache.Notice, begun time.Time) (last cache.Handoff) {
	for _, r := range f.routes.take(c) {
		if n := notices[cache.NoticeName(c.ID, r.Channel)]; n.Episode > last.Episode && n.At.Before(begun) {
			last = cache.Handoff{Episode: n.Episode, Since: n.At}
		}
	}
	return last
}

// forgotten returns what can be forgotten: conversations by id, and announcements by name.
func forgotten(known map[string]cache.Handoff, notices map[string]cache.Notice, listed map[string]bool, now time.Time) []string {
	var forget []string
	waits, dropped := map[string]bool{}, map[string]bool{}
	for chat, h := range known {
		switch {
		case !listed[chat] && now.Sub(h.Since) > forgetAfter:
			forget, dropped[chat] = append(forget, chat), true
		case h.Waiting:
			waits[chat] = true
			waits[bundleName(h.Bundle)] = true
		}
	}
	for name, n := range notices {
		if _, of, _ := strings.Cut(name, " "); dropped[of] || !waits[of] && now.Sub(n.At) > forgetAfter {
			forget = append(forget, name)
		}
	}
	return forget
}

// waits says whether a conversation is a handoff to be announced.
func (b *Bot) waits(c invent.Chat) bool { return slackui.Waiting(c.State) && !b.leftOut(c) }

// leftOut says whether a conversation is announced nowhere though it waits: one that comes from Slack itself could loop, so it is only
// announced with Config.HandoffSlack.
func (b *Bot) leftOut(c invent.Chat) bool {
	return c.State.IntegrationID == "slack_bot" && !b.handoffSlack
}

// announced says whether n is the announcement of this episode of a conversation, or of the bundle with this number, and was posted.
func announced(episode int, n cache.Notice) bool {
	return n.Episode == episode && n.Why == "" && n.TS != ""
}

// bundleIn is a bundle in one of its channels.
type bundleIn struct {
	channel string
	number  int
}

const bundlePrefix = "bundle " // no conversation's id has a space in it

// bundleName names a bundle where announcements are kept, in the place of a conversation's id.
func bundleName(number int) string { return bundlePrefix + strconv.Itoa(number) }

// nextBundle returns the number for a new bundle. Two processes that both believe that they lead get the same number, and so order the
// same.
func nextBundle(known map[string]cache.Handoff, notices map[string]cache.Notice) int {
	last := 0
	for _, h := range known {
		last = max(last, h.Bundle)
	}
	for name, n := range notices {
		if _, of, _ := strings.Cut(name, " "); strings.HasPrefix(of, bundlePrefix) {
			last = max(last, n.Episode)
		}
	}
	return last + 1
}

// bundle decides which of the new handoffs become one message instead of a card each: all at the very first listing, and more than five
// within ten seconds. It marks them in changed. Handoffs in a rule's quiet time are not bundled: each gets its card afterwards.
func (f *feed) bundle(begun []invent.Chat, changed map[string]cache.Handoff, number int, first bool, now time.Time) {
	f.singles = slices.DeleteFunc(f.singles, func(t time.Time) bool { return now.Sub(t) > bundleWithin })
	begun = slices.DeleteFunc(begun, func(c invent.Chat) bool { return f.quiet(c, now) })
	if !first && len(f.singles)+len(begun) <= bundleFrom {
		for range begun {
			f.singles = append(f.singles, now)
		}
		return
	}
	for _, c := range begun {
		h := changed[c.ID]
		h.Bundled, h.Bundle = true, number // also one that no rule takes: nothing is left to do for it
		changed[c.ID] = h
	}
}

// unbundles says whether a bundled conversation is to have a card of its own after all: the quiet time began before its bundle was
// posted, and when it ends other conversations will wait than were counted.
func (f *feed) unbundles(c invent.Chat, h cache.Handoff, notices map[string]cache.Notice, now time.Time) bool {
	return h.Bundled && slices.ContainsFunc(f.routes.take(c), func(r Rule) bool {
		return r.quiet(now) && !announced(h.Bundle, notices[cache.NoticeName(bundleName(h.Bundle), r.Channel)])
	})
}

// unheard says whether a rule takes a waiting conversation, but nothing is known of its announcement, as when the channel was named only
// now.
func (f *feed) unheard(c invent.Chat, h cache.Handoff, notices map[string]cache.Notice) bool {
	rules := f.routes.take(c)
	return len(rules) > 0 && !h.Bundled && !slices.ContainsFunc(rules, func(r Rule) bool {
		return notices[cache.NoticeName(c.ID, r.Channel)].Episode == h.Episode
	})
}

// quiet says whether it is the quiet time of a rule that takes the conversation.
func (f *feed) quiet(c invent.Chat, now time.Time) bool {
	return slices.ContainsFunc(f.routes.take(c), func(r Rule) bool { return r.quiet(now) })
}

// single orders what is due for one handoff: its announcement, until a job has noted what became of it, and the reminder. Orders with the
// same key are one job.
func (f *feed) single(ctx context.Context, c invent.Chat, h cache.Handoff, notices map[string]cache.Notice, now time.Time) {
	for _, r := range f.routes.take(c) {
		n, quiet := notices[cache.NoticeName(c.ID, r.Channel)], r.quiet(now)
		order := slackui.Intent{Chat: c.ID, Channel: r.Channel, Episode: h.Episode}
		switch {
		case now.Before(n.Next):
		case !announced(h.Episode, n):
			order.Verb, order.Key = slackui.Announce, announcement(f.team.ID, c.ID)+fmt.Sprintf("%s/%d/%d", r.Channel, h.Episode, n.Tries)
			f.orderUnless(ctx, order, c.ID, n, quiet, now)
		case f.waitReminder > 0 && now.Sub(h.Since) >= f.waitReminder && !n.Reminded && !quiet:
			order.Verb, order.Key = slackui.Remind, fmt.Sprintf("remind/%s/%s/%s/%d/%d", f.team.ID, c.ID, r.Channel, h.Episode, n.Tries)
			f.orderInTurn(order, now)
		}
	}
}

// announcement returns how the keys of the orders that announce a conversation begin.
func announcement(team, chat string) string { return "announce/" + team + "/" + chat + "/" }

// many orders the message for a bundle of which count conversations still wait, until a job has noted what became of it. Orders with the
// same key are one job.
func (f *feed) many(ctx context.Context, where bundleIn, count int, notices map[string]cache.Notice, now time.Time) {
	name := bundleName(where.number)
	n := notices[cache.NoticeName(name, where.channel)]
	if announced(where.number, n) || now.Before(n.Next) {
		return
	}
	f.orderUnless(ctx, slackui.Intent{
		Verb: slackui.Bundle, Channel: where.channel, Episode: where.number, Count: count,
		Key: fmt.Sprintf("bundle/%s/%s/%d/%d", f.team.ID, where.channel, where.number, n.Tries),
	}, name, n, false, now)
}

// orderUnless orders an announcement, or notes under its name why it can't be posted now.
func (f *feed) orderUnless(ctx context.Context, order slackui.Intent, name string, n cache.Notice, quiet bool, now time.Time) {
	why := ""
	if quiet {
		why = "quiet"
	} else if trouble, err := f.cache.Trouble(ctx, f.team.ID, order.Channel, now); err == nil {
		why = trouble.Why
	}
	if why == "" {
		f.orderInTurn(order, now)
		return
	}
	if n.Why != why || n.Episode != order.Episode {
		n.Episode, n.Why, n.At = order.Episode, why, now
		f.debug("an announcement can't be noted", f.cache.SetNotice(ctx, f.team.ID, name, order.Channel, n))
	}
}

// orderInTurn orders something once its channel has its turn, unless it was ordered just now.
func (f *feed) orderInTurn(order slackui.Intent, now time.Time) {
	if now.Sub(f.ordered[order.Key]) >= orderHolds {
		f.pending = append(f.pending, order)
	}
}

// announceOne posts the card of a handoff, if it still waits. What became of it is noted in any case.
func (b *Bot) announceOne(ctx context.Context, t *Team, w *work, j cache.Job) (string, error) {
	i := w.Intent
	h, n, err := b.cache.Handoff(ctx, t.ID, i.Chat, i.Channel)
	if err != nil {
		return "", err
	}
	switch {
	case announced(i.Episode, n):
		return already, nil
	case h.Bundled: // by a process that has taken the lead meanwhile
		return over, b.orderAnew(ctx, t, i, 0)
	}
	chat, err := t.Invent.Chat(ctx, i.Chat)
	if err != nil {
		return "", err
	}
	if !slackui.Waiting(chat.State) {
		return over, b.orderAnew(ctx, t, i, 0)
	}
	w.Intent.Thread = n.TS // "" for the first announcement
	s := &scene{team: t, work: w, job: j, chat: chat}
	if s.known, err = b.cache.Known(ctx, cache.Question{Team: t.ID, Chat: i.Chat, Channel: i.Channel}); err != nil {
		return "", err
	}
	drawn, err := b.post(ctx, s)
	if err != nil && n.TS != "" && !temporary(err) && !slackDead(err) { // perhaps it is the thread that takes nothing more, not the channel
		w.Intent.Thread = ""
		if drawn, err = b.post(ctx, s); err == nil {
			n.TS = ""
		}
	}
	notice := cache.Notice{Episode: i.Episode, TS: n.TS, At: b.now()}
	switch {
	case err == nil:
		notice.TS = cmp.Or(n.TS, drawn.TS)
		b.add(ctx, s, drawn)
	case temporary(err) || slackDead(err):
		return "", b.noteLimit(ctx, t, i.Chat, i.Channel, n, err)
	default:
		notice.Why, notice.Tries = b.channelTrouble(ctx, t, i.Channel, err), n.Tries+1
	}
	return b.noteAnnounced(ctx, t, i.Chat, i.Channel, notice)
}

// noteLimit notes that Slack asks to wait with an announcement, for people who ask what became of it. n is what is noted of that channel
// so far; the rest of it stays. The error comes back as it was.
func (b *Bot) noteLimit(ctx context.Context, t *Team, name, channel string, n cache.Notice, err error) error {
	const why = "ratelimited"
	if n.Why != why && slackSays(err, why, "rate_limited") {
		n.Why = why
		b.debug("an announcement can't be noted", b.cache.SetNotice(ctx, t.ID, name, channel, n))
	}
	return err
}

// announcedBy notes that the new card of a change that made the conversation wait is its announcement in that channel. A card in a thread
// is not: people who read the channel don't see it.
func (b *Bot) announcedBy(ctx context.Context, s *scene, card *cache.Card) {
	h := s.known.Handoff
	if card == nil || card.Job != s.job.ID || s.work.Intent.Thread != "" || h.Waiting || !b.waits(s.chat) {
		return
	}
	for _, r := range b.routes.take(s.chat) {
		if r.Channel == card.Channel {
			n := cache.Notice{Episode: h.Episode + 1, TS: card.TS, At: b.now()}
			b.debug("an announcement can't be noted", b.cache.SetNotice(ctx, s.team.ID, s.chat.ID, r.Channel, n))
		}
	}
}

// noteAnnounced ends a job by noting what became of its announcement. Admins hear of a trouble only after that, so that it is there when
// they ask.
func (b *Bot) noteAnnounced(ctx context.Context, t *Team, name, channel string, n cache.Notice) (string, error) {
	if err := b.cache.SetNotice(ctx, t.ID, name, channel, n); err != nil {
		return "", err
	}
	if n.Why != "" {
		if err := b.tellAdmins(ctx, t, "channel/"+channel, slackui.ChannelTrouble(channel, n.Why)); err != nil {
			b.log.Warn("admins could not be told that nothing can be posted in a channel", "error", err)
		}
		return n.Why, nil
	}
	b.debug("a trouble's end can't be noted", b.cache.TellAgain(ctx, t.ID, "channel/"+channel))
	return changed, nil
}

// orderAnew notes that an order of the feed's has ended in vain. If still due it is given again, under a new key, because the old one
// counts as a repeat for an hour. Before that the feed waits for pause times the number of such ends so far, at most 30.
func (b *Bot) orderAnew(ctx context.Context, t *Team, i slackui.Intent, pause time.Duration) error {
	name := i.Chat
	if i.Verb == slackui.Bundle {
		name = bundleName(i.Episode)
	}
	_, n, err := b.cache.Handoff(ctx, t.ID, name, i.Channel)
	if err == nil {
		n.Tries++
		n.Next = b.now().Add(pause * time.Duration(min(n.Tries, 30)))
		err = b.cache.SetNotice(ctx, t.ID, name, i.Channel, n)
	}
	return err
}

// orderFailed is orderAnew for an order that ended with an error. It does nothing for other jobs, nor for an order that would go on
// harming the process.
func (b *Bot) orderFailed(ctx context.Context, i slackui.Intent, why error) error {
	if i.Verb != slackui.Announce && i.Verb != slackui.Bundle && i.Verb != slackui.Remind || errors.Is(why, errPanicked) || errors.Is(why, errKills) {
		return nil
	}
	t, err := b.teams(ctx, i.Team, i.Enterprise)
	if err != nil {
		return err
	}
	return b.orderAnew(ctx, t, i, time.Minute)
}

// channelTrouble stops announcements in a channel for a while, and returns Slack's word for the trouble.
func (b *Bot) channelTrouble(ctx context.Context, t *Team, channel string, refused error) string {
	code := refused.Error()
	if said, ok := errors.AsType[*slackError](refused); ok {
		code = said.code
	}
	b.log.Warn("nothing can be posted in a channel", "channel", channel, "error", code)
	b.debug("a trouble can't be noted", b.cache.SetTrouble(ctx, t.ID, channel, cache.Trouble{Why: code, At: b.now()}))
	return code
}

// announceMany posts one message for many handoffs. What became of it is noted in any case.
func (b *Bot) announceMany(ctx context.Context, t *Team, i slackui.Intent) (string, error) {
	name := bundleName(i.Episode)
	_, n, err := b.cache.Handoff(ctx, t.ID, name, i.Channel)
	if err != nil {
		return "", err
	}
	if announced(i.Episode, n) {
		return already, nil
	}
	before := n
	n.Episode, n.At = i.Episode, b.now()
	if n.At.Sub(i.Sent) >= countHolds {
		return over, b.orderAnew(ctx, t, i, 0)
	}
	_, n.TS, err = t.Slack.PostMessageContext(ctx, i.Channel, options(slackui.Bundled(i.Count, i.Sent))...)
	err = wrapSlack("announcing many", err)
	switch {
	case err == nil:
		n.Why = ""
	case temporary(err) || slackDead(err):
		return "", b.noteLimit(ctx, t, name, i.Channel, before, err)
	default:
		n.TS, n.Why, n.Tries = "", b.channelTrouble(ctx, t, i.Channel, err), n.Tries+1
	}
	return b.noteAnnounced(ctx, t, name, i.Channel, n)
}

// remindOne posts that the conversation still waits: in its card's thread, and visible in the channel too.
func (b *Bot) remindOne(ctx context.Context, t *Team, i slackui.Intent) (string, error) {
	h, n, err := b.cache.Handoff(ctx, t.ID, i.Chat, i.Channel)
	if err != nil {
		return "", err
	}
	chat, err := t.Invent.Chat(ctx, i.Chat)
	if err != nil {
		return "", err
	}
	if n.Reminded || n.Episode != i.Episode {
		return over, nil
	}
	if !slackui.Waiting(chat.State) {
		return over, b.orderAnew(ctx, t, i, 0)
	}
	_, _, err = t.Slack.PostMessageContext(ctx, i.Channel, aloud(n.TS, slackui.StillWaiting(i.Chat, since(h)))...)
	err = wrapSlack("reminding of a conversation", err)
	if err != nil && (temporary(err) || slackDead(err)) {
		return "", err
	}
	n.Reminded = true
	if noted := b.cache.SetNotice(ctx, t.ID, i.Chat, i.Channel, n); noted != nil {
		return "", noted
	}
	if err != nil {
		return undelivered, nil //nolint:nilerr // the channel or the card is gone: that is the outcome
	}
	return changed, nil
}

// route says which rule takes a conversation and why, and what became of its announcement in each channel.
func (b *Bot) route(ctx context.Context, s *scene) (string, error) {
	told := slackui.Told{Unlisted: s.team.lacks("inbox"), Waiting: slackui.Waiting(s.chat.State), Waits: waitsSince(s)}
	if rules := b.routes.take(s.chat); len(rules) > 0 {
		told.Rule, told.Why, told.LeftOut = rules[0].Name, b.routes.why(rules[0]), b.leftOut(s.chat)
		for _, r := range rules {
			fate, err := b.fate(ctx, s, r)
			if err != nil {
				return "", err
			}
			told.Fates = append(told.Fates, fate)
		}
	}
	return said, b.say(ctx, s.work.Intent, slackui.RouteTold(told))
}

// fate finds out what became of a conversation's announcement in the channel of a rule.
func (b *Bot) fate(ctx context.Context, s *scene, r Rule) (slackui.Fate, error) {
	h, n, err := b.cache.Handoff(ctx, s.team.ID, s.chat.ID, r.Channel)
	if err == nil && h.Bundled {
		_, n, err = b.cache.Handoff(ctx, s.team.ID, bundleName(h.Bundle), r.Channel)
	}
	if err != nil {
		return slackui.Fate{}, err
	}
	fate := slackui.Fate{Channel: r.Channel, Not: n.Why}
	if n.TS != "" && n.Why == "" {
		fate.Posted, fate.Bundled = n.At, h.Bundled
	}
	if !slackui.Waiting(s.chat.State) && fate.Not == "quiet" {
		fate.Not = "" // there will be no announcement afterwards
	} else if fate == (slackui.Fate{Channel: r.Channel}) && r.quiet(b.now()) && b.waits(s.chat) {
		fate.Not = "quiet"
	}
	return fate, nil
}

// waitsSince returns since when the conversation waits; the zero time when it doesn't, or nobody knows.
func waitsSince(s *scene) time.Time {
	if !slackui.Waiting(s.chat.State) {
		return time.Time{}
	}
	return since(s.known.Handoff)
}

// since returns since when a handoff waits; the zero time when it doesn't, or nobody knows.
func since(h cache.Handoff) time.Time {
	if !h.Waiting || h.Before {
		return time.Time{}
	}
	return h.Since
}
