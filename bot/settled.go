package bot

import (
	"context"
	"errors"
	"slices"
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
	owed       map[*cache.Cache][]*debt
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
		for q, owed := range s.owed {
			s.owed[q] = slices.DeleteFunc(owed, func(d *debt) bool { return d.doubt == id })
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
		s.owed = map[*cache.Cache][]*debt{}
	}
	if len(s.owed[q]) < settledMost {
		s.owed[q] = append(s.owed[q], &d)
	}
}

// pay does in a queue what is owed to it, as far as it comes in a second. (What another process has taken over meanwhile, Redis leaves
// as it is.)
func (s *settled) pay(ctx context.Context, q *cache.Cache) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s.mu.Lock()
	most := len(s.owed[q])
	s.mu.Unlock()
	for range most {
		d, ok := s.first(q)
		if !ok {
			return
		}
		err := d.pay(ctx)
		s.paid(q, d, err)
		if ctx.Err() != nil || errors.Is(err, cache.ErrAway) { // what is refused, as by a full Redis, holds up nothing else
			return
		}
	}
}

// first answers what has been owed to a queue for longest.
func (s *settled) first(q *cache.Cache) (*debt, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.owed[q]) == 0 {
		return nil, false
	}
	return s.owed[q][0], true
}

// paid takes the first debt off the list, or puts it last where it couldn't be paid, unless again has dropped it meanwhile.
func (s *settled) paid(q *cache.Cache, d *debt, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owed := s.owed[q]
	if len(owed) == 0 || owed[0] != d {
		return
	}
	owed[0] = nil // else it would be kept with the list
	owed = owed[1:]
	if err != nil {
		owed = append(owed, d)
	}
	s.owed[q] = owed
}
