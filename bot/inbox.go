package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	inboxPages = 100 // of 100 conversations
	perPage    = 500 * time.Millisecond
)

// inbox is the list of an organisation's conversations in memory, with what this process itself has changed since.
type inbox struct {
	listing[[]invent.Chat]
	mu         sync.Mutex
	young, old map[string]ourChange // by conversation; when young is a minute old or full, it becomes old
	turned     time.Time
	tried      atomic.Int64 // how many pages the last listing asked for, even if it failed
}

type ourChange struct {
	state invent.ChatState
	at    time.Time
}

const oursMost = 100 * inboxPages // more than an inbox can show are of no use

// changed notes a conversation as this process has just seen it.
func (x *inbox) changed(c invent.Chat, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.young == nil || at.Sub(x.turned) > time.Minute || len(x.young) >= oursMost {
		x.old, x.young, x.turned = x.young, map[string]ourChange{}, at
	}
	x.young[c.ID] = ourChange{state: c.State, at: at}
}

// own returns the state of a conversation as this process has seen it since a listing began. It remembers the last minute at least.
func (x *inbox) own(id string, begun time.Time) (invent.ChatState, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	o, found := x.young[id]
	if !found {
		o, found = x.old[id]
	}
	return o.state, found && !o.at.Before(begun)
}

// paceOf returns the least time between two listings of so many conversations: a large inbox is listed less often, so that most of
// Invent's 500 calls a minute are left for people's clicks.
func paceOf(conversations int) time.Duration {
	return max(beat, time.Duration(conversations/100+1)*perPage)
}

// conversations returns the inbox as it was at oldest or later, or as it was listed last if it can't be listed again yet: each
// conversation once, with what this process itself has changed since.
func (b *Bot) conversations(ctx context.Context, t *Team, oldest time.Time) ([]invent.Chat, error) {
	kept, _ := t.inbox.kept()
	if soonest := b.now().Add(-paceOf(len(kept))); soonest.Before(oldest) {
		oldest = soonest
	}
	if _, err := b.listInbox(ctx, t, oldest); err != nil {
		return nil, err
	}
	return t.inbox.known(), nil
}

// known returns the inbox as it was listed last, with what this process itself has changed since.
func (x *inbox) known() []invent.Chat {
	kept, begun := x.kept()
	list := slices.Clone(kept)
	for i, c := range list {
		if own, found := x.own(c.ID, begun); found {
			list[i].State = own
		}
	}
	return list
}

func (b *Bot) listInbox(ctx context.Context, t *Team, oldest time.Time) ([]invent.Chat, error) {
	return t.inbox.since(ctx, oldest, b.now, func(ctx context.Context) ([]invent.Chat, error) {
		var all []invent.Chat
		seen := map[string]bool{}
		for page := 1; page <= inboxPages; page++ {
			t.inbox.tried.Store(int64(page))
			chats, more, err := t.Invent.Inbox(ctx, page)
			if wait := invent.RetryAfter(err); wait > 0 && wait < 10*time.Second {
				pauseFor(ctx, wait)
				page--
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("listing the inbox: %w", err)
			}
			before := len(all)
			for _, c := range chats {
				if !seen[c.ID] { // the list moves while it is read
					seen[c.ID] = true
					all = append(all, c)
				}
			}
			// Nothing new: an API that doesn't know pages, and sends the same for ever.
			if !more || len(all) == before || len(all) >= 100*inboxPages {
				break
			}
		}
		return all, nil
	})
}

// countOf counts the conversations that a member has, without resolved ones.
func countOf(m invent.Member, chats []invent.Chat) (count int) {
	for _, c := range chats {
		if u := c.State.AssignedUser; u != nil && c.State.State != invent.Closed && m.Is(*u) {
			count++
		}
	}
	return count
}

// list shows the conversations that wait, and below them those of inactive members; or, for Mine, those that the person has.
func (b *Bot) list(ctx context.Context, t *Team, i slackui.Intent, verb slackui.Verb, me cache.Link, asked time.Time, done string) (string, error) {
	tab, err := b.items(ctx, t, me, asked)
	if err != nil {
		return "", err
	}
	items := tab.Mine
	if verb == slackui.Queue {
		items = slices.Concat(tab.Waiting, tab.Left)
	}
	return said, b.sayIn(ctx, i, i.Private, slackui.Items(verb, items, i.Page, done))
}

// longest puts the conversation first whose customer wrote longest ago, and those last of which that isn't known.
func longest(a, b slackui.Item) int {
	at, bt := a.Chat.State.LastContactMessageAt, b.Chat.State.LastContactMessageAt
	switch {
	case at != nil && bt != nil && !at.Equal(*bt):
		return at.Compare(*bt)
	case at != nil && bt == nil:
		return -1
	case at == nil && bt != nil:
		return 1
	}
	return strings.Compare(a.Chat.ID, b.Chat.ID)
}
