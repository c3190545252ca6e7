package cache_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inventbot/cache"
)

var (
	hand  = cache.HandLink{Member: "mem_1", By: "U9", At: noon}
	offer = cache.Offer{ID: "q1", Member: "mem_1", Name: "Ada <Lovelace>", By: "U9"}
)

func deed(n int, chat string) cache.Deed {
	return cache.Deed{Job: fmt.Sprint(n), Chat: chat, User: "U1", Verb: "take", From: "Grace", To: "Ada", Channel: "C1", At: noon.Add(time.Duration(n) * time.Second)}
}

func TestHandLink(t *testing.T) {
	t.Run("is kept until it is dropped", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			is := func(team, user string, want cache.HandLink, wantOK bool) {
				t.Helper()
				got, ok, err := c.HandLink(t.Context(), team, user)
				if d := cmp.Diff(want, got); d != "" || ok != wantOK || err != nil {
					t.Errorf("%v and %v, want %v, -, got +:\n%s", ok, err, wantOK, d)
				}
			}
			second := cache.HandLink{Member: "mem_2", By: "U9", At: noon}
			is("T1", "U1", cache.HandLink{}, false)
			linked := func(user string, l cache.HandLink, taken string) {
				t.Helper()
				fine(t, c.SetOffer(t.Context(), "T1", user, offer))
				if holder, err := c.SetHandLink(t.Context(), "T1", user, l, offer.ID); holder != taken || err != nil {
					t.Errorf("%q and %v, want %q", holder, err, taken)
				}
			}
			linked("U1", hand, "")
			linked("U2", second, "")
			linked("U2", second, "")
			is("T1", "U1", hand, true)
			is("T2", "U1", cache.HandLink{}, false)
			all, err := c.HandLinks(t.Context(), "T1")
			fine(t, err)
			if d := cmp.Diff(map[string]cache.HandLink{"U1": hand, "U2": second}, all); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
			linked("U1", second, "U2") // two can't be one member
			is("T1", "U1", hand, true)
			third := cache.HandLink{Member: "mem_3", By: "U9", At: noon}
			linked("U1", third, "")
			is("T1", "U1", third, true)
			for _, want := range []bool{true, false} {
				if linked, asked, err := c.DropHandLink(t.Context(), "T1", "U1"); linked != want || asked != want || err != nil {
					t.Errorf("dropping: %v, %v and %v, want %v for both", linked, asked, err, want)
				}
			}
			for _, id := range []string{offer.ID, ""} { // withdrawn above
				if _, err := c.SetHandLink(t.Context(), "T1", "U1", third, id); !errors.Is(err, cache.ErrNoOffer) {
					t.Errorf("a yes to a question that was withdrawn: %v", err)
				}
			}
			fine(t, c.SetOffer(t.Context(), "T1", "U1", cache.Offer{ID: "q2"}))
			if _, err := c.SetHandLink(t.Context(), "T1", "U1", third, offer.ID); !errors.Is(err, cache.ErrNoOffer) {
				t.Errorf("a yes to an older question: %v", err)
			}
			is("T1", "U1", cache.HandLink{}, false)
			is("T1", "U2", second, true)
		})
	})
	t.Run("that was dropped while it was looked up isn't believed", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			byHand := cache.Link{Member: hand.Member, By: hand.By, Checked: noon}
			known := func(want bool) {
				t.Helper()
				if err := c.SetLink(t.Context(), "T1", "U1", byHand); want == errors.Is(err, cache.ErrUnlinked) {
					t.Error(err)
				}
				if _, ok, err := c.Link(t.Context(), "T1", "U1"); ok != want || err != nil {
					t.Errorf("%v and %v, want %v", ok, err, want)
				}
			}
			known(false)
			fine(t, c.SetOffer(t.Context(), "T1", "U1", offer))
			_, err := c.SetHandLink(t.Context(), "T1", "U1", hand, offer.ID)
			fine(t, err)
			known(true)
			fine(t, c.DropLink(t.Context(), "T1", "U1", byHand))
			_, err = c.SetHandLink(t.Context(), "T1", "U1", cache.HandLink{Member: "mem_2", By: "U9", At: noon}, offer.ID)
			fine(t, err)
			known(false) // it is to another member by now
		})
	})
	t.Run("that is broken is a miss", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for _, text := range []string{"", "{", "[]", "{}", `{"member":""}`} {
				fine(t, c.Raw().HSet(t.Context(), cache.LinksKey("T1"), "U1", text).Err())
				if _, ok, err := c.HandLink(t.Context(), "T1", "U1"); ok || err != nil {
					t.Errorf("%q: %v and %v, want a miss", text, ok, err)
				}
				if all, err := c.HandLinks(t.Context(), "T1"); len(all) > 0 || err != nil {
					t.Errorf("%q: %v and %v, want none", text, all, err)
				}
			}
		})
	})
}

func TestOffer(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		is := func(want cache.Offer, wantOK bool) {
			t.Helper()
			got, ok, err := c.Offer(t.Context(), "T1", "U1")
			if d := cmp.Diff(want, got); d != "" || ok != wantOK || err != nil {
				t.Errorf("%v and %v, want %v, -, got +:\n%s", ok, err, wantOK, d)
			}
		}
		newer := offer
		newer.ID = "q2"
		is(cache.Offer{}, false)
		fine(t, c.SetOffer(t.Context(), "T1", "U1", offer))
		is(offer, true)
		fine(t, c.SetOffer(t.Context(), "T1", "U1", newer))
		is(newer, true)
		fine(t, c.DropOffer(t.Context(), "T1", "U1", offer.ID)) // an older one
		is(newer, true)
		fine(t, c.DropOffer(t.Context(), "T1", "U1", newer.ID))
		is(cache.Offer{}, false)
	})
}

func TestWhatIsHeldForWantOfALink(t *testing.T) {
	t.Run("is answered until it is dropped", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			held := func(want ...string) {
				t.Helper()
				got, err := c.Held(t.Context(), "T1", "U1", noon.Add(time.Minute))
				fine(t, err)
				var texts []string
				for _, text := range got {
					texts = append(texts, string(text))
				}
				if d := cmp.Diff(want, texts, cmpopts.EquateEmpty()); d != "" {
					t.Errorf("want -, got +:\n%s", d)
				}
			}
			held()
			var all []string
			for n := range cache.HeldKept + 2 {
				text := fmt.Sprintf(`{"v":%d}`, n)
				if kept, err := c.Hold(t.Context(), "T1", "U1", json.RawMessage(text), noon); kept != (n < cache.HeldKept) || err != nil {
					t.Errorf("the request %d is kept: %v, %v", n, kept, err)
				}
				if n < cache.HeldKept {
					all = append(all, text)
				}
			}
			held(all...)
			for n := range 2 {
				if dropped, err := c.DropHeld(t.Context(), "T1", "U1", json.RawMessage(all[1])); err != nil || dropped != (n == 0) {
					t.Errorf("dropped for the time %d: %v, %v", n, dropped, err)
				}
			}
			if dropped, err := c.DropHeld(t.Context(), "T2", "U1", json.RawMessage(all[0])); err != nil || dropped {
				t.Errorf("dropped in another workspace: %v, %v", dropped, err)
			}
			held(append(all[:1:1], all[2:]...)...)
			kept, err := c.Hold(t.Context(), "T1", "U1", json.RawMessage(`{"v":9}`), noon)
			if fine(t, err); !kept {
				t.Error("there was room for one, and it wasn't kept")
			}
		})
	})
	t.Run("is forgotten after an hour, however often somebody tries", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for n := range 4 { // 0, 25, 50 and 75 minutes later
				_, err := c.Hold(t.Context(), "T1", "U1", json.RawMessage(fmt.Sprintf(`{"v":%d}`, n)), noon.Add(time.Duration(25*n)*time.Minute))
				fine(t, err)
			}
			for _, after := range []struct {
				minutes int
				want    []string
			}{{75, []string{`{"v":1}`, `{"v":2}`, `{"v":3}`}}, {86, []string{`{"v":2}`, `{"v":3}`}}, {135, nil}} {
				got, err := c.Held(t.Context(), "T1", "U1", noon.Add(time.Duration(after.minutes)*time.Minute))
				fine(t, err)
				var texts []string
				for _, text := range got {
					texts = append(texts, string(text))
				}
				if d := cmp.Diff(after.want, texts); d != "" {
					t.Errorf("after %d minutes: want -, got +:\n%s", after.minutes, d)
				}
			}
			if n, err := c.Raw().Exists(t.Context(), cache.HeldKey("T1", "U1")).Result(); n != 0 || err != nil {
				t.Errorf("%d keys are left, %v", n, err)
			}
		})
	})
}

func TestTried(t *testing.T) {
	t.Run("answers who tried in the last 30 days, and when last", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			now := time.Now().Truncate(time.Second)
			for user, ago := range map[string]time.Duration{"U1": time.Minute, "U2": 29 * 24 * time.Hour, "U3": 31 * 24 * time.Hour} {
				for _, at := range []time.Time{now.Add(-ago - time.Minute), now.Add(-ago)} {
					_, err := c.Hold(t.Context(), "T1", user, json.RawMessage(`{}`), at)
					fine(t, err)
				}
			}
			got, err := c.Tried(t.Context(), "T1")
			fine(t, err)
			if d := cmp.Diff(map[string]time.Time{"U1": now.Add(-time.Minute), "U2": now.Add(-29 * 24 * time.Hour)}, got); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	})
	t.Run("keeps the last 1,000", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		now := time.Now()
		for i := range cache.TriedKept + 5 {
			_, err := c.Hold(t.Context(), "T1", fmt.Sprint("U", i), json.RawMessage(`{}`), now.Add(time.Duration(i-2000)*time.Second))
			fine(t, err)
		}
		got, err := c.Tried(t.Context(), "T1")
		fine(t, err)
		if _, first := got["U4"]; len(got) != cache.TriedKept || first {
			t.Errorf("%d are kept, the fifth %v", len(got), first)
		}
	})
}

func TestDeeds(t *testing.T) {
	t.Run("are those of one conversation, newest first, each once", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for _, d := range []cache.Deed{deed(1, "chat_1"), deed(2, "chat_2"), deed(3, "chat_1"), deed(3, "chat_1")} {
				fine(t, addDeed(t.Context(), c, d))
			}
			fine(t, c.Raw().Do(t.Context(), "XADD", cache.HistoryKey("T1"), "*", "deed", "{").Err())
			fine(t, c.Raw().Do(t.Context(), "XADD", cache.HistoryKey("T1"), "*", "other", "x").Err())
			for at, want := range map[[2]string][]cache.Deed{
				{"T1", "chat_1"}: {deed(3, "chat_1"), deed(1, "chat_1")},
				{"T1", "chat_2"}: {deed(2, "chat_2")},
				{"T1", "chat_3"}: nil,
				{"T2", "chat_1"}: nil,
			} {
				got, err := c.Deeds(t.Context(), at[0], at[1])
				fine(t, err)
				if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
					t.Errorf("%v, want -, got +:\n%s", at, d)
				}
			}
		})
	})
	t.Run("are found behind thousands of others", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, addDeed(t.Context(), c, deed(0, "chat_1")))
			text, err := json.Marshal(deed(1, "chat_2"))
			fine(t, err)
			for range 22 {
				pipe := c.Raw().Pipeline()
				for range 100 {
					pipe.Do(t.Context(), "XADD", cache.HistoryKey("T1"), "*", "deed", text)
				}
				_, err = pipe.Exec(t.Context())
				fine(t, err)
			}
			fine(t, addDeed(t.Context(), c, deed(2, "chat_1")))
			got, err := c.Deeds(t.Context(), "T1", "chat_1")
			fine(t, err)
			if d := cmp.Diff([]cache.Deed{deed(2, "chat_1"), deed(0, "chat_1")}, got); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	})
	t.Run("are forgotten after 90 days", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			old := time.Now().Add(-91 * 24 * time.Hour).UnixMilli()
			text, err := json.Marshal(deed(1, "chat_1"))
			fine(t, err)
			fine(t, c.Raw().Do(t.Context(), "XADD", cache.HistoryKey("T1"), fmt.Sprintf("%d-0", old), "deed", text).Err())
			fine(t, addDeed(t.Context(), c, deed(2, "chat_1")))
			got, err := c.Deeds(t.Context(), "T1", "chat_1")
			fine(t, err)
			if d := cmp.Diff([]cache.Deed{deed(2, "chat_1")}, got); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	})
}

func TestATroubleIsToldOnceUntilItIsOver(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		tell := func(team, trouble string, want bool) {
			t.Helper()
			if got, err := c.TellOnce(t.Context(), team, trouble); got != want || err != nil {
				t.Errorf("%s in %s: %v and %v, want %v", trouble, team, got, err, want)
			}
		}
		tell("T1", "key", true)
		tell("T1", "key", false)
		tell("T1", "token", true)
		tell("T2", "key", true)
		fine(t, c.TellAgain(t.Context(), "T1", "key"))
		tell("T1", "key", true)
		tell("T1", "key", false)
		tell("T1", "token", false)
	})
}
