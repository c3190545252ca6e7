// Package bot takes verified requests from Slack to Invent and back: request → verified → Intent → job →
// Invent → state → card. See Bot for how it is run.
//
// It draws nothing itself (slackui does), knows no route of Invent's (invent does) and no key of Redis
// (cache does). It never acts for anybody who isn't a linked, active member.
package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"inventbot/cache"
	"inventbot/slackui"
)

// Config is what a Bot needs. Where a comment says what nil, 0 or "" stands for, the field may be left out.
type Config struct {
	Secrets      []string      // Slack's signing secrets; any of them verifies
	Socket       *slack.Client // with an app-level token: requests come over Socket Mode, and over HTTP too if there are Secrets
	Teams        Teams
	Probe        *Team // the team whose inbox is followed and whose lists are kept; /readyz reports on its keys
	Cache        *cache.Cache
	ChatURL      slackui.ChatURL
	Command      string           // the slash command, for words that say what to type; "": /invent
	SlackHost    string           // host[:port] of an overridden SLACK_API_URL: response_urls may lead there
	Admins       []string         // Slack users who may link others, beside the workspace's admins and owners
	AssignOthers []string         // roles in Invent that may assign to others, and release or change others' conversations; empty: all
	Handoffs     Routes           // where conversations that wait for a human are announced; without rules nowhere
	HandoffSlack bool             // also announce conversations that customers began in Slack
	WaitReminder time.Duration    // after which a message says that a handoff still waits; 0: never
	AllowGuests  bool             // guests of the workspace may act, if they are members in Invent
	Log          *slog.Logger     // nil: discarded
	Now          func() time.Time // nil: time.Now
	Queue        int              // open jobs at most; 0: 10,000. While Redis doesn't answer also at most four for each worker
	Workers      int              // jobs at a time; 0: 128
	Version      string           // of the program, for the metrics; "": unknown
	Commit       string           // that it was built from, likewise
	Farewell     time.Duration    // how long Serve still answers once it is to stop, with 503 on /readyz; 0: it stops listening at once
}

// Bot serves Slack's requests and carries them out. Serve runs all of it; Handler and Run are its two halves, without Socket Mode, for a
// program that has a server already.
type Bot struct {
	secrets      []string
	app          *slack.Client // with the app-level token, for Socket Mode; nil: HTTP
	teams        Teams
	probe        *Team
	cache        *cache.Cache
	spare        *cache.Cache // in-process; used while cache, a real Redis, doesn't answer; nil when cache is in-process itself
	crew         *crew        // of cache
	spareCrew    *crew        // of spare
	spareJobs    atomic.Int64 // jobs of spare that aren't done yet
	chatURL      slackui.ChatURL
	commandName  string
	admins       []string
	assignOthers []string
	guests       bool
	routes       Routes
	handoffSlack bool
	waitReminder time.Duration
	leads        atomic.Bool // this process follows the inbox, for all processes
	socket       atomic.Bool // the inbox's socket is open
	paces        paces
	log          *slog.Logger
	now          func() time.Time
	queue        int
	workers      int
	farewell     time.Duration
	hooks        *responses
	metrics      *metrics
	side         side
	bodies       atomic.Int64 // bytes of large bodies whose requests aren't answered yet, see share
	settled      settled
	lanes        lanes
	answered     answered
	health       health
	steps        func(step, cache.Job) // for tests: called at each step; else nil
	useSpare     func()                // wakes the spare's loops
	spareUsed    chan struct{}
}

// New makes a Bot; it starts nothing.
func New(c Config) (*Bot, error) {
	b := &Bot{
		secrets: c.Secrets, app: c.Socket, teams: c.Teams, probe: c.Probe, cache: c.Cache,
		chatURL: c.ChatURL, commandName: cmp.Or(c.Command, "/invent"),
		admins: c.Admins, assignOthers: c.AssignOthers, guests: c.AllowGuests,
		routes: c.Handoffs, handoffSlack: c.HandoffSlack, waitReminder: c.WaitReminder,
		log: cmp.Or(c.Log, slog.New(slog.DiscardHandler)), now: c.Now,
		queue: cmp.Or(c.Queue, 10_000), workers: cmp.Or(c.Workers, 128), farewell: c.Farewell,
		hooks: newResponses(c.SlackHost), metrics: newMetrics(), side: side{slots: make(chan struct{}, 64)}, spareUsed: make(chan struct{}),
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.metrics.registry.MustRegister(newGauges(b), buildInfo(c.Version, c.Commit), upstreams)
	b.useSpare = sync.OnceFunc(func() { close(b.spareUsed) })
	if len(b.secrets) == 0 && b.app == nil || b.teams == nil || b.probe == nil || b.cache == nil {
		return nil, errors.New("a bot needs secrets or a socket, teams, a probe and a cache")
	}
	b.crew = newCrew(b.cache, b.queue, b.workers)
	if !b.cache.InProcess() {
		spare, err := cache.OpenInProcess()
		if err != nil {
			return nil, err
		}
		b.spare, b.spareCrew = spare, newCrew(spare, min(b.queue, spareTurns*b.workers), b.workers)
	}
	return b, nil
}

// Serve answers requests, on the listener and over Socket Mode, and carries out jobs until ctx ends. Then /readyz says 503, so that no
// more requests are sent here. After Config.Farewell Serve stops listening, waits up to drain for open requests and then as Run does for
// jobs, and returns nil. An error means that the listener failed.
func (b *Bot) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	server := &http.Server{
		Handler: b.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
	}
	// Jobs are taken until the last request is answered: it may bring one.
	jobs, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	running := make(chan struct{})
	go func() {
		defer close(running)
		b.Run(jobs, drain)
	}()
	listening, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	var sockets sync.WaitGroup
	if b.app != nil {
		sockets.Go(func() { b.listen(listening) })
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		b.health.drain()
		pauseFor(context.WithoutCancel(ctx), b.farewell)
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if server.Shutdown(shutdown) != nil {
			_ = server.Close() // what is still connected hasn't sent a whole request in all this time
		}
		<-failed
	}
	hangUp()
	sockets.Wait()
	stop()
	<-running
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// Run carries out jobs and follows the inbox until ctx ends. Then it takes no new jobs, finishes those that run, and leaves the rest to
// other processes. Jobs that only this process knows of are finished, or the people who asked are told that they won't be, before Run
// returns. That takes at most drain, and some seconds more if Slack is slow to take those words.
func (b *Bot) Run(ctx context.Context, drain time.Duration) {
	// Running jobs are not cut off by ctx: they have deadlines of their own, and drain.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drain, stop) })()
	var loops sync.WaitGroup
	loops.Go(func() { b.check(ctx) })
	loops.Go(func() { b.keepLists(ctx) })
	loops.Go(func() { b.checkContract(ctx) })
	loops.Go(func() { b.lead(ctx) })
	loops.Go(func() { b.follow(ctx) })
	loops.Go(func() { b.serveQueue(ctx, work, b.crew) })
	if b.spare != nil {
		loops.Go(func() {
			select {
			case <-b.spareUsed:
			case <-ctx.Done():
			}
			// Used or not, it is drained in the same way: it may be used while the server drains.
			b.serveQueue(ctx, work, b.spareCrew)
		})
	}
	loops.Wait()
	b.tellStopped()
	b.side.wait()
	if b.spare != nil {
		if err := b.spare.Close(); err != nil {
			b.log.Warn("closing the spare queue", "error", err)
		}
	}
}

// side runs small tasks beside the jobs, mostly private words, as many at a time as it has slots.
type side struct {
	slots chan struct{}
	tasks sync.WaitGroup
}

// try starts the task if there is a slot for it, and says whether there was.
func (s *side) try(task func()) bool {
	select {
	case s.slots <- struct{}{}:
	default:
		return false
	}
	s.start(task)
	return true
}

// run waits for a slot, and then starts the task.
func (s *side) run(task func()) {
	s.slots <- struct{}{}
	s.start(task)
}

func (s *side) start(task func()) {
	s.tasks.Go(func() {
		defer func() { <-s.slots }()
		task()
	})
}

func (s *side) free() int { return cap(s.slots) - len(s.slots) }

func (s *side) wait() { s.tasks.Wait() }
