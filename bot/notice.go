package bot

import (
	"context"
	"slices"
	"time"

	"inventbot/cache"
	"inventbot/slackui"
)

// undoFor is how long a change that concerns others can be undone.
const undoFor = 5 * time.Minute

// back returns what an undo of the change needs, if the change took the conversation from somebody else or gave it to somebody else. It
// returns nil for any other change, for an undo, and when the person who had it isn't active any more.
func (b *Bot) back(s *scene) *slackui.Back {
	took, gave := s.concerns()
	if i := s.work.Intent; i.Verb == slackui.Undo || i.Verb.Sets() || !took && !gave {
		return nil
	}
	if members, _ := s.team.members.kept(); took && inactive(members, *s.work.Before) {
		return nil
	}
	return &slackui.Back{Holder: s.had, Mine: !took, Until: b.now().Add(undoFor)}
}

// concerns says whether the change took the conversation from somebody other than the person who made it, and whether it gave it to
// somebody other than them.
func (s *scene) concerns() (took, gave bool) {
	before := s.work.Before
	took = before != nil && !is(s.people[s.work.Intent.User], before)
	return took, s.chat.State.AssignedUser != nil && !s.mine
}

// keepNote keeps the note of an action that ends with buttons to go on with, so that these need not carry it. False means that there is a
// note which can't be kept: its sender should get it back.
func (b *Bot) keepNote(ctx context.Context, i *slackui.Intent) bool {
	if i.Note == "" {
		return true
	}
	t, err := b.teams(ctx, i.Team, i.Enterprise)
	if err == nil {
		i.NoteID, err = b.cache.KeepNote(ctx, t.ID, i.User, i.Note)
	}
	if err != nil {
		b.log.Warn("a note can't be kept", "error", err, "ref", ref(i.Key))
	}
	return err == nil
}

// notify sends direct messages to the people whom the change concerns: to the person who has the conversation now, with the note, and to
// the one who had it. Whoever made the change gets none.
func (b *Bot) notify(ctx context.Context, s *scene) {
	b.passed(stepRedrawn, s.job)
	i := s.work.Intent
	h := s.holder(ctx, b)
	switch {
	case s.overtaken:
		b.returnNote(ctx, s)
	case h == nil || s.mine:
	case i.Verb.Sets():
		_ = b.tellOrLater(ctx, s, h.User, slackui.SetBy(h.User, i.User, i.Verb), "", &slackui.To{User: h.User})
	default:
		b.give(ctx, s, h, slackui.YoursAgain(h.User, i.User))
	}
	if had := s.had; had != nil && had.User != i.User && !i.Verb.Sets() && (h == nil || h.ID != had.ID) {
		_ = b.tellOrLater(ctx, s, had.User, slackui.Relieved(had.User, i.User), "", nil)
	}
	s.work.told = true
	b.passed(stepTold, s.job)
}

// returnNote gives the note that came with a change back to its sender, unless an earlier try has delivered it.
func (b *Bot) returnNote(ctx context.Context, s *scene) {
	noted := func(c cache.Card) bool { return c.Noted == s.job.ID }
	if !slices.ContainsFunc(s.known.Cards, noted) {
		b.noteBack(ctx, s.work.Intent)
	}
}

// noteBack gives the note that came with an action, if there is one, back to its sender, because nobody else gets it.
func (b *Bot) noteBack(ctx context.Context, i slackui.Intent) {
	note := i.Note
	if t, err := b.teams(ctx, i.Team, i.Enterprise); err == nil {
		note = b.noteOf(ctx, t, i)
	}
	if note != "" {
		b.whisper(ctx, i, slackui.NoteReturned(nil, note))
	}
}

// give tells the holder the words, and delivers the note that comes with the action; without either it does nothing. noted says that
// there is a note and it arrived.
func (b *Bot) give(ctx context.Context, s *scene, h *slackui.Holder, words slackui.Message) (noted bool) {
	i := s.work.Intent
	hasNote, note := i.Note+i.NoteID != "", b.noteOf(ctx, s.team, i)
	if words.Text == "" && !hasNote {
		return false
	}
	var err error
	if words.Text == "" {
		err = b.tell(ctx, s, h.User, words, note)
	} else {
		err = b.tellOrLater(ctx, s, h.User, words, note, &slackui.To{User: h.User})
	}
	return hasNote && b.handOver(ctx, s, h, note, err)
}

// noteOf returns the note that comes with an action: "" for none, or for one that is gone.
func (b *Bot) noteOf(ctx context.Context, t *Team, i slackui.Intent) string {
	if i.NoteID == "" {
		return i.Note
	}
	note, _, err := b.cache.Note(ctx, t.ID, i.User, i.NoteID)
	b.debug("a note can't be read", err)
	return note
}

// tellOrLater is tell, but makes a job of it after a temporary error: the change is done, and isn't tried again for that. to names the
// person if they have the conversation; it is nil if it was taken from them. The error says that they were not told yet, and is logged
// already.
func (b *Bot) tellOrLater(ctx context.Context, s *scene, user string, words slackui.Message, note string, to *slackui.To) error {
	err := b.tell(ctx, s, user, words, note)
	if err == nil || !temporary(err) {
		return err
	}
	i := s.work.Intent
	notice := slackui.Intent{
		V: slackui.Version, Verb: slackui.Notice, Key: i.Key + ".tell." + user, Chat: i.Chat, Person: user, To: to,
		Team: i.Team, Enterprise: i.Enterprise, User: i.User, Sent: i.Sent,
	}
	if i.Verb.Sets() {
		notice.Did = i.Verb
	}
	b.accept(ctx, notice)
	return err
}

// tellNow carries out a notice, if it is still true: one of the feed's, to the person who has a conversation that was assigned elsewhere
// than through the bot, or one that could not be told at once.
func (b *Bot) tellNow(ctx context.Context, t *Team, w *work, j cache.Job) (string, error) {
	i := w.Intent
	chat, err := t.Invent.Chat(ctx, i.Chat)
	if err != nil {
		return "", err
	}
	s := &scene{team: t, work: w, job: j, chat: chat}
	if s.known, err = b.cache.Known(ctx, cache.Question{Team: t.ID, Chat: chat.ID}); err != nil {
		return "", err
	}
	user := ""
	if h := s.holder(ctx, b); h != nil {
		user = h.User
	}
	u := chat.State.AssignedUser
	var words slackui.Message
	switch {
	case i.Person != "" && (i.To != nil) != (i.Person == user), i.Seen != nil && (u == nil || u.ID != *i.Seen):
		return already, nil // it has changed meanwhile, and they hear of that change too
	case i.Did != "":
		words = slackui.SetBy(user, i.User, i.Did)
	case i.To != nil:
		words = slackui.YoursAgain(user, i.User)
	case i.Person != "":
		user, words = i.Person, slackui.Relieved(i.Person, i.User)
	case user == "" || b.card(ctx, s, cache.Own).Via != "":
		return already, nil
	default:
		words = slackui.YoursNow(user)
	}
	if err := b.tell(ctx, s, user, words, ""); err != nil && temporary(err) {
		return "", err
	}
	return said, nil
}

// tell shows a person the conversation's card in their direct messages, once for each conversation: a card that stands there already was
// redrawn. The words, if there are any, go below it, unless the new card says the same at its beginning. A person who wants no notices
// gets none, except with a note. A person who may not read conversations is told nothing: the error is a refusal. All errors are logged
// already.
func (b *Bot) tell(ctx context.Context, s *scene, user string, words slackui.Message, note string) error {
	if user == "" {
		return nil
	}
	if _, err := b.member(ctx, s.team, user, s.job.At); err != nil {
		b.log.Debug("it can't be told whether somebody may be told whose a conversation is", "error", err, "ref", ref(s.job.ID))
		return err
	}
	quiet, err := b.cache.Quiet(ctx, s.team.ID, user)
	b.debug("it can't be told who wants notices", err)
	if quiet && note == "" {
		return nil
	}
	if c := s.sentTo(user); c != nil {
		if c.Job == s.job.ID || words.Text == "" {
			return nil
		}
		return b.below(ctx, s, c, words)
	}
	c := b.card(ctx, s, cache.Own)
	c.For = user
	m := c.Message()
	channel, ts, err := s.team.Slack.PostMessageContext(ctx, user, options(m)...)
	if err = wrapSlack("sending a direct message", err); err != nil {
		b.log.Warn("somebody could not be told whose a conversation is", "error", err, "ref", ref(s.job.ID))
		return err
	}
	card := cache.Card{Channel: channel, TS: ts, Job: s.job.ID, Shows: digest(m), For: user}
	i := s.work.Intent
	var unsaid error
	if given := c.Holder != nil && c.Holder.User == user && !i.Verb.Sets() && i.Did == ""; !given && words.Text != "" {
		if unsaid = b.below(ctx, s, &card, words); unsaid != nil {
			card.Job = "" // so that the next try finds a card that lacks them
		}
	}
	s.known.Cards = append(s.known.Cards, card)
	b.add(ctx, s, &card)
	if i.Verb == slackui.Notice && i.Person != "" {
		// This job runs outside the conversation's lane: what it has read of the conversation may be out of date.
		b.redrawIn(ctx, s, 0)
	}
	return unsaid
}

// sentTo finds the conversation's card in a person's direct messages.
func (s *scene) sentTo(user string) *cache.Card {
	for n := range s.known.Cards {
		if s.known.Cards[n].For == user {
			return &s.known.Cards[n]
		}
	}
	return nil
}

// below posts words in a card's thread. An error is logged already.
func (b *Bot) below(ctx context.Context, s *scene, c *cache.Card, m slackui.Message) error {
	_, _, err := s.team.Slack.PostMessageContext(ctx, c.Channel, under(c.TS, m)...)
	if err = wrapSlack("posting in a thread", err); err != nil {
		b.log.Warn("words below a card could not be posted", "error", err, "ref", ref(s.job.ID))
	}
	return err
}

// handOver delivers a note below the new assignee's card. A note that can't be delivered, or whose receiver could not be told (untold),
// goes back to its sender.
func (b *Bot) handOver(ctx context.Context, s *scene, h *slackui.Holder, note string, untold error) (delivered bool) {
	i := s.work.Intent
	c := s.sentTo(h.User)
	if c != nil && h.User != "" && c.Noted == s.job.ID {
		return true // by an earlier try
	}
	if untold != nil || note == "" || h.User == "" || c == nil || b.below(ctx, s, c, slackui.Note(h.User, i.User, note)) != nil {
		ctx, cancel := s.work.parting(ctx)
		defer cancel()
		b.whisper(ctx, i, slackui.NoteReturned(h, note))
		return false
	}
	c.Noted = s.job.ID
	b.debug("that a note was delivered can't be remembered", b.cache.AddCard(ctx, s.team.ID, s.chat.ID, stateDigest(s.chat.State), *c))
	if i.NoteID != "" {
		b.debug("a delivered note can't be dropped", b.cache.DropNote(ctx, s.team.ID, i.User, i.NoteID))
	}
	return true
}
