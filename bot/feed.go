package bot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	beat           = time.Second      // of the feed
	renewEvery     = 5 * time.Second  // how often the lead is renewed, which is lost after 15 s
	listAlone      = 10 * time.Second // between listings without a socket
	listBeside     = 2 * time.Minute  // and beside one
	silence        = 5 * time.Minute  // after which a silent socket is dropped
	reconnectFirst = time.Second
	reconnectMax   = time.Minute
	clocks         = 2 * time.Second // by which the clocks of two processes may differ
	sweepEvery     = time.Hour
	sweepMost      = 200             // conversations within sweepEvery
	ordersMost     = 3               // a second. Each reads a conversation from Invent, and most of its 500 calls a minute are for people's clicks
	turnEvery      = time.Second     // between two turns of a channel, as Slack wants
	early          = turnEvery / 20  // this much too early is in turn still, because beats are not exact. The next turn comes no earlier for it
	assignedNow    = 5 * time.Minute // less than the hour in which a second order of a notice counts as a repeat: nobody is told twice
)

// feed follows the team's inbox, as long as this process leads. Events are only triggers: the truth is what the listing, or the
// conversation itself, says.
type feed struct {
	*Bot
	term
	team      *Team
	trigger   chan struct{} // something may have changed: list now
	singles   []time.Time   // when single cards were asked for
	pace      *rate.Limiter // of orders
	soonest   time.Time     // a trigger lists again no earlier than this
	listening func()        // ends the socket; nil when there is none
	offline   string        // why nothing is listed, as last logged
}

// term is what the feed knows since this process leads.
type term struct {
	states  map[string]string    // the state of each conversation as last seen
	holders map[string]string    // who had each conversation then, "" for nobody
	pending []slackui.Intent     // what the last listing wants posted; each waits for its channel's turn
	notices []slackui.Intent     // to new holders, one for each conversation; one a second is ordered. A new leader finds recent ones anew
	ordered map[string]time.Time // when something was ordered last, by key
	turns   turns                // when each channel takes something next
	booked  turns                // when each channel takes the next of the redraws that are put off
	putOff  turns                // to when each conversation's redraw was put off last
	next    time.Time            // of the next listing
	listed  time.Time            // when the last reconcile that went well began
	swept   time.Time
}

// lead takes and renews the lead of the feed until ctx ends. It runs beside the feed, which may be busy for longer than a lead lasts.
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
			f.term = term{
				states: map[string]string{}, holders: map[string]string{}, ordered: map[string]time.Time{}, turns: turns{}, booked: turns{}, putOff: turns{},
			}
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

// orderPending orders pending posts whose channel has its turn, and notices. What Slack would not take yet is not read from Invent
// either.
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

// orderRedraws orders the redraws that are due, where all channels with a card of the conversation have their turn. It puts the others
// off, each to a time of its own, so that it doesn't look at them at every beat. That reserves no turn, so that pending posts go first. A
// redraw that is asked for again before its time keeps that time: else each click in a busy channel would move it further away.
func (f *feed) orderRedraws(ctx context.Context) {
	now := f.now()
	f.booked.prune(now)
	f.putOff.prune(now)
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
			if !f.putOff[chat].After(now) {
				f.putOff[chat] = f.booked.take(turn, channels[chat]...)
			}
			wait[chat] = f.putOff[chat]
		case !f.pace.AllowN(now, 1):
			wait[chat] = now
		default:
			f.turns.take(now, channels[chat]...)
			if f.order(ctx, slackui.Intent{Verb: slackui.Redraw, Chat: chat, Key: fmt.Sprintf("redraw/%s/%s/%d", f.team.ID, chat, f.now().UnixNano())}) {
				ordered = append(ordered, chat)
			} else {
				wait[chat] = now.Add(turnEvery) // the queue is full
			}
		}
	}
	f.debug("redraws are put off for half a minute", f.cache.RedrawAt(ctx, f.team.ID, wait))
	f.debug("redraws will be ordered once more", f.cache.Redrawn(ctx, f.team.ID, now, ordered...))
}

// turns says when each channel has its next turn.
type turns map[string]time.Time

// next returns the first moment, from the given one on, when all of the channels have a turn.
func (t turns) next(from time.Time, channels ...string) time.Time {
	for _, c := range channels {
		from = later(from, t[c])
	}
	return from
}

// take takes the turn that next finds, once for each time that a channel is named, and returns its moment.
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

// reconcile lists the inbox, orders announcements of conversations that wait and notices to new holders, and asks for redraws of what has
// changed.
func (f *feed) reconcile(ctx context.Context) {
	begun := f.now()
	if !f.team.has("inbox") || !f.team.has("chat") { // cards are drawn from the conversation, not from the listing
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
		f.next = begun.Add(max(listBeside, least)) // only now: a listing that failed is tried again as soon as without a socket
	}
	f.log.Debug("the inbox was listed", "conversations", len(chats))
}

// say keeps for /readyz why the feed can't work, and logs it when that is news; "" means that it works.
func (f *feed) say(why string) {
	if why != f.offline && why != "" {
		f.log.Warn("the feed", "trouble", why)
	}
	f.offline = why
	f.health.setFeed(why)
}

// redrawChanged asks for a redraw of the cards that don't show their conversation as it is. It compares conversations whose state differs
// from that of the last listing, and those whose cards were drawn since: these may show a state that lasted only between the two
// listings.
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
	for part := range slices.Chunk(fresh, 500) {
		drawn, err := f.cache.Drawn(ctx, f.team.ID, part)
		if err != nil {
			f.debug("it can't be told which cards are stale", err)
			return // their states stay unknown: the next listing tries again
		}
		redraw := map[string]time.Time{}
		for _, chat := range part {
			if shown, has := drawn[chat]; has && shown != now[chat] || !has && f.announcing(chat) {
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

// announcing says whether the card that announces the conversation was ordered just now and may be on its way. A redraw comes after it.
func (f *feed) announcing(chat string) bool {
	for key := range f.ordered {
		if strings.HasPrefix(key, announcement(f.team.ID, chat)) {
			return true
		}
	}
	return false
}

// prune forgets conversations that the inbox doesn't list any more, once there are about as many of them as it lists.
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

// noticeChanged orders notices to people who have a conversation that they didn't have at the last listing. For a conversation not seen
// before, as after a change of the lead, it does so only if that was assigned just now. (tellNow drops those about an assignment through
// the bot: these people know.)
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
			if at == nil { // 0 would make it a repeat when they get the conversation back within an hour
				since = f.now().Unix()
			}
			f.notice(slackui.Intent{
				Verb: slackui.Notice, Chat: c.ID, Seen: &u.ID, Key: fmt.Sprintf("notice/%s/%s/%s/%d", f.team.ID, c.ID, u.ID, since),
			})
		}
		f.holders[c.ID] = u.ID
	}
}

// notice queues a notice. It replaces an older one of the same conversation, which is out of date.
func (f *feed) notice(n slackui.Intent) {
	older := slices.IndexFunc(f.notices, func(i slackui.Intent) bool { return i.Chat == n.Chat })
	if older < 0 {
		f.notices = append(f.notices, n)
		return
	}
	f.notices[older] = n
}

// stateDigest differs for two states that look different on a card.
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

// sweep orders a redraw for the one conversation whose cards were not compared with the truth for longest, if that is over sweepEvery
// ago.
func (f *feed) sweep(ctx context.Context) {
	chats, err := f.cache.Unswept(ctx, f.team.ID, f.now().Add(-sweepEvery), f.now(), 1)
	f.debug("cards can't be swept", err)
	for _, chat := range chats {
		f.order(ctx, slackui.Intent{Verb: slackui.Redraw, Chat: chat, Sweep: true, Key: fmt.Sprintf("sweep/%s/%s/%d", f.team.ID, chat, f.now().Unix())})
	}
}

// redraw redraws a conversation's cards as it is now. A conversation without cards, or unknown to Invent, isn't swept any more.
func (b *Bot) redraw(ctx context.Context, t *Team, w *work, j cache.Job) (string, error) {
	known, err := b.cache.Known(ctx, cache.Question{Team: t.ID, Chat: w.Intent.Chat})
	if err != nil {
		return "", err
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
