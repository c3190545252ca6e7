package bot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

const checkEvery = 30 * time.Second

// health is what is known of the three sides the bot depends on.
type health struct {
	mu       sync.Mutex
	slack    string
	invent   string
	draining bool
}

const (
	unasked = "unasked" // not known yet
	healthy = "ok"
)

// check asks Slack and Invent side by side, at once and then every half minute, whether they take our keys.
func (b *Bot) check(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		b.checkOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (b *Bot) checkOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var sides sync.WaitGroup
	sides.Go(func() { b.hear(ctx, "Slack can't be used", &b.health.slack, b.probe.Check) })
	sides.Go(func() { b.hear(ctx, "Invent can't be used", &b.health.invent, b.probe.Invent.Ping) })
	sides.Wait()
}

func (b *Bot) hear(ctx context.Context, complaint string, side *string, ask func(context.Context) error) {
	err := ask(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return // we stop: that says nothing about the other side
	}
	if b.health.set(side, err) && err != nil {
		b.log.Warn(complaint, "error", err)
	}
}

// set keeps how a side is, and says whether that is news.
func (h *health) set(side *string, err error) bool {
	state := healthy
	if err != nil {
		state = err.Error()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	news := *side != state
	*side = state
	return news
}

// ready answers 200 while the bot can serve: it need not be able to reach anybody for that, since it keeps
// what it accepts. The body says how the three sides are.
func (b *Bot) ready(w http.ResponseWriter, r *http.Request) {
	state := struct {
		Ready  bool   `json:"ready"`
		Redis  string `json:"redis"`
		Slack  string `json:"slack"`
		Invent string `json:"invent"`
	}{Redis: healthy}
	if b.cache.InProcess() {
		state.Redis = "in-process"
	} else if err := b.cache.Ping(r.Context()); err != nil {
		state.Redis = "doesn't answer"
	}
	b.health.mu.Lock()
	state.Slack, state.Invent, state.Ready = b.health.slack, b.health.invent, !b.health.draining
	b.health.mu.Unlock()
	if state.Slack == "" {
		state.Slack = unasked
	}
	if state.Invent == "" {
		state.Invent = unasked
	}
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(state) // whoever asked has gone
}

// drain says from now on that no new work should be sent here.
func (h *health) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}
