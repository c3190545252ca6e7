package bot

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// The outcomes of an action as they stand in the log and in metrics, beside the reasons of refusals
// and failures.
const (
	changed      = "changed"
	already      = "already"
	late         = "late"
	shown        = "shown"
	said         = "said"
	newer        = "newer"
	asked        = "asked"       // a person, whether they are a member
	opened       = "opened"      // a modal
	repeated     = "repeated"    // the same click again: its modal is open already
	windowClosed = "closed"      // by the person, before it was filled
	over         = "over"        // what was ordered is out of date: mostly, the conversation doesn't wait any more
	gone         = "gone"        // there are no cards to redraw, or no conversation
	undelivered  = "undelivered" // the channel or the card is gone
	failed       = "failed"      // work for which nobody waits: no words are due
)

// act makes one try: who is it, read, compare with what the person saw, write, show. An error that is not a
// refusal is temporary, or ends the action with words.
func (b *Bot) act(ctx context.Context, w *work, j cache.Job) (string, error) {
	i := w.Intent
	switch i.Verb {
	case slackui.Tell:
		return said, b.say(ctx, i, slackui.Cannot(i))
	case slackui.Leave:
		if !i.Private && !strings.HasPrefix(i.Channel, "D") {
			return said, nil // questions are asked in private only, so this message is none
		}
		err := b.hooks.send(ctx, i.ResponseURL, hook{DeleteOriginal: true})
		if err != nil && !temporary(err) {
			err = nil // the question stays where it is: that changes nothing
		}
		return said, err
	}
	t, err := b.teams(ctx, i.Team, i.Enterprise)
	if errors.Is(err, ErrUnknownTeam) {
		return "", refuse(slackui.UnknownTeam)
	}
	if err != nil {
		return "", err
	}
	switch i.Verb {
	case slackui.Redraw:
		return b.redraw(ctx, t, w, j)
	case slackui.Announce:
		return b.announceOne(ctx, t, w, j)
	case slackui.Bundle:
		return b.announceMany(ctx, t, i)
	case slackui.Remind:
		return b.remindOne(ctx, t, i)
	case slackui.Notice:
		return b.tellNow(ctx, t, w, j)
	case slackui.Home:
		return b.home(ctx, t, w, j.At)
	case slackui.Greet:
		return b.greet(ctx, t, i, j.At)
	case slackui.Fill, slackui.Turn:
		return b.fill(ctx, t, w, j.At, "")
	case slackui.Whoami:
		return b.whoami(ctx, t, w, j.At)
	case slackui.Link:
		return b.offer(ctx, t, i, j.At)
	case slackui.Agree, slackui.Decline:
		return b.answerOffer(ctx, t, w, j.At)
	case slackui.Unlink:
		return b.unlink(ctx, t, i, j.At)
	case slackui.Resume:
		return b.resume(ctx, t, w)
	}
	if !t.has("members") { // without that list nobody is known to be a member
		return "", refuse(slackui.NotOffered)
	}
	known, err := b.cache.Known(ctx, cache.Question{Team: t.ID, Chat: i.Chat, Channel: i.Channel, User: i.User})
	b.debug("what is known can't be read: asking Slack and Invent, and only the clicked card is redrawn", err)
	me, err := b.checked(ctx, t, i.User, j.At, known.Link)
	if err != nil {
		return "", err
	}
	w.member = me.Member
	b.passed(stepIdentified, j)
	switch i.Verb {
	case slackui.Links:
		return b.links(ctx, t, i, j.At)
	case slackui.History:
		return b.history(ctx, t, w)
	case slackui.Which:
		if !t.has("chat") {
			return "", refuse(slackui.NotOffered)
		}
		return b.ask(ctx, t, i, me)
	case slackui.Hush, slackui.Tellme:
		return b.setNotices(ctx, t, i)
	case slackui.Choose, slackui.Paste, slackui.Pick: // when the click came it was not known who this is, and now it is too late to open the modal
		i.Problem = slackui.KnownNow
		return said, b.say(ctx, i, slackui.Cannot(i))
	case slackui.Queue, slackui.Mine:
		return b.list(ctx, t, i, i.Verb, me, j.At, "")
	}
	if !t.has("chat") || i.Verb.Changes() && !i.Verb.Sets() && !t.assigns() {
		return "", refuse(slackui.NotOffered)
	}
	chat, err := t.Invent.Chat(ctx, i.Chat)
	if err != nil {
		if invent.NotFound(err) && !i.Verb.Inner() {
			gone := invent.Chat{ID: i.Chat, State: invent.ChatState{State: invent.Closed}}
			return b.superseded(ctx, &scene{team: t, work: w, job: j, chat: gone, people: map[string]cache.Link{i.User: me}}, err)
		}
		return "", err
	}
	w.exists = true
	b.passed(stepRead, j)
	s := &scene{team: t, work: w, job: j, chat: chat, known: known, people: map[string]cache.Link{i.User: me}}
	switch i.Verb {
	case slackui.Unfold:
		return shown, b.unfold(ctx, s)
	case slackui.Show:
		return shown, b.showPrivately(ctx, s)
	case slackui.Refresh:
		return shown, b.refresh(ctx, s)
	case slackui.Share:
		return shown, b.share(ctx, s)
	case slackui.Route:
		return b.route(ctx, s)
	case slackui.Summary:
		return b.summary(ctx, s)
	case slackui.Resolve, slackui.Reopen, slackui.ToAI, slackui.PauseAI:
		return b.set(ctx, s, me)
	}
	return b.change(ctx, s, me)
}

// late says why the time of an action is up.
func (s *scene) late() error {
	if s.job.Dead > 0 {
		return errStopped
	}
	return errTooLate
}

// superseded ends an action on a conversation that Invent doesn't know (any more): with the id under which it goes on, or else with
// notFound.
func (b *Bot) superseded(ctx context.Context, s *scene, notFound error) (string, error) {
	i := s.work.Intent
	id, err := "", error(nil)
	if s.team.has("newer") {
		id, err = s.team.Invent.Newer(ctx, i.Chat)
	}
	if err != nil && invent.Temporary(err) {
		return "", err
	}
	s.team.inbox.changed(s.chat, b.now())
	b.redrawListUnchanged(ctx, s, "")
	if err != nil || id == "" || id == i.Chat {
		return "", notFound
	}
	if err := b.say(ctx, i, slackui.Newer(i, id, ref(i.Key))); err != nil {
		return "", err
	}
	b.noteBack(ctx, i)
	return newer, nil
}

// scene is what one action has found out.
type scene struct {
	team      *Team
	work      *work
	job       cache.Job
	chat      invent.Chat
	known     cache.Known
	people    map[string]cache.Link  // by Slack user: whom the action has identified
	target    *cache.Link            // whom to assign; nil: nobody, or the action assigns nothing
	mine      bool                   // the target is the person who asks; for set: the holder is
	overtaken bool                   // somebody has changed again what this action did
	held      *slackui.Holder        // who has it, once found out
	had       *slackui.Holder        // who had it before the change
	reaches   map[string]cache.Reach // by channel: who can read it, as far as that was asked
}

// change carries out take, assign and release.
func (b *Bot) change(ctx context.Context, s *scene, me cache.Link) (string, error) {
	i, w := s.work.Intent, s.work
	target, err := b.target(ctx, s.team, i, me, s.job.At)
	if err != nil {
		return "", err
	}
	s.target, s.mine = target, target != nil && target.Member == me.Member
	if i.To != nil && i.To.User != "" && target != nil {
		s.people[i.To.User] = *target
	}
	holder := s.chat.State.AssignedUser
	if w.Wrote == written {
		if s.overtaken = !so(target, holder); !s.overtaken {
			s.through()
		}
		return changed, b.showChange(ctx, s)
	}
	others := target != nil && !s.mine || target == nil && holder != nil && !is(me, holder)
	if others && !b.mayOthers(me) {
		if undoes, err := b.undoes(ctx, s, target); err != nil {
			return "", err
		} else if !undoes {
			return "", refuse(slackui.NotAllowed)
		}
	}
	if so(target, holder) {
		if w.Wrote == unsettled { // it was us: an earlier try of this very request
			w.Wrote = written
			s.through()
			return changed, b.showChange(ctx, s)
		}
		return already, b.showAlready(ctx, s)
	}
	since := s.assignedSince()
	if w.last {
		if before := w.Before; before == holder || before != nil && holder != nil && before.ID == holder.ID && !since {
			w.Wrote = untouched // else somebody may have changed it since
		}
		return "", s.late()
	}
	if unseen(i, s.chat.State, me) {
		if w.Wrote == unsettled && since {
			return "", errDoubt
		}
		return late, b.showLate(ctx, s)
	}
	var id *string
	if target != nil {
		id = &target.Member
	}
	inTime, cancel := b.inTime(ctx, s)
	defer cancel()
	w.Before = holder
	if took, _ := s.concerns(); took && w.kept { // a process that finishes this in our place must know from whom it was taken
		s.job.Body = w.encode()
		b.debug("from whom it is taken can't be kept", b.cache.Keep(ctx, s.job))
	}
	state, err := s.team.Invent.Assign(inTime, i.Chat, id)
	if b.noteWrite(s, err); err != nil {
		return "", err
	}
	s.chat.State = state
	if !so(target, state.AssignedUser) { // the answer may lack the assignee, or somebody has changed it again already
		if err := s.reread(inTime); err != nil {
			return "", err
		}
		s.overtaken = !so(target, s.chat.State.AssignedUser)
	}
	s.team.inbox.changed(s.chat, b.now())
	if !s.overtaken {
		s.through()
	}
	err = b.showChange(ctx, s)
	if err != nil {
		b.remember(context.WithoutCancel(ctx), s, nil) // the next try and the feed must know through whom it was
	}
	return changed, err
}

// reread reads the conversation once more after a write whose answer doesn't tell enough. It fails only with a temporary error: the write
// is noted by then, and the next try reads again.
func (s *scene) reread(ctx context.Context) error {
	chat, err := s.team.Invent.Chat(ctx, s.work.Intent.Chat)
	if err != nil && temporary(err) {
		return err
	}
	if err == nil {
		s.chat = chat
	}
	return nil
}

// assignedSince says whether somebody was assigned after the request came. If so, an earlier try may have written before that.
func (s *scene) assignedSince() bool {
	at := s.chat.State.AssignedAt
	return at != nil && at.After(s.job.At.Add(-time.Second)) // Invent's clock may differ from ours
}

// undoes says whether this is an undo, in time, of what the same person did with the conversation last. As that was allowed, so is its
// undo.
func (b *Bot) undoes(ctx context.Context, s *scene, target *cache.Link) (bool, error) {
	i, name := s.work.Intent, ""
	if i.Verb != slackui.Undo {
		return false, nil
	}
	if target != nil {
		name = target.Name
	}
	deeds, err := b.cache.Deeds(ctx, s.team.ID, i.Chat)
	if err != nil {
		return false, err
	}
	for _, d := range deeds {
		if d.Job != s.job.ID && !slackui.Verb(d.Verb).Sets() { // else an earlier try of this very undo, or nothing that it takes back
			return d.User == i.User && d.From == name && i.Sent.Sub(d.At) <= undoFor, nil
		}
	}
	return false, nil
}

// noteWrite notes in the job what became of its write to Invent, which ended with err.
func (b *Bot) noteWrite(s *scene, err error) {
	switch {
	case err == nil:
		s.work.Wrote = written
		b.passed(stepChanged, s.job)
	case invent.MayHaveHappened(err):
		s.work.Wrote = unsettled
	}
}

// so says whether the target, or for nil nobody, has the conversation already.
func so(target *cache.Link, holder *invent.AssignedUser) bool {
	if target == nil {
		return holder == nil
	}
	return is(*target, holder)
}

// unseen says whether the conversation is held by somebody whom the person did not see there: a button shows
// whom its card showed, a command has seen nobody but its sender, and whatever was assigned after the request
// was sent was not seen.
func unseen(i slackui.Intent, state invent.ChatState, me cache.Link) bool {
	holder := state.AssignedUser
	if holder == nil || is(me, holder) {
		return false
	}
	if i.Seen == nil || *i.Seen != holder.ID {
		return true
	}
	return state.AssignedAt != nil && state.AssignedAt.After(i.Sent)
}

// fail tells the person why the action ended, and returns the outcome for the log. Its error is temporary: the words could not be
// delivered yet.
func (b *Bot) fail(ctx context.Context, w *work, err error) (string, error) {
	// The try's own time may be up; these words have time of their own.
	ctx, cancel := w.parting(ctx)
	defer cancel()
	i := w.Intent
	var outcome string
	var words slackui.Message
	var kept bool // the note that came with it is kept for later, or was delivered or given back
	no, f := refused(err), failure(w, err)
	switch {
	case i.Verb.Inner():
		return failed, b.orderFailed(ctx, i, err)
	case no != nil && w.Wrote == untouched:
		kept = no.mends(i) && b.hold(ctx, i)
		outcome, words = string(no.reason), slackui.Refused(b.typed(i), i.Verb, no.reason, no.about, kept)
	default:
		kept = w.told || f.Again() && b.keepNote(ctx, &i)
		outcome, words = string(f), slackui.Failed(f, i, ref(i.Key), b.dashboard(i))
		if f != slackui.NotFound {
			words = slackui.About(invent.Chat{ID: i.Chat}, words)
		}
	}
	if err = b.say(ctx, i, words); temporary(err) {
		return outcome, err
	}
	if err != nil {
		b.log.Warn("somebody could not be told", "error", err, "ref", ref(i.Key))
	}
	if !kept {
		b.noteBack(ctx, i) // below the reason
	}
	return outcome, nil
}

// dashboard is the address of the conversation that the intent is about; "" for none.
func (b *Bot) dashboard(i slackui.Intent) string {
	if i.Chat == "" {
		return ""
	}
	return b.chatURL.For(i.Chat)
}

// typed is the command as the person types it: an older name may still work beside the configured one.
func (b *Bot) typed(i slackui.Intent) string { return cmp.Or(i.Command, b.commandName) }

func nameOf(u *invent.AssignedUser) string {
	if u == nil {
		return ""
	}
	return u.Name
}
