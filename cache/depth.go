package cache

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Depth is how much the queue holds.
type Depth struct {
	Open    int           // jobs that are not done yet
	Waiting int           // those of them that wait for another try
	Oldest  time.Duration // how long ago the oldest job that may run, or runs, became ready
}

// Depth looks at the queue, in one round trip and within 250 ms.
func (c *Cache) Depth(ctx context.Context) (Depth, error) {
	var open, later *redis.IntCmd
	var first *redis.XMessageSliceCmd
	var now *redis.TimeCmd
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		open, later = p.HLen(ctx, bodiesKey), p.ZCard(ctx, laterKey)
		first = p.XRangeN(ctx, readyKey, "-", "+", 1)
		now = p.Time(ctx)
		return nil
	})
	if err != nil {
		return Depth{}, wrap("looking at the queue", err)
	}
	d := Depth{Open: int(open.Val()), Waiting: int(later.Val())}
	for _, m := range first.Val() {
		millis, _, _ := strings.Cut(m.ID, "-") // a stream's ids begin with Redis's time
		if n, err := strconv.ParseInt(millis, 10, 64); err == nil {
			d.Oldest = max(0, now.Val().Sub(time.UnixMilli(n)))
		}
	}
	return d, nil
}
