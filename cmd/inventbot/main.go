// Command inventbot serves Invent's Slack bot: `inventbot` or `inventbot serve` with the settings of
// the README in the environment. It does not install anything, neither in Slack nor in Invent.
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
	"syscall"
	"time"

	"inventbot/bot"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// drain is how long what runs may take after SIGTERM.
const drain = 20 * time.Second

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout)) }

// run is the whole program: it serves until ctx ends or a signal comes, and answers the exit code: 0 after
// an orderly end, 1 when it could not serve, 2 for settings or arguments that are wrong.
func run(ctx context.Context, args []string, stdout io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	if len(args) > 1 || len(args) == 1 && args[0] != "serve" {
		_, _ = fmt.Fprintln(stdout, "usage: inventbot [serve]")
		return 2
	}
	s, problems := load()
	if len(problems) > 0 {
		for _, p := range problems {
			_, _ = fmt.Fprintln(stdout, p)
		}
		return 2
	}
	spendMemory()
	log := s.logger(stdout)
	if err := serve(ctx, s, log); err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	return 0
}

// spendMemory lets the small heap of the bot grow to four times what lives before it is collected, as long as all of
// it stays below 80 MiB: with Go's own 100 % a good part of the processor's time under load goes into collecting a few
// megabytes. GOGC and GOMEMLIMIT override it.
func spendMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(80 << 20)
	}
}

func serve(ctx context.Context, s settings, log *slog.Logger) (err error) {
	store, err := s.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	team := bot.NewTeam(bot.NewSlack(s.SlackBotToken, s.SlackAPIURL), invent.New(invent.Options{
		URL: s.InventAPIURL, Key: s.InventAPIKey, Org: s.InventOrgID, PerMinute: s.rate,
	}))
	b, err := bot.New(bot.Config{
		Secrets: s.secrets, Teams: team.Only, Probe: team, Cache: store,
		ChatURL: slackui.ChatURL(s.InventChatURL), SlackHost: s.slackHost,
		Admins: s.admins, AssignOthers: s.roles, AllowGuests: s.guests, Log: log,
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

// open opens the Redis of the settings, or one in this process, with a warning of what that means.
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
