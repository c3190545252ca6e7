package bot

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
	"weak"

	"inventbot/cache"
	"inventbot/slackui"
)

// Respond posts to a response_url as a bot does whose Slack is at host; through is put in the place of the network unless it is nil.
func Respond(ctx context.Context, host, to string, through http.RoundTripper) error {
	r := newResponses(host)
	if through != nil {
		r.client.Transport = through
	}
	return r.send(ctx, to, hook{Message: slackui.Message{Text: "hello"}})
}

// NewGates holds back calls to Slack by a clock of the test's own.
func NewGates(next http.RoundTripper, now func() time.Time) http.RoundTripper {
	return &gates{RoundTripper: next, now: now}
}

// Listing is a list that is fetched whole and kept in memory.
type Listing = listing[int]

// Since answers it as it was at the given moment or later.
func Since(ctx context.Context, l *Listing, oldest time.Time, fetch func(context.Context) (int, error)) (int, error) {
	return l.since(ctx, oldest, time.Now, fetch)
}

// CheckContract compares what the bot uses of Invent's API with what that offers, until ctx ends.
func CheckContract(ctx context.Context, t *Team) {
	(&Bot{probe: t, log: slog.New(slog.DiscardHandler)}).checkContract(ctx)
}

// Settled says whether a request that was dealt with is known still, so long after and when so many others were dealt with.
func Settled(later time.Duration, others int) bool {
	const id = "job"
	var s settled
	s.add(id)
	for range 2 {
		time.Sleep(later / 2) //nolint:forbidigo // in a synctest bubble
		s.add("another")
	}
	for n := range others {
		s.add(fmt.Sprint("other", n))
	}
	return s.has(id)
}

// Withdraw has a queue forget a job that may be stored there.
func Withdraw(ctx context.Context, q *cache.Cache, j cache.Job) {
	var s settled
	s.withdraw(q, j)
	s.pay(ctx, q)
}

// Paid says which of these debts are tried when they are paid as far as it comes, and which when that is done once more.
func Paid(ctx context.Context, debts ...func(context.Context) error) (tried [2][]int) {
	var s settled
	now := 0
	for n, pay := range debts {
		s.owe(nil, func(ctx context.Context) error {
			tried[now] = append(tried[now], n)
			return pay(ctx)
		})
	}
	for now = range tried {
		s.pay(ctx, nil)
	}
	return tried
}

// KeepsPaid says whether what was owed to Redis stays in memory once it is paid.
func KeepsPaid(ctx context.Context) bool {
	var s settled
	owe := func() weak.Pointer[[64]byte] {
		p := new([64]byte)
		s.owe(nil, func(context.Context) error { runtime.KeepAlive(p); return nil })
		return weak.Make(p)
	}
	owed := owe()
	s.pay(ctx, nil)
	runtime.GC()
	defer runtime.KeepAlive(&s)
	return owed.Value() != nil
}

// Forgotten is what the feed needs not know any more.
var Forgotten = forgotten

// The steps of an action, in their order.
var Steps = []string{
	string(stepStored), string(stepTaken), string(stepIdentified), string(stepRead), string(stepChanged), string(stepDrawn), string(stepRemembered), string(stepRedrawn), string(stepTold), string(stepEnded),
}

// ListenTo keeps a socket to the team's inbox open until ctx ends.
func ListenTo(ctx context.Context, t *Team) {
	(&feed{Bot: &Bot{log: slog.New(slog.DiscardHandler)}, team: t, trigger: make(chan struct{}, 1)}).listen(ctx)
}

// OnStep lets a test do something at each step of each action of a bot that isn't serving yet.
func (b *Bot) OnStep(do func(step string, j cache.Job)) {
	b.steps = func(s step, j cache.Job) { do(string(s), j) }
}

// What bodies may take together, see share.
const (
	Freely = freely
	Crowd  = crowd
)

// ErrCrowded is errCrowded.
var ErrCrowded = errCrowded

// Share reads r within what all may take together.
func Share(r io.Reader, all *atomic.Int64) (shared io.Reader, giveBack func()) {
	s := &share{Reader: r, all: all}
	return s, s.giveBack
}
