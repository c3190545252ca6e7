package bot

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"inventbot/cache"
)

// settled remembers the requests that this process has dealt with though Redis may still hold them, for at least half an hour or the
// newest 50,000. It also keeps the calls that this process owes to Redis.
type settled struct {
	mu         sync.Mutex
	young, old map[string]struct{}
	turned     time.Time
	owed       map[*cache.Cache][]debt
}

// debt is a call that Redis could not take yet: to end, give back or withdraw a job, or to keep what the job has done.
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

// withdraw has Redis forget a job whose Submit failed and which this process deals with alone: Redis may have stored it all the same.
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

// owe remembers a call to a queue; when there are settledMost already it drops the new one.
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

// pay makes the calls that are owed to a queue, as many as it can in a second. One that fails goes to the end, so that what a full Redis
// refuses holds up nothing else. (Redis ignores calls for jobs that another process has taken over meanwhile.)
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
