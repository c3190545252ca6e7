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
// least, or the newest 50,000.
type settled struct {
	mu         sync.Mutex
	young, old map[string]bool // whether it was refused: what is sent again is no repeat then
	turned     time.Time
	owed       map[*cache.Cache][]func(context.Context) error // what each queue could not be told yet: that a job is ended, or given back, what it changed, and what came last in it
	doubtful   []cache.Job                                    // with id and lane alone: perhaps stored in Redis, which is to forget them
}

const (
	settledFor  = 30 * time.Minute
	settledMost = 50_000
	withdrawFor = 100 * time.Millisecond // at a time: due jobs wait for it
)

func (s *settled) add(j cache.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= settledMost || time.Since(s.turned) > settledFor {
		s.old, s.young, s.turned = s.young, map[string]bool{}, time.Now()
	}
	s.young[j.ID] = false
}

// doubt is for a job whose Submit failed and that is dealt with in this process alone, or refused: Redis may have stored it, and only
// the answer was lost. Should this process meet it there, it is settled.
func (s *settled) doubt(j cache.Job) {
	s.add(j)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.doubtful) < settledMost {
		s.doubtful = append(s.doubtful, cache.Job{ID: j.ID, Lane: j.Lane})
	}
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
		s.doubtful = slices.DeleteFunc(s.doubtful, func(j cache.Job) bool { return j.ID == id })
	}
}

// withdraw has Redis forget jobs that are in doubt, as many as come in a moment.
func (s *settled) withdraw(ctx context.Context, q *cache.Cache) {
	s.mu.Lock()
	list := s.doubtful
	s.doubtful = nil
	s.mu.Unlock()
	begun := time.Now()
	for n, j := range list {
		if time.Since(begun) > withdrawFor || q.Withdraw(ctx, j) != nil {
			s.mu.Lock()
			s.doubtful = append(list[n:], s.doubtful...)
			s.mu.Unlock()
			return
		}
	}
}

func (s *settled) owe(q *cache.Cache, pay ...func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owed == nil {
		s.owed = map[*cache.Cache][]func(context.Context) error{}
	}
	s.owed[q] = append(s.owed[q], pay...)
}

// owing is how much is owed to a queue.
func (s *settled) owing(q *cache.Cache) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.owed[q])
}

func (s *settled) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, young := s.young[id]
	_, old := s.old[id]
	return young || old
}

// pay does in a queue what is owed to it, as far as it comes in a second. (What another process has taken over meanwhile, Redis leaves
// as it is.)
func (s *settled) pay(ctx context.Context, q *cache.Cache) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s.mu.Lock()
	owed := s.owed[q]
	delete(s.owed, q)
	s.mu.Unlock()
	for n, pay := range owed {
		err := pay(ctx)
		if ctx.Err() != nil || errors.Is(err, cache.ErrAway) {
			s.owe(q, owed[n:]...)
			return
		}
		if err != nil {
			s.owe(q, pay) // what is refused, as by a full Redis, holds up nothing else
		}
	}
	if !q.InProcess() {
		s.withdraw(ctx, q)
	}
}
