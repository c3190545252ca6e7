package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"inventbot/cache"
)

var (
	waits    = cache.Handoff{Waiting: true, Episode: 2, Since: noon}
	waited   = cache.Handoff{Episode: 7, Since: noon.Add(-time.Hour), Bundled: true}
	posted   = cache.Notice{Episode: 2, TS: "1772452800.000001", At: noon, Reminded: true}
	unposted = cache.Notice{Episode: 7, Why: "is_archived", Tries: 3, At: noon}
	archived = cache.Trouble{Why: "is_archived", At: noon}
)

// fillHandoffs stores one of each that lives longer than a leader.
func fillHandoffs(t *testing.T, c *cache.Cache) {
	t.Helper()
	fine(t, c.SetHandoffs(t.Context(), "T1", map[string]cache.Handoff{"chat_1": waits, "chat_2": waited}, nil))
	fine(t, c.SetNotice(t.Context(), "T1", "chat_1", "C1", posted))
	fine(t, c.SetTrouble(t.Context(), "T1", "C1", archived))
	fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon}))
	fine(t, remember(t.Context(), c, "T1", "chat_1", via, card(1)))
}

// leads wants a process to lead the team's feed, or not to.
func leads(t *testing.T, c *cache.Cache, team string, want bool) {
	t.Helper()
	if got, err := c.Lead(t.Context(), team); got != want || err != nil {
		t.Errorf("leads %s: %v and %v, want %v", team, got, err, want)
	}
}

func TestLead(t *testing.T) {
	t.Run("belongs to the first that asks, for as long as it asks", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			other := another(t, c, "")
			leads(t, c, "T1", true)
			leads(t, other, "T1", false)
			leads(t, other, "T2", true) // each team has a leader of its own
			leads(t, c, "T2", false)
			fine(t, c.Raw().PExpire(t.Context(), cache.LeaderKey("T1"), 5*time.Second).Err())
			leads(t, c, "T1", true)
			if left := c.Raw().PTTL(t.Context(), cache.LeaderKey("T1")).Val(); left <= 5*time.Second || left > cache.LeaderLife {
				t.Errorf("asked again, it leads for %s, want about 15 s anew", left)
			}
			leads(t, other, "T1", false)
		})
	})
	t.Run("is not lengthened by those who ask in vain", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			leads(t, c, "T1", true)
			fine(t, c.Raw().PExpire(t.Context(), cache.LeaderKey("T1"), 8*time.Second).Err())
			leads(t, another(t, c, ""), "T1", false)
			if left := c.Raw().PTTL(t.Context(), cache.LeaderKey("T1")).Val(); left > 8*time.Second {
				t.Errorf("the leader has %s left, want no more than its 8 s", left)
			}
		})
	})
	t.Run("is another's 15 s after the last word", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		other := another(t, c, "")
		leads(t, c, "T1", true)
		c.Mini().FastForward(cache.LeaderLife - 2*time.Second) // the clock runs by itself too
		leads(t, other, "T1", false)
		c.Mini().FastForward(2 * time.Second)
		leads(t, other, "T1", true)
		leads(t, c, "T1", false)
	})
	t.Run("is one process's of many that ask at once", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			var all sync.WaitGroup
			var led [8]bool
			var errs [8]error
			for n := range led {
				mine := another(t, c, "")
				all.Go(func() { led[n], errs[n] = mine.Lead(t.Context(), "T1") })
			}
			all.Wait()
			leaders := 0
			for _, l := range led {
				if l {
					leaders++
				}
			}
			if err := errors.Join(errs[:]...); leaders != 1 || err != nil {
				t.Errorf("%d of them lead (%v), want one", leaders, err)
			}
		})
	})
	t.Run("is nobody's as far as it can't be asked", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().HSet(t.Context(), cache.LeaderKey("T1"), "no", "name").Err())
			fine(t, c.Raw().Expire(t.Context(), cache.LeaderKey("T1"), time.Hour).Err())
			if got, err := c.Lead(t.Context(), "T1"); got || err == nil {
				t.Errorf("leads: %v and %v, want an error", got, err)
			}
			if err := c.StepDown(t.Context(), "T1"); err == nil {
				t.Error("steps down without an error")
			}
		})
	})
}

func TestStepDown(t *testing.T) {
	t.Run("lets another lead at once", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			other := another(t, c, "")
			leads(t, c, "T1", true)
			leads(t, c, "T2", true)
			fine(t, c.StepDown(t.Context(), "T1"))
			leads(t, other, "T1", true)
			leads(t, other, "T2", false)
		})
	})
	t.Run("of one that doesn't lead changes nothing", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			other := another(t, c, "")
			fine(t, other.StepDown(t.Context(), "T1"))
			leads(t, c, "T1", true)
			fine(t, other.StepDown(t.Context(), "T1"))
			leads(t, other, "T1", false)
			leads(t, c, "T1", true)
		})
	})
}

// handoffs wants exactly these to be known of a team.
func handoffs(t *testing.T, c *cache.Cache, team string, first bool, want map[string]cache.Handoff) {
	t.Helper()
	got, is, err := c.Handoffs(t.Context(), team)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || is != first || err != nil {
		t.Errorf("first %v (want %v), %v; want -, got +:\n%s", is, first, err, d)
	}
}

// notices wants exactly these announcements of a team.
func notices(t *testing.T, c *cache.Cache, team string, want map[string]cache.Notice) {
	t.Helper()
	got, err := c.Notices(t.Context(), team)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
		t.Errorf("%v; want -, got +:\n%s", err, d)
	}
}

func TestHandoffs(t *testing.T) {
	t.Run("are none at first", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			handoffs(t, c, "T1", true, nil)
			fine(t, c.SetHandoffs(t.Context(), "T2", map[string]cache.Handoff{"chat_1": waits}, nil))
			fine(t, c.SetNotice(t.Context(), "T1", "chat_1", "C1", posted))
			handoffs(t, c, "T1", true, nil)
		})
	})
	t.Run("that were looked for have begun, even when none was found", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.SetHandoffs(t.Context(), "T1", nil, nil))
			handoffs(t, c, "T1", false, nil)
		})
	})
	t.Run("come back as they were set, and the others stay", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.SetHandoffs(t.Context(), "T1", map[string]cache.Handoff{"chat_1": waits, "chat_2": waits, "a b": waited}, nil))
			fine(t, c.SetHandoffs(t.Context(), "T1", map[string]cache.Handoff{"chat_2": waited, "chat_3": waits}, nil))
			fine(t, c.SetHandoffs(t.Context(), "T1", nil, nil))
			handoffs(t, c, "T1", false, map[string]cache.Handoff{"chat_1": waits, "chat_2": waited, "chat_3": waits, "a b": waited})
			handoffs(t, c, "T2", true, nil)
		})
	})
	t.Run("are forgotten, and have begun nevertheless", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.SetHandoffs(t.Context(), "T1", map[string]cache.Handoff{"chat_1": waits, "chat_2": waited}, nil))
			fine(t, c.SetNotice(t.Context(), "T1", "chat_1", "C1", posted))
			fine(t, c.SetNotice(t.Context(), "T1", "chat_2", "C1", unposted))
			fine(t, c.SetHandoffs(t.Context(), "T1", map[string]cache.Handoff{"chat_3": waits}, []string{"chat_1", "chat_9", cache.NoticeName("chat_1", "C1")}))
			handoffs(t, c, "T1", false, map[string]cache.Handoff{"chat_2": waited, "chat_3": waits})
			notices(t, c, "T1", map[string]cache.Notice{"C1 chat_2": unposted})
			fine(t, c.SetHandoffs(t.Context(), "T1", nil, []string{"chat_2", "chat_3"}))
			handoffs(t, c, "T1", false, nil)
		})
	})
	t.Run("that are broken are passed over", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.SetHandoffs(t.Context(), "T1", map[string]cache.Handoff{"chat_1": waits}, nil))
			fine(t, c.Raw().HSet(t.Context(), cache.HandoffsKey("T1"), "chat_2", "{", "chat_3", "", "chat_4", `{"episode":"x"}`).Err())
			handoffs(t, c, "T1", false, map[string]cache.Handoff{"chat_1": waits})
		})
	})
	t.Run("that can't be read are not none", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for _, key := range []string{cache.HandoffsKey("T1"), cache.NoticesKey("T1")} {
				fine(t, c.Raw().Set(t.Context(), key, "no hash", time.Hour).Err())
			}
			if all, first, err := c.Handoffs(t.Context(), "T1"); err == nil || first {
				t.Errorf("%v, first %v, %v; want an error and not that it is the first time", all, first, err)
			}
			if all, err := c.Notices(t.Context(), "T1"); err == nil {
				t.Errorf("%v without an error", all)
			}
			if err := c.SetHandoffs(t.Context(), "T1", nil, nil); err == nil {
				t.Error("handoffs are kept without an error")
			}
			if err := c.SetNotice(t.Context(), "T1", "chat_1", "C1", posted); err == nil {
				t.Error("a notice is kept without an error")
			}
		})
	})
	t.Run("live for 30 days after the last change, and announcements too", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		fillHandoffs(t, c)
		c.Mini().FastForward(cache.HandoffsLife - time.Hour)
		fine(t, c.SetHandoffs(t.Context(), "T1", nil, nil))
		fine(t, c.SetNotice(t.Context(), "T1", "chat_2", "C1", unposted))
		c.Mini().FastForward(cache.HandoffsLife - time.Hour)
		handoffs(t, c, "T1", false, map[string]cache.Handoff{"chat_1": waits, "chat_2": waited})
		notices(t, c, "T1", map[string]cache.Notice{"C1 chat_1": posted, "C1 chat_2": unposted})
		c.Mini().FastForward(time.Hour)
		handoffs(t, c, "T1", true, nil)
		notices(t, c, "T1", nil)
	})
}

func TestNotices(t *testing.T) {
	t.Run("come back by channel and conversation, the last word of each", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			notices(t, c, "T1", nil)
			fine(t, c.SetNotice(t.Context(), "T1", "chat_1", "C1", unposted))
			fine(t, c.SetNotice(t.Context(), "T1", "chat_1", "C1", posted))
			fine(t, c.SetNotice(t.Context(), "T1", "chat_1", "C2", unposted))
			fine(t, c.SetNotice(t.Context(), "T1", "a b", "C1", unposted))
			notices(t, c, "T1", map[string]cache.Notice{
				cache.NoticeName("chat_1", "C1"): posted, cache.NoticeName("chat_1", "C2"): unposted, cache.NoticeName("a b", "C1"): unposted,
			})
			notices(t, c, "T2", nil)
		})
	})
	t.Run("that are broken are passed over", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.SetNotice(t.Context(), "T1", "chat_1", "C1", posted))
			fine(t, c.Raw().HSet(t.Context(), cache.NoticesKey("T1"), cache.NoticeName("chat_2", "C1"), "{", "", "1").Err())
			notices(t, c, "T1", map[string]cache.Notice{cache.NoticeName("chat_1", "C1"): posted})
		})
	})
}

func TestHandoff(t *testing.T) {
	one := func(t *testing.T, c *cache.Cache, team, chat, channel string, h cache.Handoff, n cache.Notice) {
		t.Helper()
		gotH, gotN, err := c.Handoff(t.Context(), team, chat, channel)
		if d := cmp.Diff(h, gotH) + cmp.Diff(n, gotN); d != "" || err != nil {
			t.Errorf("%s, %s, %s: %v; want -, got +:\n%s", team, chat, channel, err, d)
		}
	}
	t.Run("is what is known of the waiting and of the announcement, each of its own", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fillHandoffs(t, c)
			fine(t, c.SetNotice(t.Context(), "T1", "chat_3", "C1", unposted))
			one(t, c, "T1", "chat_1", "C1", waits, posted)
			one(t, c, "T1", "chat_1", "C2", waits, cache.Notice{})
			one(t, c, "T1", "chat_2", "C1", waited, cache.Notice{})
			one(t, c, "T1", "chat_3", "C1", cache.Handoff{}, unposted)
			one(t, c, "T1", "chat_4", "C1", cache.Handoff{}, cache.Notice{})
			one(t, c, "T2", "chat_1", "C1", cache.Handoff{}, cache.Notice{})
		})
	})
	t.Run("that is broken is unknown", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fillHandoffs(t, c)
			fine(t, c.Raw().HSet(t.Context(), cache.HandoffsKey("T1"), "chat_1", "").Err())
			one(t, c, "T1", "chat_1", "C1", cache.Handoff{}, posted)
			fine(t, c.Raw().HSet(t.Context(), cache.NoticesKey("T1"), cache.NoticeName("chat_1", "C1"), "{").Err())
			one(t, c, "T1", "chat_1", "C1", cache.Handoff{}, cache.Notice{})
		})
	})
	t.Run("is not unknown because half of it can't be read", func(t *testing.T) {
		for name, broken := range map[string]string{"the waiting": cache.HandoffsKey("T1"), "the announcement": cache.NoticesKey("T1")} {
			t.Run(name, func(t *testing.T) {
				each(t, func(t *testing.T, c *cache.Cache) {
					fine(t, c.Raw().Set(t.Context(), broken, "no hash", time.Hour).Err())
					if h, n, err := c.Handoff(t.Context(), "T1", "chat_1", "C1"); err == nil {
						t.Errorf("%+v and %+v without an error: it would be announced twice", h, n)
					}
				})
			})
		}
	})
	t.Run("that can't be read doesn't go with the cards as none", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().Set(t.Context(), cache.HandoffsKey("T1"), "no hash", time.Hour).Err())
			if k, err := c.Known(t.Context(), cache.Question{Team: "T1", Chat: "chat_1", Channel: "C1", User: "U1"}); err == nil { // who can read C1 is a miss before it
				t.Errorf("%+v without an error", k)
			}
		})
	})
	t.Run("goes with the cards", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fillHandoffs(t, c)
			for chat, want := range map[string]cache.Handoff{"chat_1": waits, "chat_2": waited, "chat_3": {}} {
				if k, err := c.Known(t.Context(), cache.Question{Team: "T1", Chat: chat, Channel: "C1", User: "U1"}); err != nil || k.Handoff != want {
					t.Errorf("%s: %+v (%v), want %+v", chat, k.Handoff, err, want)
				}
			}
		})
	})
}

func TestTrouble(t *testing.T) {
	stands := func(t *testing.T, c *cache.Cache, team, channel string, now time.Time, want cache.Trouble) {
		t.Helper()
		if got, err := c.Trouble(t.Context(), team, channel, now); got != want || err != nil {
			t.Errorf("%s, %s at %s: %+v and %v, want %+v", team, channel, now.Format(time.TimeOnly), got, err, want)
		}
	}
	t.Run("stands against its channel for ten minutes by the asker's clock", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			stands(t, c, "T1", "C1", noon, cache.Trouble{})
			fine(t, c.SetTrouble(t.Context(), "T1", "C1", archived))
			stands(t, c, "T1", "C1", noon, archived)
			stands(t, c, "T1", "C1", noon.Add(-time.Second), archived) // by a clock that is behind
			stands(t, c, "T1", "C1", noon.Add(cache.TroublePasses-1), archived)
			stands(t, c, "T1", "C1", noon.Add(cache.TroublePasses), cache.Trouble{})
			stands(t, c, "T1", "C2", noon, cache.Trouble{})
			stands(t, c, "T2", "C1", noon, cache.Trouble{})
		})
	})
	t.Run("that comes again stands anew", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			again := cache.Trouble{Why: "not_in_channel", At: noon.Add(9 * time.Minute)}
			fine(t, c.SetTrouble(t.Context(), "T1", "C1", archived))
			fine(t, c.SetTrouble(t.Context(), "T1", "C1", again))
			stands(t, c, "T1", "C1", noon.Add(11*time.Minute), again)
		})
	})
	t.Run("that is broken is none", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().Set(t.Context(), cache.TroubleKey("T1", "C1"), `{"why":`, time.Minute).Err())
			stands(t, c, "T1", "C1", noon, cache.Trouble{})
		})
	})
	t.Run("that can't be read is an error and no trouble", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().HSet(t.Context(), cache.TroubleKey("T1", "C1"), "why", "x").Err())
			fine(t, c.Raw().Expire(t.Context(), cache.TroubleKey("T1", "C1"), time.Minute).Err())
			if got, err := c.Trouble(t.Context(), "T1", "C1", noon); err == nil || got != (cache.Trouble{}) {
				t.Errorf("%+v and %v, want an error", got, err)
			}
		})
	})
	t.Run("is gone from Redis after ten minutes", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		fine(t, c.SetTrouble(t.Context(), "T1", "C1", archived))
		c.Mini().FastForward(cache.TroublePasses)
		stands(t, c, "T1", "C1", noon, cache.Trouble{})
	})
}

// due wants exactly these redraws to be handed out, in this order, and says that they are ordered.
func due(t *testing.T, c *cache.Cache, now time.Time, n int, want ...string) {
	t.Helper()
	got, err := c.DueRedraws(t.Context(), "T1", now, n)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
		t.Errorf("due at %s: %v; want -, got +:\n%s", now.Format(time.TimeOnly), err, d)
	}
	fine(t, c.Redrawn(t.Context(), "T1", now, got...))
}

func TestRedraws(t *testing.T) {
	t.Run("are handed out once they are due, the earliest first, each once", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			due(t, c, noon, 10)
			fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{
				"late": noon.Add(2 * time.Second), "early": noon.Add(-time.Hour), "now": noon, "soon": noon.Add(time.Millisecond),
			}))
			fine(t, c.RedrawAt(t.Context(), "T2", map[string]time.Time{"another team's": noon}))
			due(t, c, noon, 10, "early", "now")
			due(t, c, noon, 10)
			due(t, c, noon.Add(time.Hour), 10, "soon", "late")
			due(t, c, noon.Add(time.Hour), 10)
		})
	})
	t.Run("are handed out so many at a time", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			at := map[string]time.Time{}
			for n := range 5 {
				at[fmt.Sprint(n)] = noon.Add(time.Duration(n) * time.Second)
			}
			fine(t, c.RedrawAt(t.Context(), "T1", at))
			due(t, c, noon.Add(time.Minute), 2, "0", "1")
			due(t, c, noon.Add(time.Minute), 2, "2", "3")
			due(t, c, noon.Add(time.Minute), 2, "4")
			due(t, c, noon.Add(time.Minute), 2)
		})
	})
	t.Run("of which nobody says that they are ordered are handed out again", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"lost": noon, "asked for again": noon}))
			handedOut, err := c.DueRedraws(t.Context(), "T1", noon, 10)
			if err != nil || len(handedOut) != 2 {
				t.Fatal(handedOut, err)
			}
			fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"asked for again": noon.Add(time.Second)}))
			fine(t, c.Redrawn(t.Context(), "T1", noon, "asked for again", "never asked for"))
			due(t, c, noon.Add(time.Second), 10, "asked for again")
			due(t, c, noon.Add(29*time.Second), 10)
			due(t, c, noon.Add(30*time.Second), 10, "lost")
			due(t, c, noon.Add(time.Hour), 10)
		})
	})
	t.Run("of any number of changes are one, at the earliest time that was asked for", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for _, wait := range []time.Duration{2, 5, 1} {
				fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon.Add(wait * time.Second)}))
			}
			due(t, c, noon.Add(time.Second-time.Millisecond), 10)
			due(t, c, noon.Add(time.Second), 10, "chat_1")
			due(t, c, noon.Add(time.Minute), 10)
			fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon.Add(time.Minute)})) // after that one: another
			due(t, c, noon.Add(time.Minute), 10, "chat_1")
		})
	})
	t.Run("of nothing ask for nothing", func(t *testing.T) {
		t.Parallel()
		c := opened(t, "redis://"+freeAddr(t)) // where nothing could be asked for
		fine(t, c.RedrawAt(t.Context(), "T1", nil))
	})
	t.Run("are handed out to one of two processes", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			at := map[string]time.Time{}
			for n := range 200 {
				at[fmt.Sprintf("chat_%03d", n)] = noon
			}
			fine(t, c.RedrawAt(t.Context(), "T1", at))
			var (
				mu  sync.Mutex
				got []string
				all sync.WaitGroup
			)
			second := another(t, c, "")
			for i := range 4 {
				mine := []*cache.Cache{c, second}[i%2]
				all.Go(func() {
					for {
						chats, err := mine.DueRedraws(t.Context(), "T1", noon, 7)
						if err != nil {
							t.Error(err)
						}
						if len(chats) == 0 {
							return
						}
						mu.Lock()
						got = append(got, chats...)
						mu.Unlock()
					}
				})
			}
			all.Wait()
			slices.Sort(got)
			if n := len(slices.Compact(slices.Clone(got))); len(got) != 200 || n != 200 {
				t.Errorf("%d redraws of %d conversations, want 200 of 200", len(got), n)
			}
		})
	})
	t.Run("that can't be read are not none", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().Set(t.Context(), cache.RedrawsKey("T1"), "no list", time.Hour).Err())
			if chats, err := c.DueRedraws(t.Context(), "T1", noon, 10); err == nil {
				t.Errorf("%v without an error", chats)
			}
			if err := c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon}); err == nil {
				t.Error("asked for without an error")
			}
		})
	})
}

func TestDrawn(t *testing.T) {
	drawn := func(t *testing.T, c *cache.Cache, chats []string, want map[string]string) {
		t.Helper()
		got, err := c.Drawn(t.Context(), "T1", chats)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%v; want -, got +:\n%s", err, d)
		}
	}
	t.Run("answers what the cards show, of those that have any", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Remember(t.Context(), "T1", "chat_1", "old", via, card(1)))
			fine(t, c.Remember(t.Context(), "T1", "chat_1", "new", cache.Via{}, card(2)))
			fine(t, c.Remember(t.Context(), "T1", "chat_1", "", via))
			fine(t, c.Remember(t.Context(), "T1", "chat_3", "", cache.Via{}))
			fine(t, c.Remember(t.Context(), "T1", "chat_3", "", via))
			fine(t, c.Remember(t.Context(), "T1", "chat_4", "not asked for", cache.Via{}, card(4)))
			fine(t, c.Remember(t.Context(), "T2", "chat_2", "another team's", cache.Via{}, card(5)))
			drawn(t, c, []string{"chat_0", "chat_1", "chat_2", "chat_3", "chat_1"}, map[string]string{"chat_1": "new"})
			drawn(t, c, []string{"chat_0"}, nil)
			drawn(t, c, nil, nil)
		})
	})
	t.Run("knows when cards were drawn", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			begun := time.Now()
			fine(t, remember(t.Context(), c, "T1", "chat_1", via, card(1)))
			fine(t, remember(t.Context(), c, "T2", "chat_2", via, card(2)))
			for from, want := range map[time.Time][]string{begun: {"chat_1"}, begun.Add(-time.Minute): {"chat_1"}, begun.Add(time.Minute): nil} {
				got, err := c.Carded(t.Context(), "T1", from, from.Add(90*time.Second))
				if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
					t.Errorf("%v; want -, got +:\n%s", err, d)
				}
			}
		})
	})
	t.Run("says that it doesn't know what it can't read", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, remember(t.Context(), c, "T1", "chat_1", via, card(1)))
			fine(t, c.Raw().Set(t.Context(), cache.CardsKey("T1", "chat_2"), "no hash", time.Hour).Err())
			for _, chats := range [][]string{{"chat_2"}, {"chat_1", "chat_2"}, {"chat_0", "chat_2"}} { // chat_0 has no cards
				if got, err := c.Drawn(t.Context(), "T1", chats); err == nil {
					t.Errorf("%v: %v without an error", chats, got)
				}
			}
		})
	})
}

func TestChannels(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		in := func(channel, ts string) cache.Card { return cache.Card{Channel: channel, TS: ts} }
		fine(t, remember(t.Context(), c, "T1", "chat_1", via, in("C1", "1.1"), in("C1", "1.2"), in("C2", "1.1")))
		fine(t, remember(t.Context(), c, "T1", "chat_2", via))
		fine(t, remember(t.Context(), c, "T1", "chat_3", via, in("C3", "1.1")))
		got, err := c.Channels(t.Context(), "T1", []string{"chat_0", "chat_1", "chat_2"})
		slices.Sort(got["chat_1"])
		if d := cmp.Diff(map[string][]string{"chat_1": {"C1", "C1", "C2"}}, got); d != "" || err != nil {
			t.Errorf("%v; want -, got +:\n%s", err, d)
		}
		if got, err := c.Channels(t.Context(), "T1", nil); len(got) > 0 || err != nil {
			t.Errorf("of none: %v, %v", got, err)
		}
	})
}

func TestUnswept(t *testing.T) {
	// swept sets when the cards were compared last: Remember says now.
	swept := func(t *testing.T, c *cache.Cache, ago map[string]time.Duration) {
		t.Helper()
		for chat, d := range ago {
			fine(t, remember(t.Context(), c, "T1", chat, via, card(1)))
			fine(t, c.Raw().ZAddXX(t.Context(), cache.CardedKey("T1"), redis.Z{Score: float64(noon.Add(-d).UnixMilli()), Member: chat}).Err())
		}
	}
	sweep := func(t *testing.T, c *cache.Cache, since, now time.Time, n int, want ...string) {
		t.Helper()
		got, err := c.Unswept(t.Context(), "T1", since, now, n)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%v; want -, got +:\n%s", err, d)
		}
	}
	hourAgo := noon.Add(-time.Hour)
	t.Run("answers the longest ones first, so many at a time, and each once", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			sweep(t, c, hourAgo, noon, 10)
			swept(t, c, map[string]time.Duration{
				"a day": 24 * time.Hour, "two hours": 2 * time.Hour, "an hour": time.Hour, "59 min": 59 * time.Minute, "three hours": 3 * time.Hour,
			})
			sweep(t, c, hourAgo, noon, 3, "a day", "three hours", "two hours")
			sweep(t, c, hourAgo, noon, 3, "an hour")
			sweep(t, c, hourAgo, noon, 3)
			sweep(t, c, noon, noon.Add(time.Hour), 9, "59 min", "a day", "an hour", "three hours", "two hours") // an hour later
		})
	})
	t.Run("begins when cards are remembered", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			begun := time.Now()
			fine(t, remember(t.Context(), c, "T1", "chat_1", via, card(1)))
			fine(t, remember(t.Context(), c, "T2", "chat_2", via, card(1)))
			sweep(t, c, begun.Add(-time.Second), begun, 10)
			sweep(t, c, time.Now(), begun, 10, "chat_1")
		})
	})
	t.Run("leaves out what has no cards any more", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			swept(t, c, map[string]time.Duration{"chat_1": 2 * time.Hour, "chat_2": 3 * time.Hour})
			fine(t, c.Uncard(t.Context(), "T1", "chat_2"))
			fine(t, c.Uncard(t.Context(), "T1", "chat_9"))
			fine(t, c.Uncard(t.Context(), "T2", "chat_1"))
			sweep(t, c, hourAgo, noon, 10, "chat_1")
			fine(t, c.Uncard(t.Context(), "T1", "chat_1"))
			sweep(t, c, noon.Add(time.Hour), noon, 10)
		})
	})
	t.Run("says that it doesn't know what it can't read", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().Set(t.Context(), cache.CardedKey("T1"), "no list", time.Hour).Err())
			if chats, err := c.Unswept(t.Context(), "T1", noon, noon, 10); err == nil {
				t.Errorf("%v without an error", chats)
			}
			if err := c.Uncard(t.Context(), "T1", "chat_1"); err == nil {
				t.Error("forgotten without an error")
			}
		})
	})
}

// feedScripts are the feed's steps that are scripts: they work, and each says what it did.
var feedScripts = []struct {
	name string
	do   func(context.Context, *cache.Cache) error
}{
	{"Lead", func(ctx context.Context, c *cache.Cache) error {
		ok, err := c.Lead(ctx, "T1")
		return result(ok, err)
	}},
	{"StepDown", func(ctx context.Context, c *cache.Cache) error { return c.StepDown(ctx, "T1") }},
	{"DueRedraws", func(ctx context.Context, c *cache.Cache) error {
		chats, err := c.DueRedraws(ctx, "T1", noon, 10)
		return result(slices.Equal(chats, []string{"chat_1"}), err)
	}},
	{"Redrawn", func(ctx context.Context, c *cache.Cache) error { return c.Redrawn(ctx, "T1", noon, "chat_1") }},
}

func result(ok bool, err error) error {
	if err == nil && !ok {
		return errors.New("it wasn't done")
	}
	return err
}

func TestEachScriptOfTheFeedIsOneRoundTripOnceWarm(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon}))
		counter := &trips{}
		c.Raw().AddHook(counter)
		for _, step := range feedScripts {
			before := counter.n.Load()
			fine(t, step.do(t.Context(), c))
			if n := counter.n.Load() - before; n != 1 {
				t.Errorf("%s: %d round trips, want one", step.name, n)
			}
		}
	})
}

func TestTheFeedsScriptsComeBackAfterRedisForgotThem(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon}))
		for _, step := range feedScripts {
			fine(t, c.Raw().ScriptFlush(t.Context()).Err())
			if err := step.do(t.Context(), c); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
		}
	})
}

// TestRedrawnKeepsLaterAsk: what is asked for while a redraw is handed out stays, also when that is more than half a minute ahead.
func TestRedrawnKeepsLaterAsk(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon}))
		if got, err := c.DueRedraws(t.Context(), "T1", noon, 10); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		// The job is faster than the feed: Slack wants it to wait for a minute.
		fine(t, c.RedrawAt(t.Context(), "T1", map[string]time.Time{"chat_1": noon.Add(time.Minute)}))
		fine(t, c.Redrawn(t.Context(), "T1", noon, "chat_1"))
		due(t, c, noon.Add(time.Hour), 10, "chat_1")
	})
}
