package bot

import (
	"context"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// more is what Invent's API offers beside assigning, as far as is known.
func more(t *Team) slackui.More {
	return slackui.More{State: t.has("state", "state"), AI: t.has("state", "ai_enabled"), Summary: t.has("memories")}
}

// set changes a conversation's state: it resolves or reopens it, lets the AI answer, or pauses the AI. Like an assignment, it is compared
// with what the person saw.
func (b *Bot) set(ctx context.Context, s *scene, me cache.Link) (string, error) {
	i, w, state := s.work.Intent, s.work, s.chat.State
	offers := more(s.team)
	var change invent.StateChange
	isSo, offered := false, offers.AI
	yes, no, open, closed := true, false, invent.Open, invent.Closed
	switch i.Verb {
	case slackui.Resolve:
		change.State, isSo, offered = &closed, state.State == closed, offers.State
	case slackui.Reopen:
		change.State, isSo, offered = &open, state.State == open, offers.State
	case slackui.ToAI:
		change.AIEnabled, isSo = &yes, state.AIEnabled
	case slackui.PauseAI:
		change.AIEnabled, isSo = &no, !state.AIEnabled
	}
	holder := state.AssignedUser
	s.mine = holder != nil && is(me, holder)
	switch {
	case !offered:
		return "", refuse(slackui.NotOffered)
	case w.Wrote == written, isSo && w.Wrote == unsettled: // an earlier try of this very request did it
		w.Wrote, s.overtaken = written, !isSo
		return changed, b.showChange(ctx, s)
	case i.Verb == slackui.Resolve && w.Wrote == unsettled && state.LastContactMessageAt != nil && state.LastContactMessageAt.After(i.Sent):
		return "", errDoubt // a customer's reply opens it again: an earlier try may have resolved it before that
	case isSo:
		b.redrawStale(ctx, s)
		return already, b.reply(ctx, i, slackui.About(s.chat, slackui.Set(i.Verb, true)))
	case w.Wrote == unsettled && unseen(i, state, me) && s.assignedSince():
		return "", errDoubt // an earlier try may have changed it before that, and somebody changed it back
	case w.last:
		w.Wrote = untouched
		return "", s.late()
	case unseen(i, state, me):
		return late, b.showLate(ctx, s)
	case holder != nil && !s.mine && !b.mayOthers(me):
		return "", refuse(slackui.NotAllowed)
	}
	inTime, cancel := b.inTime(ctx, s)
	defer cancel()
	w.Before = holder
	chat, err := s.team.Invent.SetState(inTime, i.Chat, change)
	if b.noteWrite(s, err); err != nil {
		return "", err
	}
	s.chat.State = chat.State
	if holder != nil && chat.State.AssignedUser == nil { // the assignee is optional in an answer
		if err := s.reread(inTime); err != nil {
			return "", err
		}
	}
	s.team.inbox.changed(s.chat, b.now())
	return changed, b.showChange(ctx, s)
}

// summary shows the newest summary of the conversation that Invent has.
func (b *Bot) summary(ctx context.Context, s *scene) (string, error) {
	if !s.team.has("memories") {
		return "", refuse(slackui.NotOffered)
	}
	all, err := s.team.Invent.Memories(ctx, s.chat.ID)
	if err != nil {
		return "", err
	}
	var last *invent.Memory
	for n := range all {
		if at := all[n].SummarizedAt; last == nil || at != nil && (last.SummarizedAt == nil || at.After(*last.SummarizedAt)) {
			last = &all[n]
		}
	}
	if s.forgotten() {
		b.redrawStale(ctx, s)
	}
	return shown, b.say(ctx, s.work.Intent, slackui.About(s.chat, slackui.Summarised(last)))
}
