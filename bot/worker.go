package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	patience   = 5 * time.Second  // after which a person is told that it takes longer
	giveUp     = 2 * time.Minute  // after which nobody wants it any more
	tellUntil  = 10 * time.Minute // after which it is no use to tell how it ended
	innerUntil = 50 * time.Minute // for work that nobody waits for; less than the hour in which a second order of it counts as a repeat
	panics     = 4                // retries of a job that panics, or kills its process
	apart      = 3 * time.Second  // over which jobs are spread during which two or more processes died
	attempt    = 10 * time.Second // for one try; shorter than cache.Attempt, so that the job can still be ended
	parting    = 8 * time.Second  // for telling a person how it ended though the try's time is up; attempt+parting is shorter than cache.TakeOver
)

// progress is how far an earlier try of the same job came with its write.
type progress string

const (
	untouched progress = ""
	unsettled progress = "maybe" // the write may have happened: only reading tells
	written   progress = "done"  // Invent confirmed it: what is left is to show it
)

// work is what a job carries.
type work struct {
	Intent slackui.Intent       `json:"intent"`
	Wrote  progress             `json:"wrote,omitempty"`
	Before *invent.AssignedUser `json:"before,omitempty"` // who had it before the write; nil: nobody
	Deed   *cache.Deed          `json:"deed,omitempty"`   // what was done, once Invent has confirmed it
	Until  time.Time            `json:"until,omitzero"`   // when it is given up, if that is later than two minutes after the request

	member string // who acted, for the log
	exists bool   // the conversation is known, to Invent or to the history
	kept   bool   // the job is one of Bot.cache
	last   bool   // this try must not write: it only finds out what became of an earlier write
	told   bool   // the people whom the change concerns were told, and its note was delivered or given back
	ended  bool   // the job was ended in the same step that kept its change, see cache.Change

	held time.Time // until when this process may hold the job; zero: not from a queue
}

// parting makes a context for what a person must be told though the try's own time is up.
func (w *work) parting(ctx context.Context) (context.Context, context.CancelFunc) {
	held := w.held
	if held.IsZero() {
		held = time.Now().Add(parting)
	}
	return context.WithDeadline(context.WithoutCancel(ctx), held)
}

func (w *work) encode() json.RawMessage {
	text, _ := json.Marshal(w) // of strings, numbers and times: it can't fail
	return text
}

// tooLate says whether the job's time is up. That matters only until its write is confirmed.
func (w *work) tooLate(j cache.Job, now time.Time) bool {
	within := giveUp
	if w.Intent.Verb.Inner() {
		within = innerUntil
	}
	return !now.Before(later(j.At.Add(within), w.Until))
}

// yields says whether the conversation's other jobs may run before this one until it is due: it has nothing more to write, and nobody's
// write should wait for what is only to be shown or said.
func (w *work) yields(j cache.Job, due time.Time) bool {
	return w.Intent.Chat != "" && (!w.Intent.Verb.Changes() || w.Wrote == written || w.tooLate(j, due))
}

func (b *Bot) tellSlow(ctx context.Context, j cache.Job) {
	var w work
	if json.Unmarshal(j.Body, &w) == nil && w.Wrote != written {
		b.whisper(ctx, w.Intent, slackui.About(invent.Chat{ID: w.Intent.Chat}, slackui.Slow())) // else two of them can't be told apart
	}
}

// run makes one try at a job, and ends it or gives it back.
func (b *Bot) run(ctx context.Context, q *cache.Cache, j cache.Job, w *work) {
	if !q.InProcess() && b.settled.has(j.ID) {
		b.end(ctx, q, j)
		return
	}
	if b.behindSpare(ctx, q, j) || !b.lanes.enter(j.Lane, q) {
		b.giveBack(ctx, q, j, b.now().Add(tickEvery)) // the other queue's job may be about to change what this one looks at
		return
	}
	defer b.lanes.leave(j.Lane)
	ctx, cancel := context.WithTimeout(ctx, cache.Attempt)
	defer cancel()
	if w == nil {
		w = &work{}
		if err := json.Unmarshal(j.Body, w); err != nil || w.Intent.V > slackui.Version || !w.Intent.Verb.Known() {
			b.leaveToNewer(ctx, q, j, w)
			return
		}
	}
	if j.Dead > 0 && w.Wrote == untouched && w.Intent.Verb.Changes() {
		w.Wrote = unsettled // the process that died during it may have written; older versions don't note that when they give it back
	}
	if j.TakenOver && j.Dead > 1 && j.Dead <= panics {
		// One of the jobs that the dead process held may have killed it: each is tried at a time of its own.
		due := b.now().Add(rand.N(apart)) //nolint:gosec // no secret
		j.Body, j.Yields = w.encode(), w.yields(j, due)
		b.giveBack(ctx, q, j, due)
		return
	}
	b.passed(stepTaken, j)
	w.kept, w.held = q == b.cache, time.Now().Add(attempt+parting)
	outcome, again, err := b.tries(ctx, q, j, w)
	if again {
		return
	}
	if err != nil {
		var untold error
		if j.Dead > panics+1 {
			outcome = string(failure(w, err)) // even telling the person killed its process
		} else {
			outcome, untold = b.fail(ctx, w, err)
		}
		if untold != nil && b.retry(ctx, q, j, w, untold, j.At.Add(tellUntil)) {
			return
		}
		if errors.Is(err, errPanicked) || errors.Is(err, errKills) {
			b.setAside(ctx, q, j, *w, err)
		}
	}
	b.record(*w, j, outcome, err)
	if !w.ended {
		b.end(ctx, q, j)
	}
	b.passed(stepEnded, j)
}

// behindSpare says whether a job must wait because an earlier one of its lane, which came while Redis was away, isn't done yet.
func (b *Bot) behindSpare(ctx context.Context, q *cache.Cache, j cache.Job) bool {
	if q == b.spare || b.spareJobs.Load() == 0 {
		return false
	}
	first, ok, err := b.spare.First(ctx, j.Lane)
	b.debug("it can't be told what came before", err)
	return ok && first.At.Before(j.At)
}

// tries makes one try at a job. If that must be the last, but its write may have happened, it makes one more that only finds out whether
// it has. again says that the job was given back for another try.
func (b *Bot) tries(ctx context.Context, q *cache.Cache, j cache.Job, w *work) (outcome string, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt) // for both tries; what fail says has time of its own
	defer cancel()
	outcome, err = b.try(ctx, w, j)
	switch {
	case err == nil:
		return outcome, false, nil
	case b.retry(ctx, q, j, w, err, b.until(w, j, err)):
		return "", true, nil
	case w.Wrote != unsettled, j.Dead > panics, errors.Is(err, errPanicked), errors.Is(err, errDoubt):
		return "", false, err
	}
	w.last = true
	why := err
	outcome, err = b.try(ctx, w, j)
	switch {
	case err == nil:
	case w.Wrote == untouched && (!temporary(why) || invent.RetryAfter(why) > 0) && !errors.Is(why, errTooLate):
		err = why // nothing changed, for a reason that Invent gave
	case w.Wrote == written && b.retry(ctx, q, j, w, err, b.until(w, j, err)):
		return "", true, nil
	}
	return outcome, false, err
}

// until returns until when a job whose try ended with this error is tried again, and keeps in w.Until what is later than usual. The zero
// time means not at all.
func (b *Bot) until(w *work, j cache.Job, err error) time.Time {
	wait, waits := errors.AsType[*waitError](err)
	switch {
	case waits:
		w.Until = j.At.Add(wait.until)
	case w.Wrote == unsettled && invent.MayHaveHappened(err): // the next try reads what became of it
	case errors.Is(err, errPanicked) && j.Tries >= panics, !temporary(err) && !errors.Is(err, errPanicked):
		return time.Time{}
	case w.Wrote == written:
		return j.At.Add(tellUntil) // what is left is to show it
	case w.Intent.Verb.Inner() && temporary(err):
		w.Until = j.At.Add(innerUntil)
		if w.Intent.Verb == slackui.Resume {
			w.Until = j.At.Add(resumeUntil)
		}
	case !w.Intent.Verb.Changes() && slackSays(err, "ratelimited", "rate_limited"):
		w.Until = j.At.Add(tellUntil) // a crowd waits for its turn; that is no failure
	}
	return later(j.At.Add(giveUp), w.Until)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// retry gives the job back for another try, unless that would come after until.
func (b *Bot) retry(ctx context.Context, q *cache.Cache, j cache.Job, w *work, why error, until time.Time) bool {
	due := b.now().Add(b.delay(why, j))
	if due.After(until) {
		return false
	}
	b.metrics.retry(why)
	j.Tries++
	j.Body, j.Yields = w.encode(), w.yields(j, due)
	b.giveBack(ctx, q, j, due)
	return true
}

// try makes one try; a panic becomes an error, logged with its stack. A job during which five processes died is not tried again, nor one
// that is too late and during which two died.
func (b *Bot) try(ctx context.Context, w *work, j cache.Job) (outcome string, err error) {
	defer func() {
		if p := recover(); p != nil {
			b.log.Error("a job panicked", "ref", ref(j.ID), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	tooLate := w.Wrote != written && w.tooLate(j, b.now())
	switch {
	case j.Dead > panics, tooLate && j.Dead > 1:
		return "", errKills
	case tooLate && !w.last:
		return "", errTooLate
	}
	return b.act(ctx, w, j)
}

// inTime makes the context for a write to Invent: nobody wants it once the request's time is up. What was written in time is shown all
// the same.
func (b *Bot) inTime(ctx context.Context, s *scene) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.job.At.Add(giveUp).Sub(b.now()))
}

// leaveToNewer gives back a job that a newer version wrote, for a process of that version. If none takes it in time, the person is told.
func (b *Bot) leaveToNewer(ctx context.Context, q *cache.Cache, j cache.Job, w *work) {
	if due := b.now().Add(time.Second); due.Before(j.At.Add(giveUp)) {
		b.giveBack(ctx, q, j, due)
		return
	}
	outcome, _ := b.fail(ctx, w, errNewer)
	b.record(*w, j, outcome, nil)
	b.end(ctx, q, j)
}

// delay returns how long to wait before the next try: at least what the other side asks for, else twice as long each time, with jitter.
func (b *Bot) delay(err error, j cache.Job) time.Duration {
	after := invent.RetryAfter(err)
	if said, ok := errors.AsType[*slackError](err); ok {
		after = said.after
	}
	if wait, ok := errors.AsType[*waitError](err); ok {
		after = wait.after
	}
	backoff := min(500*time.Millisecond<<min(j.Tries, 6), 15*time.Second)
	return max(after, backoff/2) + time.Duration(rand.Int64N(int64(backoff/2))) //nolint:gosec // jitter, no secret
}

// giveBack puts a job aside until due. Should this process die before Redis knows, another takes the job over.
func (b *Bot) giveBack(ctx context.Context, q *cache.Cache, j cache.Job, due time.Time) {
	b.orOwe(ctx, q, j.ID, "a job could not be given back in Redis yet", func(ctx context.Context) error { return q.Later(ctx, j, due) })
}

// end ends a job. Until Redis knows, this process remembers that the job is settled.
func (b *Bot) end(ctx context.Context, q *cache.Cache, j cache.Job) {
	if q == b.spare {
		defer b.spareJobs.Add(-1)
	}
	if !b.orOwe(ctx, q, j.ID, "a job is done but could not be ended in Redis yet", func(ctx context.Context) error { return q.Done(ctx, j) }) {
		b.settled.add(j.ID)
	}
}

// orOwe makes a call to Redis whose failure is no reason to try the whole job again, and says whether it succeeded. If not, this process
// makes the call again later.
func (b *Bot) orOwe(ctx context.Context, q *cache.Cache, key, yet string, do func(context.Context) error) bool {
	err := do(context.WithoutCancel(ctx))
	if err != nil {
		b.settled.owe(q, do)
		b.log.Warn(yet, "error", err, "ref", ref(key))
	}
	return err == nil
}

// tellStopped tells people that their requests end with this process: only it knew of them, and it could not finish them in time. It
// begins no more words after attempt-parting, so that all of them are said when attempt has passed.
func (b *Bot) tellStopped() {
	ctx, cancel := context.WithTimeout(context.Background(), attempt-parting)
	defer cancel()
	for _, q := range []*cache.Cache{b.cache, b.spare} {
		if q == nil || !q.InProcess() {
			continue
		}
		left, err := q.Remaining(ctx)
		if err != nil {
			b.log.Error("unfinished requests can't be read", "error", err)
		}
		for n, j := range left {
			var w work
			if json.Unmarshal(j.Body, &w) != nil {
				continue
			}
			select {
			case b.side.slots <- struct{}{}:
			case <-ctx.Done():
				b.log.Error("people can't be told in time that their requests end with this process", "requests", len(left)-n)
				return
			}
			b.side.start(func() {
				outcome, _ := b.fail(ctx, &w, errStopped)
				b.record(w, j, outcome, nil)
			})
		}
	}
}

// record writes the one line that each action leaves in the log: ids, no content.
func (b *Bot) record(w work, j cache.Job, outcome string, err error) {
	i, took := w.Intent, b.now().Sub(j.At)
	b.metrics.actions.WithLabelValues(string(i.Verb), outcome).Observe(took.Seconds())
	chat := i.Chat
	pasted := i.Verb == slackui.Unfold || i.Verb == slackui.Show && i.Clicked == nil
	if !w.exists && (i.Command != "" || i.Form != "" || pasted) {
		chat = "" // what somebody typed or pasted where an id belongs may be anything
	}
	level, attrs := slog.LevelInfo, []any{
		"team", i.Team, "user", i.User, "verb", string(i.Verb), "chat", chat, "member", w.member,
		"outcome", outcome, "duration", took.Round(time.Millisecond).String(), "ref", ref(i.Key),
	}
	switch no := refused(err); {
	case no != nil:
		b.metrics.refusals.WithLabelValues(string(no.reason)).Inc()
	case err != nil:
		level = slog.LevelWarn
		attrs = append(attrs, "error", err.Error())
	}
	b.log.Log(context.Background(), level, "action", attrs...)
}
