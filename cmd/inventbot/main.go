// Command inventbot serves Invent's Slack bot: `inventbot` or `inventbot serve`, with settings in the
// environment (see the README). `inventbot help` lists its other commands. It installs nothing, neither in
// Slack nor in Invent.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"

	"github.com/slack-go/slack"

	"inventbot/bot"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// After SIGTERM: for how long requests are still answered while /readyz says not ready, and then how long running work may take.
const (
	farewell = 2 * time.Second
	drain    = 20 * time.Second

	restEvery = 5 * time.Second // memory is given back after each such period in which less than restBelow was allocated
	restBelow = 16 << 20
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout)) }

// run is the whole program: it does what the arguments say until that is done, ctx ends or a signal comes, and returns
// the exit code: 0 after an orderly end, 1 if it failed, 2 for wrong settings or arguments. (For doctor see printDoctor.)
func run(ctx context.Context, args []string, stdout io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "manifest":
		return printManifest(args, stdout)
	case command == "doctor":
		return printDoctor(ctx, args, stdout)
	case len(args) > 0:
	case command == "serve":
		return printServe(ctx, stdout)
	case command == "health":
		s, _ := load() // other settings than ADDR and PORT don't matter here, even if they are wrong
		return printHealth(ctx, s.Addr, stdout)
	case command == "version":
		return printVersion(stdout)
	}
	_, _ = io.WriteString(stdout, usage)
	if command == "help" || command == "-h" || command == "--help" {
		return 0
	}
	return 2
}

const usage = `usage: inventbot [serve]   serve until SIGTERM, with the settings in the environment
       inventbot doctor    look at the settings, Redis, Slack and Invent, change nothing, and say what is wrong:
                           exit code 0 all is well, 1 something is off, 2 it doesn't work (--json for machines)
       inventbot manifest  print the manifest of the Slack app (see inventbot manifest -h)
       inventbot health    ask the bot that serves on this machine whether it is alive: exit code 0 or 1
       inventbot version   print version, commit and date
`

func printServe(ctx context.Context, stdout io.Writer) int {
	s, problems := load()
	if len(problems) > 0 {
		for _, p := range problems {
			_, _ = fmt.Fprintln(stdout, p)
		}
		return 2
	}
	defer spendMemory()()
	log := s.logger(stdout)
	if err := serve(ctx, s, log); err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	return 0
}

// spendMemory lets the bot's small heap grow to five times its live size before it is collected, as long as all memory stays
// below 80 MiB. With Go's default (twice), much CPU time under load goes into collecting a few megabytes, and one
// acknowledgement in a hundred waits for that. While little is allocated, unused memory is given back to the system, until end
// is called. GOGC and GOMEMLIMIT override it.
func spendMemory() (end func()) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(80 << 20)
	}
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(400)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(restEvery)
		defer ticker.Stop()
		allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		for before := uint64(0); ; before = allocated[0].Value.Uint64() {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			if metrics.Read(allocated); allocated[0].Value.Uint64()-before < restBelow {
				debug.FreeOSMemory()
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

func serve(ctx context.Context, s settings, log *slog.Logger) (err error) {
	store, err := s.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	api := s.slack()
	team := bot.NewTeam(api, s.invent())
	var socket *slack.Client
	if s.SlackAppToken != "" {
		socket = api
		log.Info("Socket Mode: the bot connects to Slack")
	}
	of := built()
	b, err := bot.New(bot.Config{
		Secrets: s.secrets, Socket: socket, Teams: team.Only, Probe: team, Cache: store,
		ChatURL: slackui.ChatURL(s.InventChatURL), SlackHost: s.slackHost, Command: s.SlackCommand,
		Admins: s.admins, AssignOthers: s.roles, AllowGuests: s.guests,
		Handoffs: s.routes, HandoffSlack: s.slackToo, WaitReminder: s.reminder, Log: log,
		Version: of.version, Commit: of.commit, Farewell: farewell,
	})
	if err != nil {
		return fmt.Errorf("building the bot: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	log.Info("listening", "addr", listener.Addr().String())
	return b.Serve(ctx, listener, drain)
}

// slack is a client with the bot's token and, for Socket Mode, the app-level token.
func (s settings) slack() *slack.Client {
	return bot.NewSlack(s.SlackBotToken, s.SlackAPIURL, slack.OptionAppLevelToken(s.SlackAppToken))
}

func (s settings) invent() *invent.Client {
	return invent.New(invent.Options{URL: s.InventAPIURL, Key: s.InventAPIKey, Org: s.InventOrgID, PerMinute: s.rate, Wrap: bot.TimeInvent})
}

// open opens the Redis of the settings, or else one in this process, and then warns what that means.
func (s settings) open(log *slog.Logger) (*cache.Cache, error) {
	var store *cache.Cache
	var err error
	if s.RedisURL == "" {
		log.Warn("REDIS_URL is not set: links and waiting work are kept in this process and are lost when it stops")
		store, err = cache.OpenInProcess()
	} else {
		store, err = cache.Open(s.RedisURL)
	}
	if err != nil {
		return nil, fmt.Errorf("opening Redis: %w", err)
	}
	return store, nil
}

func (s settings) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: s.level}
	if s.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
