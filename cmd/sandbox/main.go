// Command sandbox runs the bot beside a pretended Slack workspace and a pretended Invent, in one process, with a web
// page on which you are Ada, Grace or a guest, type commands into a channel and click on cards. It needs no settings and
// no network, and forgets everything when it ends.
//
// It is the real bot: signed HTTP requests over the loopback, the real queue, the real client. The page has no
// password, so it is served to this machine only. `sandbox load` measures the bot instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"inventbot/bot"
	"inventbot/cache"
	"inventbot/cmd/sandbox/load"
	"inventbot/invent"
	"inventbot/slackui"
)

// drain is how long running work may take after SIGTERM.
const drain = 5 * time.Second

const hint = `This is a sandbox: nothing in it is real, and nothing leaves this machine.
open http://%s
There you are Ada. Type into the line at the bottom:
  /invent take chat_jane
  /invent assign chat_jane @grace
  /invent queue
  /invent help
`

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout)) }

// run is the whole program: it serves until ctx ends or a signal comes, and returns the exit code: 0 after an orderly
// end, 1 when it could not serve, 2 for wrong arguments.
func run(ctx context.Context, args []string, stdout io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends the process at once
	if len(args) > 0 && args[0] == "load" {
		return load.Run(ctx, args[1:], stdout)
	}
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8333", "`address` of the page, on this machine; port 0 takes a free one")
	verbose := flags.Bool("v", false, "print the bot's log, a line for each action")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	host, _, err := net.SplitHostPort(*addr)
	if err != nil || !thisMachine(host) || flags.NArg() > 0 {
		_, _ = fmt.Fprintln(stdout, "usage: sandbox [-addr 127.0.0.1:8333] [-v]: the page has no password, so only an address of this machine is served")
		return 2
	}
	level := slog.LevelWarn
	if *verbose {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(stdout, &slog.HandlerOptions{Level: level}))
	if err := serve(ctx, *addr, stdout, log); err != nil {
		_, _ = fmt.Fprintln(stdout, "stopped:", err)
		return 1
	}
	return 0
}

// thisMachine reports whether a host's name or address means the machine itself.
func thisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// serve runs everything until ctx ends. Then it closes the page first, so that nobody asks for more, then drains the bot,
// then closes Slack and Invent.
func serve(ctx context.Context, addr string, stdout io.Writer, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(ctx), "tcp", addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer func() { _ = listener.Close() }() // for an early return; once the page's server runs, that closes it
	at := listener.Addr().String()
	w := newWorld()
	defer w.invent.Close()
	defer w.slack.Close()

	bots, stopBot := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBot()
	ended, err := startBot(bots, w, at, log)
	if err != nil {
		return err
	}
	page := &http.Server{
		Handler: w.handler(), ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // ends the streams
	}
	failed := make(chan error, 1)
	go func() { failed <- page.Serve(listener) }()
	_, _ = fmt.Fprintf(stdout, hint, at)

	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serving the page: %w", err)
	case err = <-ended:
		ended <- nil
		err = errors.Join(errors.New("the bot ended by itself"), err)
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if page.Shutdown(shutdown) != nil {
		_ = page.Close() // a browser still holds on to its stream
	}
	stopBot()
	return errors.Join(err, <-ended)
}

// startBot starts the real bot for the world, on a port of its own, until ctx ends. The channel then gets the error it ended with.
func startBot(ctx context.Context, w *world, page string, log *slog.Logger) (chan error, error) {
	store, err := cache.OpenInProcess()
	if err != nil {
		return nil, fmt.Errorf("opening Redis: %w", err)
	}
	team := bot.NewTeam(bot.NewSlack(w.slack.Token(), w.slack.URL()),
		invent.New(invent.Options{URL: w.invent.URL(), Key: w.invent.Key(), Org: "c"}))
	slackAt, err := url.Parse(w.slack.URL())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading Slack's address: %w", err), store.Close())
	}
	if host, _, err := net.SplitHostPort(page); err == nil {
		w.slack.UnfurlDomains = []string{host}
	}
	b, err := bot.New(bot.Config{
		Secrets: []string{w.slack.Secret()}, Teams: team.Only, Probe: team, Cache: store,
		ChatURL: slackui.ChatURL("http://" + page + "/?conversation={chat_id}"), SlackHost: slackAt.Host,
		Handoffs: bot.ToChannels([]string{"C0SUPPORT"}), Log: log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("building the bot: %w", err), store.Close())
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening: %w", err), store.Close())
	}
	w.slack.SetBot("http://" + listener.Addr().String())
	ended := make(chan error, 1)
	go func() {
		err := b.Serve(ctx, listener, drain)
		ended <- errors.Join(err, store.Close())
	}()
	return ended, nil
}
