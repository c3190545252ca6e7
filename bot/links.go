package bot

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	resumeEvery = time.Minute   // how often to look whether somebody who was refused is linked now
	resumeUntil = 2 * time.Hour // longer than a refused request is kept
)

// mayOthers says whether the member may assign to others, and release or change others' conversations.
func (b *Bot) mayOthers(l cache.Link) bool {
	return len(b.assignOthers) == 0 || slices.ContainsFunc(b.assignOthers, func(role string) bool { return strings.EqualFold(role, l.Role) })
}

// whoami tells a person which member they are, as Slack and Invent say this moment.
func (b *Bot) whoami(ctx context.Context, t *Team, w *work, asked time.Time) (string, error) {
	link, err := b.lookUp(ctx, t, w.Intent.User, asked)
	if err != nil {
		return "", err
	}
	w.member = link.Member
	if err := b.keepLink(ctx, t, w.Intent.User, link); err != nil {
		return "", err
	}
	b.resumeHeld(ctx, t, w.Intent.User)
	return said, b.say(ctx, w.Intent, slackui.Myself(b.meOf(link)))
}

func (b *Bot) meOf(link cache.Link) slackui.Me {
	return slackui.Me{
		Member: link.Member, Name: link.Name, Role: link.Role, LinkedBy: link.By, LinkedAt: link.At, MayOthers: b.mayOthers(link), Others: b.assignOthers,
	}
}

// admin refuses whoever is neither an admin of the workspace nor named in ADMINS.
func (b *Bot) admin(ctx context.Context, t *Team, user string) error {
	a, err := b.person(ctx, t, user)
	if err != nil {
		return err
	}
	if !a.admin && !slices.Contains(b.admins, user) {
		return refuse(slackui.NotAdmin)
	}
	return nil
}

// linkable returns the member that a person may be linked to. It refuses a person who is linked by e-mail, and a member who is somebody
// else on Slack.
func (b *Bot) linkable(ctx context.Context, t *Team, user string, to slackui.To, asked time.Time) (invent.Member, error) {
	a, err := b.person(ctx, t, user)
	if err != nil {
		return invent.Member{}, about(err, user)
	}
	if _, err = byEmail(a, b.finding(ctx, t, asked)); err == nil {
		return invent.Member{}, &refusal{reason: slackui.SameEmail, about: user}
	}
	if no := refused(err); no == nil || !no.reason.ByHand() {
		return invent.Member{}, about(err, user)
	}
	m, err := b.named(ctx, t, to, asked)
	if err != nil {
		return m, err
	}
	hand, err := b.cache.HandLinks(ctx, t.ID)
	if err != nil {
		return m, err
	}
	for other, l := range hand {
		if l.Member == m.ID && other != user {
			return m, &refusal{reason: slackui.MemberTaken, about: other}
		}
	}
	if m.Email == "" {
		return m, nil
	}
	other, err := t.Slack.GetUserByEmailContext(ctx, m.Email)
	switch {
	case err == nil && other.ID != user && b.full(t, accountOf(other)) == nil:
		return m, &refusal{reason: slackui.MemberMailed, about: other.ID}
	case err == nil || slackSays(err, "users_not_found", "missing_scope"): // without the scope nobody is linked by e-mail
		return m, nil
	}
	return m, wrapSlack("looking up an e-mail", err)
}

// named returns the active member with that e-mail or id.
func (b *Bot) named(ctx context.Context, t *Team, to slackui.To, asked time.Time) (invent.Member, error) {
	fits := func(m invent.Member) bool {
		return invent.SameEmail(m.Email, to.Email) ||
			to.Member != "" && (m.ID == to.Member || m.UserID == to.Member) || to.Digest != "" && slackui.Digest(m.ID) == to.Digest
	}
	m, err := b.finding(ctx, t, asked)(fits)
	if no := refused(err); no != nil {
		reason := no.reason
		if reason == slackui.NotLinked {
			reason = slackui.NoSuchMember
		}
		who := to.Email + to.Member
		kept, _ := t.members.kept()
		if n := slices.IndexFunc(kept, fits); n >= 0 {
			who = cmp.Or(kept[n].Name, who)
		}
		return m, &refusal{reason: reason, about: cmp.Or(who, slackui.WhomYouChose)}
	}
	return m, err
}

// offer asks a person, for an admin, whether they are a certain member. The link counts only once they agree.
func (b *Bot) offer(ctx context.Context, t *Team, i slackui.Intent, at time.Time) (string, error) {
	if err := b.admin(ctx, t, i.User); err != nil {
		return "", err
	}
	if i.Person == i.User {
		return "", refuse(slackui.SelfLink)
	}
	m, err := b.linkable(ctx, t, i.Person, *i.To, at)
	if err != nil {
		return "", err
	}
	o := cache.Offer{ID: rand.Text(), Member: m.ID, Name: m.Name, By: i.User}
	if err := b.cache.SetOffer(ctx, t.ID, i.Person, o); err != nil {
		return "", err
	}
	if err := b.dm(ctx, t, i.Person, slackui.Offer(i.User, m.ID, m.Name, o.ID)); err != nil {
		return "", err
	}
	return asked, b.say(ctx, i, slackui.Offered(i.Person, m.Name))
}

// answerOffer carries out a person's yes or no. Only the person who was asked can answer, and only the newest question.
func (b *Bot) answerOffer(ctx context.Context, t *Team, w *work, at time.Time) (string, error) {
	i := w.Intent
	o, found, err := b.cache.Offer(ctx, t.ID, i.User)
	if err != nil {
		return "", err
	}
	if !found || o.ID != i.Offer {
		return "", refuse(slackui.OfferGone)
	}
	yes := i.Verb == slackui.Agree
	m, words := invent.Member{}, slackui.Declined()
	if yes {
		if err := b.admin(ctx, t, o.By); err != nil {
			if refused(err) != nil {
				return "", refuse(slackui.OfferGone)
			}
			return "", err
		}
		if m, err = b.linkable(ctx, t, i.User, slackui.To{Member: o.Member}, at); err != nil {
			return "", err
		}
		other, err := b.cache.SetHandLink(ctx, t.ID, i.User, cache.HandLink{Member: m.ID, By: o.By, At: b.now()}, o.ID)
		switch {
		case errors.Is(err, cache.ErrNoOffer): // withdrawn in the same moment
			return "", refuse(slackui.OfferGone)
		case err != nil:
			return "", err
		case other != "": // who agreed to a link to the same member in the same moment
			return "", &refusal{reason: slackui.MemberTaken, about: other}
		}
		b.debug("what was known of a person can't be dropped", b.cache.DropLink(ctx, t.ID, i.User, cache.Link{Member: m.ID, UserID: m.UserID}))
		w.member, words = m.ID, slackui.Agreed(b.typed(i), m.Name)
	}
	b.replace(ctx, i, words)
	if err := b.dm(ctx, t, o.By, slackui.Answered(i.User, o.Name, yes)); err != nil {
		b.log.Warn("an admin could not be told", "error", err, "ref", ref(i.Key))
	}
	if yes {
		b.resumeHeld(ctx, t, i.User)
	}
	// Last: if this process dies first, the one that goes on must still find the question.
	b.orOwe(ctx, b.cache, i.Key, "an answered question can't be dropped yet", func(ctx context.Context) error { return b.cache.DropOffer(ctx, t.ID, i.User, o.ID) })
	return string(i.Verb), nil
}

// unlink drops a link that an admin made, and the open question whether a person agrees to one: the sender's own, or, for admins who are
// members, anybody's.
func (b *Bot) unlink(ctx context.Context, t *Team, i slackui.Intent, asked time.Time) (string, error) {
	user := i.Person
	if user == "" || user == i.User {
		user, i.Person = i.User, ""
	} else if err := b.admin(ctx, t, i.User); err != nil {
		return "", err
	} else if _, err := b.member(ctx, t, i.User, asked); err != nil {
		return "", err
	}
	link, _, err := b.cache.Link(ctx, t.ID, user)
	b.debug("a link can't be read", err)
	dropped, withdrawn, err := b.cache.DropHandLink(ctx, t.ID, user)
	if err != nil {
		return "", err
	}
	if !dropped && link.By == "" { // else an earlier try has dropped the link, and got no further
		if withdrawn {
			return string(slackui.Unlink), b.say(ctx, i, slackui.Withdrawn(i.Person))
		}
		reason := slackui.NoLink
		fresh, err := b.lookUp(ctx, t, user, time.Time{})
		switch {
		case err == nil && fresh.By == "":
			reason = slackui.SameEmail
		case i.Person == "" && refused(err) != nil:
			return "", err // whoever may not act hears why
		}
		return "", &refusal{reason: reason, about: i.Person}
	}
	if err := b.cache.DropLink(ctx, t.ID, user, link); err != nil {
		return "", err
	}
	b.redrawHome(ctx, t, slackui.Intent{Key: i.Key, Team: i.Team, Enterprise: i.Enterprise, User: user, Sent: i.Sent})
	if i.Person != "" {
		if err := b.dm(ctx, t, user, slackui.UnlinkedBy(b.commandName, i.User)); err != nil {
			b.log.Warn("somebody could not be told that they are linked no more", "error", err, "ref", ref(i.Key))
		}
	}
	return string(slackui.Unlink), b.say(ctx, i, slackui.Unlinked(i.Person))
}

// links lists for admins who is linked how, and what to mend.
func (b *Bot) links(ctx context.Context, t *Team, i slackui.Intent, at time.Time) (string, error) {
	if err := b.admin(ctx, t, i.User); err != nil {
		return "", err
	}
	members, err := t.roster(ctx, at, b.now)
	if err != nil {
		return "", err
	}
	users, err := t.everybody(ctx, b.now().Add(-membersFresh), b.now)
	if err != nil {
		return "", err
	}
	hand, err := b.cache.HandLinks(ctx, t.ID)
	if err != nil {
		return "", err
	}
	tried, err := b.cache.Tried(ctx, t.ID)
	if err != nil {
		return "", err
	}
	lines := b.linkLines(t, members, users.accounts, hand, tried)
	return said, b.reply(ctx, i, slackui.LinkList(b.typed(i), lines, i.Page))
}

// linkLines puts together what is known of the links. An equal e-mail always wins.
func (b *Bot) linkLines(t *Team, members []invent.Member, accounts map[string]account, hand map[string]cache.HandLink, tried map[string]time.Time) []slackui.LinkLine {
	byID, byEmail := map[string]invent.Member{}, map[string][]invent.Member{}
	for _, m := range members {
		byID[m.ID] = m
		if m.Email != "" {
			byEmail[invent.FoldEmail(m.Email)] = append(byEmail[invent.FoldEmail(m.Email)], m)
		}
	}
	var lines []slackui.LinkLine
	linked, holder := map[string]bool{}, map[string]string{}
	add := func(user string, m invent.Member, l slackui.LinkLine) {
		l.User, l.Member, l.Name = user, m.ID, m.Name
		if other := holder[m.ID]; other != "" {
			l.Kind, l.Other = slackui.LinkedTwice, other
		}
		holder[m.ID], linked[user] = user, true
		lines = append(lines, l)
	}
	for user, a := range accounts {
		same := byEmail[invent.FoldEmail(a.email)]
		if len(same) == 0 || a.email == "" || !a.confirmed || b.full(t, a) != nil {
			continue
		}
		if len(same) == 1 {
			add(user, same[0], slackui.LinkLine{Kind: slackui.LinkedByMail})
		} else {
			linked[user] = true // refused, whatever an admin linked: the lines of these members say so
		}
	}
	for user, l := range hand {
		m, found := byID[l.Member]
		switch {
		case linked[user]:
		case found && b.full(t, accounts[user]) != nil:
			linked[user] = true
			lines = append(lines, slackui.LinkLine{Kind: slackui.LinkRefused, User: user, Member: m.ID, Name: m.Name})
		case !found:
			linked[user] = true
			lines = append(lines, slackui.LinkLine{Kind: slackui.LinkBroken, User: user, Member: l.Member})
		default:
			add(user, m, slackui.LinkLine{Kind: slackui.LinkedByHand, By: l.By, At: l.At})
		}
	}
	for user, at := range tried {
		if !linked[user] {
			lines = append(lines, slackui.LinkLine{Kind: slackui.LinkTried, User: user, At: at})
		}
	}
	chats := t.inbox.known()
	for _, m := range members {
		switch {
		case len(byEmail[invent.FoldEmail(m.Email)]) > 1:
			lines = append(lines, slackui.LinkLine{Kind: slackui.LinkUnclear, Member: m.ID, Name: m.Name})
		case !m.Active():
			lines = append(lines, slackui.LinkLine{Kind: slackui.LinkInactive, Member: m.ID, Name: m.Name, Has: countOf(m, chats)})
		case holder[m.ID] == "":
			lines = append(lines, slackui.LinkLine{Kind: slackui.LinkMissing, Member: m.ID, Name: m.Name})
		}
	}
	slices.SortFunc(lines, func(a, b slackui.LinkLine) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.User, b.User))
	})
	return lines
}

// hold keeps a refused request for an hour, in case its person is linked in that time. It says whether it is kept.
func (b *Bot) hold(ctx context.Context, i slackui.Intent) (held bool) {
	t, err := b.teams(ctx, i.Team, i.Enterprise)
	if err != nil {
		return false
	}
	text, _ := json.Marshal(i) // of strings and times: it can't fail
	kept, err := b.cache.Hold(ctx, t.ID, i.User, text, b.now())
	if err != nil || !kept {
		b.debug("a refused request can't be kept", err)
		return false
	}
	if b.accept(ctx, slackui.Intent{
		V: slackui.Version, Verb: slackui.Resume, Key: i.Key + ":resume", Team: i.Team, Enterprise: i.Enterprise, User: i.User, Sent: b.now(),
	}) {
		return true
	}
	_, err = b.cache.DropHeld(ctx, t.ID, i.User, text)
	b.debug("a refused request can't be dropped", err)
	return false
}

// waitError gives a job back until something may have changed.
type waitError struct{ after, until time.Duration }

// Error says what is waited for.
func (e *waitError) Error() string { return "waiting" }

// resume carries out the refused requests of a person once they are linked. It looks again for as long as one is kept.
func (b *Bot) resume(ctx context.Context, t *Team, w *work) (string, error) {
	held, err := b.cache.Held(ctx, t.ID, w.Intent.User, b.now())
	if err != nil {
		return "", err
	}
	if len(held) == 0 {
		return said, nil
	}
	_, err = b.member(ctx, t, w.Intent.User, b.now())
	if refused(err) != nil {
		return "", &waitError{after: resumeEvery, until: resumeUntil}
	}
	if err != nil {
		return "", err
	}
	b.carryOut(ctx, t, w.Intent.User, held)
	return said, nil
}

// resumeHeld carries out what the person was refused for want of a link.
func (b *Bot) resumeHeld(ctx context.Context, t *Team, user string) {
	held, err := b.cache.Held(ctx, t.ID, user, b.now())
	b.debug("kept requests can't be read", err)
	b.carryOut(ctx, t, user, held)
}

// carryOut makes jobs of the requests that were held. Each is compared with what the person saw then, like any other request. If this
// process dies in between, the next call does the rest: each is accepted once.
func (b *Bot) carryOut(ctx context.Context, t *Team, user string, held []json.RawMessage) {
	for _, text := range held {
		var i slackui.Intent
		if json.Unmarshal(text, &i) != nil {
			continue // Hold kept no such thing
		}
		i.Key += ":resumed"
		words, taken := slackui.Resumed(), b.accept(ctx, i)
		if !taken {
			words = slackui.Busy()
		}
		dropped, err := b.cache.DropHeld(ctx, t.ID, user, text)
		if b.debug("a kept request can't be dropped", err); !dropped && err == nil {
			continue // another process looked in the same moment, and says so
		}
		if b.whisper(ctx, i, words); !taken {
			b.noteBack(ctx, i)
		}
	}
}

// history lists what was done with a conversation through the bot.
func (b *Bot) history(ctx context.Context, t *Team, w *work) (string, error) {
	i := w.Intent
	list, err := b.cache.Deeds(ctx, t.ID, i.Chat)
	if err != nil {
		return "", err
	}
	w.exists = len(list) > 0
	deeds := make([]slackui.Deed, len(list))
	for n, d := range list {
		deeds[n] = slackui.Deed{Verb: slackui.Verb(d.Verb), User: d.User, From: d.From, To: d.To, Channel: d.Channel, At: d.At}
	}
	return said, b.reply(ctx, i, slackui.Deeds(i.Chat, deeds, i.Page))
}
