package cache_test

import (
	"testing"

	"inventbot/cache"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	t.Run("a real one says how it is", func(t *testing.T) {
		t.Parallel()
		c := realRedis(t)
		k, err := c.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if k.Version == "" || k.AOF == "" || k.Fsync == "" || k.MaxMemory != "0" || k.Eviction != "noeviction" || k.Latency <= 0 {
			t.Errorf("it says %+v", k)
		}
	})
	t.Run("the in-process one answers, and says nothing about itself", func(t *testing.T) {
		t.Parallel()
		k, err := inProcess(t).Inspect(t.Context())
		if err != nil || k.Latency <= 0 || k.AOF != "" || !k.Recent() {
			t.Errorf("it says %+v, %v", k, err)
		}
	})
}

func TestRecent(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"": true, "6.2.0": true, "6.2": true, "7.0.15": true, "10.0.1": true, "6.0.20": false, "5.0.7": false} {
		if got := (cache.Condition{Version: version}).Recent(); got != want {
			t.Errorf("%q is recent: %t, want %t", version, got, want)
		}
	}
}
