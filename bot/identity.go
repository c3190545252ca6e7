package bot

import (
	"context"
	"errors"
	"time"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	linkFresh    = time.Hour   // for which a link is used as it is
	membersFresh = time.Minute // for which the list of members is used as it is
)

// member returns which active member the Slack user is: for an hour as Redis knows it, then as Slack and Invent say. While one of these
// doesn't answer, what Redis knows counts for up to a day. asked is when the person asked. The error is a refusal, or says which side
// failed.
func (b *Bot) member(ctx context.Context, t *Team, user string, asked time.Time) (cache.Link, error) {
	link, found, err := b.cache.Link(ctx, t.ID, user)
	b.debug("links can't be read: asking Slack and Invent", err)
	if !found {
		return b.checked(ctx, t, user, asked, nil)
	}
	return b.checked(ctx, t, user, asked, &link)
}

// checked is member for a user about whom Redis was asked already: link is what it knows, nil for nothing.
func (b *Bot) checked(ctx context.Context, t *Team, user string, asked time.Time, link *cache.Link) (cache.Link, error) {
	if link != nil && b.now().Sub(link.Checked) < linkFresh {
		return *link, nil
	}
	fresh, err := b.lookUp(ctx, t, user, asked)
	if err != nil {
		if link != nil && temporary(err) && !cache.Failed(err) { // a failure of Redis means that Slack and Invent have answered
			return *link, nil
		}
		if link != nil && refused(err) != nil {
			b.debug("a link that counts no more can't be dropped", b.cache.DropLink(ctx, t.ID, user, *link))
		}
		return cache.Link{}, err
	}
	return fresh, b.keepLink(ctx, t, user, fresh)
}

// keepLink keeps which member somebody was found to be. It refuses somebody whose link an admin has dropped meanwhile.
func (b *Bot) keepLink(ctx context.Context, t *Team, user string, l cache.Link) error {
	err := b.cache.SetLink(ctx, t.ID, user, l)
	if errors.Is(err, cache.ErrUnlinked) {
		return refuse(slackui.NotLinked)
	}
	b.debug("a link can't be kept", err)
	return nil
}

// debug logs an error that doesn't stop the work; it ignores nil.
func (b *Bot) debug(what string, err error) {
	if err != nil {
		b.log.Debug(what, "error", err)
	}
}

// lookUp asks Slack who the user is, and Invent which member has that e-mail. If no member has it, or Slack shows none or an unconfirmed
// one, an admin's link counts.
func (b *Bot) lookUp(ctx context.Context, t *Team, user string, asked time.Time) (cache.Link, error) {
	a, err := b.person(ctx, t, user)
	if err != nil {
		return cache.Link{}, err
	}
	return b.linkOf(ctx, t, user, a, b.finding(ctx, t, asked))
}

// finder returns the one active member that fits, or refuses.
type finder func(fits func(invent.Member) bool) (invent.Member, error)

// linkOf returns which member the owner of an account is, as find knows the members: by e-mail, or else by an admin's link.
func (b *Bot) linkOf(ctx context.Context, t *Team, user string, a account, find finder) (cache.Link, error) {
	m, no := byEmail(a, find)
	if no == nil {
		return linkTo(m, b.now()), nil
	}
	if why := refused(no); why == nil || !why.reason.ByHand() {
		return cache.Link{}, no
	}
	hand, found, err := b.cache.HandLink(ctx, t.ID, user)
	if err != nil {
		return cache.Link{}, err
	}
	if !found {
		return cache.Link{}, no
	}
	if m, err = find(func(m invent.Member) bool { return m.ID == hand.Member }); err != nil {
		return cache.Link{}, err
	}
	link := linkTo(m, b.now())
	link.By, link.At = hand.By, hand.At
	return link, nil
}

func linkTo(m invent.Member, checked time.Time) cache.Link {
	return cache.Link{Member: m.ID, UserID: m.UserID, Email: invent.FoldEmail(m.Email), Name: m.Name, Role: m.Role, Checked: checked}
}

// person asks Slack for the account of a user, and refuses whom full refuses.
func (b *Bot) person(ctx context.Context, t *Team, user string) (account, error) {
	a, err := t.account(ctx, user, b.now)
	if err != nil {
		if slackSays(err, "user_not_found", "user_not_visible") {
			return a, refuse(slackui.UnknownUser)
		}
		if slackSays(err, "missing_scope") {
			return a, refuse(slackui.EmailHidden)
		}
		return a, err
	}
	return a, b.full(t, a)
}

// full refuses accounts that may not act: of other organisations, of bots, deactivated ones, and guests unless they are allowed.
func (b *Bot) full(t *Team, a account) error {
	switch {
	case a.stranger, a.team != "" && a.team != t.ID && (t.Enterprise == "" || a.enterprise != t.Enterprise):
		return refuse(slackui.Outsider)
	case a.bot:
		return refuse(slackui.Bot)
	case a.deactivated:
		return refuse(slackui.Deactivated)
	case a.guest && !b.guests:
		return refuse(slackui.Guest)
	}
	return nil
}

// byEmail returns the active member with the account's e-mail, or refuses.
func byEmail(a account, find finder) (invent.Member, error) {
	switch {
	case a.email == "":
		return invent.Member{}, refuse(slackui.EmailHidden)
	case !a.confirmed:
		return invent.Member{}, refuse(slackui.Unconfirmed)
	}
	return find(func(m invent.Member) bool { return invent.SameEmail(m.Email, a.email) })
}

// finding looks in Invent's list of members. It refuses only by a list that is newer than asked: somebody who was just added must not be
// refused by an older one. When too many people who are no members ask, a list of the last minute must do.
func (b *Bot) finding(ctx context.Context, t *Team, asked time.Time) finder {
	return func(fits func(invent.Member) bool) (invent.Member, error) {
		list, err := t.roster(ctx, b.now().Add(-membersFresh), b.now)
		if err != nil {
			return invent.Member{}, err
		}
		m, no := only(list, fits)
		if no == nil {
			return m, nil
		}
		if _, at := t.members.kept(); at.Before(asked) && !t.anew.AllowN(b.now(), 1+len(list)/100) { // a call for each page
			return m, no
		}
		if list, err = t.roster(ctx, asked, b.now); err != nil {
			return invent.Member{}, err
		}
		return only(list, fits)
	}
}

// only returns the one active member that fits, or refuses.
func only(list []invent.Member, fits func(invent.Member) bool) (m invent.Member, no error) {
	var found []invent.Member
	for _, m := range list {
		if fits(m) {
			found = append(found, m)
		}
	}
	switch {
	case len(found) == 0:
		return m, refuse(slackui.NotLinked)
	case len(found) > 1:
		return m, refuse(slackui.TwoMembers)
	case !found[0].Active():
		return m, refuse(slackui.Inactive)
	}
	return found[0], nil
}

// target returns whom an intent assigns; nil when it releases.
func (b *Bot) target(ctx context.Context, t *Team, i slackui.Intent, me cache.Link, asked time.Time) (*cache.Link, error) {
	switch {
	case i.Releases():
		return nil, nil
	case i.Verb == slackui.Take, i.To.User == i.User:
		return &me, nil
	case i.To.User == "":
		m, err := b.named(ctx, t, *i.To, asked)
		link := linkTo(m, b.now())
		return &link, err
	}
	link, err := b.member(ctx, t, i.To.User, asked)
	return &link, about(err, i.To.User)
}

// is says whether the link's member is the assignee.
func is(l cache.Link, u *invent.AssignedUser) bool {
	return u != nil && (invent.Member{ID: l.Member, UserID: l.UserID, Email: l.Email}).Is(*u)
}

// holder returns who has the conversation, and who that is on Slack: one of the people at hand, or as Redis or else onSlack knows; never
// by a name.
func (b *Bot) holder(ctx context.Context, t *Team, u *invent.AssignedUser, atHand map[string]cache.Link) *slackui.Holder {
	if u == nil {
		return nil
	}
	h := &slackui.Holder{ID: u.ID, Name: u.Name}
	for user, link := range atHand {
		if is(link, u) {
			h.User = user
			return h
		}
	}
	p, found, err := b.cache.Person(ctx, t.ID, u.ID)
	b.debug("people can't be read: asking Slack", err)
	if !found {
		if p, found = b.onSlack(ctx, t, u); found {
			b.debug("a person can't be kept", b.cache.SetPerson(ctx, t.ID, p, u.ID))
		}
	}
	h.User, h.NotOnSlack = p.User, found && p.User == "" && !p.Barred
	return h
}

// onSlack finds out who an assignee is on Slack: by an equal e-mail, else as an admin linked them. If that isn't sure it must not be
// kept.
func (b *Bot) onSlack(ctx context.Context, t *Team, u *invent.AssignedUser) (p cache.Person, sure bool) {
	if u.Email != "" {
		account, err := t.Slack.GetUserByEmailContext(ctx, u.Email)
		switch {
		case err == nil && b.full(t, accountOf(account)) == nil && account.IsEmailConfirmed:
			return cache.Person{User: account.ID}, true
		case err == nil:
			p.Barred, sure = !account.Deleted && !account.IsBot, true
		case slackSays(err, "users_not_found"):
			sure = true
		default:
			b.debug("Slack can't say who has an e-mail: as the list of its users was", wrapSlack("looking up an e-mail", err))
			users, _ := t.users.kept()
			if a := users.accounts[users.byEmail[invent.FoldEmail(u.Email)]]; a.id != "" && b.full(t, a) == nil {
				return cache.Person{User: a.id}, false
			}
		}
	}
	switch user, err := b.byHand(ctx, t, u); {
	case err != nil:
		b.debug("it can't be told whom an admin linked", err)
		return p, false
	case user != "":
		return cache.Person{User: user}, sure || u.Email == ""
	}
	return p, sure
}

// byHand returns the Slack user whom an admin linked to the assignee, if that link counts; "" for nobody.
func (b *Bot) byHand(ctx context.Context, t *Team, u *invent.AssignedUser) (string, error) {
	hand, err := b.cache.HandLinks(ctx, t.ID)
	if err != nil || len(hand) == 0 {
		return "", err
	}
	list, err := t.roster(ctx, b.now().Add(-linkFresh), b.now)
	if err != nil {
		return "", err
	}
	for _, m := range list {
		if !m.Is(*u) {
			continue
		}
		for user, l := range hand {
			if l.Member != m.ID {
				continue
			}
			link, err := b.member(ctx, t, user, b.now().Add(-membersFresh))
			if refused(err) != nil || err == nil && !is(link, u) {
				return "", nil //nolint:nilerr // a refusal says that the link doesn't count
			}
			return user, err
		}
	}
	return "", nil
}
