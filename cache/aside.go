package cache

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	asideLife = 30 * 24 * time.Hour
	asideKept = 1000
)

// SetAside keeps a copy of a job for whoever looks into why it fails: the newest 1,000, for 30 days after the last. It doesn't end the job.
func (c *Cache) SetAside(ctx context.Context, j Job) error {
	text, err := j.encode()
	if err != nil {
		return err
	}
	_, err = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.XAdd(ctx, &redis.XAddArgs{Stream: asideKey, MaxLen: asideKept, Approx: true, Values: []any{"job", text}})
		p.Expire(ctx, asideKey, asideLife)
		return nil
	})
	return wrap("setting a job aside", err)
}

// Aside returns the jobs that were set aside, oldest first.
func (c *Cache) Aside(ctx context.Context) ([]Job, error) {
	list, err := c.rdb.XRange(ctx, asideKey, "-", "+").Result()
	if err != nil {
		return nil, wrap("reading what was set aside", err)
	}
	var jobs []Job
	for _, m := range list {
		if j, ok := decode(m.Values["job"]); ok {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}
