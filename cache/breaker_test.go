package cache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

var errBroken = &net.OpError{Op: "read", Err: errors.New("broken")}

// TestErrorsOfTheClientQuoteNothing: what go-redis says of an answer that it can't read holds the answer.
func TestErrorsOfTheClientQuoteNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`redis: can't parse reply "Call her before noon"`: errUnreadable.Error(), `redis: invalid reply: "Call her before noon"`: errUnreadable.Error(),
		"dial tcp: connection refused": "dial tcp: connection refused",
	} {
		if got := unquoted(errors.New(text)).Error(); got != want {
			t.Errorf("of %q it says %q, want %q", text, got, want)
		}
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	// allowed counts how many of 20 calls may ask.
	allowed := func(b *breaker) (n int) {
		for range 20 {
			if b.allow() == nil {
				n++
			}
		}
		return n
	}
	for name, test := range map[string]func(*testing.T, *breaker){
		"lets all pass while Redis answers": func(t *testing.T, b *breaker) {
			for _, err := range []error{nil, errBroken, nil, redis.Nil, errBroken, fmt.Errorf("x: %w", redis.Nil), errBroken} {
				b.report(err)
			}
			if n := allowed(b); n != 20 {
				t.Errorf("%d of 20, want all", n)
			}
		},
		"counts no call that its caller gave up, and none whose time was up before": func(t *testing.T, b *breaker) {
			late, cancel := context.WithTimeout(t.Context(), 0)
			defer cancel()
			for range 5 {
				b.report(context.Canceled)
				err := guard{b, time.Second}.ProcessHook(func(context.Context, redis.Cmder) error { t.Error("Redis was asked"); return nil })(late, redis.NewCmd(late))
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("it says %v", err)
				}
			}
			if n := allowed(b); n != 20 {
				t.Errorf("%d of 20, want all", n)
			}
		},
		"refuses all after two failures in a row": func(t *testing.T, b *breaker) {
			b.report(errBroken)
			if n := allowed(b); n != 20 {
				t.Errorf("%d of 20 after one, want all", n)
			}
			b.report(context.DeadlineExceeded)
			if n := allowed(b); n != 0 {
				t.Errorf("%d of 20 after two, want none", n)
			}
			<-time.After(pause - time.Millisecond)
			if n := allowed(b); n != 0 {
				t.Errorf("%d of 20 shortly before the end of the pause, want none", n)
			}
		},
		"says why it refuses": func(t *testing.T, b *breaker) {
			b.report(context.DeadlineExceeded)
			b.report(errBroken)
			if err := b.allow(); !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), errBroken.Error()) {
				t.Errorf("it says %v, want %v and %v", err, ErrAway, errBroken)
			}
		},
		"lets a few find out in each pause whether it is back": func(t *testing.T, b *breaker) {
			b.report(errBroken)
			b.report(errBroken)
			for range 3 {
				<-time.After(pause)
				if n := allowed(b); n == 0 || n > probes {
					t.Errorf("%d of 20, want 1 to %d", n, probes)
				}
				b.report(errBroken)
				if n := allowed(b); n != 0 {
					t.Errorf("%d of 20 after another failure, want none", n)
				}
			}
			<-time.After(pause)
			if b.allow() != nil {
				t.Fatal("nobody may find out")
			}
			b.report(nil)
			if n := allowed(b); n != 20 {
				t.Errorf("%d of 20 when it is back, want all", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, &breaker{}) })
		})
	}
}
