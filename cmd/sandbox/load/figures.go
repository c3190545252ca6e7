package load

import (
	"context"
	"fmt"
	"io"
	"time"
)

// What the same job takes with Slack's own framework on Node, as multiples of the bare handler on the same machine. Times
// differ from machine to machine; these ratios hardly do.
const (
	boltAckP99  = 7.8 / 0.66 // of which a fifth is the limit
	boltCardP99 = 19 / 1.7
	boltCPU     = 7.4 / 3.0
)

// figure is one line of the table.
type figure struct {
	what  string
	found string
	limit string
	holds bool
}

// measureAll measures every figure that has a limit, and prints a table.
func measureAll(ctx context.Context, o options, runs int, w io.Writer) (good bool, err error) {
	var table []figure
	for _, rate := range []float64{200, 1000} {
		lines, err := compare(ctx, o, rate, runs)
		if err != nil {
			return false, err
		}
		table = append(table, lines...)
	}
	for _, more := range []func(context.Context, options, int) ([]figure, error){sustain, fillOwn} {
		lines, err := more(ctx, o, runs)
		if err != nil {
			return false, err
		}
		table = append(table, lines...)
	}
	good = true
	_, _ = fmt.Fprintln(w, "| what | measured | limit | |\n|---|---|---|---|")
	for _, f := range table {
		word := "holds"
		if !f.holds {
			good, word = false, "**missed**"
		}
		_, _ = fmt.Fprintf(w, "| %s | %s | %s | %s |\n", f.what, f.found, f.limit, word)
	}
	return good, nil
}

// several measures one thing several times.
type several []result

func (s several) time(of func(result) time.Duration) time.Duration {
	list := make([]time.Duration, len(s))
	for i, r := range s {
		list[i] = of(r)
	}
	return median(list...)
}

func (s several) bytes(of func(result) int64) int64 {
	list := make([]int64, len(s))
	for i, r := range s {
		list[i] = of(r)
	}
	return median(list...)
}

// compare measures the bot, the bare handler and the bot without Invent in turn, so that all meet the same weather.
func compare(ctx context.Context, o options, rate float64, runs int) ([]figure, error) {
	o.rate, o.duration, o.mix = rate, 5*time.Second, weights{click: 1}
	hanging := o
	hanging.hanging = true
	var bot, bare, away several
	for range runs {
		for _, m := range []struct {
			into *several
			o    options
			bare bool
		}{{&bare, o, true}, {&bot, o, false}, {&away, hanging, false}} {
			r, err := measure(ctx, m.o, m.bare)
			if err != nil {
				return nil, err
			}
			if r.lost+r.busy > 0 && !m.o.hanging || r.acked < r.sent {
				return nil, fmt.Errorf("at %g/s %d of %d actions were not acknowledged, %d told \"busy\", %d without a card", rate, r.sent-r.acked, r.sent, r.busy, r.lost)
			}
			*m.into = append(*m.into, r)
		}
	}
	at := fmt.Sprintf(", %g/s", rate)
	ratio := func(what string, s several, of func(result) time.Duration, limit float64) figure {
		found, base := s.time(of), bare.time(of)
		times := float64(found) / float64(max(base, 1))
		show := ms
		if base > time.Second {
			show = func(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
		}
		return figure{what + at, fmt.Sprintf("%s, bare %s: %.1f times", show(found), show(base), times), fmt.Sprintf("%.1f times", limit), times <= limit}
	}
	ackP50, ackP99 := func(r result) time.Duration { return r.ack.at(.5) }, func(r result) time.Duration { return r.ack.at(.99) }
	cpu := func(r result) time.Duration { return r.perTenThousand(r.cpu) }
	lines := []figure{
		ratio("acknowledged, p50", bot, ackP50, 2),
		ratio("acknowledged, p99", bot, ackP99, boltAckP99/5),
		ratio("acknowledged while Invent hangs, p50", away, ackP50, 2),
		ratio("acknowledged while Invent hangs, p99", away, ackP99, boltAckP99/5),
		ratio("card delivered, p50", bot, func(r result) time.Duration { return r.delivered.at(.5) }, 3),
		ratio("card delivered, p99", bot, func(r result) time.Duration { return r.delivered.at(.99) }, boltCardP99),
		ratio("CPU for 10,000 actions", bot, cpu, boltCPU),
	}
	peak := bot.bytes(func(r result) int64 { return r.peak })
	lines = append(lines, figure{"memory" + at, mib(peak), "80 MiB", peak < 80<<20})
	if rate < 1000 {
		idle, start := bot.bytes(func(r result) int64 { return r.idle }), bot.time(func(r result) time.Duration { return r.start })
		lines = append(lines,
			figure{"memory after start", mib(idle), "25 MiB", idle < 25<<20},
			figure{"start to ready", ms(start), "50 ms", start < 50*time.Millisecond})
	}
	return lines, nil
}

// sustain looks for the rate at which the queue begins to grow: there the last cards come long after the last click.
func sustain(ctx context.Context, o options, _ int) ([]figure, error) {
	o.duration, o.mix = 4*time.Second, weights{click: 1}
	best, why := 0.0, ""
	for o.rate = 1000; o.rate <= 8000; o.rate += 250 {
		r, err := measure(ctx, o, false)
		if err != nil {
			return nil, err
		}
		if r.acked < r.sent || r.lost+r.busy > 0 || r.drained > o.duration/10 {
			why = fmt.Sprintf("; at %g/s the last card came %s after the last click", o.rate, ms(r.drained))
			break
		}
		best = o.rate
	}
	return []figure{{"actions a second before the queue grows", fmt.Sprintf("%g%s", best, why), "2000", best > 2000}}, nil
}

// fillOwn fills the bot's own Redis with 10,000 cards and links (measure makes sure of that), and leaves 1,000 jobs waiting in it.
func fillOwn(ctx context.Context, o options, _ int) ([]figure, error) {
	o.inProcess, o.people, o.chats, o.mix = true, 10_000, 10_000, weights{command: 1}
	o.hanging, o.rate, o.duration = true, 500, 2*time.Second
	r, err := measure(ctx, o, false)
	if err != nil {
		return nil, err
	}
	if r.sent < 1000 || r.waiting < 1000 || r.wrote > 0 {
		return nil, fmt.Errorf("1,000 jobs should wait, but of %d actions that were sent %d were told \"busy\", %d wait, and %d changed something", r.sent, r.busy, r.waiting, r.wrote)
	}
	return []figure{{
		"memory with 10,000 cards and links and 1,000 jobs waiting, no redis-server", mib(r.peak), "120 MiB", r.peak < 120<<20,
	}}, nil
}
