package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Open connects to the Redis at rawURL. It fails only for a URL that can't be used: that a Redis doesn't answer shows at the
// first call. With rediss in place of redis all connections use TLS. The forms are:
//
//	redis://[user:password@]host:port[/db]                             one Redis
//	redis+sentinel://[user:password@]host:port/master[/db][?addr=...]  the master that Sentinels name
//	redis+cluster://[user:password@]host:port[?addr=...]               a cluster, found by any of its nodes
//
// addr=host:port names one more Sentinel or node and may be repeated. User and password are those of Redis itself; if the Sentinels
// want some of their own, they are the parameters sentinel_username and sentinel_password.
//
// What Redis confirmed is only as safe as Redis keeps it. After a failover the new master may lack the old one's last writes,
// which had not been copied yet: those requests are lost or, if they were done already, done again. With min-replicas-to-write
// a master refuses what it can't copy.
func Open(rawURL string) (*Cache, error) {
	o, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	return connect(o, patience), nil
}

// errURL replaces the parsers' own errors: those may quote the URL, and the URL holds the password.
var errURL = errors.New("not of the form redis://host:6379[/0], redis+sentinel://host:26379/master or redis+cluster://host:6379 (rediss for TLS)")

func parse(rawURL string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errURL
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	if scheme != "redis" && scheme != "rediss" || u.Scheme == scheme+"+" {
		return nil, errURL
	}
	u.Scheme = scheme
	o := &redis.UniversalOptions{}
	query := u.Query()
	var more []string
	switch kind {
	case "":
	case "sentinel":
		o.MasterName, u.Path, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		o.SentinelUsername, o.SentinelPassword = query.Get("sentinel_username"), query.Get("sentinel_password")
		more = query["addr"]
		query.Del("sentinel_username")
		query.Del("sentinel_password")
		query.Del("addr")
		if o.MasterName == "" {
			return nil, errURL
		}
	case "cluster":
		o.IsClusterMode = true
		more = query["addr"]
		query.Del("addr")
	default:
		return nil, errURL
	}
	u.RawQuery = query.Encode()
	one, err := redis.ParseURL(u.String())
	if err != nil || u.Hostname() == "" || one.DB < 0 || o.IsClusterMode && one.DB != 0 {
		return nil, errURL
	}
	o.Addrs = append([]string{one.Addr}, more...)
	for _, addr := range o.Addrs {
		host, port, err := net.SplitHostPort(addr)
		if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || host == "" || n == 0 {
			return nil, errURL
		}
	}
	o.Username, o.Password, o.DB, o.TLSConfig = one.Username, one.Password, one.DB, one.TLSConfig
	if o.TLSConfig != nil && kind != "" {
		o.TLSConfig.ServerName = "" // each node's certificate is checked for that node's own name
	}
	return o, nil
}

func connect(o *redis.UniversalOptions, patience time.Duration) *Cache {
	// With its defaults go-redis waits 1.7 s for a refused connection, and on past the context's end.
	o.MaxRetries = 1
	o.MinRetryBackoff, o.MaxRetryBackoff = time.Millisecond, 5*time.Millisecond
	o.DialTimeout, o.DialerRetries = patience, 1
	o.ReadTimeout, o.WriteTimeout = 4*patience, 4*patience // as much as a call may have, see moreTime; guard ends most of them sooner
	o.PoolTimeout = patience
	o.ContextTimeoutEnabled = true
	o.PoolSize = 64
	o.PipelinePoolSize = -1 // no second pool: its connections would be dialled separately, and hold 256 KiB each
	o.DisableIdentity = true
	o.Protocol = 2 // with 3 the client looks for pushed messages before each answer, and nothing is pushed here
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ReadBufferSize, o.WriteBufferSize = 8<<10, 8<<10
	c := &Cache{consumer: rand.Text(), patience: patience, inHand: map[string]struct{}{}}
	switch {
	case o.IsClusterMode:
		c.rdb = redis.NewClusterClient(o.Cluster())
		c.cluster = true
	case o.MasterName != "":
		c.rdb = redis.NewFailoverClient(o.Failover())
	default:
		c.rdb = redis.NewClient(o.Simple())
	}
	c.rdb.AddHook(guard{&breaker{}, patience})
	return c
}

// guard asks the breaker before each call, and bounds the call's time. (go-redis's own Limiter could ask the breaker for a single node
// only, and would count a call whose context had ended beforehand as a Redis that doesn't answer.)
type guard struct {
	b        *breaker
	patience time.Duration
}

type moreKey struct{}

// moreTime gives calls made with this context more time than usual: they read or write much, or wait for something.
func moreTime(ctx context.Context, more time.Duration) context.Context {
	return context.WithValue(ctx, moreKey{}, more)
}

// call makes a call, unless its context has ended or the breaker refuses it.
func (g guard) call(ctx context.Context, next func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("a call to Redis: %w", err)
	}
	if err := g.b.allow(); err != nil {
		return err
	}
	more, _ := ctx.Value(moreKey{}).(time.Duration)
	end := time.Now().Add(g.patience + more)
	if sooner, ends := ctx.Deadline(); !ends || end.Before(sooner) { // else a new context would cost time and change nothing
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end)
		defer cancel()
	}
	err := unquoted(next(ctx))
	g.b.report(err)
	return err
}

// DialHook implements redis.Hook.
func (guard) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (g guard) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return g.call(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook implements redis.Hook.
func (g guard) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := g.call(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
		for _, cmd := range cmds {
			cmd.SetErr(unquoted(cmd.Err()))
		}
		failed := func(cmd redis.Cmder) bool { return cmd.Err() != nil }
		if err != nil && !slices.ContainsFunc(cmds, failed) { // nothing was sent, but go-redis marks no command when Redis refuses the password
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

// unquoted takes data out of an error, because errors are logged: Redis quotes the arguments of a command it doesn't know, and go-redis
// the answer it can't read.
func unquoted(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if command, _, quotes := strings.Cut(text, ", with args"); quotes && answered(err) {
		return replied(command)
	}
	if strings.Contains(text, "redis: can't ") || strings.Contains(text, "redis: invalid ") {
		return errUnreadable
	}
	return err
}

var errUnreadable = errors.New("an answer that is not Redis's")

// replied is an error that Redis itself answered.
type replied string

// Error is what Redis said.
func (r replied) Error() string { return string(r) }

// RedisError implements redis.Error.
func (replied) RedisError() {}
