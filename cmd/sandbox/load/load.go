// Package load is `sandbox load`: it sends clicks to the real inventbot at a fixed rate and measures what comes back. The
// bot runs as a process of its own, beside a redis-server, a pretended Slack and a pretended Invent. For comparison
// it sends the same clicks to a "bare" handler (bare.go), which keeps none of the bot's promises, and, if Node has it, to one made
// with Slack's own framework Bolt (bolt.js).
//
// The loop is open: a click is sent when it is due, however slow the answers are, and all durations count from that
// moment, even if the sender was late. All of it stays on this machine and ends by itself.
//
// It does not check that Slack or Invent would take what the bot sends. The tests do that, with a strict Slack and
// Invent; those here are only fast.
package load

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Run is `sandbox load` with the arguments behind it. It returns the exit code: 0; 1 when something failed, a click was
// not acknowledged or got no card, or a figure misses its limit; 2 for wrong arguments.
func Run(ctx context.Context, args []string, stdout io.Writer) int {
	if os.Getenv(bareMark) != "" {
		if err := serveBare(ctx); err != nil {
			_, _ = fmt.Fprintln(stdout, err)
			return 1
		}
		return 0
	}
	o := options{}
	flags := flag.NewFlagSet("sandbox load", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.Float64Var(&o.rate, "rate", 200, "actions a second")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long to send")
	flags.Uint64Var(&o.seed, "seed", 1, "of the moments and the choice of verbs")
	mix := flags.String("mix", "click=1", "weights of what people do: `click` (take and release by button), command (the same typed), show")
	flags.BoolVar(&o.hanging, "hanging", false, "Invent never answers")
	flags.BoolVar(&o.inProcess, "in-process", false, "no redis-server: the bot's own Redis, within its process")
	flags.IntVar(&o.people, "people", 100, "how many people act")
	flags.IntVar(&o.chats, "chats", 10_000, "how many conversations there are")
	flags.StringVar(&o.binary, "bin", "", "the inventbot to measure; empty: built from this source")
	bare := flags.Bool("bare", false, "measure the bare handler instead of the bot")
	flags.StringVar(&o.bolt, "bolt", "", "measure Bolt: with -figures beside the bot, else instead of it. The `directory` is one where \"npm install @slack/bolt redis\" was run; node is on the PATH")
	figures := flags.Bool("figures", false, "measure all figures that have a limit and print them as a table; takes some minutes")
	runs := flags.Int("runs", 3, "with -figures: how often each is measured; the median counts")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	var err error
	o.mix, err = parseMix(*mix)
	switch {
	case err != nil:
	case flags.NArg() > 0, o.rate <= 0, o.rate > 20_000, o.duration <= 0, o.duration > 10*time.Minute, o.people < 1, o.chats < 1, *runs < 1:
		err = errors.New("at most 20,000 actions a second for at most 10 minutes, and nothing behind the flags")
	case (*bare || o.bolt != "") && (o.mix != (weights{click: 1}) || o.inProcess), *bare && o.bolt != "":
		err = errors.New("the bare handler and Bolt, one at a time, know clicks only and want a redis-server")
	}
	if err != nil {
		_, _ = fmt.Fprintln(stdout, "sandbox load:", err)
		return 2
	}
	if o.dir, err = os.MkdirTemp("", "inventbot-load"); err != nil {
		_, _ = fmt.Fprintln(stdout, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(o.dir) }()
	whom := theBot
	switch {
	case *figures: // measures the bot and all others
	case *bare:
		whom = theBare
	case o.bolt != "":
		whom = theBolt
	}
	if o.binary == "" && whom == theBot {
		o.binary, err = build(ctx, o.dir)
	}
	good := true
	switch {
	case err != nil:
	case *figures:
		good, err = measureAll(ctx, o, *runs, stdout)
	default:
		var r result
		if r, err = measure(ctx, o, whom); err == nil {
			r.print(stdout, o)
			good = r.acked == r.sent && (r.lost == 0 || o.hanging)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(stdout, "load:", err)
	}
	if err != nil || !good {
		return 1
	}
	return 0
}

// options are what one measurement needs.
type options struct {
	rate      float64
	duration  time.Duration
	seed      uint64
	mix       weights
	hanging   bool
	inProcess bool
	people    int
	chats     int
	warm      int // how many actions warm up first; at least one for each person
	binary    string
	bolt      string // where Node finds Bolt; empty: Bolt isn't measured
	dir       string
}

// weights say how often people do each thing, relative to the others.
type weights struct{ click, command, show float64 }

func parseMix(text string) (weights, error) {
	var w weights
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || n < 0 {
			return w, fmt.Errorf("%q is no weight", part)
		}
		switch name {
		case "click":
			w.click = n
		case "command":
			w.command = n
		case "show":
			w.show = n
		default:
			return w, fmt.Errorf("%q is none of click, command, show", name)
		}
	}
	if w == (weights{}) {
		return w, errors.New("all weights are zero")
	}
	return w, nil
}

// result is what one measurement found.
type result struct {
	sent, acked, lost, busy int
	wrote                   int
	waiting                 int // with hanging: jobs not done when the last action was sent
	ack, delivered          times
	late                    times         // how late the sender itself was
	drained                 time.Duration // from the last click to the last card
	cpu                     time.Duration // of the bot, while it was under load
	redisCPU                time.Duration
	stolen                  float64 // the share of all processors' time that the host gave to other machines meanwhile
	idle, peak              int64   // bytes resident
	start                   time.Duration
	slackCalls, inventCalls int
}

// perTenThousand scales CPU time to 10,000 actions.
func (r result) perTenThousand(cpu time.Duration) time.Duration {
	return cpu * 10_000 / time.Duration(max(r.sent, 1))
}

func (r result) print(w io.Writer, o options) {
	_, _ = fmt.Fprintf(w, "%s/%s, %d cores; %g actions/s for %s, seed %d\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rate, o.duration, o.seed)
	lastCard := "none"
	if len(r.delivered) > 0 {
		lastCard = ms(r.drained) + " after the last click"
	}
	for _, line := range []struct {
		name string
		text string
	}{
		{"sent", fmt.Sprintf("%d, acknowledged %d, told \"busy\" %d, without a card %d, writes %d, jobs left waiting %d", r.sent, r.acked, r.busy, r.lost, r.wrote, r.waiting)},
		{"acknowledged", r.ack.String()},
		{"card delivered", r.delivered.String()},
		{"sender was late", r.late.String()},
		{"last card", lastCard},
		{"CPU", fmt.Sprintf("%.2f s for 10,000 actions, and %.2f s of Redis's", r.perTenThousand(r.cpu).Seconds(), r.perTenThousand(r.redisCPU).Seconds())},
		{"taken by host", fmt.Sprintf("%.1f %% of the processors' time", 100*r.stolen)},
		{"calls", fmt.Sprintf("%.2f to Invent and %.2f to Slack for an action", float64(r.inventCalls)/float64(max(r.sent, 1)), float64(r.slackCalls)/float64(max(r.sent, 1)))},
		{"memory", fmt.Sprintf("%s after start, %s at most", mib(r.idle), mib(r.peak))},
		{"start to ready", ms(r.start)},
	} {
		_, _ = fmt.Fprintf(w, "%-16s %s\n", line.name, line.text)
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }
func mib(n int64) string        { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
