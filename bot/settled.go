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
	young, old map[string]struct{}
	turned     time.Time
	owed       map[*cache.Cache][]debt
}

// debt is what a queue could not be told yet: that a job is ended, given back or withdrawn, what it changed, and what came last in it.
type debt func(context.Context) error

const (
	settledFor  = 30 * time.Minute
	settledMost = 50_000
)

func (s *settled) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= settledMost || time.Since(s.turned) > settledFor {
		s.old, s.young, s.turned = s.young, map[string]struct{}{}, time.Now()
	}
	s.young[id] = struct{}{}
}

// withdraw is for a job whose Submit failed and that is dealt with in this process alone: Redis may have stored it, and is to forget it.
func (s *settled) withdraw(q *cache.Cache, j cache.Job) {
	j = cache.Job{ID: j.ID, Lane: j.Lane}
	s.owe(q, func(ctx context.Context) error { return q.Withdraw(ctx, j) })
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
		s.owed = map[*cache.Cache][]debt{}
	}
	if len(s.owed[q]) < settledMost {
		s.owed[q] = append(s.owed[q], d)
	}
}

// pay does in a queue what is owed to it, as far as it comes in a second. What fails comes last the next time, so that what a full Redis
// refuses holds up nothing else. (What another process has taken over meanwhile, Redis leaves as it is.)
func (s *settled) pay(ctx context.Context, q *cache.Cache) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s.mu.Lock()
	left := s.owed[q]
	delete(s.owed, q)
	s.mu.Unlock()
	var failed []debt
	for len(left) > 0 {
		err := left[0](ctx)
		if err != nil {
			failed = append(failed, left[0])
		}
		left = left[1:]
		if ctx.Err() != nil || errors.Is(err, cache.ErrAway) {
			break
		}
	}
	if len(left)+len(failed) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed[q] = slices.Concat(left, s.owed[q], failed)
}
