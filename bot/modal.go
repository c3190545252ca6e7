package bot

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	openWithin    = 2 * time.Second // for the request that opens a modal: its trigger lives for three seconds
	rosterEvery   = 5 * time.Minute // how often the members are listed anew, though nobody asks
	accountsEvery = time.Hour       // likewise Slack's users
)

// errUnknown says that Redis and memory can't tell for sure who somebody is, or that they may not act: a job must find out.
var errUnknown = errors.New("not known yet")

// open opens the modal that a click asks for, within the request. It waits for Slack, which must hear of it in time, and
// for nobody else: what it shows comes from memory and Redis.
func (b *Bot) open(ctx context.Context, i slackui.Intent) answer {
	begun := b.now()
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	w := work{Intent: i}
	err := b.openModal(ctx, &w)
	outcome, said := opened, acknowledged
	switch {
	case err == nil:
	case errors.Is(err, errUnknown):
		// Slack and Invent must be asked who this is, which takes too long here: a job does that, and tells the person.
		return b.queued(ctx, i)
	case slackSays(err, "exchanged_trigger_id"):
		outcome = repeated // the same click again: its modal is open
		err = nil
	default:
		f := failure(&w, err)
		if temporary(err) || slackSays(err, "expired_trigger_id", "invalid_trigger_id", "trigger_expired") {
			f = slackui.ModalTooLate
		}
		outcome = string(f)
		if !b.side.try(func() { b.whisper(context.WithoutCancel(ctx), i, slackui.Failed(f, i, ref(i.Key), b.dashboard(i))) }) {
			said = answer{status: http.StatusServiceUnavailable} // Slack shows then that the click failed
		}
	}
	b.record(w, cache.Job{At: begun}, outcome, err)
	return said
}

func (b *Bot) openModal(ctx context.Context, w *work) error {
	i := w.Intent
	t, err := b.teams(ctx, i.Team, i.Enterprise)
	if errors.Is(err, ErrUnknownTeam) {
		return errUnknown
	}
	if err != nil {
		return err
	}
	b.freshen(t)
	me, err := b.recall(ctx, t, i.User)
	if err != nil && !errors.Is(err, errCold) {
		return errUnknown // only the worker refuses, on fresh data
	}
	w.member = me.Member
	var modal slack.ModalViewRequest
	switch i.Verb {
	case slackui.Choose:
		modal = b.askWhom(ctx, t, i, me, err == nil)
	case slackui.Paste:
		modal = slackui.AskWhich(i)
	case slackui.Pick:
		modal = slackui.Picking()
	}
	view, err := t.Slack.OpenViewContext(ctx, i.Key, modal)
	if err == nil && i.Verb == slackui.Pick {
		i.Verb, i.View, i.Key = slackui.Fill, view.ID, i.Key+".fill"
		if !b.accept(context.WithoutCancel(ctx), i) {
			_, err = t.Slack.UpdateViewContext(ctx, slackui.PickBusy(), "", "", view.ID)
		}
	}
	return wrapSlack("opening a modal", err)
}

// askWhom draws the modal that assigns, from memory and Redis. While it isn't known yet whether the person may read conversations (known
// is false), the modal tells nothing about this one.
func (b *Bot) askWhom(ctx context.Context, t *Team, i slackui.Intent, me cache.Link, known bool) slack.ModalViewRequest {
	if !known {
		return slackui.AskWhom(b.commandName, i, invent.Chat{ID: i.Chat}, "", "", nil)
	}
	members, _ := t.members.kept()
	holder := ""
	for _, m := range members {
		if i.Seen != nil && *i.Seen != "" && m.Is(invent.AssignedUser{ID: *i.Seen}) {
			holder = m.ID
		}
	}
	chat := invent.Chat{ID: i.Chat}
	listed, _ := t.inbox.kept()
	if n := slices.IndexFunc(listed, func(c invent.Chat) bool { return c.ID == i.Chat }); n >= 0 {
		chat = listed[n]
	}
	return slackui.AskWhom(b.commandName, i, chat, holder, me.Member, b.choices(ctx, t))
}

// options answers a search in a modal's select, from memory and Redis: with the members of the organisation, and to its members only.
func (b *Bot) options(ctx context.Context, body []byte, _ time.Time) answer {
	q, err := slackui.ParseQuery(body)
	if err != nil {
		return bad(err.Error())
	}
	none := saying(slackui.Options{Options: []*slack.OptionBlockObject{}})
	if q == nil {
		return none
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	t, err := b.knownTeam(q.Team, q.Enterprise)
	if err != nil {
		return none
	}
	me, err := b.recall(ctx, t, q.User)
	if err != nil {
		return none
	}
	return saying(slackui.Whom(*q, me.Member, b.choices(ctx, t)))
}

// choices lists the active members, as memory has them.
func (b *Bot) choices(ctx context.Context, t *Team) []slackui.Choice {
	members, _ := t.members.kept()
	hand, err := b.cache.HandLinks(ctx, t.ID)
	b.debug("links can't be read", err)
	linked := map[string]bool{}
	for _, l := range hand {
		linked[l.Member] = true
	}
	all := make([]slackui.Choice, 0, len(members))
	for _, m := range members {
		if m.Active() {
			all = append(all, b.choice(t, m, linked))
		}
	}
	return all
}

// choice turns a member into a choice. linked holds the members whom an admin linked to somebody.
func (b *Bot) choice(t *Team, m invent.Member, linked map[string]bool) slackui.Choice {
	users, _ := t.users.kept()
	_, onSlack := users.byEmail[invent.FoldEmail(m.Email)]
	return slackui.Choice{
		Member: m.ID, Name: m.Name, Email: m.Email, NotOnSlack: users.whole && !onSlack && !linked[m.ID],
	}
}

// errCold says that memory holds nothing yet: the process has just started.
var errCold = errors.New("nothing is known yet")

// recall returns which member the Slack user is as far as Redis and memory know. A link that is due to be looked up again counts only if
// memory knows nothing newer. The error is a refusal, which may be out of date, errUnknown, errCold, or one of Redis. Before the person's
// action is carried out, checked asks again.
func (b *Bot) recall(ctx context.Context, t *Team, user string) (cache.Link, error) {
	link, found, err := b.cache.Link(ctx, t.ID, user)
	b.debug("links can't be read", err)
	now := b.now()
	if found && now.Sub(link.Checked) < linkFresh {
		return link, nil
	}
	users, known := t.users.kept()
	members, listed := t.members.kept()
	switch cold := users.accounts == nil || members == nil; {
	case found && (now.Sub(known) > 2*accountsEvery || now.Sub(listed) > 2*accountsEvery): // or never listed: Slack or Invent doesn't answer
		return link, nil
	case cold:
		return link, errCold
	}
	a, found := users.accounts[user]
	if !found {
		return link, errUnknown
	}
	if err := b.full(t, a); err != nil {
		return link, err
	}
	return b.linkOf(ctx, t, user, a, func(fits func(invent.Member) bool) (invent.Member, error) { return only(members, fits) })
}

// submitted answers a submitted modal within the request: with what is wrong, at its field; or with nothing, once what it asks for has
// become a job.
func (b *Bot) submitted(ctx context.Context, i slackui.Intent) answer {
	if i.Problem != "" {
		return saying(slackui.FormProblem(i.Form, i.Problem))
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	if p, r := b.wrongWith(ctx, i); r != "" {
		return saying(slackui.FormRefused(b.commandName, i.Form, r))
	} else if p != "" {
		return saying(slackui.FormProblem(i.Form, p))
	}
	if !b.accept(ctx, i) {
		return saying(slackui.FormBusy(i.Form))
	}
	return acknowledged
}

// knownTeam returns the team, if it is known without asking Slack.
func (b *Bot) knownTeam(team, enterprise string) (*Team, error) {
	noTime, cancel := context.WithCancel(context.Background())
	cancel()
	return b.teams(noTime, team, enterprise)
}

// wrongWith returns what memory and Redis already show to be wrong with an assignment; "" and "" for nothing. The worker checks all of it
// again.
func (b *Bot) wrongWith(ctx context.Context, i slackui.Intent) (slackui.Problem, slackui.Reason) {
	t, err := b.knownTeam(i.Team, i.Enterprise)
	if err != nil {
		return "", ""
	}
	me, err := b.recall(ctx, t, i.User)
	if err != nil || i.To == nil || i.To.User == i.User {
		return "", ""
	}
	if !b.mayOthers(me) {
		return "", slackui.NotAllowed
	}
	if i.Note == "" {
		return "", ""
	}
	for _, c := range b.choices(ctx, t) {
		if c.NotOnSlack && (c.Member == i.To.Member || slackui.Digest(c.Member) == i.To.Digest) {
			return slackui.NoteUnreadable, ""
		}
	}
	return "", ""
}

// freshen lists the members anew if the list in memory is older than membersFresh, and Slack's users if theirs is older than rosterEvery.
// It doesn't wait for that.
func (b *Bot) freshen(t *Team) {
	now := b.now()
	_, listed := t.members.kept()
	_, known := t.users.kept()
	if now.Sub(listed) > membersFresh || now.Sub(known) > rosterEvery {
		b.side.try(func() {
			ctx, cancel := context.WithTimeout(context.Background(), attempt)
			defer cancel()
			b.relist(ctx, t, now.Add(-membersFresh), now.Add(-rosterEvery))
		})
	}
}

// relist lists the members and Slack's users anew where the lists in memory are older than the given times.
func (b *Bot) relist(ctx context.Context, t *Team, members, users time.Time) {
	_, err := t.roster(ctx, members, b.now)
	b.debug("members can't be listed", err)
	_, err = t.everybody(ctx, users, b.now)
	b.debug("Slack's users can't be listed", err)
}

// keepLists lists the members and Slack's users at the start and from then on, so that a modal finds them in memory.
func (b *Bot) keepLists(ctx context.Context) {
	for ctx.Err() == nil {
		b.relist(ctx, b.probe, b.now().Add(-rosterEvery), b.now().Add(-accountsEvery))
		pauseFor(ctx, checkEvery)
	}
}
