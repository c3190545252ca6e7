package bot

import (
	"cmp"
	"context"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// queueGauges ask Redis how the queue is whenever somebody asks for the metrics.
type queueGauges struct {
	b                                 *Bot
	up, open, waiting, oldest, limits *prometheus.Desc
}

func newQueueGauges(b *Bot) *queueGauges {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("inventbot", "", name), help, nil, nil)
	}
	return &queueGauges{
		b:       b,
		up:      describe("redis_up", "Whether Redis answers (1) or not (0)."),
		open:    describe("queue_jobs", "Jobs that are not done yet, those under way included."),
		waiting: describe("queue_retry_jobs", "Jobs that wait for another try."),
		oldest:  describe("queue_oldest_seconds", "Age of the oldest job that may run or is under way; 0 when there is none."),
		limits:  describe("queue_limit_jobs", "Jobs at which the queue is full and people are told so."),
	}
}

// Describe implements prometheus.Collector.
func (g *queueGauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.up, g.open, g.waiting, g.oldest, g.limits} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (g *queueGauges) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	gauge(g.limits, float64(g.b.queue))
	depth, err := g.b.cache.Depth(context.Background())
	if err != nil {
		gauge(g.up, 0)
		return
	}
	gauge(g.up, 1)
	gauge(g.open, float64(depth.Open))
	gauge(g.waiting, float64(depth.Waiting))
	gauge(g.oldest, depth.Oldest.Seconds())
}

// buildInfo is 1, with what this program was built from in its labels.
func buildInfo(version, commit string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "inventbot", Name: "build_info", Help: "1, by version, revision and Go's version.",
		ConstLabels: prometheus.Labels{"version": cmp.Or(version, "unknown"), "revision": cmp.Or(commit, "unknown"), "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
