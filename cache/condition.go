package cache

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Condition is what a Redis says about itself, as far as the bot depends on it. Fields it doesn't tell are empty.
type Condition struct {
	Version   string        // such as 7.0.15
	AOF       string        // "1" when every write is logged, "0" when not
	Fsync     string        // when the log is written to disk: always, everysec, no
	MaxMemory string        // in bytes; "0" for no bound
	Eviction  string        // what is dropped when MaxMemory is reached: noeviction, allkeys-lru, ...
	Latency   time.Duration // the median of some round trips
}

// MinVersion is the oldest Redis that knows all commands the bot uses (XPENDING with IDLE, XTRIM with MINID).
const MinVersion = "6.2"

// Recent reports whether the version is MinVersion or later. An unknown version counts as recent.
func (c Condition) Recent() bool {
	have, want := numbers(c.Version), numbers(MinVersion)
	return c.Version == "" || slices.Compare(have, want) >= 0
}

func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		list = append(list, n)
	}
	return list
}

// Inspect asks Redis how it is, and changes nothing. A Redis that refuses INFO or CONFIG, as some hosts and the in-process
// one do, leaves fields empty; one that doesn't answer is an error.
func (c *Cache) Inspect(ctx context.Context) (Condition, error) {
	var k Condition
	trips := make([]time.Duration, 0, 21)
	for range cap(trips) {
		begun := time.Now()
		if err := c.Ping(ctx); err != nil {
			return k, err
		}
		trips = append(trips, time.Since(begun))
	}
	trips = trips[1:] // the first opened the connection
	slices.Sort(trips)
	k.Latency = trips[len(trips)/2]
	ctx = moreTime(ctx, 3*c.patience)
	said := map[string]string{}
	text, err := c.rdb.Info(ctx).Result()
	if err != nil && !answered(err) {
		return k, wrap("asking Redis about itself", err)
	}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			said[name] = value
		}
	}
	k.Version, k.AOF = said["redis_version"], said["aof_enabled"]
	k.MaxMemory, k.Eviction = said["maxmemory"], said["maxmemory_policy"]
	fsync, err := c.rdb.ConfigGet(ctx, "appendfsync").Result()
	if err != nil && !answered(err) {
		return k, wrap("asking Redis for its configuration", err)
	}
	k.Fsync = fsync["appendfsync"]
	return k, nil
}
