package cache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"inventbot/cache"
)

func TestSubmitAcceptsARequestOnce(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		a := job("a", "A")
		a.Tell, a.Tries = noon.Add(5*time.Second), 3
		accept(t, c, a)
		submit(t, c, cache.Repeated, 1000, a, job("a", "another lane"))
		got := next(t, c, "a")
		if d := cmp.Diff(a, got[0], cmpopts.IgnoreUnexported(cache.Job{})); d != "" {
			t.Errorf("submitted -, taken +:\n%s", d)
		}
		submit(t, c, cache.Repeated, 1000, a)
		done(t, c, got...)
		submit(t, c, cache.Repeated, 1000, a) // also when it is long done
		next(t, c)
		open(t, c, 0)
		if ttl := c.Raw().TTL(t.Context(), cache.OnceKey("a")).Val(); ttl <= 59*time.Minute || ttl > time.Hour {
			t.Errorf("a request is known for %s, want an hour", ttl)
		}
	})
}

func TestSubmitOfOneRequestByManyIsAcceptedOnce(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		answers := admissions(t, c, 1000, func(int) cache.Job { return job("a", "A") })
		if d := cmp.Diff(map[cache.Admission]int{cache.Accepted: 1, cache.Repeated: 49}, answers); d != "" {
			t.Errorf("want -, got +:\n%s", d)
		}
		open(t, c, 1)
		next(t, c, "a")
	})
}

func TestSubmitToRunHere(t *testing.T) {
	here := func(t *testing.T, c *cache.Cache, want cache.Admission, limit int, j cache.Job, handed ...cache.Job) []cache.Job {
		t.Helper()
		got, taken, err := c.Submit(t.Context(), j, limit, true)
		if err != nil || got != want {
			t.Fatalf("%v and %v, want %v", got, err, want)
		}
		var list []cache.Job
		if taken != nil {
			list = append(list, *taken)
		}
		if d := cmp.Diff(handed, list, cmpopts.IgnoreUnexported(cache.Job{}), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("want handed out -, got +:\n%s", d)
		}
		return list
	}
	t.Run("hands out the job that is submitted, to nobody else", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			a := here(t, c, cache.Accepted, 10, job("a", "A"), job("a", "A"))
			next(t, c)
			here(t, c, cache.Repeated, 10, job("a", "A"))
			open(t, c, 1)
			done(t, c, a...)
			open(t, c, 0)
		})
	})
	t.Run("hands out what has waited longer first", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			a := here(t, c, cache.Accepted, 10, job("b", "B"), job("a", "A"))
			done(t, c, append(a, next(t, c, "b")...)...)
			open(t, c, 0)
		})
	})
	t.Run("hands out nothing of a lane in which one is at work", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			a := here(t, c, cache.Accepted, 10, job("a", "A"), job("a", "A"))
			here(t, c, cache.Accepted, 10, job("b", "A"))
			next(t, c)
			done(t, c, a...)
			next(t, c, "b")
		})
	})
	t.Run("hands out nothing when the queue is full", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			here(t, c, cache.Full, 1, job("b", "B"))
			next(t, c, "a")
		})
	})
	t.Run("accepts before there is a consumer group", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().Do(t.Context(), "XGROUP", "DESTROY", cache.Ready, cache.Group).Err())
			here(t, c, cache.Accepted, 10, job("a", "A"))
			next(t, c) // makes the group
			next(t, c, "a")
		})
	})
	t.Run("hands out once more what was lost with its answer", func(t *testing.T) {
		for name, first := range map[string][]cache.Job{"its own job": nil, "another": {job("b", "B")}} {
			t.Run(name, func(t *testing.T) {
				each(t, func(t *testing.T, c *cache.Cache) {
					accept(t, c, first...)
					w := newWire(t, c)
					far := another(t, c, w.addr)
					w.say.hold()
					submitted := make(chan *cache.Job, 1)
					go func() {
						_, taken, _ := far.Submit(t.Context(), job("a", "A"), 10, true)
						submitted <- taken
					}()
					w.heard(t, "accepted")
					w.cut()
					w.say.release()
					taken, want := <-submitted, append(first, job("a", "A"))[0]
					if taken == nil || taken.ID != want.ID {
						t.Fatalf("handed out: %v, want %v", taken, want)
					}
					done(t, far, *taken)
					here(t, c, cache.Repeated, 10, job("a", "A"))
					open(t, c, len(first))
				})
			})
		}
	})
	t.Run("leaves alone what no Submit wrote", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			fine(t, c.Raw().Do(t.Context(), "XADD", cache.Ready, "*", "job", "{}").Err())
			here(t, c, cache.Accepted, 10, job("a", "A"))
			next(t, c, "a")
		})
	})
	t.Run("leaves what a dead process was handed to others", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			dead := another(t, c, "")
			here(t, dead, cache.Accepted, 10, job("a", "A"), job("a", "A"))
			reap(t, c, 10)
			age(t, c, cache.TakeOver+time.Second)
			reap(t, c, 10, "a")
		})
	})
}

// admissions submits 50 jobs, ten at a time.
func admissions(t *testing.T, c *cache.Cache, limit int, next func(int) cache.Job) map[cache.Admission]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	answers := map[cache.Admission]int{}
	for g := range 10 {
		all.Go(func() {
			for i := g; i < 50; i += 10 {
				got, _, err := c.Submit(t.Context(), next(i), limit, false)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				answers[got]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answers
}

func TestAFullQueue(t *testing.T) {
	t.Run("refuses and keeps nothing of it", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			submit(t, c, cache.Accepted, 2, job("a", "A"), job("b", "A"))
			over := job("c", "C")
			over.Tell = noon
			submit(t, c, cache.Full, 2, over)
			submit(t, c, cache.Repeated, 2, job("a", "A")) // rather than full: it was accepted
			open(t, c, 2)
			tick(t, c, noon.Add(time.Hour))
			a := next(t, c, "a")
			submit(t, c, cache.Full, 2, over) // what is at work counts
			done(t, c, a...)
			submit(t, c, cache.Accepted, 2, over)
			next(t, c, "b", "c")
		})
	})
	t.Run("takes no more than its bound from many at once", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			answers := admissions(t, c, 10, func(i int) cache.Job { return job(fmt.Sprint(i), fmt.Sprint(i%7)) })
			if d := cmp.Diff(map[cache.Admission]int{cache.Accepted: 10, cache.Full: 40}, answers); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
			open(t, c, 10)
		})
	})
}

func TestSubmitGivenUp(t *testing.T) {
	t.Run("is not done when it reaches Redis late", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			w := newWire(t, c)
			far := another(t, c, w.addr)
			accept(t, far, job("warm", "W")) // the connection is made and Redis's clock known
			w.ask.hold()
			begun := time.Now()
			got, _, err := far.Submit(t.Context(), job("a", "A"), 1000, false)
			if err == nil {
				t.Fatalf("answered %v through a wire that holds everything back", got)
			}
			if took := time.Since(begun); took > 2*cache.Patience {
				t.Errorf("given up after %s, want about %s", took, cache.Patience)
			}
			w.ask.release()
			w.heard(t, "late")
			open(t, c, 1)
			next(t, c, "warm")
			if n := c.Raw().Exists(t.Context(), cache.OnceKey("a"), cache.LaneKey("A")).Val(); n != 0 {
				t.Errorf("%d keys were left", n)
			}
			accept(t, c, job("a", "A")) // it may be asked for again
		})
	})
	t.Run("is found again when only the answer was lost", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			w := newWire(t, c)
			far := another(t, c, w.addr)
			accept(t, far, job("warm", "W"))
			w.say.hold()
			if got, _, err := far.Submit(t.Context(), job("a", "A"), 1000, false); err == nil {
				t.Fatalf("answered %v through a wire that holds everything back", got)
			}
			w.say.release()
			submit(t, c, cache.Repeated, 1000, job("a", "A"))
			next(t, c, "warm", "a")
		})
	})
}

func TestSubmitWhenRedissClockIsNotOurs(t *testing.T) {
	t.Parallel()
	t.Run("goes by Redis's", func(t *testing.T) {
		t.Parallel()
		for _, off := range []time.Duration{time.Hour, -time.Hour} {
			c := inProcess(t)
			c.Mini().SetTime(time.Now().Add(off))
			accept(t, another(t, c, ""), job("a", "A"))
			cold := closing(t, c.Another(""))
			accept(t, cold, job("b", "A")) // it asks for the time first
		}
	})
	t.Run("refuses once after a leap, and then goes by the new time", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		accept(t, c, job("a", "A"))
		c.Mini().SetTime(time.Now().Add(time.Hour))
		if got, _, err := c.Submit(t.Context(), job("b", "B"), 1000, false); err == nil {
			t.Fatalf("answered %v an hour late", got)
		}
		open(t, c, 1)
		accept(t, c, job("b", "B"))
	})
}

func TestSubmitOfWhatCannotBeStoredIsAnError(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		for name, j := range map[string]cache.Job{
			"a body that isn't JSON": {ID: "a", Lane: "A", At: noon, Body: json.RawMessage("{")},
			"a year of five digits":  {ID: "a", Lane: "A", At: noon.AddDate(9000, 0, 0), Body: json.RawMessage("1")},
		} {
			if got, _, err := c.Submit(t.Context(), j, 1000, false); err == nil {
				t.Errorf("%s: %v, want an error", name, got)
			}
		}
		open(t, c, 0)
	})
}

func TestALane(t *testing.T) {
	t.Run("runs its jobs one after the other, beside other lanes", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a1", "A"), job("a2", "A"), job("b1", "B"), job("a3", "A"), job("b2", "B"))
			first := next(t, c, "a1", "b1")
			next(t, c)
			done(t, c, first[0])
			second := next(t, c, "a2")
			next(t, c)
			done(t, c, first[1])
			done(t, c, next(t, c, "b2")...)
			done(t, c, second...)
			accept(t, c, job("a4", "A"))
			done(t, c, next(t, c, "a3")...)
			done(t, c, next(t, c, "a4")...)
			next(t, c)
			open(t, c, 0)
			if n := c.Raw().Exists(t.Context(), append(cache.QueueKeys[1:], cache.LaneKey("A"), cache.LaneKey("B"))...).Val(); n != 0 {
				t.Errorf("%d keys of the queue are left of nothing", n)
			}
			if n := c.Raw().XLen(t.Context(), cache.Ready).Val(); n != 0 {
				t.Errorf("the stream holds %d entries of nothing", n)
			}
			accept(t, c, job("a5", "A")) // an empty lane begins anew
			next(t, c, "a5")
		})
	})
	t.Run("waits behind a job that is put aside, and holds no worker", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a1", "A"), job("a2", "A"), job("b1", "B"))
			jobs := next(t, c, "a1", "b1")
			a1 := jobs[0]
			a1.Tries, a1.Body = 1, json.RawMessage(`"another body"`)
			later(t, c, a1, noon.Add(2*time.Second))
			done(t, c, jobs[1])
			accept(t, c, job("a3", "A"))
			if n := c.Raw().XPending(t.Context(), cache.Ready, cache.Group).Val().Count; n != 0 {
				t.Errorf("%d jobs are held, want none", n)
			}
			if n := c.Raw().XLen(t.Context(), cache.Ready).Val(); n != 0 {
				t.Errorf("the stream holds %d entries of what isn't ready", n)
			}
			tick(t, c, noon.Add(2*time.Second-time.Millisecond))
			next(t, c)
			tick(t, c, noon.Add(2*time.Second))
			tick(t, c, noon.Add(2*time.Second)) // and no second time
			again := next(t, c, "a1")
			if d := cmp.Diff(a1, again[0], cmpopts.IgnoreUnexported(cache.Job{})); d != "" {
				t.Errorf("put aside -, back +:\n%s", d)
			}
			done(t, c, again...)
			done(t, c, next(t, c, "a2")...)
			next(t, c, "a3")
		})
	})
}

func TestAJobThatYields(t *testing.T) {
	yields := func(t *testing.T, c *cache.Cache, j cache.Job, due time.Time) {
		t.Helper()
		j.Yields = true
		later(t, c, j, due)
	}
	t.Run("lets the others of its lane run, and comes last when it is due", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a1", "A"), job("a2", "A"))
			yields(t, c, next(t, c, "a1")[0], noon)
			a2 := next(t, c, "a2")
			accept(t, c, job("a3", "A"))
			tick(t, c, noon.Add(-time.Second))
			next(t, c)
			tick(t, c, noon)
			accept(t, c, job("a4", "A"))
			next(t, c)
			for _, id := range []string{"a3", "a1", "a4"} {
				done(t, c, a2...)
				a2 = next(t, c, id)
			}
			done(t, c, a2...)
			open(t, c, 0)
			if n := c.Raw().Exists(t.Context(), cache.LaneKey("A")).Val(); n != 0 {
				t.Error("the lane of nothing is left")
			}
		})
	})
	t.Run("leaves an empty lane to who comes meanwhile", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a1", "A"))
			yields(t, c, next(t, c, "a1")[0], noon)
			accept(t, c, job("a2", "A"))
			done(t, c, next(t, c, "a2")...)
			tick(t, c, noon)
			yields(t, c, next(t, c, "a1")[0], noon.Add(time.Second)) // once more
			tick(t, c, noon.Add(time.Second))
			done(t, c, next(t, c, "a1")...)
			open(t, c, 0)
		})
	})
	t.Run("never lets another run twice, though an older version runs it beside its lane", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a1", "A"))
			yields(t, c, next(t, c, "a1")[0], noon)
			accept(t, c, job("a2", "A"), job("a3", "A"))
			next(t, c, "a2")
			text := c.Raw().HGet(t.Context(), cache.QueueKeys[1], "a1").Val()
			for _, end := range []func(cache.Job){func(j cache.Job) { yields(t, c, j, noon) }, func(j cache.Job) { done(t, c, j) }} {
				fine(t, c.Raw().Do(t.Context(), "XADD", cache.Ready, "*", "job", text).Err())
				end(next(t, c, "a1")[0])
				next(t, c)
			}
			open(t, c, 2)
		})
	})
}

func TestWithdraw(t *testing.T) {
	slow := func(id string) cache.Job {
		j := job(id, "A")
		j.Tell = noon
		return j
	}
	each(t, func(t *testing.T, c *cache.Cache) {
		second := another(t, c, "")
		accept(t, c, slow("a1"), slow("a2"))
		accept(t, second, slow("a3"))
		accept(t, c, slow("a4"))
		for _, id := range []string{"a1", "a2", "a3", "never stored"} {
			fine(t, c.Withdraw(t.Context(), job(id, "A")))
		}
		open(t, c, 3)
		tick(t, c, noon, "a3", "a4")
		submit(t, c, cache.Repeated, 10, job("a2", "A"))
		for _, id := range []string{"a1", "a3", "a4"} { // the first may be under way, and another process's own isn't ours to end
			done(t, c, next(t, c, id)...)
		}
		open(t, c, 0)
	})
}

func TestDoneSkipsWhatHasNoBody(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		accept(t, c, job("a1", "A"), job("a2", "A"), job("a3", "A"))
		fine(t, c.Raw().HDel(t.Context(), cache.QueueKeys[1], "a2").Err())
		done(t, c, next(t, c, "a1")...)
		done(t, c, next(t, c, "a3")...)
		accept(t, c, job("a4", "A"))
		next(t, c, "a4")
	})
}

func TestDoneAndLaterHappenOnce(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		accept(t, c, job("a1", "A"), job("a2", "A"), job("a3", "A"))
		a1 := next(t, c, "a1")[0]
		done(t, c, a1, a1)
		later(t, c, a1, noon)
		a2 := next(t, c, "a2")[0]
		next(t, c)
		later(t, c, a2, noon)
		later(t, c, a2, noon.Add(-time.Hour))
		done(t, c, a2) // it isn't held any more
		tick(t, c, noon.Add(-time.Minute))
		next(t, c)
		tick(t, c, noon)
		next(t, c, "a2")
		open(t, c, 2)
	})
}

func TestNext(t *testing.T) {
	t.Run("waits for a job", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			type answer struct {
				jobs []cache.Job
				err  error
			}
			got := make(chan answer)
			go func() {
				jobs, err := c.Next(t.Context(), 10, time.Minute)
				got <- answer{jobs, err}
			}()
			accept(t, another(t, c, ""), job("a", "A"))
			if a := <-got; a.err != nil || len(a.jobs) != 1 {
				t.Errorf("got %+v", a)
			}
		})
	})
	t.Run("is patient no longer than it was told", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			const wait = 2 * cache.Patience // longer than a call may take otherwise
			begun := time.Now()
			jobs, err := c.Next(t.Context(), 10, wait)
			if took := time.Since(begun); err != nil || len(jobs) > 0 || took < wait-10*time.Millisecond || took > wait+cache.Patience {
				t.Errorf("%v and %v after %s", jobs, err, took)
			}
		})
	})
	t.Run("ends by its context's deadline", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			begun := time.Now()
			if _, err := c.Next(ctx, 10, 2*time.Second); err == nil || time.Since(begun) > 50*time.Millisecond+cache.Patience {
				t.Errorf("%v after %s", err, time.Since(begun))
			}
			if err := c.Ping(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	})
	t.Run("takes no more than it is asked for", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"), job("b", "B"), job("c", "C"))
			jobs, err := c.Next(t.Context(), 2, time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "are taken", jobs, "a", "b")
			next(t, another(t, c, ""), "c")
		})
	})
	t.Run("leaves alone what no Submit wrote", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for _, text := range []string{"{", "[]", "{}", `{"id":7}`} {
				if err := c.Raw().Do(t.Context(), "XADD", cache.Ready, "*", "job", text).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Raw().Do(t.Context(), "XADD", cache.Ready, "*", "other", "x").Err(); err != nil {
				t.Fatal(err)
			}
			accept(t, c, job("a", "A"))
			next(t, c, "a")
			age(t, c, time.Hour)
			reap(t, another(t, c, ""), 10, "a")
		})
	})
}

func TestReap(t *testing.T) {
	t.Run("takes over what was held too long, and nothing else", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			second := another(t, c, "")
			put := job("a1", "A")
			put.Tries, put.Dead = 2, 1
			accept(t, c, put, job("a2", "A"))
			dead := next(t, c, "a1")[0]
			if dead.TakenOver {
				t.Error("a fresh job was taken over from somebody")
			}
			reap(t, second, 10)
			age(t, c, cache.TakeOver/2)
			reap(t, second, 10)
			age(t, c, cache.TakeOver+time.Second)
			got := reap(t, second, 10, "a1")[0]
			want := put
			want.Tries, want.Dead, want.TakenOver = 3, 2, true
			if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(cache.Job{})); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
			reap(t, c, 10) // it is held anew
			next(t, c)

			// The dead one wakes up: it may do nothing to a job that isn't its own any more.
			done(t, c, dead)
			later(t, c, dead, noon)
			tick(t, c, noon.Add(time.Hour))
			next(t, c)
			open(t, c, 2)
			done(t, second, got)
			open(t, c, 1)
			next(t, c, "a2")
		})
	})
	t.Run("hands out at the next call what it took over when its answer was lost", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			w := newWire(t, c)
			far := another(t, c, w.addr)
			reap(t, far, 10)
			accept(t, c, job("a", "A"), job("b", "B"), job("d", "D"))
			next(t, c, "a", "b", "d")
			age(t, c, cache.TakeOver+time.Second)
			w.say.hold()
			if got, err := far.Reap(t.Context(), 10); err == nil {
				t.Fatalf("answered %v through a wire that holds everything back", got)
			}
			w.cut()
			w.say.release()
			soon(t, "Redis answers again", func() bool { return far.Ping(t.Context()) == nil })
			age(t, c, 4*cache.Patience) // as long as Reap waits for an answer that may still come
			for _, j := range append(reap(t, far, 2, "a", "b"), reap(t, far, 2, "d")...) {
				if j.Tries != 1 || !j.TakenOver {
					t.Errorf("%s: tried %d times, taken over %v", j.ID, j.Tries, j.TakenOver)
				}
			}
			reap(t, far, 10)
			reap(t, another(t, c, ""), 10)
		})
	})
	t.Run("hands over what the dead have kept of it", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a1", "A"))
			dead := next(t, c, "a1")[0]
			dead.Tries, dead.Body = 7, json.RawMessage(`{"kept":1}`)
			fine(t, c.Keep(t.Context(), dead))
			age(t, c, cache.TakeOver+time.Second)
			second := another(t, c, "")
			got := reap(t, second, 10, "a1")[0]
			if string(got.Body) != `{"kept":1}` || got.Tries != 1 || got.Dead != 1 {
				t.Errorf("it has %s, %d tries and %d deaths", got.Body, got.Tries, got.Dead)
			}
			dead.Body = json.RawMessage(`{"late":1}`)
			fine(t, c.Keep(t.Context(), dead)) // it isn't held any more
			age(t, c, cache.TakeOver+time.Second)
			third := another(t, c, "")
			got = reap(t, third, 10, "a1")[0]
			if string(got.Body) != `{"kept":1}` {
				t.Errorf("one that doesn't hold it any more has kept %s", got.Body)
			}
			done(t, third, got)
			fine(t, c.Keep(t.Context(), dead))
			open(t, c, 0) // what is done isn't kept again
		})
	})
	t.Run("counts how many processes have died of a job", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			next(t, c, "a")
			for deaths := 1; deaths <= 4; deaths++ {
				age(t, c, cache.TakeOver+time.Second)
				if got := reap(t, another(t, c, ""), 10, "a")[0]; got.Tries != deaths || got.Dead != deaths {
					t.Errorf("%d tries and %d dead after %d deaths", got.Tries, got.Dead, deaths)
				}
			}
		})
	})
	t.Run("goes on counting when the job was given back", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			second := another(t, c, "")
			accept(t, c, job("a", "A"))
			next(t, c, "a")
			age(t, c, cache.TakeOver+time.Second)
			got := reap(t, second, 10, "a")[0]
			got.Tries++
			later(t, second, got, noon)
			tick(t, c, noon)
			if again := next(t, second, "a")[0]; again.Tries != 2 || again.Dead != 1 || again.TakenOver {
				t.Errorf("%d tries, %d dead and taken over %v, want 2, 1 and false", again.Tries, again.Dead, again.TakenOver)
			}
			age(t, c, cache.TakeOver+time.Second)
			if again := reap(t, c, 10, "a")[0]; again.Tries != 3 || again.Dead != 2 {
				t.Errorf("%d tries and %d dead, want 3 and 2", again.Tries, again.Dead)
			}
		})
	})
	t.Run("leaves what this process has in hand, however long", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			a := next(t, c, "a")
			_, here, err := c.Submit(t.Context(), job("b", "B"), 10, true)
			if err != nil || here == nil {
				t.Fatalf("%v and %v", here, err)
			}
			age(t, c, cache.TakeOver+time.Second)
			reap(t, c, 10)
			second := another(t, c, "")
			for _, j := range reap(t, second, 10, "a", "b") {
				if j.Dead != 1 {
					t.Errorf("%s: %d dead, want the one that held it", j.ID, j.Dead)
				}
			}
			done(t, c, a...) // nothing of it any more
			later(t, c, *here, noon)
			age(t, c, cache.TakeOver+time.Second)
			reap(t, c, 10, "a", "b")
		})
	})
	t.Run("leaves what this process could not end or give back yet", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"), job("b", "B"))
			held := next(t, c, "a", "b")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if c.Done(ctx, held[0]) == nil || c.Later(ctx, held[1], noon) == nil {
				t.Fatal("no error of a context that has ended")
			}
			age(t, c, cache.TakeOver+time.Second)
			reap(t, c, 10)
			done(t, c, held...)
			open(t, c, 0)
		})
	})
	t.Run("finds soon what this process was handed and never heard of", func(t *testing.T) {
		for name, ask := range map[string]func(*cache.Cache) error{
			"by Submit": func(far *cache.Cache) error {
				_, _, err := far.Submit(t.Context(), job("a", "A"), 10, true)
				return err
			},
			"by Next": func(far *cache.Cache) error {
				_, err := far.Next(t.Context(), 10, time.Millisecond)
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				each(t, func(t *testing.T, c *cache.Cache) {
					w := newWire(t, c)
					far := another(t, c, w.addr)
					if name == "by Next" {
						accept(t, c, job("a", "A"))
					}
					w.say.hold()
					if err := ask(far); err == nil {
						t.Fatal("answered through a wire that holds everything back")
					}
					w.cut()
					w.say.release()
					soon(t, "Redis answers again", func() bool { return far.Ping(t.Context()) == nil })
					age(t, c, 2*cache.Patience)
					reap(t, far, 10) // its answer may be on the way still
					age(t, c, 5*cache.Patience)
					a := reap(t, far, 10, "a")
					if a[0].TakenOver || a[0].Dead+a[0].Tries != 0 {
						t.Errorf("%d dead and %d tries of what nobody has begun", a[0].Dead, a[0].Tries)
					}
					reap(t, far, 10)
					done(t, far, a...)
					open(t, c, 0)
				})
			})
		}
	})
	t.Run("leaves the answer that comes later nothing of what it has found", func(t *testing.T) {
		for name, ask := range map[string]func(*testing.T, *cache.Cache) *cache.Job{
			"Submit's, of its own": func(t *testing.T, c *cache.Cache) *cache.Job {
				_, taken, err := c.Submit(t.Context(), job("a", "A"), 10, true)
				fine(t, err)
				return taken
			},
			"Submit's, of another": func(t *testing.T, c *cache.Cache) *cache.Job {
				accept(t, c, job("a", "A"))
				_, taken, err := c.Submit(t.Context(), job("b", "B"), 10, true)
				fine(t, err)
				return taken
			},
			"Next's": func(t *testing.T, c *cache.Cache) *cache.Job {
				accept(t, c, job("a", "A"))
				next(t, c)
				return nil
			},
		} {
			t.Run(name, func(t *testing.T) {
				each(t, func(t *testing.T, c *cache.Cache) {
					other, found := another(t, c, ""), false
					c.Raw().AddHook(after(func() {
						held := other.Raw().XPending(t.Context(), cache.Ready, cache.Group).Val()
						if found || held == nil || held.Count == 0 {
							return
						}
						found = true
						age(t, other, cache.TakeOver+time.Second)
						reap(t, c, 10, "a")
					}))
					if taken := ask(t, c); taken != nil {
						t.Errorf("%s is handed out twice", taken.ID)
					}
					if !found {
						t.Error("nothing was handed out")
					}
				})
			})
		}
	})
	t.Run("passes over what isn't in the stream any more", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			next(t, c, "a")
			fine(t, c.Raw().XTrimMaxLen(t.Context(), cache.Ready, 0).Err())
			accept(t, c, job("b", "B"))
			next(t, c, "b")
			age(t, c, cache.TakeOver+time.Second)
			reap(t, another(t, c, ""), 10, "b")
		})
	})
	t.Run("takes no more than it is asked for", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"), job("b", "B"), job("c", "C"))
			next(t, c, "a", "b", "c")
			age(t, c, cache.TakeOver+time.Second)
			second := another(t, c, "")
			reap(t, second, 2, "a", "b")
			reap(t, second, 2, "c")
			reap(t, second, 2)
		})
	})
	t.Run("hands a job to one of many", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for i := range 40 {
				accept(t, c, job(fmt.Sprint(i), fmt.Sprint(i)))
			}
			if jobs, err := c.Next(t.Context(), 100, time.Millisecond); err != nil || len(jobs) != 40 {
				t.Fatalf("%d jobs and %v", len(jobs), err)
			}
			age(t, c, cache.TakeOver+time.Second)
			byOneOfMany(t, c, 40, func(other *cache.Cache) ([]cache.Job, error) { return other.Reap(t.Context(), 5) })
		})
	})
}

// after does something whenever Redis has answered, before its caller knows of the answer.
type after func()

func (f after) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f after) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		defer f()
		return next(ctx, cmd)
	}
}

func (f after) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// byOneOfMany lets four processes take jobs until none is left, and fails unless each of n was taken once.
func byOneOfMany(t *testing.T, c *cache.Cache, n int, take func(*cache.Cache) ([]cache.Job, error)) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	count := map[string]int{}
	for range 4 {
		other := another(t, c, "")
		all.Go(func() {
			for {
				jobs, err := take(other)
				if err != nil {
					t.Error(err)
				}
				if len(jobs) == 0 {
					return
				}
				mu.Lock()
				for _, j := range jobs {
					count[j.ID]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	once(t, count, n)
}

// once fails unless each of n was counted once.
func once(t *testing.T, count map[string]int, n int) {
	t.Helper()
	if len(count) != n {
		t.Errorf("%d different ones, want %d", len(count), n)
	}
	for id, times := range count {
		if times != 1 {
			t.Errorf("%s: %d times, want once", id, times)
		}
	}
}

func TestTick(t *testing.T) {
	slow := func(id string, tell time.Duration) cache.Job {
		j := job(id, id)
		j.Tell = noon.Add(tell)
		return j
	}
	t.Run("hands out each open job once when its person has waited too long", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, slow("a", time.Second), slow("b", 2*time.Second), job("never", "N"))
			tick(t, c, noon)
			tick(t, c, noon.Add(time.Second), "a")
			tick(t, another(t, c, ""), noon.Add(time.Second))
			tick(t, c, noon.Add(time.Hour), "b")
			tick(t, c, noon.Add(time.Hour))
			open(t, c, 3)
			next(t, c, "a", "b", "never") // they are still to be done
		})
	})
	t.Run("hands out no more than it is asked for", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, slow("a", 0), slow("b", time.Second), slow("c", 2*time.Second))
			for _, ids := range [][]string{{"a", "b"}, {"c"}, nil} {
				jobs, err := c.Tick(t.Context(), noon.Add(time.Hour), 2)
				fine(t, err)
				want(t, "are overdue", jobs, ids...)
			}
		})
	})
	t.Run("is silent about what is done", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, slow("a", time.Second))
			done(t, c, next(t, c, "a")...)
			if n := c.Raw().Exists(t.Context(), cache.QueueKeys[1:]...).Val(); n != 0 {
				t.Errorf("%d keys of the queue are left of nothing", n)
			}
			tick(t, c, noon.Add(time.Hour))
		})
	})
	t.Run("passes over what has no body", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a1", "A"), job("b1", "B"))
			for n, j := range next(t, c, "a1", "b1") {
				later(t, c, j, noon.Add(time.Duration(n)*time.Second))
			}
			fine(t, c.Raw().HDel(t.Context(), cache.QueueKeys[1], "a1").Err())
			tick(t, c, noon.Add(time.Second))
			next(t, c, "b1")
		})
	})
	t.Run("speaks of a job that waits for a retry, as it is now", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, slow("a", time.Second))
			a := next(t, c, "a")[0]
			a.Tries, a.Body = 1, json.RawMessage(`"another body"`)
			later(t, c, a, noon.Add(time.Hour))
			jobs, err := c.Tick(t.Context(), noon.Add(time.Minute), 100)
			if err != nil || len(jobs) != 1 || jobs[0].Tries != 1 || string(jobs[0].Body) != `"another body"` {
				t.Errorf("%+v and %v", jobs, err)
			}
		})
	})
	t.Run("hands each of many to one of many", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			for i := range 250 {
				accept(t, c, slow(fmt.Sprint(i), 0))
			}
			if jobs, err := c.Next(t.Context(), 1000, time.Millisecond); err != nil || len(jobs) != 250 {
				t.Fatalf("%d jobs and %v", len(jobs), err)
			} else {
				for _, j := range jobs {
					later(t, c, j, noon)
				}
			}
			byOneOfMany(t, c, 250, func(other *cache.Cache) ([]cache.Job, error) { return other.Tick(t.Context(), noon, 100) })
			ran := map[string]int{}
			jobs, err := c.Next(t.Context(), 1000, time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				ran[j.ID]++
			}
			once(t, ran, 250)
		})
	})
}

func TestFirstIsWhatTheOthersOfALaneWaitFor(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		first := func(id string) {
			t.Helper()
			if j, ok, err := c.First(t.Context(), "A"); j.ID != id || ok != (id != "") || err != nil {
				t.Errorf("first is %q, %v, %v; want %q", j.ID, ok, err, id)
			}
		}
		first("")
		accept(t, c, job("b", "B"), job("a1", "A"), job("a2", "A"))
		first("a1")
		a1 := next(t, c, "b", "a1")[1]
		first("a1") // at work
		later(t, c, a1, noon)
		first("a1") // waiting
		tick(t, c, noon)
		done(t, c, next(t, c, "a1")...)
		first("a2")
		a2 := next(t, c, "a2")[0]
		a2.Yields = true
		later(t, c, a2, noon)
		first("") // nobody waits for it
	})
}

func TestRemainingAnswersAllThatIsNotDone(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		remaining := func(ids ...string) {
			t.Helper()
			jobs, err := c.Remaining(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(jobs, func(a, b cache.Job) int { return int(a.ID[0]) - int(b.ID[0]) })
			want(t, "remain", jobs, ids...)
		}
		remaining()
		accept(t, c, job("a", "A"), job("b", "A"), job("c", "C"), job("d", "D"))
		quiet := job("e", "E")
		quiet.Quiet = true
		accept(t, c, quiet)
		remaining("a", "b", "c", "d") // ready, and behind another; for the quiet one nobody waits
		jobs := next(t, c, "a", "c", "d", "e")
		later(t, c, jobs[1], noon)
		done(t, c, jobs[2])
		remaining("a", "b", "c") // at work, waiting, and put aside
	})
}

func TestLeave(t *testing.T) {
	members := func(t *testing.T, c *cache.Cache) (names []string) {
		t.Helper()
		for _, m := range c.Raw().XInfoConsumers(t.Context(), cache.Ready, cache.Group).Val() {
			names = append(names, m.Name)
		}
		return names
	}
	t.Run("takes out a process that holds nothing", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			done(t, c, next(t, c, "a")...)
			if !slices.Contains(members(t, c), c.Consumer()) {
				t.Fatal("it wasn't there")
			}
			if err := c.Leave(t.Context()); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(members(t, c), c.Consumer()) {
				t.Error("it is still there")
			}
		})
	})
	t.Run("drops nothing that is still held", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			accept(t, c, job("a", "A"))
			next(t, c, "a")
			if err := c.Leave(t.Context()); err != nil {
				t.Fatal(err)
			}
			age(t, c, cache.TakeOver+time.Second)
			reap(t, another(t, c, ""), 10, "a")
		})
	})
	t.Run("of one that never came is no error", func(t *testing.T) {
		each(t, func(t *testing.T, c *cache.Cache) {
			if err := c.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestTheQueueComesBackAfterRedisWasEmptied(t *testing.T) {
	for name, first := range map[string]func(*testing.T, *cache.Cache){
		"with Next": func(t *testing.T, c *cache.Cache) { next(t, c) },
		"with Reap": func(t *testing.T, c *cache.Cache) { reap(t, c, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, c *cache.Cache) {
				accept(t, c, job("a", "A"), job("b", "A"))
				held := next(t, c, "a")[0]
				if err := c.Raw().FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				accept(t, c, job("c", "C")) // before anybody makes the group anew
				first(t, c)
				done(t, c, held)
				later(t, c, held, noon)
				done(t, c, next(t, c, "c")...)
				tick(t, c, noon.Add(time.Hour))
				open(t, c, 0)
			})
		})
	}
}

func TestLanesGoOnAfterTheStreamWasLost(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		accept(t, c, job("a", "A"), job("b", "A"), job("c", "C"), job("d", "D"))
		for _, j := range next(t, c, "a", "c", "d") {
			switch j.ID {
			case "c":
				later(t, c, j, noon)
			case "d":
				done(t, c, j)
			}
		}
		if err := c.Raw().Del(t.Context(), cache.Ready).Err(); err != nil {
			t.Fatal(err)
		}
		deleted := time.Now().UnixMilli()
		soon(t, "the next entry has a number that none had", func() bool { return time.Now().UnixMilli() > deleted })
		accept(t, c, job("e", "E")) // before anybody makes the group anew
		next(t, c)
		list := next(t, c, "e", "a")
		done(t, c, list...)
		done(t, c, next(t, c, "b")...)
		tick(t, c, noon)
		done(t, c, next(t, c, "c")...)
		open(t, c, 0)
	})
}

func TestScriptsComeBackAfterRedisForgotThem(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		forget := func() {
			t.Helper()
			if err := c.Raw().ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		forget()
		accept(t, c, job("a", "A"))
		a := next(t, c, "a")[0]
		forget()
		later(t, c, a, noon)
		forget()
		tick(t, c, noon)
		a = next(t, c, "a")[0]
		forget()
		done(t, c, a)
		open(t, c, 0)
	})
}

// trips counts the times that Redis is asked something and answers.
type trips struct{ n atomic.Int64 }

func (c *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

func TestEachStepOfAWarmActionIsOneRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		counter := &trips{}
		c.Raw().AddHook(counter)
		var held []cache.Job
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"Submit", func() { accept(t, c, job("a", "A")) }},
			{"Submit of what is known", func() { submit(t, c, cache.Repeated, 10, job("a", "A")) }},
			{"Next", func() { held = next(t, c, "a") }},
			{"Later", func() { later(t, c, held[0], noon) }},
			{"Tick", func() { tick(t, c, noon) }},
			{"Next", func() { held = next(t, c, "a") }},
			{"Link", func() { _, _, err := c.Link(t.Context(), "T1", "U1"); fine(t, err) }},
			{"Known", func() {
				_, err := c.Known(t.Context(), cache.Question{Team: "T1", Chat: "chat_1", Channel: "C1", User: "U1"})
				fine(t, err)
			}},
			{"Remember", func() { fine(t, remember(t.Context(), c, "T1", "chat_1", via, card(1))) }},
			{"Done", func() { done(t, c, held...) }},
			{"Submit", func() {
				_, j, err := c.Submit(t.Context(), job("b", "B"), 10, true)
				fine(t, err)
				held = []cache.Job{*j}
			}},
			{"Done", func() { done(t, c, held...) }},
			{"Leave", func() { fine(t, c.Leave(t.Context())) }}, // nothing can come between its look and its leaving
		} {
			before := counter.n.Load()
			step.do()
			if n := counter.n.Load() - before; n != 1 {
				t.Errorf("%s: %d round trips, want one", step.name, n)
			}
		}
	})
}

// TestTwoProcessesDoEachJobOnceAndInOrder: 500 jobs in 20 lanes, through the workers of two processes, every seventh
// given back once.
func TestTwoProcessesDoEachJobOnceAndInOrder(t *testing.T) {
	const lanes, each20 = 20, 25
	each(t, func(t *testing.T, c *cache.Cache) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var (
			mu      sync.Mutex
			order   = map[string][]string{}
			running = map[string]string{}
			left    atomic.Int64
			all     sync.WaitGroup
		)
		left.Store(lanes * each20)
		work := func(mine *cache.Cache, j cache.Job) {
			mu.Lock()
			if other := running[j.Lane]; other != "" {
				t.Errorf("%s runs beside %s", j.ID, other)
			}
			running[j.Lane] = j.ID
			again := len(order[j.Lane])%7 == 6 && j.Tries == 0
			if !again {
				order[j.Lane] = append(order[j.Lane], j.ID)
			}
			delete(running, j.Lane)
			mu.Unlock()
			end := mine.Done
			if again {
				j.Tries++
				end = func(ctx context.Context, j cache.Job) error { return mine.Later(ctx, j, noon) }
			}
			for end(ctx, j) != nil && ctx.Err() == nil {
				breathe(ctx)
			}
			if !again && left.Add(-1) == 0 {
				cancel()
			}
		}
		second := another(t, c, "")
		for i := range 8 {
			mine := []*cache.Cache{c, second}[i%2]
			all.Go(func() {
				for ctx.Err() == nil {
					jobs, err := mine.Next(ctx, 4, 20*time.Millisecond)
					if err == nil && len(jobs) == 0 {
						jobs, err = mine.Reap(ctx, 4) // a slow machine may have lost an answer
					}
					if err != nil {
						breathe(ctx)
					}
					for _, j := range jobs {
						work(mine, j)
					}
					_, _ = mine.Tick(ctx, noon, 100)
				}
			})
		}
		for lane := range lanes {
			all.Go(func() {
				for n := range each20 {
					j := job(fmt.Sprintf("%d/%02d", lane, n), fmt.Sprint(lane))
					for ctx.Err() == nil {
						if got, _, err := c.Submit(ctx, j, 1000, false); err == nil && got != cache.Full {
							break
						}
						breathe(ctx)
					}
				}
			})
		}
		all.Wait()
		if n := left.Load(); n != 0 {
			t.Errorf("%d jobs are left after a minute", n)
		}
		want := map[string][]string{}
		for lane := range lanes {
			for n := range each20 {
				want[fmt.Sprint(lane)] = append(want[fmt.Sprint(lane)], fmt.Sprintf("%d/%02d", lane, n))
			}
		}
		if d := cmp.Diff(want, order); d != "" {
			t.Errorf("want -, got +:\n%s", d)
		}
		open(t, c, 0)
	})
}

// breathe leaves a Redis alone for a moment that had no time.
func breathe(ctx context.Context) {
	moment, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	<-moment.Done()
}

// TestAsideSkipsWhatIsNoJob: what somebody else put there hides no job.
func TestAsideSkipsWhatIsNoJob(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		fine(t, c.SetAside(t.Context(), job("a", "A")))
		fine(t, c.Raw().XAdd(t.Context(), &redis.XAddArgs{Stream: cache.AsideKey, Values: []any{"job", "x"}}).Err())
		fine(t, c.SetAside(t.Context(), job("b", "B")))
		jobs, err := c.Aside(t.Context())
		fine(t, err)
		want(t, "were set aside", jobs, "a", "b")
	})
}

// TestEveryKeyHasItsLifetime: each kind of key that is stored, and how long it lives.
func TestEveryKeyHasItsLifetime(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		a := job("a", "A")
		a.Tell = noon
		accept(t, c, a, job("b", "B"), job("b2", "B"))
		later(t, c, next(t, c, "a", "b")[0], noon)
		fill(t, c)
		fillHandoffs(t, c)
		fine(t, c.SetAside(t.Context(), a))
		got := map[string]time.Duration{}
		keys := c.Raw().Scan(t.Context(), 0, "*", 1000).Iterator()
		for keys.Next(t.Context()) {
			ttl := c.Raw().TTL(t.Context(), keys.Val()).Val()
			key := keys.Val()
			if strings.HasPrefix(key, cache.NoteKey("T1", "U1", "")) {
				key = cache.NoteKey("T1", "U1", "n1") // its id is random
			}
			got[key] = (ttl + 30*time.Second).Truncate(time.Minute)
		}
		const hour, day = time.Hour, 24 * time.Hour
		lives := map[string]time.Duration{
			cache.OnceKey("a"): hour, cache.OnceKey("b"): hour, cache.OnceKey("b2"): hour, cache.LaneKey("A"): 0, cache.LaneKey("B"): 0,
			cache.LinkKey("T1", "U1"): day, cache.PersonKey("T1", "mem_1"): hour, cache.PersonKey("T1", "usr_1"): hour,
			cache.CardsKey("T1", "chat_1"): 30 * day, cache.ReachKey("T1", "C1"): 10 * time.Minute,
			cache.LinksKey("T1"): 0, cache.OfferKey("T1", "U1"): 7 * day, cache.HeldKey("T1", "U1"): hour, cache.TriedKey("T1"): 30 * day,
			cache.HistoryKey("T1"): 90 * day, cache.ToldKey("T1", "key"): 7 * day,
			cache.NoteKey("T1", "U1", "n1"): hour / 2, cache.QuietKey("T1"): 0, cache.GreetedKey("T1"): 0, cache.HomeKey("T1", "U1"): 30 * day,
			cache.HandoffsKey("T1"): 30 * day, cache.NoticesKey("T1"): 30 * day, cache.TroubleKey("T1", "C1"): 10 * time.Minute,
			cache.RedrawsKey("T1"): 30 * day, cache.CardedKey("T1"): 30 * day, cache.AsideKey: 30 * day,
		}
		for _, key := range cache.QueueKeys {
			lives[key] = 0
		}
		if d := cmp.Diff(lives, got); d != "" {
			t.Errorf("want -, got +:\n%s", d)
		}
		if n := len(slices.Collect(maps.Keys(lives))); n != 30 {
			t.Errorf("%d keys: some are the same", n)
		}
	})
}

func BenchmarkSubmitNextDone(b *testing.B) {
	for name, start := range map[string]func(testing.TB) *cache.Cache{"in process": inProcess, "real": realRedis} {
		b.Run(name, func(b *testing.B) {
			c := start(b)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				accept(b, c, job(fmt.Sprint(n), "A"))
				jobs, err := c.Next(b.Context(), 10, time.Second)
				if err != nil || len(jobs) != 1 {
					b.Fatal(jobs, err)
				}
				done(b, c, jobs[0])
			}
		})
	}
}
