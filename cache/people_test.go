package cache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inventbot/cache"
)

// fill stores one of each.
func fill(t *testing.T, c *cache.Cache) {
	t.Helper()
	fine(t, c.SetLink(t.Context(), "T1", "U1", ada))
	fine(t, remember(t.Context(), c, "T1", "chat_1", via, card(1)))
	fine(t, c.SetReach(t.Context(), "T1", "C1", cache.Own))
	fine(t, c.SetOffer(t.Context(), "T1", "U1", offer))
	_, err := c.SetHandLink(t.Context(), "T1", "U1", hand, offer.ID)
	fine(t, err)
	_, err = c.Hold(t.Context(), "T1", "U1", json.RawMessage(`{"v":1}`), time.Now())
	fine(t, err)
	fine(t, addDeed(t.Context(), c, deed(1, "chat_1")))
	_, err = c.TellOnce(t.Context(), "T1", "key")
	fine(t, err)
	_, err = c.KeepNote(t.Context(), "T1", "U1", "a note")
	fine(t, err)
	fine(t, c.SetQuiet(t.Context(), "T1", "U1", true))
	fine(t, c.SetHome(t.Context(), "T1", "U1", cache.Home{Hash: "h"}))
	fine(t, c.SetGreeted(t.Context(), "T1", "U1"))
}

// addDeed keeps what a change of the deed's conversation leaves behind.
func addDeed(ctx context.Context, c *cache.Cache, d cache.Deed) error {
	_, _, _, err := c.Changed(ctx, "T1", cache.Change{Chat: d.Chat, State: "a state", Deed: d})
	return err
}

// remember remembers cards that show some state.
func remember(ctx context.Context, c *cache.Cache, team, chat string, via cache.Via, cards ...cache.Card) error {
	return c.Remember(ctx, team, chat, "a state", via, cards...)
}

func fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	ada = cache.Link{Member: "mem_1", UserID: "usr_1", Email: "ada@example.com", Name: "Ada <Lovelace>", Checked: noon}
	via = cache.Via{User: "U1", Assignee: "mem_1", At: noon}
)

func card(n int) cache.Card {
	return cache.Card{Channel: "C1", TS: fmt.Sprintf("1772452800.%06d", n), Job: "7.8.9", Shows: "0a1b"}
}

func TestLink(t *testing.T) {
	t.Run("comes back as it was set, in both directions", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.SetLink(t.Context(), "T1", "U1", ada))
			got, ok, err := c.Link(t.Context(), "T1", "U1")
			if d := cmp.Diff(ada, got); d != "" || !ok || err != nil {
				t.Errorf("%v and %v, want -, got +:\n%s", ok, err, d)
			}
			for _, id := range []string{"mem_1", "usr_1"} {
				if p, ok, err := c.Person(t.Context(), "T1", id); p.User != "U1" || !ok || err != nil {
					t.Errorf("%s is %+v, %v, %v; want U1", id, p, ok, err)
				}
			}
		})
	})
	t.Run("of nobody is a miss and no error", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fill(t, c)
			for _, at := range [][2]string{{"T1", "U2"}, {"T2", "U1"}, {"T1", "mem_1"}, {"", ""}} {
				if got, ok, err := c.Link(t.Context(), at[0], at[1]); ok || err != nil || got != (cache.Link{}) {
					t.Errorf("%v: %+v, %v, %v; want a miss", at, got, ok, err)
				}
			}
		})
	})
	t.Run("that is dropped is a miss, in both directions", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fill(t, c)
			fine(t, c.DropLink(t.Context(), "T1", "U1", ada))
			fine(t, c.DropLink(t.Context(), "T1", "U1", cache.Link{}))
			if got, ok, err := c.Link(t.Context(), "T1", "U1"); ok || err != nil {
				t.Errorf("%+v, %v, %v; want a miss", got, ok, err)
			}
			for _, id := range []string{"mem_1", "usr_1"} {
				if p, ok, err := c.Person(t.Context(), "T1", id); ok || err != nil {
					t.Errorf("%s: %+v, %v, %v; want a miss", id, p, ok, err)
				}
			}
		})
	})
	t.Run("that is broken is a miss", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for _, text := range []string{"", "{", "[]", `{"member":7}`, `"mem_1"`} {
				fine(t, c.Raw().Set(t.Context(), cache.LinkKey("T1", "U1"), text, time.Hour).Err())
				if _, ok, err := c.Link(t.Context(), "T1", "U1"); ok || err != nil {
					t.Errorf("%q: %v and %v, want a miss", text, ok, err)
				}
			}
		})
	})
	t.Run("is gone after a day, the way back after an hour", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		fill(t, c)
		is := func(link, person bool) {
			t.Helper()
			_, l, _ := c.Link(t.Context(), "T1", "U1")
			_, p, _ := c.Person(t.Context(), "T1", "mem_1")
			if l != link || p != person {
				t.Errorf("link %v and person %v, want %v and %v", l, p, link, person)
			}
		}
		c.Mini().FastForward(59 * time.Minute)
		is(true, true)
		c.Mini().FastForward(time.Minute)
		is(true, false)
		c.Mini().FastForward(23 * time.Hour)
		is(false, false)
	})
}

func TestPerson(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		if _, ok, err := c.Person(t.Context(), "T1", "mem_1"); ok || err != nil {
			t.Errorf("of nobody: %v and %v, want a miss", ok, err)
		}
		fine(t, c.SetPerson(t.Context(), "T1", cache.Person{}, "mem_1", "", "usr_1"))
		for id, want := range map[string]bool{"mem_1": true, "usr_1": true, "": false, "mem_2": false} {
			if p, ok, err := c.Person(t.Context(), "T1", id); p.User != "" || ok != want || err != nil {
				t.Errorf("%q, who is not on Slack: %+v, %v, %v; want %v", id, p, ok, err, want)
			}
		}
		fine(t, c.SetPerson(t.Context(), "T1", cache.Person{User: "U1"}))
		fine(t, c.SetPerson(t.Context(), "T1", cache.Person{User: "U1"}, ""))
		fine(t, c.Raw().Set(t.Context(), cache.PersonKey("T1", "mem_1"), "U1", time.Hour).Err())
		if _, ok, err := c.Person(t.Context(), "T1", "mem_1"); ok || err != nil {
			t.Errorf("what is broken: %v and %v, want a miss", ok, err)
		}
	})
}

func TestKnown(t *testing.T) {
	known := func(t *testing.T, c *cache.Cache, team, chat, channel string) cache.Known {
		t.Helper()
		k, err := c.Known(t.Context(), cache.Question{Team: team, Chat: chat, Channel: channel})
		fine(t, err)
		return k
	}
	same := func(t *testing.T, want, got cache.Known) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("want -, got +:\n%s", d)
		}
	}
	t.Run("answers the cards newest first, through whom, and who can read the channel", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			other := cache.Card{Channel: "D2", TS: "1772452800.000003"}
			fine(t, remember(t.Context(), c, "T1", "chat_1", cache.Via{}, card(1), card(4)))
			fine(t, remember(t.Context(), c, "T1", "chat_1", via, other, card(2)))
			fine(t, c.SetReach(t.Context(), "T1", "C1", cache.Shared))
			same(t, cache.Known{Cards: []cache.Card{card(4), other, card(2), card(1)}, Via: via, Reach: cache.Shared}, known(t, c, "T1", "chat_1", "C1"))
			same(t, cache.Known{Cards: []cache.Card{card(4), other, card(2), card(1)}, Via: via}, known(t, c, "T1", "chat_1", "C2"))
			same(t, cache.Known{Reach: cache.Shared}, known(t, c, "T1", "chat_2", "C1"))
			same(t, cache.Known{}, known(t, c, "T2", "chat_1", "C1"))
		})
	})
	t.Run("has the last word on a card and on whom", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			now, nobody := card(1), cache.Via{User: "U2", At: noon.Add(time.Minute)}
			now.Shows = "2c3d"
			fill(t, c)
			fine(t, remember(t.Context(), c, "T1", "chat_1", nobody, now))
			fine(t, c.SetReach(t.Context(), "T1", "C1", cache.ReachUnknown))
			same(t, cache.Known{Cards: []cache.Card{now}, Via: nobody}, known(t, c, "T1", "chat_1", "C1"))
			fine(t, remember(t.Context(), c, "T1", "chat_1", cache.Via{}))
			same(t, cache.Known{Cards: []cache.Card{now}, Via: nobody}, known(t, c, "T1", "chat_1", "C1"))
		})
	})
	t.Run("keeps a card that is added, and nothing else with it", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fill(t, c)
			before := c.Raw().HGetAll(t.Context(), cache.CardsKey("T1", "chat_1")).Val()
			was := known(t, c, "T1", "chat_1", "C1")
			fine(t, c.AddCard(t.Context(), "T1", "chat_1", "another state", card(2)))
			same(t, cache.Known{Cards: []cache.Card{card(2), card(1)}, Via: was.Via, Reach: was.Reach}, known(t, c, "T1", "chat_1", "C1"))
			after := c.Raw().HGetAll(t.Context(), cache.CardsKey("T1", "chat_1")).Val()
			delete(after, card(2).Channel+" "+card(2).TS)
			if d := cmp.Diff(before, after); d != "" {
				t.Errorf("all else, before -, after +:\n%s", d)
			}
			fine(t, c.AddCard(t.Context(), "T1", "chat_9", "a state", card(1)))
			if drawn, err := c.Drawn(t.Context(), "T1", []string{"chat_9"}); drawn["chat_9"] != "a state" || err != nil {
				t.Errorf("the first card shows %v, %v", drawn, err)
			}
			if ttl := c.Raw().TTL(t.Context(), cache.CardsKey("T1", "chat_9")).Val(); ttl <= 0 {
				t.Errorf("it lives for %s", ttl)
			}
		})
	})
	t.Run("forgets what it is told to forget", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, remember(t.Context(), c, "T1", "chat_1", via, card(1), card(2), card(3)))
			fine(t, c.Forget(t.Context(), "T1", "chat_1", card(3), card(1), card(7)))
			fine(t, c.Forget(t.Context(), "T1", "chat_1"))
			same(t, cache.Known{Cards: []cache.Card{card(2)}, Via: via}, known(t, c, "T1", "chat_1", "C1"))
		})
	})
	t.Run("keeps the newest 50 cards", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			var all []cache.Card
			for n := 60; n > 0; n-- {
				all = append(all, card(n))
			}
			fine(t, remember(t.Context(), c, "T1", "chat_1", via, all...))
			same(t, cache.Known{Cards: all[:cache.CardsKept], Via: via}, known(t, c, "T1", "chat_1", "C1"))
			kept := 0
			for _, field := range c.Raw().HKeys(t.Context(), cache.CardsKey("T1", "chat_1")).Val() {
				if strings.HasPrefix(field, "C1 ") {
					kept++
				}
			}
			if kept != cache.CardsKept {
				t.Errorf("%d cards are kept, want 50", kept)
			}
			same(t, cache.Known{Cards: all[:cache.CardsKept], Via: via}, known(t, c, "T1", "chat_1", "C1"))
		})
	})
	t.Run("passes over what is broken", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fill(t, c)
			fine(t, c.Raw().HSet(t.Context(), cache.CardsKey("T1", "chat_1"), "via", "{", "C9 1.1", "{", "C9", "{}", "", "").Err())
			same(t, cache.Known{Cards: []cache.Card{card(1)}, Reach: cache.Own}, known(t, c, "T1", "chat_1", "C1"))
		})
	})
	t.Run("lives for 30 days after the last change", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		fill(t, c)
		c.Mini().FastForward(29 * 24 * time.Hour)
		fine(t, remember(t.Context(), c, "T1", "chat_1", cache.Via{}, card(2)))
		c.Mini().FastForward(29 * 24 * time.Hour)
		same(t, cache.Known{Cards: []cache.Card{card(2), card(1)}, Via: via}, known(t, c, "T1", "chat_1", "C1"))
		c.Mini().FastForward(24 * time.Hour)
		same(t, cache.Known{}, known(t, c, "T1", "chat_1", "C1"))
	})
	t.Run("says that it doesn't know what it can't read", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().Set(t.Context(), cache.CardsKey("T1", "chat_1"), "no hash", time.Hour).Err())
			if k, err := c.Known(t.Context(), cache.Question{Team: "T1", Chat: "chat_1", Channel: "C1", User: "U1"}); err == nil {
				t.Errorf("%+v without an error", k)
			}
		})
	})
}

func TestChanged(t *testing.T) {
	change := func(j *cache.Job) cache.Change {
		c := card(1)
		return cache.Change{Chat: "chat_1", State: "a state", Via: via, Card: &c, Deed: deed(1, "chat_1"), Done: j}
	}
	kept := func(t *testing.T, c *cache.Cache) {
		t.Helper()
		k, err := c.Known(t.Context(), cache.Question{Team: "T1", Chat: "chat_1", Channel: "C1"})
		fine(t, err)
		deeds, err := c.Deeds(t.Context(), "T1", "chat_1")
		fine(t, err)
		if len(k.Cards) != 1 || k.Via != via || len(deeds) != 1 {
			t.Errorf("%+v and %+v are kept", k, deeds)
		}
	}
	t.Run("keeps card and deed, and answers what is known of the Home tab", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			want := cache.Home{Hash: "h", Page: 2}
			if _, opened, ended, err := c.Changed(t.Context(), "T1", change(nil)); opened || ended || err != nil {
				t.Fatalf("%t, %t and %v for a tab that nobody opened, and no job", opened, ended, err)
			}
			kept(t, c)
			fine(t, c.SetHome(t.Context(), "T1", deed(1, "").User, want))
			if h, opened, _, err := c.Changed(t.Context(), "T1", change(nil)); h != want || !opened || err != nil {
				t.Errorf("%+v, %t and %v, want %+v", h, opened, err, want)
			}
		})
	})
	t.Run("ends the job with it", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"), job("b", "A"))
			a := next(t, c, "a")
			if _, _, ended, err := c.Changed(t.Context(), "T1", change(&a[0])); !ended || err != nil {
				t.Fatalf("%t and %v, want it ended", ended, err)
			}
			kept(t, c)
			open(t, c, 1)
			next(t, c, "b")
		})
	})
	t.Run("is kept also when the job can't be ended with it", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			a := next(t, c, "a")
			fine(t, c.Raw().ScriptFlush(t.Context()).Err())
			if _, _, ended, err := c.Changed(t.Context(), "T1", change(&a[0])); ended || err != nil {
				t.Fatalf("%t and %v, want it kept and not ended", ended, err)
			}
			kept(t, c)
			done(t, c, a...)
			open(t, c, 0)
		})
	})
}
