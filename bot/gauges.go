package bot

import (
	"cmp"
	"context"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges tell how Redis, Slack, Invent and the queue are. Whenever somebody asks for the metrics, Redis is asked about itself and the
// queue.
type gauges struct {
	b                             *Bot
	ready, redis, slack, invent   *prometheus.Desc
	open, waiting, oldest, limits *prometheus.Desc
}

func newGauges(b *Bot) *gauges {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("inventbot", "", name), help, nil, nil)
	}
	return &gauges{
		b:       b,
		ready:   describe("ready", "Whether this process can serve (1) or not (0), as /readyz says."),
		redis:   describe("redis_up", "Whether Redis answers (1) or not (0)."),
		slack:   describe("slack_up", "Whether Slack took the token when it was last asked (1) or not (0)."),
		invent:  describe("invent_up", "Whether Invent took the key when it was last asked (1) or not (0)."),
		open:    describe("queue_jobs", "Jobs that are not done yet, those under way included."),
		waiting: describe("queue_retry_jobs", "Jobs that wait for another try."),
		oldest:  describe("queue_oldest_seconds", "Age of the oldest job that may run or is under way; 0 when there is none."),
		limits:  describe("queue_limit_jobs", "Jobs at which the queue is full and people are told so."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.ready, g.redis, g.slack, g.invent, g.open, g.waiting, g.oldest, g.limits} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	gauge(g.limits, float64(g.b.queue))
	depth, err := g.b.cache.Depth(context.Background())
	if err == nil {
		gauge(g.open, float64(depth.Open))
		gauge(g.waiting, float64(depth.Waiting))
		gauge(g.oldest, depth.Oldest.Seconds())
	}
	one := map[bool]float64{true: 1}
	gauge(g.redis, one[err == nil])
	h := &g.b.health
	h.mu.Lock()
	defer h.mu.Unlock()
	gauge(g.ready, one[h.ready(err == nil, g.b.app != nil)])
	if h.slack != "" {
		gauge(g.slack, one[h.slack == healthy])
	}
	if h.invent != "" {
		gauge(g.invent, one[h.invent == healthy])
	}
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
