package bot_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/cache"
)

// tap is a proxy before Redis that notes each batch of commands that is sent through it: one round trip.
type tap struct {
	mu      sync.Mutex
	batches []batch
}

type batch struct {
	at   time.Time
	text []byte
}

func newTap(t *testing.T, redis string) (*tap, string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{}
	var copying sync.WaitGroup
	copying.Go(func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			up, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", redis)
			if err != nil {
				_ = down.Close()
				return
			}
			copying.Go(func() {
				_, _ = io.Copy(down, up)
				_ = down.Close()
			})
			copying.Go(func() {
				_, _ = io.Copy(up, io.TeeReader(down, p))
				_ = up.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		copying.Wait() // the connections are closed with the store, which was opened after this
	})
	return p, "redis://" + l.Addr().String()
}

// Write notes a batch.
func (p *tap) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches = append(p.batches, batch{time.Now(), bytes.Clone(text)})
	return len(text), nil
}

// besides are the round trips that a process makes whoever clicks, each by the words that it alone holds.
var besides = map[string][]string{
	"the reader waits for jobs":                                                    {"\r\nxreadgroup\r\n", "inventbot:{jobs}:ready"},
	"the tick wakes jobs and tells people, four times a second":                    {"inventbot:{jobs}:later", "inventbot:{jobs}:tell"},
	"the jobs of the dead are looked for, every 2 s":                               {"\r\n$1\r\n1\r\n$22\r\ninventbot:{jobs}:ready\r\n"},
	"the lead is renewed, every 5 s":                                               {"inventbot:{T0SANDBOX}:leader\r\n"},
	"the leader looks for due redraws, every second and at each event of Invent's": {"\r\nevalsha\r\n", "inventbot:{T0SANDBOX}:redraws\r\n"},
	"a connection is opened, and kept":                                             {"\r\nhello\r\n"},
}

// since answers the round trips between two moments, but for those besides.
func (p *tap) since(from, until time.Time) (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.batches {
		if b.at.Before(from) || b.at.After(until) || isBesides(b.text) {
			continue
		}
		all = append(all, strings.ReplaceAll(string(b.text), "\r\n", " "))
	}
	return all
}

func isBesides(text []byte) bool {
	for _, words := range besides {
		if !slices.ContainsFunc(words, func(w string) bool { return !bytes.Contains(text, []byte(w)) }) {
			return true
		}
	}
	return false
}

// TestCallsOfAWarmAction holds what a click costs when everybody is known: 2 calls to Invent, 1 to Slack, and 2 round trips to
// Redis until the card is delivered (6 are allowed), one of which the acknowledgement waits for, and 1 after the card.
func TestCallsOfAWarmAction(t *testing.T) { // not beside others: a Redis that answers late costs more
	n, w := newNode(t), newWorld(t)
	p, url := newTap(t, n.address)
	store, err := cache.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	beside := n.open() // what the test itself asks doesn't count
	clock := newClock()
	clock.stop() // no second listing comes between, however slow the machine is
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.listed() // the start is over
	card := w.takes()
	for _, c := range []struct{ press, shows string }{{"Release", "Nobody"}, {"Take", "@ada"}, {"Release", "Nobody"}} {
		emptied(t, beside)
		card = card.Now()
		invents, slacks, begun := len(w.invent.Requests()), len(w.slack.Calls()), time.Now()
		w.acknowledged(w.ada.Press(card, c.press))
		w.support.ExpectUpdate(card, c.shows)
		calls := w.slack.CallsTo("response_url")
		delivered := calls[len(calls)-1].At
		emptied(t, beside)
		ended := time.Now()
		if got := len(w.invent.Requests()) - invents; got != 2 {
			t.Errorf("%s: %d calls to Invent, want 2", c.press, got)
		}
		if got := len(w.slack.Calls()) - slacks; got != 1 {
			t.Errorf("%s: %d calls to Slack, want 1", c.press, got)
		}
		if got := p.since(begun, delivered); len(got) != 2 {
			t.Errorf("%s: %d round trips to Redis until the card was delivered, want 2:\n%s", c.press, len(got), strings.Join(got, "\n"))
		}
		if got := p.since(delivered, ended); len(got) != 1 {
			t.Errorf("%s: %d round trips to Redis after it, want 1:\n%s", c.press, len(got), strings.Join(got, "\n"))
		}
	}
}
