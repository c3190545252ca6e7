package bot

import (
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// upstreams times the calls of this process to Slack and Invent. It is shared by all bots, because the clients are made before a bot is.
var upstreams = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Namespace: "inventbot", Name: "upstream_seconds", Help: "Time until Slack or Invent answered a call, by its kind and status (none: no answer).",
	Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
}, []string{"upstream", "call", "status"})

// timed measures the calls that go through it.
type timed struct {
	http.RoundTripper
	upstream string
	call     func(*http.Request) string // a few fixed words, never an id
}

// RoundTrip implements http.RoundTripper.
func (t timed) RoundTrip(r *http.Request) (*http.Response, error) {
	begun := time.Now()
	resp, err := t.RoundTripper.RoundTrip(r)
	giveWay()
	status := "none"
	if err == nil {
		status = strconv.Itoa(resp.StatusCode)
	}
	upstreams.WithLabelValues(t.upstream, t.call(r), status).Observe(time.Since(begun).Seconds())
	return resp, err //nolint:wrapcheck // a transport hands on what it was given
}

// TimeInvent measures the calls of an Invent client that has it as its invent.Options.Wrap.
func TimeInvent(next http.RoundTripper) http.RoundTripper {
	return timed{next, "invent", func(r *http.Request) string {
		switch last := path.Base(r.URL.Path); last {
		case "assign", "members", "inbox", "info", "memories", "ws", "openapi.json", "state":
			return last
		}
		return "chat" // the rest ends with an id
	}}
}

func timeSlack(next http.RoundTripper) http.RoundTripper {
	return timed{next, "slack", func(r *http.Request) string { return path.Base(r.URL.Path) }} // one of the few methods that the bot uses
}

func timeResponses(next http.RoundTripper) http.RoundTripper {
	return timed{next, "slack", func(*http.Request) string { return "response_url" }}
}
