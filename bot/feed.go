package bot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	beat           = time.Second      // of the feed
	renewEvery     = 5 * time.Second  // the lead, which is lost after 15 s
	listAlone      = 10 * time.Second // between listings without a socket
	listBeside     = 2 * time.Minute  // and beside one
	inboxPages     = 100              // of 100 conversations
	perPage        = 500 * time.Millisecond
	silence        = 5 * time.Minute // after which a socket is dropped
	reconnectFirst = time.Second
	reconnectMax   = time.Minute
	clocks         = 2 * time.Second // by which those of two processes may differ
	contractEvery  = time.Hour
	sweepEvery     = time.Hour
	sweepMost      = 200            // conversations within sweepEvery
	ordersMost     = 3              // a second, each of which reads a conversation from Invent: most of its 500 calls a minute are for people's clicks
	turnEvery      = time.Second    // in one channel, as Slack wants
	early          = turnEvery / 20 // is in turn still: beats are not that exact. The next turn comes no earlier for it
	orderHolds     = time.Minute    // after which an order is given again that hasn't led to anything
	bundleFrom     = 5              // single cards within bundleWithin; more are bundled
	bundleWithin   = 10 * time.Second
	countHolds     = time.Minute     // after which it is counted anew how many of a bundle wait
	assignedNow    = 5 * time.Minute // less than the hour in which a notice's order is known as given: nobody is told twice
	forgetAfter    = 30 * 24 * time.Hour
)

// inbox is the list of an organisation's conversations in memory, with what this process itself has changed since.
type inbox struct {
	listing[[]invent.Chat]
	mu         sync.Mutex
	young, old map[string]ourChange // by conversation; when young is a minute old or full, it becomes old
	turned     time.Time
	tried      atomic.Int64 // pages that the last listing asked for, also one that failed
}

type ourChange struct {
	state invent.ChatState
	at    time.Time
}

const oursMost = 100 * inboxPages // more than an inbox can show are of no use

// changed notes a conversation as this process has just seen it.
func (x *inbox) changed(c invent.Chat, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.young == nil || at.Sub(x.turned) > time.Minute || len(x.young) >= oursMost {
		x.old, x.young, x.turned = x.young, map[string]ourChange{}, at
	}
	x.young[c.ID] = ourChange{state: c.State, at: at}
}

// own answers the state of a conversation as this process has seen it since a listing began, at least if that was in the last minute.
func (x *inbox) own(id string, begun time.Time) (invent.ChatState, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	o, found := x.young[id]
	if !found {
		o, found = x.old[id]
	}
	return o.state, found && !o.at.Before(begun)
}

// paceOf answers how long at least is between two listings of so many conversations: a large inbox is listed less often, so that
// people's clicks keep most of Invent's 500 calls a minute.
func paceOf(conversations int) time.Duration {
	return max(beat, time.Duration(conversations/100+1)*perPage)
}

// conversations answers the inbox as it was at the given moment or later, or as it was listed last if it can't be listed again yet,
// each conversation once, with what this process itself has changed since it was listed.
func (b *Bot) conversations(ctx context.Context, t *Team, oldest time.Time) ([]invent.Chat, error) {
	kept, _ := t.inbox.kept()
	if soonest := b.now().Add(-paceOf(len(kept))); soonest.Before(oldest) {
		oldest = soonest
	}
	if _, err := b.listInbox(ctx, t, oldest); err != nil {
		return nil, err
	}
	kept, begun := t.inbox.kept()
	list := slices.Clone(kept)
	for i, c := range list {
		if own, found := t.inbox.own(c.ID, begun); found {
			list[i].State = own
		}
	}
	return list, nil
}

func (b *Bot) listInbox(ctx context.Context, t *Team, oldest time.Time) ([]invent.Chat, error) {
	return t.inbox.since(ctx, oldest, b.now, func(ctx context.Context) ([]invent.Chat, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		var all []invent.Chat
		seen := map[string]bool{}
		for page := 1; page <= inboxPages; page++ {
			t.inbox.tried.Store(int64(page))
			chats, more, err := t.Invent.Inbox(ctx, page)
			if wait, limited := invent.RateLimited(err); limited && wait < 10*time.Second {
				pauseFor(ctx, wait)
				page--
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("listing the inbox: %w", err)
			}
			before := len(all)
			for _, c := range chats {
				if !seen[c.ID] { // the list moves while it is read
					seen[c.ID] = true
					all = append(all, c)
				}
			}
			if !more || len(all) == before { // nothing new: an API that doesn't know pages, and sends the same for ever
				break
			}
		}
		return all, nil
	})
}

// feed follows the team's inbox, as long as this process leads it. Events are only triggers: what is true is what the listing,
// or the conversation itself, says.
type feed struct {
	*Bot
	team      *Team
	trigger   chan struct{}        // something may have changed: list now
	states    map[string]string    // the state of each conversation as last seen
	holders   map[string]string    // who had each conversation then, "" for nobody
	singles   []time.Time          // when single cards were asked for
	pending   []slackui.Intent     // what the last listing wants posted, until its channel's turn
	notices   []slackui.Intent     // who is to be told whose a conversation is, one for each conversation, one a second; the next leader finds the latest anew
	ordered   map[string]time.Time // when something was ordered last, by key
	pace      *rate.Limiter        // of orders
	turns     turns                // when each channel takes something again
	booked    turns                // and when a redraw that was put off for the last time
	next      time.Time            // of the next listing
	soonest   time.Time            // before which no trigger lists again
	listed    time.Time            // when the last listing that was made use of began
	swept     time.Time
	listening func() // ends the socket; nil when there is none
	offline   string // why nothing is listed, as last logged
}

// lead renews the lead of the feed until ctx ends, beside the feed itself, which may be busy for longer than a lead lasts.
func (b *Bot) lead(ctx context.Context) {
	for ctx.Err() == nil {
		wait := beat // until it is known which team this is
		if b.probe.checked.Load() {
			leads, err := b.cache.Lead(ctx, b.probe.ID)
			b.debug("it can't be told who leads", err)
			b.leads.Store(leads)
			wait = renewEvery
		}
		pauseFor(ctx, wait)
	}
	if b.leads.Swap(false) {
		b.debug("another process leads later than it could", b.cache.StepDown(context.WithoutCancel(ctx), b.probe.ID))
	}
}

// follow runs the feed until ctx ends, whenever this process leads.
func (b *Bot) follow(ctx context.Context) {
	f := &feed{Bot: b, team: b.probe, trigger: make(chan struct{}, 1), pace: rate.NewLimiter(ordersMost, ordersMost)}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	defer f.drop()
	led := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-f.trigger:
			f.next = f.soonest
		}
		leads := b.leads.Load()
		if leads && !led {
			f.states, f.holders, f.next, f.listed, f.swept = map[string]string{}, map[string]string{}, time.Time{}, time.Time{}, time.Time{}
			f.pending, f.notices, f.ordered, f.turns, f.booked = nil, nil, map[string]time.Time{}, turns{}, turns{}
		}
		led = leads
		if !leads {
			f.drop()
			f.say("") // another process follows the inbox
			continue
		}
		if f.listening == nil && f.team.has("listen") && f.team.has("inbox") {
			f.connect(ctx)
		}
		f.step(ctx)
	}
}

// connect starts the goroutine that keeps a socket open; drop ends it and waits for it.
func (f *feed) connect(ctx context.Context) {
	ctx, quit := context.WithCancel(ctx)
	ended := make(chan struct{})
	f.listening = func() {
		quit()
		<-ended
	}
	go func() {
		defer close(ended)
		f.listen(ctx)
	}()
}

func (f *feed) drop() {
	if f.listening != nil {
		f.listening()
		f.listening = nil
	}
}

// step does what is due for the leader.
func (f *feed) step(ctx context.Context) {
	if now := f.now(); !now.Before(f.next) {
		f.reconcile(ctx)
	}
	f.orderPending(ctx)
	f.orderRedraws(ctx)
	if f.now().Sub(f.swept) >= sweepEvery/sweepMost {
		f.swept = f.now()
		f.sweep(ctx)
	}
}

// orderPending orders what is pending where its channel has its turn: what Slack would not take yet is not read from Invent either.
func (f *feed) orderPending(ctx context.Context) {
	now := f.now()
	f.turns.prune(now)
	inTurn := func(i slackui.Intent) bool {
		if f.turns.next(now, i.Channel).After(now.Add(early)) || !f.pace.AllowN(now, 1) {
			return false
		}
		f.turns.take(now, i.Channel)
		if !f.order(ctx, i) {
			return false
		}
		f.ordered[i.Key] = now
		return true
	}
	f.pending, f.notices = slices.DeleteFunc(f.pending, inTurn), slices.DeleteFunc(f.notices, inTurn)
}

// orderRedraws orders the redraws that are due where each channel of the conversation's cards has its turn. The others are put off, each
// to a time of its own, so that none is looked at at every beat; no turn is kept for them, so that what is pending goes first.
func (f *feed) orderRedraws(ctx context.Context) {
	now := f.now()
	f.booked.prune(now)
	due, err := f.cache.DueRedraws(ctx, f.team.ID, now, 100)
	f.debug("redraws can't be found", err)
	channels, err := f.cache.Channels(ctx, f.team.ID, due)
	f.debug("it can't be told which channels a redraw concerns", err)
	wait := map[string]time.Time{}
	var ordered []string
	for _, chat := range due {
		turn := f.turns.next(now, channels[chat]...)
		switch {
		case turn.After(now.Add(early)):
			wait[chat] = f.booked.take(turn, channels[chat]...)
		case !f.pace.AllowN(now, 1):
			wait[chat] = now
		default:
			f.turns.take(now, channels[chat]...)
			if f.redrawNow(ctx, chat) {
				ordered = append(ordered, chat)
			} else {
				wait[chat] = now.Add(turnEvery) // the queue is full
			}
		}
	}
	f.debug("redraws are put off for half a minute", f.cache.RedrawAt(ctx, f.team.ID, wait))
	f.debug("redraws will be ordered once more", f.cache.Redrawn(ctx, f.team.ID, now, ordered...))
}

func (f *feed) redrawNow(ctx context.Context, chat string) bool {
	return f.order(ctx, slackui.Intent{Verb: slackui.Redraw, Chat: chat, Key: fmt.Sprintf("redraw/%s/%s/%d", f.team.ID, chat, f.now().UnixNano())})
}

// turns says when each channel has its next turn.
type turns map[string]time.Time

// next answers when all of the channels have a turn, from the given moment on.
func (t turns) next(from time.Time, channels ...string) time.Time {
	for _, c := range channels {
		from = later(from, t[c])
	}
	return from
}

// take takes that turn, one for each time that a channel is named, and answers when it is.
func (t turns) take(from time.Time, channels ...string) time.Time {
	turn := t.next(from, channels...)
	for _, c := range channels {
		if t[c].Before(turn.Add(-turnEvery)) {
			t[c] = turn
		}
		t[c] = t[c].Add(turnEvery)
	}
	return turn
}

// prune forgets turns that are long over.
func (t turns) prune(now time.Time) {
	maps.DeleteFunc(t, func(_ string, at time.Time) bool { return now.Sub(at) > turnEvery })
}

// order submits work that nobody but the bot asked for, once for each key. False: the queue is full.
func (f *feed) order(ctx context.Context, i slackui.Intent) bool {
	i.V, i.Team, i.Enterprise, i.Sent = slackui.Version, f.team.ID, f.team.Enterprise, f.now()
	taken := f.accept(ctx, i)
	if !taken {
		f.log.Debug("the queue is full: what the feed orders waits", "verb", string(i.Verb))
	}
	return taken
}

// listen keeps a socket open until ctx ends, and lets every event trigger a listing.
func (f *feed) listen(ctx context.Context) {
	wait := reconnectFirst
	for ctx.Err() == nil {
		connected, quit := context.WithCancel(ctx)
		quiet := time.AfterFunc(silence, quit)
		begun := time.Now()
		err := f.team.Invent.Listen(connected, func() {
			quiet.Reset(silence)
			f.socket.Store(true)
			f.wake()
		})
		quiet.Stop()
		quit()
		f.socket.Store(false)
		f.wake() // whatever was missed is seen at once
		if ctx.Err() != nil {
			return
		}
		f.log.Debug("the inbox's socket ended", "error", err)
		if time.Since(begun) > reconnectMax {
			wait = reconnectFirst
		}
		pauseFor(ctx, wait/2+rand.N(wait)) //nolint:gosec // jitter, no secret
		wait = min(2*wait, reconnectMax)
	}
}

// wake asks for a listing soon.
func (f *feed) wake() {
	select {
	case f.trigger <- struct{}{}:
	default:
	}
}

// reconcile lists the inbox, announces what waits and was not announced, and asks for a redraw of what has changed.
func (f *feed) reconcile(ctx context.Context) {
	begun := f.now()
	if !f.team.has("inbox") || !f.team.has("chat") { // a card is drawn from the conversation as it is then
		f.next = begun.Add(listAlone)
		f.say("Invent's API lists no inbox, as far as is known: handoffs are not announced, and cards are redrawn by clicks and once an hour only")
		return
	}
	chats, err := f.listInbox(ctx, f.team, begun)
	least := max(paceOf(len(chats)), time.Duration(f.team.inbox.tried.Load())*perPage)
	f.soonest, f.next = begun.Add(least), begun.Add(max(listAlone, least))
	if err != nil {
		f.say("the inbox can't be listed: " + err.Error())
		return
	}
	f.say("")
	f.prune(chats)
	f.redrawChanged(ctx, chats, begun)
	f.noticeChanged(chats)
	if err := f.announce(ctx, chats, begun); err != nil {
		f.log.Warn("handoffs can't be announced", "error", err)
		f.states = map[string]string{}
		return
	}
	f.listed = begun
	if f.socket.Load() {
		f.next = begun.Add(max(listBeside, least)) // what failed is tried again as soon as without a socket
	}
	f.log.Debug("the inbox was listed", "conversations", len(chats))
}

// say logs why the feed can't work, when that is news.
func (f *feed) say(why string) {
	if why != f.offline && why != "" {
		f.log.Warn("the feed", "trouble", why)
	}
	f.offline = why
	f.health.setFeed(why)
}

// redrawChanged asks for a redraw of the cards of every conversation that isn't as they show it. Whether it is is looked at where the
// listing before was another, and where cards were drawn since: they may show what was so in between only.
func (f *feed) redrawChanged(ctx context.Context, chats []invent.Chat, begun time.Time) {
	if !f.listed.IsZero() {
		drawn, err := f.cache.Carded(ctx, f.team.ID, f.listed.Add(-clocks), begun)
		f.debug("it can't be told which cards were drawn", err)
		if err != nil {
			f.states = map[string]string{}
		}
		for _, chat := range drawn {
			delete(f.states, chat)
		}
	}
	now, fresh := map[string]string{}, make([]string, 0, len(chats))
	for _, c := range chats {
		state := stateDigest(c.State)
		if f.states[c.ID] != state {
			now[c.ID] = state
			fresh = append(fresh, c.ID)
		}
	}
	for len(fresh) > 0 {
		part := fresh[:min(500, len(fresh))]
		fresh = fresh[len(part):]
		drawn, err := f.cache.Drawn(ctx, f.team.ID, part)
		if err != nil {
			f.debug("it can't be told which cards are stale", err)
			return // their states stay unknown: the next listing tries again
		}
		redraw := map[string]time.Time{}
		for _, chat := range part {
			if shown, has := drawn[chat]; has && shown != now[chat] {
				redraw[chat] = f.now()
			}
			f.states[chat] = now[chat]
		}
		if err := f.cache.RedrawAt(ctx, f.team.ID, redraw); err != nil {
			f.debug("redraws can't be asked for", err)
			for chat := range redraw {
				delete(f.states, chat)
			}
		}
	}
}

// prune forgets what was seen of conversations that the inbox doesn't list any more, once they are as many as those that it lists.
func (f *feed) prune(chats []invent.Chat) {
	if len(f.states) < 2*len(chats)+100 {
		return
	}
	listed := map[string]bool{}
	for _, c := range chats {
		listed[c.ID] = true
	}
	gone := func(chat, _ string) bool { return !listed[chat] }
	maps.DeleteFunc(f.states, gone)
	maps.DeleteFunc(f.holders, gone)
}

// noticeChanged orders that those are told who have a conversation that they didn't have at the listing before. Of a conversation that
// was not seen before, as after a change of the lead, only what was assigned just now is news. What was assigned through the bot, they know.
func (f *feed) noticeChanged(chats []invent.Chat) {
	for _, c := range chats {
		had, seen := f.holders[c.ID]
		u, at := c.State.AssignedUser, c.State.AssignedAt
		if u == nil {
			f.holders[c.ID] = ""
			continue
		}
		if seen && had != u.ID || !seen && at != nil && f.now().Sub(*at) < assignedNow {
			since := unix(at)
			if at == nil { // else it is the same order whenever they get it back within an hour
				since = f.now().Unix()
			}
			f.notice(slackui.Intent{
				Verb: slackui.Notice, Chat: c.ID, Seen: &u.ID, Key: fmt.Sprintf("notice/%s/%s/%s/%d", f.team.ID, c.ID, u.ID, since),
			})
		}
		f.holders[c.ID] = u.ID
	}
}

// notice queues a notice, in the place of an older one of its conversation, of which it is too late to tell.
func (f *feed) notice(n slackui.Intent) {
	older := slices.IndexFunc(f.notices, func(i slackui.Intent) bool { return i.Chat == n.Chat })
	if older < 0 {
		f.notices = append(f.notices, n)
		return
	}
	f.notices[older] = n
}

// stateDigest tells whether two states look different on a card.
func stateDigest(s invent.ChatState) string {
	facts := []any{s.State, s.AIEnabled, s.AdminUnseenCount, unix(s.LastContactMessageAt), unix(s.FollowUpAt), unix(s.MutedUntil), s.CSATScore}
	if u := s.AssignedUser; u != nil {
		facts = append(facts, u.ID, u.Name, unix(s.AssignedAt))
	}
	text, _ := json.Marshal(facts) // of strings and numbers: it can't fail
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func unix(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

// announce notes which conversations wait, and orders an announcement of each that has none. A conversation that isn't in the
// list is left as it was: the list moves while it is read.
func (f *feed) announce(ctx context.Context, chats []invent.Chat, now time.Time) error {
	known, first, err := f.cache.Handoffs(ctx, f.team.ID)
	if err != nil {
		return err
	}
	notices, err := f.cache.Notices(ctx, f.team.ID)
	if err != nil {
		return err
	}
	unseen := now.Sub(f.listed) > 2*listBeside // what happened meanwhile
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

// leftMost is how many conversations that waited and aren't listed any more are looked at after a listing.
const leftMost = 3

// leftWaiting notes which conversations wait no more, of those that aren't listed: which ones Invent lists isn't known, and without that
// a resolved one that is opened again would be taken for one that has waited ever since. They come in no order, each time another: of
// more than an inbox can list some go on waiting, and those would come first for ever.
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

// missed answers the last episode of a conversation that had announced itself by a change before this listing began, also when it was
// taken before any listing: the next one is another, to be announced.
func (f *feed) missed(c invent.Chat, notices map[string]cache.Notice, begun time.Time) (last cache.Handoff) {
	for _, r := range f.routes.take(c) {
		if n := notices[cache.NoticeName(c.ID, r.Channel)]; n.Episode > last.Episode && n.At.Before(begun) {
			last = cache.Handoff{Episode: n.Episode, Since: n.At}
		}
	}
	return last
}

// forgotten answers what needs not be known any more: conversations, and announcements by their names.
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

// leftOut says whether a conversation's waiting is announced nowhere: one that comes from Slack itself could loop.
func (b *Bot) leftOut(c invent.Chat) bool {
	return c.State.IntegrationID == "slack_bot" && !b.handoffSlack
}

// announced says whether an episode of a conversation's, or the bundle of this number, was announced.
func announced(episode int, n cache.Notice) bool {
	return n.Episode == episode && n.Why == "" && n.TS != ""
}

// bundleIn is a bundle in one of its channels.
type bundleIn struct {
	channel string
	number  int
}

const bundlePrefix = "bundle " // no conversation's id has a space in it

// bundleName stands for a bundle where announcements are kept, as the id of a conversation does.
func bundleName(number int) string { return bundlePrefix + strconv.Itoa(number) }

// nextBundle numbers a new bundle. Two processes that both believe to lead answer the same, and so order the same.
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

// bundle decides which of the new handoffs become one message instead of a card each: all at the very first listing, and more
// than five within ten seconds. It marks them in changed. In a rule's quiet time there is no message: each gets its card afterwards.
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
		h.Bundled, h.Bundle = true, number // where no rule takes it, too: nothing is left to do
		changed[c.ID] = h
	}
}

// unbundles says whether a conversation is to have a card of its own after all: its bundle could not be posted before the quiet
// time, at whose end other conversations wait than those that were counted.
func (f *feed) unbundles(c invent.Chat, h cache.Handoff, notices map[string]cache.Notice, now time.Time) bool {
	return h.Bundled && slices.ContainsFunc(f.routes.take(c), func(r Rule) bool {
		return r.quiet(now) && !announced(h.Bundle, notices[cache.NoticeName(bundleName(h.Bundle), r.Channel)])
	})
}

// unheard says whether nothing is known of the announcement of a conversation that waits, as where its channel was named only now.
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

// single orders what is due for one handoff: its announcement, until a job has noted what became of it, and the reminder. The same
// order twice is one job.
func (f *feed) single(ctx context.Context, c invent.Chat, h cache.Handoff, notices map[string]cache.Notice, now time.Time) {
	for _, r := range f.routes.take(c) {
		n, quiet := notices[cache.NoticeName(c.ID, r.Channel)], r.quiet(now)
		order := slackui.Intent{Chat: c.ID, Channel: r.Channel, Episode: h.Episode}
		switch {
		case now.Before(n.Next):
		case !announced(h.Episode, n):
			order.Verb, order.Key = slackui.Announce, fmt.Sprintf("announce/%s/%s/%s/%d/%d", f.team.ID, c.ID, r.Channel, h.Episode, n.Tries)
			f.orderUnless(ctx, order, c.ID, n, quiet, now)
		case f.waitReminder > 0 && now.Sub(h.Since) >= f.waitReminder && !n.Reminded && !quiet:
			order.Verb, order.Key = slackui.Remind, fmt.Sprintf("remind/%s/%s/%s/%d/%d", f.team.ID, c.ID, r.Channel, h.Episode, n.Tries)
			f.orderInTurn(order, now)
		}
	}
}

// many orders the message for a bundle of which so many conversations wait still, until a job has noted what became of it. The same
// order twice is one job.
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

// orderUnless orders an announcement, or notes under its name what stands against it.
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

// orderInTurn orders what was not ordered just now, once its channel has its turn.
func (f *feed) orderInTurn(order slackui.Intent, now time.Time) {
	if now.Sub(f.ordered[order.Key]) >= orderHolds {
		f.pending = append(f.pending, order)
	}
}

// sweep compares the cards of one conversation with the truth, the longest unseen ones.
func (f *feed) sweep(ctx context.Context) {
	chats, err := f.cache.Unswept(ctx, f.team.ID, f.now().Add(-sweepEvery), f.now(), 1)
	f.debug("cards can't be swept", err)
	for _, chat := range chats {
		f.order(ctx, slackui.Intent{Verb: slackui.Redraw, Chat: chat, Sweep: true, Key: fmt.Sprintf("sweep/%s/%s/%d", f.team.ID, chat, f.now().Unix())})
	}
}

// announceOne posts the card of a handoff, if it waits still. What became of it is noted in any case.
func (b *Bot) announceOne(ctx context.Context, t *Team, w *work, j cache.Job) (string, error) {
	i := w.Intent
	if p := w.Posted; p != nil {
		p.Card.Channel, p.Card.TS = p.Channel, p.TS
		if err := b.cache.AddCard(ctx, t.ID, i.Chat, "", p.Card); err != nil { // what it shows is compared at the next listing
			return "", errors.Join(errStore, err)
		}
		b.debug("a redraw can't be asked for", b.cache.RedrawAt(ctx, t.ID, map[string]time.Time{i.Chat: b.now()}))
		return b.noteAnnounced(ctx, t, i.Chat, i.Channel, p.Notice)
	}
	h, n, err := b.cache.Handoff(ctx, t.ID, i.Chat, i.Channel)
	if err != nil {
		return "", errors.Join(errStore, err)
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
		return "", errors.Join(errStore, err)
	}
	s.known.Handoff = h
	drawn, err := b.post(ctx, s)
	if err != nil && n.TS != "" && !temporary(err) && !slackDead(err) { // perhaps it is the thread that takes nothing more, not the channel
		w.Intent.Thread = ""
		if drawn, err = b.post(ctx, s); err == nil {
			n.TS = ""
		}
	}
	notice := cache.Notice{Episode: i.Episode, TS: n.TS, At: b.now()}
	switch {
	case err == nil && drawn != nil:
		if n.TS == "" {
			notice.TS = drawn.TS
		}
		w.Posted = &posted{*drawn, drawn.Channel, drawn.TS, notice}
		b.add(ctx, s, drawn)
	case err == nil || temporary(err) || slackDead(err):
		return "", err
	default:
		notice.Why, notice.Tries = b.channelTrouble(ctx, t, i.Channel, err), n.Tries+1
	}
	return b.noteAnnounced(ctx, t, i.Chat, i.Channel, notice)
}

// announcedBy notes that the new card of a change, by which the conversation has begun to wait, is its announcement in that channel. One
// in a thread is not: who reads the channel doesn't see it.
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

// noteAnnounced ends a job with what became of its announcement. Admins hear of a trouble after it is noted: what they ask then is
// answered by it.
func (b *Bot) noteAnnounced(ctx context.Context, t *Team, name, channel string, n cache.Notice) (string, error) {
	if err := b.cache.SetNotice(ctx, t.ID, name, channel, n); err != nil {
		return "", errors.Join(errStore, err)
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

// orderAnew notes that an order of the feed's has ended without what it was for, so that it is given again where it is due still: each
// order is carried out once within an hour. One that failed is given a minute later, and then less and less often.
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
	if err != nil {
		return errors.Join(errStore, err)
	}
	return nil
}

// orderFailed is orderAnew for an order that ended with an error; any other job is left alone, and so is one that would go on harming
// the process.
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

// channelTrouble switches one channel off for a while, and answers Slack's word for the trouble.
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
		return "", errors.Join(errStore, err)
	}
	if announced(i.Episode, n) {
		return already, nil
	}
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
		return "", err
	default:
		n.TS, n.Why, n.Tries = "", b.channelTrouble(ctx, t, i.Channel, err), n.Tries+1
	}
	return b.noteAnnounced(ctx, t, name, i.Channel, n)
}

// remindOne posts in the card's thread, and so that the channel sees it, that the conversation still waits.
func (b *Bot) remindOne(ctx context.Context, t *Team, i slackui.Intent) (string, error) {
	h, n, err := b.cache.Handoff(ctx, t.ID, i.Chat, i.Channel)
	if err != nil {
		return "", errors.Join(errStore, err)
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
		return "", errors.Join(errStore, noted)
	}
	if err != nil {
		return undelivered, nil //nolint:nilerr // the channel or the card is gone: that is the outcome
	}
	return changed, nil
}

// redraw redraws a conversation's cards by its present state.
func (b *Bot) redraw(ctx context.Context, t *Team, w *work, j cache.Job) (string, error) {
	known, err := b.cache.Known(ctx, cache.Question{Team: t.ID, Chat: w.Intent.Chat})
	if err != nil {
		return "", errors.Join(errStore, err)
	}
	if len(known.Cards) == 0 {
		return gone, b.cache.Uncard(ctx, t.ID, w.Intent.Chat)
	}
	chat, err := t.Invent.Chat(ctx, w.Intent.Chat)
	if invent.NotFound(err) {
		return gone, b.cache.Uncard(ctx, t.ID, w.Intent.Chat)
	}
	if err != nil {
		return "", err
	}
	if b.redrawOthers(ctx, &scene{team: t, work: w, job: j, chat: chat, known: known}, nil) && w.Intent.Sweep {
		b.metrics.stale.Inc()
	}
	return shown, nil
}

// list shows the conversations that wait, or those that the person has.
func (b *Bot) list(ctx context.Context, t *Team, i slackui.Intent, verb slackui.Verb, me cache.Link, asked time.Time, done string) (string, error) {
	items, waiting, _, err := b.items(ctx, t, me, asked)
	if err != nil {
		return "", err
	}
	if verb == slackui.Queue {
		items = waiting
	}
	return said, b.sayBy(ctx, i, hook{ReplaceOriginal: i.Private, Message: slackui.Items(verb, items, i.Page, done)})
}

// longest puts first who has written longest ago, then whoever's id is less.
func longest(a, b slackui.Item) int {
	at, bt := a.Chat.State.LastContactMessageAt, b.Chat.State.LastContactMessageAt
	if at != nil && bt != nil && !at.Equal(*bt) {
		return at.Compare(*bt)
	}
	if a.Chat.ID < b.Chat.ID {
		return -1
	}
	return 1
}

// route says which rule takes a conversation and why, and what became of its announcement in each of the rule's channels.
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
		return slackui.Fate{}, errors.Join(errStore, err)
	}
	fate := slackui.Fate{Channel: r.Channel, Not: n.Why}
	if n.TS != "" && n.Why == "" {
		fate.Posted, fate.Bundled = n.At, h.Bundled
	}
	if !slackui.Waiting(s.chat.State) && fate.Not == "quiet" {
		fate.Not = "" // it doesn't come afterwards
	} else if fate == (slackui.Fate{Channel: r.Channel}) && r.quiet(b.now()) && b.waits(s.chat) {
		fate.Not = "quiet"
	}
	return fate, nil
}

// waitsSince answers since when the conversation waits; the zero time when it doesn't, or nobody knows.
func waitsSince(s *scene) time.Time {
	if !slackui.Waiting(s.chat.State) {
		return time.Time{}
	}
	return since(s.known.Handoff)
}

// since answers since when a handoff waits; the zero time when it doesn't, or nobody knows.
func since(h cache.Handoff) time.Time {
	if !h.Waiting || h.Before {
		return time.Time{}
	}
	return h.Since
}
