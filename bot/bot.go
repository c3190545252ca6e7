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

// Config is what a Bot needs. Zero values of the fields marked so are replaced.
type Config struct {
	Secrets      []string      // Slack's signing secrets; any of them verifies
	Socket       *slack.Client // with an app-level token: requests come over Socket Mode, and over HTTP only where Secrets verify them
	Teams        Teams
	Probe        *Team // whose inbox is followed, whose lists are kept, and on whose keys /readyz reports
	Cache        *cache.Cache
	ChatURL      slackui.ChatURL
	Command      string           // the slash command, for words that say what to type; "": /invent
	SlackHost    string           // host[:port] of an overridden SLACK_API_URL: response_urls may lead there
	Admins       []string         // Slack users who may link others, beside the workspace's admins and owners
	AssignOthers []string         // roles in Invent that may assign to others, and release or change theirs; empty: all members
	Handoffs     Routes           // where conversations that wait for a human are announced; without rules nowhere
	HandoffSlack bool             // also those that customers began in Slack
	WaitReminder time.Duration    // after which a line says that one waits still; 0: never
	AllowGuests  bool             // guests of the workspace may act, if they are members in Invent
	Log          *slog.Logger     // nil: discarded
	Now          func() time.Time // nil: time.Now
	Queue        int              // open jobs at most; 0: 10,000. While Redis doesn't answer: four for each worker
	Workers      int              // jobs at a time; 0: 128
	Version      string           // of the program, for the metrics; "": unknown
	Commit       string           // that it was built from, likewise
	Farewell     time.Duration    // for which Serve still answers once it is to stop, with 503 on /readyz; 0: it stops listening at once
}

// Bot serves Slack's requests and carries them out. Serve runs all of it; Handler and Run are its
// halves, without Socket Mode, for whoever has a server already.
type Bot struct {
	secrets      []string
	app          *slack.Client // with the app-level token, for Socket Mode; nil: HTTP
	teams        Teams
	probe        *Team
	cache        *cache.Cache
	spare        *cache.Cache // in-process; serves while cache, a real Redis, doesn't answer; nil without need
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
	leads        atomic.Bool // this process follows the inbox for all
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
	steps        func(step, cache.Job) // what a test wants done at each step; nil
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

// Serve answers requests, on the listener and over Socket Mode, and carries out the jobs until ctx ends. Then it is not ready any
// more, so that nobody is sent here, stops listening after Config.Farewell, finishes what runs, gives back the rest, and returns nil;
// that takes about drain more at most.
func (b *Bot) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	server := &http.Server{
		Handler: b.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
	}
	// Jobs are taken until the last request is answered, which may have brought one.
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
			_ = server.Close() // whoever is still connected has sent no whole request for long
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

// Run carries out jobs until ctx ends; then it takes no new ones, finishes what runs, and gives back
// the rest to other processes. Work that only this process knows of is finished, or its people are
// told, before Run returns; that takes drain at most, and some seconds more where Slack takes those
// words slowly.
func (b *Bot) Run(ctx context.Context, drain time.Duration) {
	// What runs is not cut off by ctx: it has its own deadlines, and drain.
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

// side runs small tasks beside the jobs (a private word, mostly), as many at a time as it has slots.
type side struct {
	slots chan struct{}
	tasks sync.WaitGroup
}

// try runs the task if there is a slot for it, and says whether there was.
func (s *side) try(task func()) bool {
	select {
	case s.slots <- struct{}{}:
	default:
		return false
	}
	s.start(task)
	return true
}

// run runs the task once there is a slot for it.
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
