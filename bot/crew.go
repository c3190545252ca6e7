package bot

import (
	"context"
	"runtime"
	"sync"
	"time"

	"inventbot/cache"
)

const (
	tickEvery  = 250 * time.Millisecond
	reapEvery  = 2 * time.Second
	readWait   = 500 * time.Millisecond
	handIdle   = time.Second
	spareTurns = 4 // open jobs for each worker in the spare queue: it ends with this process, so what would wait longer is better refused
)

// crew carries out the jobs of one queue.
type crew struct {
	queue *cache.Cache
	most  int           // open jobs; one more is refused
	slots chan struct{} // one for each job that runs; while nobody serves the queue, all are taken
	tasks chan task     // to idle hands
	hands sync.WaitGroup
	work  context.Context //nolint:containedctx // of the jobs themselves, which outlive the requests that brought them
}

// lanes are the lanes in which this process runs jobs. Each queue keeps the order of its own jobs; lanes keeps two queues from running
// jobs of one lane at the same time. Jobs that this process took upon itself alone go before those that came later (see behindSpare).
type lanes struct {
	mu      sync.Mutex
	running map[string]running
}

type running struct {
	queue *cache.Cache
	jobs  int // more than one while a job that has ended for its queue still has something to show
}

// enter says whether a job of the queue may run in the lane now. If so, the caller must leave the lane afterwards.
func (l *lanes) enter(lane string, q *cache.Cache) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, busy := l.running[lane]
	if busy && r.queue != q {
		return false
	}
	if l.running == nil {
		l.running = map[string]running{}
	}
	l.running[lane] = running{q, r.jobs + 1}
	return true
}

func (l *lanes) leave(lane string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.running[lane]
	if r.jobs--; r.jobs == 0 {
		delete(l.running, lane)
		return
	}
	l.running[lane] = r
}

// task is a job and what it carries; work is nil while that isn't decoded.
type task struct {
	job  cache.Job
	work *work
}

func newCrew(q *cache.Cache, most, size int) *crew {
	c := &crew{queue: q, most: most, slots: make(chan struct{}, size), tasks: make(chan task)}
	c.stop()
	return c
}

// stop waits for what runs, and lets nothing more begin.
func (c *crew) stop() {
	for range cap(c.slots) {
		c.slots <- struct{}{}
	}
}

// leave stops the crew, and waits until its hands have ended.
func (c *crew) leave() {
	c.stop()
	close(c.tasks)
	c.hands.Wait()
}

// takeSlot takes a slot, if there is one.
func (c *crew) takeSlot() bool {
	select {
	case c.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// begin runs a job. The caller has taken a slot for it, which is given back when the job has run.
func (b *Bot) begin(c *crew, t task) {
	select {
	case c.tasks <- t:
	default:
		c.hands.Go(func() { b.hand(c, t) })
	}
}

// beginAll runs the jobs for which n slots were taken, and gives back the slots that are left.
func (b *Bot) beginAll(c *crew, n int, list []cache.Job) {
	for range n - len(list) {
		<-c.slots
	}
	for _, j := range list {
		b.begin(c, task{job: j})
	}
}

// hand runs a job, and then others until none has come for handIdle: a goroutine that stays doesn't have to grow its stack for each job.
func (b *Bot) hand(c *crew, t task) {
	idle := time.NewTimer(handIdle)
	defer idle.Stop()
	for more := true; more; {
		giveWay()
		b.run(c.work, c.queue, t.job, t.work)
		<-c.slots
		idle.Reset(handIdle)
		select {
		case t, more = <-c.tasks:
		case <-idle.C:
			return
		}
	}
}

// giveWay lets other goroutines go first: requests have three seconds for their acknowledgement, a job that goes on has minutes.
func giveWay() { runtime.Gosched() }

// submit stores a job that carries w. If this process has a free slot, a job of the queue runs here at once: mostly this one.
func (b *Bot) submit(ctx context.Context, c *crew, j cache.Job, w work) (cache.Admission, error) {
	here := c.takeSlot()
	admission, taken, err := c.queue.Submit(ctx, j, c.most, here)
	if err == nil && admission == cache.Accepted {
		b.passed(stepStored, j)
	}
	switch {
	case taken != nil:
		t := task{job: *taken}
		if taken.ID == j.ID {
			t.work = &w
		}
		b.begin(c, t)
	case here:
		<-c.slots
	}
	return admission, err
}

// serveQueue carries out the jobs of one queue until ctx ends; those of an in-process queue until that is empty, or work ends. work is
// the context of the jobs themselves.
func (b *Bot) serveQueue(ctx, work context.Context, c *crew) {
	q := c.queue
	if err := q.Warm(ctx); err != nil && ctx.Err() == nil {
		b.log.Warn("Redis doesn't answer yet", "error", err)
	}
	c.work = work
	for range cap(c.slots) {
		<-c.slots
	}
	var ticking, reaping sync.WaitGroup
	stopTicking, stopReaping := make(chan struct{}), make(chan struct{})
	ticking.Go(func() { b.tick(work, c, stopTicking) })
	reaping.Go(func() { b.reap(work, c, stopReaping) })
	for !b.queueDone(ctx, work, q) {
		n := takeSlots(c.slots, 32)
		list, err := q.Next(work, n, readWait)
		b.beginAll(c, n, list)
		if err != nil {
			b.log.Debug("the queue can't be read", "error", err)
			pauseFor(ctx, readWait)
		}
	}
	close(stopReaping)
	reaping.Wait()
	c.leave()
	close(stopTicking) // not before: what is owed to Redis may be paid while the last jobs run
	ticking.Wait()
	b.settled.pay(context.WithoutCancel(ctx), q)
	if err := q.Leave(context.WithoutCancel(ctx)); err != nil {
		b.log.Debug("this process stays in the consumer group", "error", err)
	}
}

// queueDone says whether to take no more jobs. Once ctx has ended, that is so at once for a shared queue, whose jobs others can do; for
// one that ends with this process, when it is empty or there is no time left.
func (b *Bot) queueDone(ctx, work context.Context, q *cache.Cache) bool {
	if ctx.Err() == nil {
		return false
	}
	if !q.InProcess() || work.Err() != nil {
		return true
	}
	left, err := q.Remaining(work)
	return err != nil || len(left) == 0
}

// takeSlots waits for one slot and takes up to limit that are free.
func takeSlots(slots chan struct{}, limit int) int {
	slots <- struct{}{}
	for n := 1; n < limit; n++ {
		select {
		case slots <- struct{}{}:
		default:
			return n
		}
	}
	return limit
}

func pauseFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// tick makes the calls that are owed to Redis, wakes jobs whose time has come, and tells people whose action takes long.
func (b *Bot) tick(work context.Context, c *crew, stop <-chan struct{}) {
	q := c.queue
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		b.settled.pay(work, q)
		overdue, err := q.Tick(work, b.now(), b.side.free())
		if err != nil {
			b.log.Debug("due jobs can't be found", "error", err)
			continue
		}
		for _, j := range overdue {
			if q.InProcess() || !b.settled.has(j.ID) {
				b.side.run(func() { b.tellSlow(work, j) })
			}
		}
	}
}

// reap takes over the jobs of dead processes whenever slots are free. It is apart from tick, whose work can't wait for a slot.
func (b *Bot) reap(work context.Context, c *crew, stop <-chan struct{}) {
	ticker := time.NewTicker(reapEvery)
	defer ticker.Stop()
	for {
		n := takeSlots(c.slots, 32)
		select {
		case <-stop: // while it waited for a slot
			b.beginAll(c, n, nil)
			return
		default:
		}
		list, err := c.queue.Reap(work, n)
		if err != nil {
			b.log.Debug("jobs of the dead can't be found", "error", err)
		}
		if len(list) > 0 {
			b.log.Warn("jobs found whose process stopped answering, or never heard of them", "jobs", len(list))
		}
		b.beginAll(c, n, list)
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
	}
}
