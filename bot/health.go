package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"inventbot/invent"
	"inventbot/slackui"
)

const checkEvery = 30 * time.Second

// health is what is known of the three sides the bot depends on.
type health struct {
	mu          sync.Mutex
	slack       string
	invent      string
	sockets     int    // open connections of Socket Mode
	socketFails string // why there was none
	feed        string // why handoffs are not followed; "" when they are, or another process does
	contract    []invent.Finding
	draining    bool
	inventAway  bool // Invent gave no answer when it was asked last
}

const (
	unasked = "unasked" // not known yet
	healthy = "ok"
)

// check asks Slack and Invent side by side, at once and then every half minute, whether they take our keys.
func (b *Bot) check(ctx context.Context) {
	for ctx.Err() == nil {
		b.checkOnce(ctx)
		pauseFor(ctx, checkEvery)
	}
}

func (b *Bot) checkOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var refused, answered bool
	var sides sync.WaitGroup
	sides.Go(func() { b.hear(ctx, "Slack can't be used", &b.health.slack, b.probe.Check(ctx)) })
	sides.Go(func() {
		err := b.probe.Invent.Ping(ctx)
		b.hear(ctx, "Invent can't be used", &b.health.invent, err)
		b.health.mu.Lock()
		b.health.inventAway = err != nil && invent.Temporary(err)
		b.health.mu.Unlock()
		refused = err != nil && invent.Refused(err)
		answered = err == nil
	})
	sides.Wait()
	if !b.probe.checked.Load() || !refused && !answered {
		return
	}
	if err := b.tellLockedOut(ctx, b.probe, refused); err != nil {
		b.log.Warn("admins could not be told that Invent refuses the key", "error", err)
	}
}

// hear keeps how a side is, and logs what is wrong with it when that is news.
func (b *Bot) hear(ctx context.Context, complaint string, side *string, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // we stop: that says nothing about the other side
	}
	if b.health.set(side, err) && err != nil {
		b.log.Warn(complaint, "error", err)
	}
}

const keyRefused = "invent-key"

// tellLockedOut tells admins through Slack that Invent refuses the key, or notes that this is over. The other way round there is nobody
// to tell: what is written to Invent goes to customers.
func (b *Bot) tellLockedOut(ctx context.Context, t *Team, refused bool) error {
	if !refused {
		return b.cache.TellAgain(ctx, t.ID, keyRefused)
	}
	return b.tellAdmins(ctx, t, keyRefused, slackui.LockedOut())
}

// tellAdmins tells admins of a trouble: once until it is over, or a week has passed. If nobody could be told, the next call tries again.
func (b *Bot) tellAdmins(ctx context.Context, t *Team, trouble string, words slackui.Message) error {
	first, err := b.cache.TellOnce(ctx, t.ID, trouble)
	if err != nil || !first {
		return err
	}
	admins, err := b.findAdmins(ctx, t)
	told := 0
	for _, user := range admins {
		if failed := b.dm(ctx, t, user, words); failed != nil {
			err = failed
			continue
		}
		told++
	}
	if told == 0 && err != nil {
		return errors.Join(err, b.cache.TellAgain(context.WithoutCancel(ctx), t.ID, trouble)) // ctx may be over: that may be why nobody was told
	}
	return nil
}

// toldAdmins is how many of a workspace's admins are told of trouble when ADMINS names nobody.
const toldAdmins = 5

// findAdmins returns whom to tell of trouble: those named in ADMINS, or some of the workspace's.
func (b *Bot) findAdmins(ctx context.Context, t *Team) ([]string, error) {
	if len(b.admins) > 0 {
		return b.admins, nil
	}
	all, err := t.everybody(ctx, b.now().Add(-linkFresh), b.now)
	var admins []string
	for user, a := range all.accounts {
		if a.admin && b.full(t, a) == nil {
			admins = append(admins, user)
		}
	}
	slices.Sort(admins)
	return admins[:min(toldAdmins, len(admins))], err
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

// ready says whether the bot can serve. It keeps in Redis what it accepts, so not all sides must answer; but without both Redis and
// Invent it could neither keep nor do anything. Under Socket Mode nothing reaches it without a connection. The caller holds mu.
func (h *health) ready(redisUp, socketMode bool) bool {
	return !h.draining && (redisUp || !h.inventAway) && (!socketMode || h.sockets > 0)
}

// ready answers 200 while the bot can serve. The body says how the three sides are.
func (b *Bot) ready(w http.ResponseWriter, r *http.Request) {
	state := struct {
		Ready  bool     `json:"ready"`
		Redis  string   `json:"redis"`
		Slack  string   `json:"slack"`
		Invent string   `json:"invent"`
		Socket string   `json:"socket,omitempty"`
		Feed   string   `json:"feed,omitempty"`
		Off    []string `json:"not_offered,omitempty"`
	}{Redis: healthy}
	redisUp := true
	if b.cache.InProcess() {
		state.Redis = "in-process"
	} else if err := b.cache.Ping(r.Context()); err != nil {
		state.Redis, redisUp = "doesn't answer", false
	}
	b.health.mu.Lock()
	state.Feed = b.health.feed
	for _, f := range b.health.contract {
		if !f.Found {
			state.Off = append(state.Off, strings.TrimSpace(f.Method+" "+f.Path+" "+f.Property))
		}
	}
	state.Slack, state.Invent = cmp.Or(b.health.slack, unasked), cmp.Or(b.health.invent, unasked)
	state.Ready = b.health.ready(redisUp, b.app != nil)
	switch {
	case b.app == nil:
	case b.health.sockets > 0:
		state.Socket = healthy
	default:
		state.Socket = cmp.Or(b.health.socketFails, "connecting")
	}
	b.health.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(state) // whoever asked has gone
}

// socket hears that a connection of Socket Mode has come or gone.
func (h *health) socket(up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !up {
		h.sockets--
		return
	}
	h.sockets++
	h.socketFails = ""
}

func (h *health) setFeed(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.feed = why
}

const (
	contractEvery = time.Hour
	contractAgain = 5 * time.Second // and then later and later, up to a minute
)

// checkContract compares at once, and then every hour, what the bot uses of Invent's API with what the API says it offers. If that can't
// be read it tries again, soon at first: until then much is off.
func (b *Bot) checkContract(ctx context.Context) {
	for again := contractAgain; ctx.Err() == nil; {
		wait := contractEvery
		k, err := b.probe.Invent.Check(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			wait, again = again, min(2*again, time.Minute)
			b.log.Warn("Invent's contract can't be read: only what is documented is used", "error", err)
			if known := b.probe.contract.Load(); known != nil {
				k = *known
			}
		} else {
			again = contractAgain
		}
		b.probe.contract.Store(&k)
		debug.FreeOSMemory() // reading the document took more memory than all else that an idle bot needs
		findings := k.Findings()
		b.health.mu.Lock()
		news := !slices.Equal(b.health.contract, findings)
		b.health.contract = findings
		b.health.mu.Unlock()
		for _, f := range findings {
			if news && !f.Found {
				b.log.Warn("Invent's API doesn't offer a route, as far as is known: what needs it is off", "method", f.Method, "route", f.Path, "property", f.Property)
			}
		}
		pauseFor(ctx, wait)
	}
}

// drain makes ready false from now on, so that no new work is sent here.
func (h *health) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}
