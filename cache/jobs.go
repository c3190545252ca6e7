package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	workers = "workers" // the consumer group

	// Attempt is how long a worker has for one try at a job, not counting what it must tell a person at the end.
	Attempt = 12 * time.Second
	// TakeOver is how long a process may hold a job before it counts as dead, and another takes
	// the job over. It is longer than a worker ever holds a job, so no two hold one at a time;
	// together with the interval of Reap it stays within the promised 30 s.
	TakeOver = 20 * time.Second

	reserved = time.Hour // how long a request is known as done
)

// Job is one piece of acknowledged work. Jobs of one lane run one after the other, in the
// order in which they were submitted, on any number of processes.
type Job struct {
	ID    string          `json:"id"`              // unique to the request it stems from: a second job with the same id is a repeat
	Lane  string          `json:"lane"`            // what must be kept in order, such as a conversation
	At    time.Time       `json:"at"`              // when the request came
	Tell  time.Time       `json:"tell,omitzero"`   // when Tick returns it if it is still open; zero: never
	Tries int             `json:"tries,omitempty"` // attempts that ended without Done, a dead process's included
	Dead  int             `json:"dead,omitempty"`  // how many processes died, or stopped answering, while they held it
	Quiet bool            `json:"quiet,omitempty"` // nobody waits for it: Remaining leaves it out
	Body  json.RawMessage `json:"body,omitempty"`

	// TakenOver says that a process died, or stopped answering, while it held the job: nobody
	// knows how far it came.
	TakenOver bool `json:"-"`
	// Yields says that Later lets the lane's other jobs go before it.
	Yields bool `json:"-"`

	entry string // its place in the stream
}

// Admission is what became of a submitted job.
type Admission int

// What Submit answers.
const (
	Accepted Admission = iota // stored and queued, in one atomic step
	Repeated                  // its id is known: nothing was done
	Full                      // the queue is at its bound: nothing was done
)

// submitScript reserves the request, stores the job and queues it, all or nothing. What arrives
// after its deadline (by Redis's own clock) is refused: the sender has given it up. A sender that
// can run a job at once (ARGV[8]: its name) is handed the one that has waited longest, mostly its
// own. If the answer is lost, go-redis sends the same call (ARGV[9]) again and gets the same answer.
var submitScript = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[5]) then return {'late', now} end
local once = redis.call('GET', KEYS[1])
if once then
  if string.sub(once, 1, #ARGV[9]) ~= ARGV[9] then return {'repeated', now} end
  local entry = string.sub(once, #ARGV[9] + 1)
  local taken = entry ~= '' and redis.call('XRANGE', KEYS[4], entry, entry)[1]
  if not taken then return {'accepted', now} end
  return {'accepted', now, entry, taken[2][2]}
end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) then return {'full', now} end
local function accepted(entry, text)
  redis.call('SET', KEYS[1], ARGV[9] .. (entry or ''), 'EX', ARGV[4])
  return {'accepted', now, entry, text}
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
if ARGV[6] ~= '0' then redis.call('ZADD', KEYS[5], ARGV[6], ARGV[1]) end
if redis.call('RPUSH', KEYS[3], ARGV[1]) > 1 then return accepted() end
redis.call('XADD', KEYS[4], '*', 'job', ARGV[2])
if ARGV[8] == '' then return accepted() end
local got = redis.pcall('XREADGROUP', 'GROUP', ARGV[7], ARGV[8], 'COUNT', 1, 'STREAMS', KEYS[4], '>')
if not got or got.err then return accepted() end
local entry = got[1][2][1]
if entry[2][2] == ARGV[2] then return accepted(entry[1]) end
return accepted(entry[1], entry[2][2])`)

// Submit stores the job and queues it in one atomic step and one round trip, within 250 ms.
// At most limit jobs are open at a time. An error mostly means that Redis gave no answer in time. What
// was given up is not queued late (see submitScript). But if only the answer was lost, twice, the job is
// queued in spite of the error, and may come back through Next or Reap.
//
// A caller that can run a job at once (here) is handed one, as by Next, or nil: mostly j itself, unless another has waited longer.
func (c *Cache) Submit(ctx context.Context, j Job, limit int, here bool) (Admission, *Job, error) {
	deadline := time.Now().Add(c.patience)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if !c.skewKnown.Load() {
		if err := c.learnClock(ctx); err != nil {
			return 0, nil, err
		}
	}
	text, err := j.encode()
	if err != nil {
		return 0, nil, err
	}
	consumer := ""
	if here {
		consumer = c.consumer
	}
	tell := int64(0)
	if !j.Tell.IsZero() {
		tell = j.Tell.UnixMilli()
	}
	keys := []string{onceKey(j.ID), bodiesKey, laneKey(j.Lane), readyKey, tellKey}
	args := []any{
		// Both clocks are cut to whole milliseconds. With two less, what Redis gets after the deadline is surely late.
		j.ID, text, limit, int(reserved.Seconds()), deadline.UnixMilli() + c.skew.Load() - 2, tell, workers, consumer,
		fmt.Sprintf("%s %d ", c.consumer, c.submits.Add(1)),
	}
	answer, err := submitScript.Run(ctx, c.rdb, keys, args...).Slice()
	if err != nil {
		return 0, nil, wrap("submitting a job", err)
	}
	if len(answer) < 2 {
		return 0, nil, errors.New("submitting a job: Redis answered something else")
	}
	if now, ok := answer[1].(int64); ok {
		c.heardClock(now)
	}
	switch answer[0] {
	case "accepted":
		return Accepted, c.handed(j, answer[2:]), nil
	case "repeated":
		return Repeated, nil, nil
	case "full":
		return Full, nil, nil
	}
	return 0, nil, errors.New("submitting a job: it reached Redis too late")
}

// handed reads which job submitScript handed out: none, j itself (answer has its entry), or another (its entry and text).
func (c *Cache) handed(j Job, answer []any) *Job {
	if len(answer) == 0 {
		return nil
	}
	entry, _ := answer[0].(string)
	if len(answer) > 1 {
		other, ok := c.take(entry, answer[1])
		if !ok {
			return nil
		}
		return &other
	}
	if !c.hold(entry) {
		return nil
	}
	j.entry = entry
	return &j
}

// hold notes that this process has an entry of the stream; false if it had it already.
func (c *Cache) hold(entry string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, held := c.inHand[entry]; held {
		return false
	}
	c.inHand[entry] = struct{}{}
	return true
}

// letGo notes that this process no longer has the job: Redis has confirmed that it was ended or given back.
func (c *Cache) letGo(j Job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.inHand, j.entry)
}

// take decodes a job that Redis handed to this process, and holds it. ok is false if the process has it already, because Next and
// Reap both found it, or if it can't be read.
func (c *Cache) take(entry string, text any) (j Job, ok bool) {
	if !c.hold(entry) {
		return j, false
	}
	j, ok = decode(text)
	j.entry = entry
	return j, ok
}

// decode reads a job as it lies in Redis. What can't be read was written by a newer version, and is left to a process of that version.
func decode(text any) (j Job, ok bool) {
	t, _ := text.(string)
	ok = json.Unmarshal([]byte(t), &j) == nil && j.ID != ""
	return j, ok
}

// encode is json.Marshal, except that the body, which is JSON already, is copied as it is.
func (j Job) encode() ([]byte, error) {
	body := j.Body
	j.Body = nil
	head, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encoding a job: %w", err)
	}
	if len(body) == 0 {
		return head, nil
	}
	if !json.Valid(body) {
		return nil, errors.New("encoding a job: its body isn't JSON")
	}
	text := make([]byte, 0, len(head)+len(body)+len(`,"body":`))
	text = append(text, head[:len(head)-1]...)
	text = append(text, `,"body":`...)
	text = append(text, body...)
	return append(text, '}'), nil
}

// Next waits up to wait for jobs that may run, and takes at most n of them. To find none is no error.
// The caller must call Done or Later for each before TakeOver has passed. Until that succeeds, Reap doesn't hand it to this process again.
func (c *Cache) Next(ctx context.Context, n int, wait time.Duration) ([]Job, error) {
	streams, err := c.rdb.XReadGroup(moreTime(ctx, wait), &redis.XReadGroupArgs{
		Group: workers, Consumer: c.consumer, Streams: []string{readyKey, ">"}, Count: int64(n), Block: wait,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil && strings.HasPrefix(err.Error(), "NOGROUP") {
		return nil, c.group(ctx)
	}
	if err != nil {
		return nil, wrap("taking jobs", err)
	}
	var jobs []Job
	for _, s := range streams {
		for _, m := range s.Messages {
			if j, ok := c.take(m.ID, m.Values["job"]); ok {
				jobs = append(jobs, j)
			}
		}
	}
	return jobs, nil
}

// groupScript creates the consumer group. The group starts at the stream's beginning, since jobs may have been submitted before the first
// worker ever ran. If the stream was lost with its group (say, somebody deleted it), the script makes the first job of each lane ready
// again, for all others of the lane wait for it.
var groupScript = redis.NewScript(`
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err then return made end
local ready = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do ready[cjson.decode(entry[2][2]).id] = true end
local bodies = redis.call('HGETALL', KEYS[2])
for n = 1, #bodies, 2 do
  local lane = ARGV[2] .. cjson.decode(bodies[n + 1]).lane
  if not ready[bodies[n]] and not redis.call('ZSCORE', KEYS[3], bodies[n]) and redis.call('LINDEX', lane, 0) == bodies[n] then
    redis.call('XADD', KEYS[1], '*', 'job', bodies[n + 1])
  end
end
return 1`)

// group creates the consumer group, unless it exists.
func (c *Cache) group(ctx context.Context) error {
	err := groupScript.Run(ctx, c.rdb, []string{readyKey, bodiesKey, laterKey}, workers, laneKey("")).Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return wrap("creating the consumer group", err)
}

// reapScript takes over what other processes have held too long (ARGV[4]). It also finds what was handed to this process a while ago
// (ARGV[5]) but isn't in its hands (ARGV[6] and on), because the answer was lost. It returns both, with how often each was handed out.
var reapScript = redis.NewScript(`
local most, held, inHand = tonumber(ARGV[3]), {}, {}
for i = 6, #ARGV do inHand[ARGV[i]] = true end
local function hold(id, times)
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if entry then held[#held + 1] = {id, entry[2][2], times} end
end
local mine = redis.pcall('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[5], '-', '+', 1000, ARGV[2])
if mine.err then return mine end
for _, p in ipairs(mine) do
  if #held < most and not inHand[p[1]] then hold(p[1], p[4]) end
end
for _, p in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[4], '-', '+', 1000)) do
  if #held < most and p[2] ~= ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[4], p[1])
    hold(p[1], p[4] + 1)
  end
end
return held`)

// Reap takes over at most n jobs that other processes have held longer than TakeOver. It also returns jobs that Redis handed to this
// process, but whose answer never arrived (after four times a call's patience); never jobs that this process has.
func (c *Cache) Reap(ctx context.Context, n int) ([]Job, error) {
	ctx = moreTime(ctx, c.patience)
	args := []any{workers, c.consumer, n, TakeOver.Milliseconds(), 4 * c.patience.Milliseconds()}
	c.mu.Lock()
	for entry := range c.inHand {
		args = append(args, entry)
	}
	c.mu.Unlock()
	answer, err := reapScript.Run(ctx, c.rdb, []string{readyKey}, args...).Slice()
	if err != nil && strings.HasPrefix(err.Error(), "NOGROUP") {
		return nil, c.group(ctx)
	}
	if err != nil {
		return nil, wrap("taking over jobs", err)
	}
	var jobs []Job
	for _, held := range answer {
		h, ok := held.([]any)
		if !ok || len(h) != 3 {
			continue
		}
		entry, _ := h[0].(string)
		times, _ := h[2].(int64)
		if j, ok := c.take(entry, h[1]); ok {
			deaths := int(times) - 1 // each earlier time it was handed out, to a process that died
			j.Tries, j.Dead, j.TakenOver = j.Tries+deaths, j.Dead+deaths, deaths > 0
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	// A body that was kept with Keep is newer than the stream's. If Redis doesn't answer, the stream's must do.
	kept := make([]*redis.StringCmd, len(jobs))
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, j := range jobs {
			kept[i] = p.HGet(ctx, bodiesKey, j.ID)
		}
		return nil
	})
	for i := range jobs {
		if newest, ok := decode(kept[i].Val()); ok {
			jobs[i].Body = newest.Body
		}
	}
	return jobs, nil
}

// leaveLane takes a job out of its lane and, if it was the first, makes the next one ready. An id without a body is no job (any more)
// and is skipped.
const leaveLane = `
local function leave(ready, bodies, lane, id)
  local first = redis.call('LINDEX', lane, 0) == id
  redis.call('LREM', lane, 1, id)
  while first do
    local next = redis.call('LINDEX', lane, 0)
    if not next then return end
    local body = redis.call('HGET', bodies, next)
    if body then
      redis.call('XADD', ready, '*', 'job', body)
      return
    end
    redis.call('LPOP', lane)
  end
end`

// stillHeld ends a script early if this process (ARGV[2]) no longer holds the job (ARGV[3], its entry in the stream).
const stillHeld = `
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 0 then return 0 end`

// doneScript ends a job that this process still holds and lets the next one of its lane run.
var doneScript = redis.NewScript(leaveLane + stillHeld + `
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[4])
redis.call('ZREM', KEYS[4], ARGV[4])
leave(KEYS[1], KEYS[2], KEYS[3], ARGV[4])
return 1`)

// Done ends the job. It does nothing for a job that was taken over by another process.
func (c *Cache) Done(ctx context.Context, j Job) error {
	err := doneScript.Run(ctx, c.rdb, doneKeys(j), c.doneArgs(j)...).Err()
	if err == nil {
		c.letGo(j)
	}
	return wrap("ending a job", err)
}

// done is Done as a command of a pipeline. It fails if Redis doesn't have the script (see Warm). The caller calls letGo.
func (c *Cache) done(ctx context.Context, p redis.Pipeliner, j Job) *redis.Cmd {
	return doneScript.EvalSha(ctx, p, doneKeys(j), c.doneArgs(j)...)
}

func doneKeys(j Job) []string { return []string{readyKey, bodiesKey, laneKey(j.Lane), tellKey} }

func (c *Cache) doneArgs(j Job) []any { return []any{workers, c.consumer, j.entry, j.ID} }

// withdrawScript does nothing to a job that this process (ARGV[1]) didn't submit. Of its own it forgets that the person is to be told,
// and ends those that wait behind another job in their lane.
var withdrawScript = redis.NewScript(`
local once = redis.call('GET', KEYS[1])
if not once or string.sub(once, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('ZREM', KEYS[4], ARGV[2])
if redis.call('LINDEX', KEYS[3], 0) == ARGV[2] then return 0 end
redis.call('LREM', KEYS[3], 1, ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
return 1`)

// Withdraw is for a job whose Submit failed, and that is carried out without this queue. In case Redis stored it all the same: Tick won't
// return it, and it ends if it waits behind another job. Its id stays known, so that a repeat still counts as one.
func (c *Cache) Withdraw(ctx context.Context, j Job) error {
	keys := []string{onceKey(j.ID), bodiesKey, laneKey(j.Lane), tellKey}
	return wrap("withdrawing a job", withdrawScript.Run(ctx, c.rdb, keys, c.consumer+" ", j.ID).Err())
}

// keepScript replaces the stored text of a job that this process still holds.
var keepScript = redis.NewScript(stillHeld + `
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
return 1`)

// Keep stores the job's Body as it is now, for a process that takes the job over. It does nothing for a job that was taken over already.
func (c *Cache) Keep(ctx context.Context, j Job) error {
	text, err := j.encode()
	if err != nil {
		return err
	}
	return wrap("keeping a job", keepScript.Run(ctx, c.rdb, []string{readyKey, bodiesKey}, workers, c.consumer, j.entry, j.ID, text).Err())
}

// laterScript takes a job that this process still holds off the stream until it is due. It stays the first
// of its lane, so those behind it go on waiting, but it occupies no worker. One that yields leaves the lane until then.
var laterScript = redis.NewScript(leaveLane + stillHeld + `
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
redis.call('ZADD', KEYS[3], ARGV[6], ARGV[4])
if ARGV[7] == '1' then leave(KEYS[1], KEYS[2], KEYS[4], ARGV[4]) end
return 1`)

// Later gives the job back, to run again at due with the Tries, Dead and Body it has now. Until then its lane waits for it. If it
// Yields, the lane's other jobs run meanwhile, and once due it joins the end of the lane.
func (c *Cache) Later(ctx context.Context, j Job, due time.Time) error {
	text, err := j.encode()
	if err != nil {
		return err
	}
	err = laterScript.Run(ctx, c.rdb, []string{readyKey, bodiesKey, laterKey, laneKey(j.Lane)},
		workers, c.consumer, j.entry, j.ID, text, due.UnixMilli(), j.Yields).Err()
	if err == nil {
		c.letGo(j)
	}
	return wrap("giving a job back", err)
}

// tickScript makes due jobs ready. One that had left its lane joins its end, and is ready only if the lane was empty. (Processes of an
// older version let it run beside its lane.) It returns, each once, the open jobs whose person should be told by now that they take
// longer.
var tickScript = redis.NewScript(`
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[3], id)
  local body = redis.call('HGET', KEYS[2], id)
  if body then
    local lane = ARGV[3] .. cjson.decode(body).lane
    if redis.call('LINDEX', lane, 0) == id or redis.call('RPUSH', lane, id) == 1 then
      redis.call('XADD', KEYS[1], '*', 'job', body)
    end
  end
end
local overdue = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', KEYS[4], id)
  local body = redis.call('HGET', KEYS[2], id)
  if body then overdue[#overdue + 1] = body end
end
return overdue`)

// Tick makes due jobs ready, and returns at most n open jobs whose Tell has passed: each once,
// to the process that asks first. They stay open.
func (c *Cache) Tick(ctx context.Context, now time.Time, n int) (overdue []Job, err error) {
	bodies, err := tickScript.Run(ctx, c.rdb, []string{readyKey, bodiesKey, laterKey, tellKey}, now.UnixMilli(), n, laneKey("")).StringSlice()
	if err != nil {
		return nil, wrap("looking for due jobs", err)
	}
	for _, body := range bodies {
		if j, ok := decode(body); ok {
			overdue = append(overdue, j)
		}
	}
	return overdue, nil
}

// First finds the job that the others of a lane wait for. For an empty lane ok is false, without an error.
func (c *Cache) First(ctx context.Context, lane string) (j Job, ok bool, err error) {
	id, err := c.rdb.LIndex(ctx, laneKey(lane), 0).Result()
	var text string
	if err == nil {
		text, err = c.rdb.HGet(ctx, bodiesKey, id).Result()
	}
	if errors.Is(err, redis.Nil) {
		return j, false, nil
	}
	if err != nil {
		return j, false, wrap("looking at a lane", err)
	}
	j, ok = decode(text)
	return j, ok, nil
}

// Remaining returns every job that is not done and not Quiet. It is meant for the end of an in-process queue: in a shared
// Redis other processes may be at work on them.
func (c *Cache) Remaining(ctx context.Context) ([]Job, error) {
	bodies, err := c.rdb.HVals(ctx, bodiesKey).Result()
	if err != nil {
		return nil, wrap("reading jobs", err)
	}
	var jobs []Job
	for _, body := range bodies {
		if j, ok := decode(body); ok && !j.Quiet {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// leaveScript removes a process from the group if it holds nothing: else what it holds would be lost with it.
var leaveScript = redis.NewScript(`
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
return 1`)

// Leave takes this process out of the consumer group, unless it still holds a job.
func (c *Cache) Leave(ctx context.Context) error {
	return wrap("leaving the consumer group", leaveScript.Run(ctx, c.rdb, []string{readyKey}, workers, c.consumer).Err())
}
