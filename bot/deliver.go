package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// showChange shows what was done: the clicked card redrawn, or a new card in the channel; then every other card
// of the conversation.
func (b *Bot) showChange(ctx context.Context, s *scene) error {
	i, w := s.work.Intent, s.work
	if w.Deed == nil {
		w.Deed = &cache.Deed{
			Job: s.job.ID, Chat: i.Chat, User: i.User, Verb: string(i.Verb), From: nameOf(w.Before),
			To: nameOf(s.chat.State.AssignedUser), Channel: i.Channel, At: b.now(),
		}
		if s.overtaken { // the present holder has it through somebody else's change
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
	b.passed(stepDrawn, s.job) // or there is no place for it: the people whom it concerns must know all the same
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
		i.Origin = &slackui.Place{Channel: card.Channel, TS: card.TS, Link: card.Link} // an undo of it redraws this card
	}
	s.had = b.holder(ctx, s.team, w.Before, s.people) // now: the redraws below may take all of the try's time
	back := b.back(s)
	words := func(back *slackui.Back) slackui.Message {
		h := s.holder(ctx, b)
		switch {
		case s.overtaken:
			return slackui.About(s.chat, slackui.ChangedSince(i, h))
		case i.Verb.Sets():
			return slackui.About(s.chat, slackui.Set(i.Verb, false))
		}
		return slackui.About(s.chat, slackui.Changed(i, h, s.mine, back))
	}
	b.redrawList(ctx, s, words(nil).Text)
	switch {
	case i.Private && i.List == "":
		b.replace(ctx, i, words(back)) // the card is drawn; that the question is gone is a courtesy
	case back != nil, s.overtaken:
		b.whisper(ctx, i, words(back))
	}
	b.passed(stepRemembered, s.job)
	b.redrawOthers(ctx, s, card)
	b.notify(ctx, s)
	b.redrawOpened(ctx, i, home, opened)
	return unplaced
}

// shown says whether nothing more is to be shown or told once the card is drawn: then the job may end in the step that keeps its change.
// (If the process dies in that moment, the Home tab is redrawn only when it is opened.)
func (s *scene) shown(card *cache.Card) bool {
	i := s.work.Intent
	for _, c := range s.known.Cards {
		if card == nil || c.Channel != card.Channel || c.TS != card.TS {
			return false
		}
	}
	took, gave := s.concerns()
	return !i.Private && i.List == "" && !took && !gave && !s.overtaken
}

// redrawList shows once more the list in which a button was pressed, with the words for what was done.
func (b *Bot) redrawList(ctx context.Context, s *scene, done string) {
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

// redrawListUnchanged shows the list in which a button was pressed as it is now, after an action that changed nothing. Only a modal shows the
// words.
func (b *Bot) redrawListUnchanged(ctx context.Context, s *scene, words string) {
	switch s.work.Intent.List {
	case slackui.Home:
		b.redrawHome(ctx, s.team, s.work.Intent)
	case slackui.Pick:
		b.redrawList(ctx, s, words)
	default:
		b.redrawList(ctx, s, "")
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

// oweChange keeps what a change left behind as soon as Redis takes it. By then somebody may have changed the conversation again, so only
// the history and the card are kept, and the card is redrawn whatever it shows.
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

// unfold makes a card of a link to a conversation, for everybody who reads the link. When the person who pasted it may not read
// conversations, it stays a link, and they hear nothing.
func (b *Bot) unfold(ctx context.Context, s *scene) error {
	drawn, err := b.update(ctx, s, s.at(*s.work.Intent.Clicked))
	if err == nil {
		b.add(ctx, s, drawn)
	}
	return err
}

// ask shows the conversations that a message may be about, as far as Invent knows them; if there is only one, its card.
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

// showLate tells the person who came too late who has the conversation, and what can be done.
func (b *Bot) showLate(ctx context.Context, s *scene) error {
	s.team.inbox.changed(s.chat, b.now())
	b.redrawStale(ctx, s)
	i := s.work.Intent
	if !b.keepNote(ctx, &i) {
		defer b.noteBack(ctx, i) // below the question
	}
	words := slackui.About(s.chat, slackui.Late(i, *s.holder(ctx, b), s.chat.State, b.now()))
	b.redrawListUnchanged(ctx, s, words.Text) // a list has no place for the question: it comes as a message
	if i.List != slackui.Home {
		b.redrawHome(ctx, s.team, i)
	}
	return b.reply(ctx, i, words)
}

// showAlready says that the conversation is so already, and redraws a card that showed something else. Clicks made before these words
// were said get none of their own.
func (b *Bot) showAlready(ctx context.Context, s *scene) error {
	i := s.work.Intent
	asked := i.User + " " + string(i.Verb) + " " + i.Chat
	onCard := i.Clicked != nil && !i.Private && i.Note+i.NoteID == ""
	if onCard && b.answered.after(asked, s.job.At) {
		return nil
	}
	s.team.inbox.changed(s.chat, b.now())
	h := s.holder(ctx, b)
	if i.Seen != nil && (h == nil && *i.Seen != "" || h != nil && *i.Seen != h.ID) || s.forgotten() {
		b.redrawStale(ctx, s)
	}
	words := slackui.About(s.chat, slackui.Already(h, s.mine, h != nil && !s.mine && b.give(ctx, s, h, slackui.Message{})))
	if b.redrawListUnchanged(ctx, s, words.Text); i.List == slackui.Pick {
		return nil
	}
	err := b.reply(ctx, i, words)
	if err == nil && onCard {
		b.answered.note(asked, b.now())
	}
	return err
}

// answered remembers when a person's clicks were last answered with "already", so that a hundred clicks at once don't get a hundred
// answers.
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

// after says whether such a click was answered after this one was made.
func (a *answered) after(what string, clicked time.Time) bool {
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
