package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// What the same job takes with Bolt, Slack's own framework on Node, as multiples of the bare handler. These were measured on another
// machine, and are used when Bolt isn't measured in the same run.
const (
	boltAckP99    = 7.8 / 0.66
	boltCardP99   = 19 / 1.7
	boltCPU       = 7.4 / 3.0
	boltSustained = 2000

	boltWarm = 6000 // clicks until Node runs at its full speed
)

// figure is one line of the table.
type figure struct {
	what  string
	found string
	limit string // "" for a figure that only helps to judge the others
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
		if f.limit == "" {
			word = ""
		}
		if !f.holds {
			good, word = false, "**missed**"
		}
		_, _ = fmt.Fprintf(w, "| %s | %s | %s | %s |\n", f.what, f.found, f.limit, word)
	}
	return good, nil
}

// median returns the middle one of all, ordered by what the function of returns.
func median[T any, N cmp.Ordered](all []T, of func(T) N) T {
	all = slices.SortedFunc(slices.Values(all), func(a, b T) int { return cmp.Compare(of(a), of(b)) })
	return all[len(all)/2]
}

// compare measures the bare handler, the bot, the bot while Invent hangs, and Bolt if it is there, in turn, so that all meet the same
// conditions.
func compare(ctx context.Context, o options, rate float64, runs int) ([]figure, error) {
	o.rate, o.duration, o.mix = rate, 5*time.Second, weights{click: 1}
	hanging := o
	hanging.hanging = true
	warm := o
	warm.warm = boltWarm
	var bot, bare, away, bolt []result
	for range runs {
		for _, m := range []struct {
			into *[]result
			o    options
			whom subject
		}{{&bare, o, theBare}, {&bot, o, theBot}, {&away, hanging, theBot}, {&bolt, warm, theBolt}} {
			if m.whom == theBolt && o.bolt == "" {
				continue
			}
			r, err := measure(ctx, m.o, m.whom)
			if err != nil {
				return nil, err
			}
			if m.whom != theBolt && (r.lost+r.busy > 0 && !m.o.hanging || r.acked < r.sent) {
				return nil, fmt.Errorf("at %g/s %d of %d actions were not acknowledged, %d told \"busy\", %d without a card", rate, r.sent-r.acked, r.sent, r.busy, r.lost)
			}
			*m.into = append(*m.into, r)
		}
	}
	at := fmt.Sprintf(", %g/s", rate)
	least, most := 1.0, 0.0
	for _, r := range slices.Concat(bot, bare, away, bolt) {
		least, most = min(least, r.stolen), max(most, r.stolen)
	}
	show := func(d time.Duration) string {
		if d > 2*time.Second {
			return fmt.Sprintf("%.1f s", d.Seconds())
		}
		return ms(d)
	}
	ratio := func(what string, s []result, of func(result) time.Duration, limit float64) figure {
		found, base := of(median(s, of)), of(median(bare, of))
		times := float64(found) / float64(max(base, 1))
		return figure{what + at, fmt.Sprintf("%s, bare %s: %.1f times", show(found), show(base), times), fmt.Sprintf("%.1f times", limit), times <= limit}
	}
	// under compares with a share of Bolt's figure, or, if Bolt isn't measured, of bare's figure multiplied by times.
	under := func(what string, s []result, of func(result) time.Duration, share, times float64) figure {
		f := ratio(what, s, of, share*times)
		if len(bolt) > 0 {
			bolts := of(median(bolt, of))
			limit := time.Duration(share * float64(bolts))
			f.limit, f.holds = fmt.Sprintf("%s, of Bolt's %s", show(limit), show(bolts)), of(median(s, of)) <= limit
		}
		return f
	}
	ackP50, ackP99 := func(r result) time.Duration { return r.ack.at(.5) }, func(r result) time.Duration { return r.ack.at(.99) }
	cpu := func(r result) time.Duration { return r.perTenThousand(r.cpu) }
	lines := []figure{
		ratio("acknowledged, p50", bot, ackP50, 2),
		under("acknowledged, p99", bot, ackP99, .2, boltAckP99),
		ratio("acknowledged while Invent hangs, p50", away, ackP50, 2),
		under("acknowledged while Invent hangs, p99", away, ackP99, .2, boltAckP99),
		ratio("card delivered, p50", bot, func(r result) time.Duration { return r.delivered.at(.5) }, 3),
		under("card delivered, p99", bot, func(r result) time.Duration { return r.delivered.at(.99) }, 1, boltCardP99),
		under("CPU for 10,000 actions", bot, cpu, 1, boltCPU),
	}
	lines = append(lines, figure{"taken by the host for others" + at, fmt.Sprintf("%.1f to %.1f %% of the processors' time", 100*least, 100*most), "", true})
	peak := median(bot, func(r result) int64 { return r.peak }).peak
	lines = append(lines, figure{"memory" + at, mib(peak), "80 MiB", peak < 80<<20})
	if rate < 1000 {
		idle := median(bot, func(r result) int64 { return r.idle }).idle
		start := median(bot, func(r result) time.Duration { return r.start }).start
		lines = append(lines,
			figure{"memory after start", mib(idle), "25 MiB", idle < 25<<20},
			figure{"start to ready", ms(start), "50 ms", start < 50*time.Millisecond})
	}
	return lines, nil
}

// sustain looks for the rate at which the queue begins to grow, that is at which the last cards come long after the last click.
func sustain(ctx context.Context, o options, runs int) ([]figure, error) {
	warm := o
	warm.warm = boltWarm
	var bot, bolt []kept
	for range runs {
		k, err := holds(ctx, o, theBot, 1000)
		if err != nil {
			return nil, err
		}
		bot = append(bot, k)
		if o.bolt == "" {
			continue
		}
		if k, err = holds(ctx, warm, theBolt, 250); err != nil {
			return nil, err
		}
		bolt = append(bolt, k)
	}
	rate := func(k kept) float64 { return k.rate }
	found, limit := median(bot, rate), float64(boltSustained)
	if len(bolt) > 0 {
		limit = median(bolt, rate).rate
	}
	return []figure{{
		"actions a second before the queue grows", fmt.Sprintf("%g%s", found.rate, found.why), fmt.Sprintf("%g, as Bolt", limit), found.rate > limit,
	}}, nil
}

// kept is the highest rate that was kept up with, and what happened at the next.
type kept struct {
	rate float64
	why  string
}

// holds finds the highest rate that whom keeps up with, trying from the given rate on in steps of 250.
func holds(ctx context.Context, o options, whom subject, from float64) (best kept, err error) {
	o.duration, o.mix = 4*time.Second, weights{click: 1}
	for o.rate = from; o.rate <= 8000; o.rate += 250 {
		r, err := measure(ctx, o, whom)
		if err != nil {
			return kept{}, err
		}
		if r.acked < r.sent || r.lost+r.busy > 0 || r.drained > o.duration/10 {
			best.why = fmt.Sprintf("; at %g/s the last card came %s after the last click", o.rate, ms(r.drained))
			return best, nil
		}
		best.rate = o.rate
	}
	return best, nil
}

// fillOwn measures the memory when the bot's own Redis has 10,000 cards and links (from measure's warm-up) and 1,000 jobs waiting in it.
func fillOwn(ctx context.Context, o options, runs int) ([]figure, error) {
	o.inProcess, o.people, o.chats, o.mix = true, 10_000, 10_000, weights{command: 1}
	o.hanging, o.rate, o.duration = true, 500, 2*time.Second
	var full []result
	for range runs {
		r, err := measure(ctx, o, theBot)
		if err != nil {
			return nil, err
		}
		if r.sent < 1000 || r.waiting < 1000 || r.wrote > 0 {
			return nil, fmt.Errorf("1,000 jobs should wait, but of %d actions that were sent %d were told \"busy\", %d wait, and %d changed something", r.sent, r.busy, r.waiting, r.wrote)
		}
		full = append(full, r)
	}
	peak := median(full, func(r result) int64 { return r.peak }).peak
	return []figure{{
		"memory with 10,000 cards and links and 1,000 jobs waiting, no redis-server", mib(peak), "120 MiB", peak < 120<<20,
	}}, nil
}
