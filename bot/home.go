package bot

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// items sorts the inbox into the lists of a member's Home tab. asked is when the person wanted to see it: a later try needs no newer
// list.
func (b *Bot) items(ctx context.Context, t *Team, me cache.Link, asked time.Time) (tab slackui.HomeTab, err error) {
	switch {
	case t.contract.Load() == nil: // what Invent's API offers hasn't been checked yet since the start
		return tab, &waitError{after: 500 * time.Millisecond, until: giveUp}
	case !t.has("inbox"):
		return tab, refuse(slackui.NoInbox)
	}
	chats, err := b.conversations(ctx, t, asked)
	if invent.NotFound(err) {
		err = refuse(slackui.NoInbox)
	}
	if err != nil {
		return tab, err
	}
	waits, _, err := b.cache.Handoffs(ctx, t.ID)
	b.debug("since when they wait can't be read", err)
	users, _ := t.users.kept()
	members, _ := t.members.kept()
	place, noAssign := map[string]int{}, !t.assigns()
	for _, c := range chats {
		item := slackui.Item{Chat: c, URL: b.chatURL.For(c.ID), NoAssign: noAssign}
		if slackui.Waiting(c.State) {
			item.Waits = since(waits[c.ID])
			tab.Waiting = append(tab.Waiting, item)
		}
		u := c.State.AssignedUser
		if c.State.State == invent.Closed || u == nil {
			continue
		}
		n, found := place[u.ID]
		if !found {
			n = len(tab.Team)
			place[u.ID] = n
			tab.Team = append(tab.Team, slackui.Load{Holder: slackui.Holder{
				ID: u.ID, Name: u.Name, User: users.byEmail[invent.FoldEmail(u.Email)], Inactive: !is(me, u) && inactive(members, *u),
			}})
		}
		tab.Team[n].Count++
		item.Holder = tab.Team[n].Holder
		if is(me, u) {
			tab.Mine = append(tab.Mine, item)
		} else if item.Holder.Inactive {
			tab.Left = append(tab.Left, item)
		}
	}
	slices.SortFunc(tab.Mine, longest)
	slices.SortFunc(tab.Waiting, longest)
	slices.SortFunc(tab.Left, longest)
	return tab, nil
}

// inactive says whether the assignee is one of the inactive members, and none of the active ones.
func inactive(members []invent.Member, u invent.AssignedUser) bool {
	found := func(active bool) bool {
		return slices.ContainsFunc(members, func(m invent.Member) bool { return m.Active() == active && m.Is(u) })
	}
	return found(false) && !found(true)
}

// home publishes a person's Home tab as it is now. Jobs for one person's tab run one after the other, so that the newest is drawn last.
// If somebody drew the tab all the same while this job looked things up, it looks and draws once more.
func (b *Bot) home(ctx context.Context, t *Team, w *work, asked time.Time) (string, error) {
	outcome, err := b.drawHome(ctx, t, w, asked, true)
	if slackSays(err, "hash_conflict") {
		return b.drawHome(ctx, t, w, b.now().Add(listAlone), false)
	}
	return outcome, err
}

// drawHome looks up what a Home tab is to show, and draws it; when careful, only if nobody has drawn the tab meanwhile.
func (b *Bot) drawHome(ctx context.Context, t *Team, w *work, asked time.Time, careful bool) (string, error) {
	i := w.Intent
	kept, opened, err := b.cache.Home(ctx, t.ID, i.User)
	b.debug("what is known of a Home tab can't be read", err)
	if err == nil && !opened { // kept before the person is looked up: somebody who unlinks them meanwhile then has the tab redrawn
		b.debug("that a Home tab was opened can't be kept", b.cache.SetHome(ctx, t.ID, i.User, kept))
	}
	var view slack.HomeTabViewRequest
	outcome := shown
	me, err := b.member(ctx, t, i.User, asked)
	if no := refused(err); no != nil {
		view, outcome, err = slackui.HomeStranger(b.commandName, no.reason), string(no.reason), nil
	} else if err == nil {
		w.member = me.Member
		view, err = b.homeOf(ctx, t, i, me, asked)
	}
	if err != nil {
		if kept.Hash == "" { // the tab is empty so far, and Slack would show that it loads
			b.debug("a Home tab can't be published", b.publish(ctx, t, i, i.Hash, slackui.HomeLater()))
		}
		return "", err
	}
	hash := cmp.Or(kept.Hash, i.Hash)
	if !careful {
		hash = ""
	}
	return outcome, b.publish(ctx, t, i, hash, view)
}

// publish draws a Home tab; with a hash only if Slack still shows the tab that has this hash.
func (b *Bot) publish(ctx context.Context, t *Team, i slackui.Intent, hash string, view slack.HomeTabViewRequest) error {
	request := slack.PublishViewContextRequest{UserID: i.User, View: view}
	if hash != "" {
		request.Hash = &hash
	}
	answer, err := t.Slack.PublishViewContext(ctx, request)
	if err != nil {
		return wrapSlack("publishing a Home tab", err)
	}
	kept := cache.Home{Hash: answer.Hash, Page: i.Page, Below: i.Below}
	b.debug("what is known of a Home tab can't be kept", b.cache.SetHome(ctx, t.ID, i.User, kept))
	return nil
}

func (b *Bot) homeOf(ctx context.Context, t *Team, i slackui.Intent, me cache.Link, asked time.Time) (slack.HomeTabViewRequest, error) {
	tab, err := b.items(ctx, t, me, asked.Add(-listAlone)) // an older list will do: the tab is drawn after each action of its person
	if err != nil && refused(err) == nil {
		return slack.HomeTabViewRequest{}, err
	}
	tab.Command, tab.Me, tab.Listed, tab.Page, tab.Below = b.commandName, b.meOf(me), err == nil, i.Page, i.Below
	tab.Quiet, err = b.cache.Quiet(ctx, t.ID, i.User)
	b.debug("it can't be told who wants notices", err)
	return tab.View(), nil
}

// redrawHome has the Home tab of the intent's person redrawn, if they have seen it in the last 30 days or acted on it now.
func (b *Bot) redrawHome(ctx context.Context, t *Team, i slackui.Intent) {
	kept, opened, err := b.cache.Home(ctx, t.ID, i.User)
	b.debug("what is known of a Home tab can't be read", err)
	b.redrawOpened(ctx, i, kept, opened)
}

// redrawOpened is redrawHome for a tab about which Redis was asked already.
func (b *Bot) redrawOpened(ctx context.Context, i slackui.Intent, kept cache.Home, opened bool) {
	onHome := i.List == slackui.Home || i.Verb == slackui.Hush || i.Verb == slackui.Tellme
	if !opened && !onHome {
		return
	}
	home := slackui.Intent{
		V: slackui.Version, Verb: slackui.Home, Key: i.Key + ".home", Team: i.Team, Enterprise: i.Enterprise, User: i.User, Sent: i.Sent,
		Page: kept.Page, Below: kept.Below,
	}
	if i.List == slackui.Home {
		home.Page, home.Below = i.Page, i.Below
	}
	b.accept(ctx, home)
}

// setNotices keeps whether a person wants notices.
func (b *Bot) setNotices(ctx context.Context, t *Team, i slackui.Intent) (string, error) {
	if err := b.cache.SetQuiet(ctx, t.ID, i.User, i.Verb == slackui.Hush); err != nil {
		return "", err
	}
	b.redrawHome(ctx, t, i)
	return changed, nil
}

// greet welcomes a person once.
func (b *Bot) greet(ctx context.Context, t *Team, i slackui.Intent, asked time.Time) (string, error) {
	_, err := b.member(ctx, t, i.User, asked)
	no := refused(err)
	if err != nil && no == nil {
		return "", err
	}
	reason := slackui.Reason("")
	if no != nil {
		if reason = no.reason; !reason.Mends() {
			return string(reason), nil // a guest, a bot, an outsider: there is no next step
		}
	} else if t.lacks("inbox") {
		reason = slackui.NoInbox
	}
	greeted, err := b.cache.Greeted(ctx, t.ID, i.User)
	if err != nil || greeted {
		return already, err
	}
	if err := b.dm(ctx, t, i.User, slackui.Welcome(b.commandName, reason)); err != nil {
		return "", err
	}
	// Only after the greeting: a person who is kept as greeted never gets one. (Greetings of one person run one after the other.)
	b.orOwe(ctx, b.cache, i.Key, "that somebody was greeted can't be kept yet", func(ctx context.Context) error { return b.cache.SetGreeted(ctx, t.ID, i.User) })
	return said, nil
}

// fill fills the modal of the shortcut that takes a conversation. done, if not empty, stands above the list.
func (b *Bot) fill(ctx context.Context, t *Team, w *work, asked time.Time, done string) (string, error) {
	i := w.Intent
	me, err := b.member(ctx, t, i.User, asked)
	var tab slackui.HomeTab
	if err == nil {
		w.member = me.Member
		tab, err = b.items(ctx, t, me, asked)
	}
	view, outcome := slackui.PickOf(tab.Waiting, i.Page, done), shown
	no := refused(err)
	if no != nil {
		view, outcome = slackui.PickRefused(b.commandName, no.reason), string(no.reason)
	} else if err != nil {
		view = slackui.PickLater()
	}
	_, failed := t.Slack.UpdateViewContext(ctx, view, "", "", i.View)
	switch {
	case slackSays(failed, "not_found"):
		return windowClosed, nil
	case failed != nil:
		return "", wrapSlack("filling a modal", failed)
	case err != nil && no == nil:
		return "", err
	}
	return outcome, nil
}
