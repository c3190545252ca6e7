package bot

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"inventbot/invent"
)

// metrics is what the bot counts. Labels are few and bounded: never a person, a conversation or a team.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	ack      *prometheus.HistogramVec
	actions  *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	retried  prometheus.Counter
	limited  *prometheus.CounterVec
	repeated prometheus.Counter
	spared   prometheus.Counter
	redrawn  prometheus.Counter
	stale    prometheus.Counter
	setAside prometheus.Counter
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "inventbot", Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "inventbot", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counters("requests_total", "Requests from Slack by route and status.", "route", "status"),
		ack: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "inventbot", Name: "acknowledgement_seconds", Help: "Time until a request of Slack's was acknowledged.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
		}, []string{"route"}),
		actions: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "inventbot", Name: "action_seconds", Help: "Time from a request to the end of its action, by verb and outcome.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
		}, []string{"verb", "outcome"}),
		refusals: counters("refusals_total", "Actions refused, by reason.", "reason"),
		retried:  counter("retries_total", "Tries that will be repeated."),
		limited:  counters("limited_tries_total", "Tries put off by a limit of Slack's or Invent's, our own for Invent included.", "upstream"),
		repeated: counter("repeated_requests_total", "Requests that Slack sent more than once."),
		spared:   counter("in_process_requests_total", "Requests of people carried out in this process alone because Redis didn't answer."),
		redrawn:  counter("cards_redrawn_total", "Cards redrawn because their conversation changed."),
		setAside: counter("set_aside_jobs_total", "Jobs that panicked at each try, or that their processes died of, and were set aside."),
		stale:    counter("stale_cards_total", "Conversations whose cards the hourly sweep found stale."),
	}
	for _, upstream := range []string{"invent", "slack"} {
		m.limited.WithLabelValues(upstream) // so that the metric is there, at 0, from the start
	}
	m.registry.MustRegister(m.requests, m.ack, m.actions, m.refusals, m.retried, m.limited, m.repeated, m.spared, m.redrawn, m.stale, m.setAside,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) acknowledged(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.ack.WithLabelValues(route).Observe(took.Seconds())
}

// retry counts a try that ended with an error and will be repeated.
func (m *metrics) retry(why error) {
	m.retried.Inc()
	if invent.RateLimited(why) {
		m.limited.WithLabelValues("invent").Inc()
	}
	if slackSays(why, "ratelimited", "rate_limited") {
		m.limited.WithLabelValues("slack").Inc()
	}
}
