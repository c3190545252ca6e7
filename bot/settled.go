package bot

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"inventbot/cache"
)

// settled remembers requests that this process has dealt with although Redis may hold them still: for half an hour at
// least, or the newest 50,000; and what it owes to Redis.
type settled struct {
	mu         sync.Mutex
	young, old map[string]bool // whether it was refused: what is sent again is no repeat then
	turned     time.Time
	owed       map[*cache.Cache]*list.List // of debts, the oldest first
}

// debt is what a queue could not be told yet: that a job is ended, given back or withdrawn, what it changed, and what came last in it.
type debt struct {
	pay   func(context.Context) error
	doubt string // the job that is withdrawn by it
}

const (
	settledFor  = 30 * time.Minute
	settledMost = 50_000
)

func (s *settled) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= settledMost || time.Since(s.turned) > settledFor {
		s.old, s.young, s.turned = s.young, map[string]bool{}, time.Now()
	}
	s.young[id] = false
}

// doubt is for a job whose Submit failed and that is dealt with in this process alone, or refused: Redis may have stored it, and only
// the answer was lost. Should this process meet it there, it is settled; and Redis is to forget it.
func (s *settled) doubt(q *cache.Cache, j cache.Job) {
	s.add(j.ID)
	j = cache.Job{ID: j.ID, Lane: j.Lane}
	s.owe(q, debt{func(ctx context.Context) error { return q.Withdraw(ctx, j) }, j.ID})
}

// refuse is for a job whose Submit failed and that nobody does.
func (s *settled) refuse(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, doubted := s.young[id]; doubted {
		s.young[id] = true
	}
}

// again forgets a job that was refused: its request was sent once more, or its order given once more, and is to be carried out.
func (s *settled) again(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young[id] || s.old[id] {
		delete(s.young, id)
		delete(s.old, id)
		for _, owed := range s.owed {
			for e, next := owed.Front(), (*list.Element)(nil); e != nil; e = next {
				next = e.Next()
				if d, _ := e.Value.(debt); d.doubt == id {
					owed.Remove(e)
				}
			}
		}
	}
}

func (s *settled) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, young := s.young[id]
	_, old := s.old[id]
	return young || old
}

// owe remembers what is to be done in a queue, unless that would be too much.
func (s *settled) owe(q *cache.Cache, d debt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owed == nil {
		s.owed = map[*cache.Cache]*list.List{}
	}
	if s.owed[q] == nil {
		s.owed[q] = list.New()
	}
	if s.owed[q].Len() < settledMost {
		s.owed[q].PushBack(d)
	}
}

// pay does in a queue what is owed to it, as far as it comes in a second. (What another process has taken over meanwhile, Redis leaves
// as it is.)
func (s *settled) pay(ctx context.Context, q *cache.Cache) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	owed := s.owed[q]
	if owed == nil {
		return
	}
	for range owed.Len() {
		e := owed.Front()
		if e == nil {
			return
		}
		d, _ := e.Value.(debt)
		s.mu.Unlock()
		err := d.pay(ctx)
		s.mu.Lock()
		if err == nil {
			owed.Remove(e)
		} else {
			owed.MoveToBack(e) // what is refused, as by a full Redis, holds up nothing else; what again has dropped meanwhile stays so
		}
		if ctx.Err() != nil || errors.Is(err, cache.ErrAway) {
			return
		}
	}
}
