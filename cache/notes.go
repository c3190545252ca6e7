package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	noteLife = 30 * time.Minute // as long as the question about it can be answered
	homeLife = 30 * 24 * time.Hour
)

// KeepNote keeps a hand-over note for half an hour, while its sender has a question to answer, and returns the note's id.
func (c *Cache) KeepNote(ctx context.Context, team, sender, note string) (id string, err error) {
	id = rand.Text()
	if err := c.rdb.Set(ctx, noteKey(team, sender, id), note, noteLife).Err(); err != nil {
		return "", wrap("keeping a note", err)
	}
	return id, nil
}

// Note finds a note that KeepNote kept for this sender. A miss is ok == false without an error.
func (c *Cache) Note(ctx context.Context, team, sender, id string) (note string, ok bool, err error) {
	note, err = c.rdb.Get(ctx, noteKey(team, sender, id)).Result()
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return note, err == nil, wrap("reading a note", err)
}

// DropNote forgets a note that was delivered.
func (c *Cache) DropNote(ctx context.Context, team, sender, id string) error {
	return c.del(ctx, noteKey(team, sender, id))
}

// SetQuiet keeps whether a person wants no notices, until they say otherwise.
func (c *Cache) SetQuiet(ctx context.Context, team, user string, quiet bool) error {
	change := c.rdb.SRem
	if quiet {
		change = c.rdb.SAdd
	}
	return wrap("keeping who wants notices", change(ctx, quietKey(team), user).Err())
}

// Quiet says whether a person wants no notices.
func (c *Cache) Quiet(ctx context.Context, team, user string) (bool, error) {
	quiet, err := c.rdb.SIsMember(ctx, quietKey(team), user).Result()
	return quiet, wrap("reading who wants notices", err)
}

// Home is what is known of a person's Home tab: Slack's hash of what it shows ("": nothing was drawn yet), and the pages of its first and
// second list.
type Home struct {
	Hash  string `json:"hash"`
	Page  int    `json:"page,omitempty"`
	Below int    `json:"below,omitempty"`
}

// Home finds what is known of a person's Home tab. A miss is ok == false without an error: it wasn't drawn in the last 30 days.
func (c *Cache) Home(ctx context.Context, team, user string) (h Home, ok bool, err error) {
	ok, err = c.get(ctx, homeKey(team, user), &h)
	return h, ok, err
}

// SetHome keeps for 30 days what a person's Home tab shows.
func (c *Cache) SetHome(ctx context.Context, team, user string, h Home) error {
	return c.set(ctx, h, homeLife, homeKey(team, user))
}

// Greeted says whether a person was welcomed.
func (c *Cache) Greeted(ctx context.Context, team, user string) (bool, error) {
	greeted, err := c.rdb.SIsMember(ctx, greetedKey(team), user).Result()
	return greeted, wrap("reading who was greeted", err)
}

// SetGreeted keeps that a person was welcomed.
func (c *Cache) SetGreeted(ctx context.Context, team, user string) error {
	return wrap("keeping who was greeted", c.rdb.SAdd(ctx, greetedKey(team), user).Err())
}
