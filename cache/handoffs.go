package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	leaderLife   = 15 * time.Second
	handoffsLife = 30 * 24 * time.Hour
)

// Handoff is what the feed knows of a conversation that waits, or waited, for a human. Only the leader writes it.
type Handoff struct {
	Waiting bool      `json:"waiting"`
	Episode int       `json:"episode"`           // how often it has begun to wait so far
	Since   time.Time `json:"since"`             // when this episode was noticed
	Before  bool      `json:"before,omitempty"`  // the wait may have begun long before Since: when isn't known
	Bundled bool      `json:"bundled,omitempty"` // announced as one of many, without a card of its own
	Bundle  int       `json:"bundle,omitempty"`  // the number of the bundle it belongs to
}

// Notice is what became of the announcement of a handoff, or of a bundle of them, in a channel. The announcing job writes it, or the job
// of a change whose new card in the channel serves as the announcement; the feed writes it only when it orders no announcement.
type Notice struct {
	Episode  int       `json:"episode"`         // the episode that was announced; for a bundle, its number
	TS       string    `json:"ts,omitempty"`    // the card of the first announcement: later episodes go into its thread
	Why      string    `json:"why,omitempty"`   // why nothing was posted; "" when it was
	Tries    int       `json:"tries,omitempty"` // orders that failed
	Next     time.Time `json:"next,omitzero"`   // it isn't ordered again before this
	At       time.Time `json:"at"`
	Reminded bool      `json:"reminded,omitempty"`
}

// Lead makes this process lead the team's feed for the next 15 s, if it leads already or nobody does, and reports whether it leads.
func (c *Cache) Lead(ctx context.Context, team string) (bool, error) {
	n, err := leadScript.Run(ctx, c.rdb, []string{leaderKey(team)}, c.consumer, leaderLife.Milliseconds()).Int()
	return n == 1, wrap("asking who leads", err)
}

var leadScript = redis.NewScript(`
local who = redis.call('GET', KEYS[1])
if who and who ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

// StepDown lets another process lead at once.
func (c *Cache) StepDown(ctx context.Context, team string) error {
	return wrap("stepping down", stepDownScript.Run(ctx, c.rdb, []string{leaderKey(team)}, c.consumer).Err())
}

var stepDownScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// Handoffs returns what is known of all conversations that wait or waited. first is true if nothing is kept yet, or no longer.
func (c *Cache) Handoffs(ctx context.Context, team string) (all map[string]Handoff, first bool, err error) {
	ctx = moreTime(ctx, 3*c.patience)
	fields, err := c.rdb.HGetAll(ctx, handoffsKey(team)).Result()
	if err != nil {
		return nil, false, wrap("reading handoffs", err)
	}
	first = len(fields) == 0
	delete(fields, startedField)
	return decodeAll[Handoff](fields), first, nil
}

// NoticeName is the key, in the map that Notices returns, of a conversation's announcement in a channel.
func NoticeName(chat, channel string) string { return channel + " " + chat }

// Notices returns what became of all announcements, by NoticeName.
func (c *Cache) Notices(ctx context.Context, team string) (map[string]Notice, error) {
	ctx = moreTime(ctx, 3*c.patience)
	fields, err := c.rdb.HGetAll(ctx, noticesKey(team)).Result()
	if err != nil {
		return nil, wrap("reading announcements", err)
	}
	return decodeAll[Notice](fields), nil
}

func decodeAll[T any](fields map[string]string) map[string]T {
	all := make(map[string]T, len(fields))
	for name, text := range fields {
		var v T
		if json.Unmarshal([]byte(text), &v) == nil {
			all[name] = v
		}
	}
	return all
}

// startedField stands among the handoffs from the first SetHandoffs on, even when no conversation waits.
const startedField = ""

// SetHandoffs keeps the changed handoffs, drops what is in forget (ids of conversations, and NoticeNames), and notes that the
// feed has begun.
func (c *Cache) SetHandoffs(ctx context.Context, team string, changed map[string]Handoff, forget []string) error {
	ctx = moreTime(ctx, 3*c.patience)
	fields := []any{startedField, "1"}
	for chat, h := range changed {
		text, err := json.Marshal(h)
		if err != nil {
			return fmt.Errorf("encoding a handoff: %w", err)
		}
		fields = append(fields, chat, text)
	}
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, handoffsKey(team), fields...)
		p.Expire(ctx, handoffsKey(team), handoffsLife)
		if len(forget) > 0 {
			p.HDel(ctx, handoffsKey(team), forget...)
			p.HDel(ctx, noticesKey(team), forget...)
		}
		return nil
	})
	return wrap("keeping handoffs", err)
}

// SetNotice keeps what became of an announcement.
func (c *Cache) SetNotice(ctx context.Context, team, chat, channel string, n Notice) error {
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding an announcement: %w", err)
	}
	_, err = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, noticesKey(team), NoticeName(chat, channel), text)
		p.Expire(ctx, noticesKey(team), handoffsLife)
		return nil
	})
	return wrap("keeping an announcement", err)
}

// Handoff finds what is known of one conversation's waiting, and of its announcement in a channel; zero values for what isn't known.
func (c *Cache) Handoff(ctx context.Context, team, chat, channel string) (h Handoff, n Notice, err error) {
	var waits, notice *redis.StringCmd
	cmds, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		waits, notice = p.HGet(ctx, handoffsKey(team), chat), p.HGet(ctx, noticesKey(team), NoticeName(chat, channel))
		return nil
	})
	if err := unread("reading a handoff", cmds, err); err != nil {
		return h, n, err
	}
	_ = json.Unmarshal([]byte(waits.Val()), &h) // what is missing or broken counts as not known
	_ = json.Unmarshal([]byte(notice.Val()), &n)
	return h, n, nil
}

// Trouble says that nothing can be posted in a channel.
type Trouble struct {
	Why string    `json:"why"` // Slack's error code
	At  time.Time `json:"at"`
}

// troublePasses is for how long after a trouble a channel isn't tried again.
const troublePasses = 10 * time.Minute

// SetTrouble keeps for ten minutes that nothing can be posted in a channel, and why.
func (c *Cache) SetTrouble(ctx context.Context, team, channel string, t Trouble) error {
	return c.set(ctx, t, troublePasses, troubleKey(team, channel))
}

// Trouble returns why nothing can be posted in a channel now; the zero Trouble if nothing is known against it.
func (c *Cache) Trouble(ctx context.Context, team, channel string, now time.Time) (t Trouble, err error) {
	found, err := c.get(ctx, troubleKey(team, channel), &t)
	if !found || now.Sub(t.At) >= troublePasses {
		return Trouble{}, err
	}
	return t, err
}

// RedrawAt asks, for each conversation, for a redraw of its cards at the given time; an earlier request stands. So any number of
// changes until then cost one redraw, which shows the newest state.
func (c *Cache) RedrawAt(ctx context.Context, team string, at map[string]time.Time) error {
	if len(at) == 0 {
		return nil
	}
	args := []any{int(cardsLife.Seconds())}
	for chat, t := range at {
		args = append(args, t.UnixMilli(), chat)
	}
	return wrap("asking for redraws", redrawAtScript.Run(ctx, c.rdb, []string{redrawsKey(team)}, args...).Err())
}

// redrawAtScript keeps the earlier of two requests. A request that was handed out (its score has a half millisecond) is always replaced:
// confirming that one, with Redrawn, must not remove the new one.
var redrawAtScript = redis.NewScript(`
for n = 2, #ARGV, 2 do
  local at = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[n + 1]) or nil)
  if not at or at % 1 ~= 0 or tonumber(ARGV[n]) < at then redis.call('ZADD', KEYS[1], ARGV[n], ARGV[n + 1]) end
end
return redis.call('EXPIRE', KEYS[1], ARGV[1])`)

// redrawAgain is how long a redraw that was handed out may stay unconfirmed before it is handed out again.
const redrawAgain = 30 * time.Second

// DueRedraws hands out at most n conversations whose redraw is due. The caller confirms them by Redrawn with the same time. What isn't
// confirmed (because the answer was lost, or the process died) is handed out again half a minute later.
func (c *Cache) DueRedraws(ctx context.Context, team string, now time.Time, n int) ([]string, error) {
	chats, err := dueScript.Run(ctx, c.rdb, []string{redrawsKey(team)}, now.UnixMilli(), n, now.Add(redrawAgain).UnixMilli()).StringSlice()
	return chats, wrap("looking for redraws", err)
}

var dueScript = redis.NewScript(`
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, chat in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[3] - 0.5, chat) end
return due`)

var redrawnScript = redis.NewScript(`
for n = 2, #ARGV do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[n]) or nil) == ARGV[1] - 0.5 then redis.call('ZREM', KEYS[1], ARGV[n]) end
end
return 1`)

// Redrawn confirms redraws that DueRedraws handed out at that time: they aren't handed out again. What was asked for since stays.
func (c *Cache) Redrawn(ctx context.Context, team string, handedOut time.Time, chats ...string) error {
	if len(chats) == 0 {
		return nil
	}
	args := []any{handedOut.Add(redrawAgain).UnixMilli()}
	for _, chat := range chats {
		args = append(args, chat)
	}
	return wrap("forgetting redraws", redrawnScript.Run(ctx, c.rdb, []string{redrawsKey(team)}, args...).Err())
}

// Channels returns, for each of the given conversations that has cards, the channels they stand in: one entry for each card.
func (c *Cache) Channels(ctx context.Context, team string, chats []string) (map[string][]string, error) {
	ctx = moreTime(ctx, 3*c.patience)
	answers := make([]*redis.StringSliceCmd, len(chats))
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for n, chat := range chats {
			answers[n] = p.HKeys(ctx, cardsKey(team, chat))
		}
		return nil
	})
	if err != nil {
		return nil, wrap("reading where cards stand", err)
	}
	channels := map[string][]string{}
	for n, chat := range chats {
		for _, field := range answers[n].Val() {
			if channel, _, isCard := strings.Cut(field, " "); isCard {
				channels[chat] = append(channels[chat], channel)
			}
		}
	}
	return channels, nil
}

// Drawn returns, of the given conversations, those whose shown state is kept (see Remember), each with it.
func (c *Cache) Drawn(ctx context.Context, team string, chats []string) (map[string]string, error) {
	ctx = moreTime(ctx, 3*c.patience)
	answers := make([]*redis.StringCmd, len(chats))
	cmds, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for n, chat := range chats {
			answers[n] = p.HGet(ctx, cardsKey(team, chat), stateField)
		}
		return nil
	})
	if err := unread("reading what cards show", cmds, err); err != nil {
		return nil, err
	}
	drawn := map[string]string{}
	for n, chat := range chats {
		if answers[n].Err() == nil {
			drawn[chat] = answers[n].Val()
		}
	}
	return drawn, nil
}

// Carded returns the conversations whose cards were last drawn, or compared with Invent, between two times.
func (c *Cache) Carded(ctx context.Context, team string, from, to time.Time) ([]string, error) {
	ctx = moreTime(ctx, 3*c.patience)
	chats, err := c.rdb.ZRangeByScore(ctx, cardedKey(team), &redis.ZRangeBy{
		Min: strconv.FormatInt(from.UnixMilli(), 10), Max: strconv.FormatInt(to.UnixMilli(), 10),
	}).Result()
	return chats, wrap("looking for drawn cards", err)
}

// Unswept returns at most n conversations whose cards were neither drawn nor compared with Invent since the given time, the
// longest unseen first, and notes that they are compared now.
func (c *Cache) Unswept(ctx context.Context, team string, since, now time.Time, n int) ([]string, error) {
	chats, err := c.rdb.ZRangeByScore(ctx, cardedKey(team), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(since.UnixMilli(), 10), Count: int64(n),
	}).Result()
	if err != nil || len(chats) == 0 {
		return nil, wrap("looking for cards to compare", err)
	}
	list := make([]redis.Z, len(chats))
	for i, chat := range chats {
		list[i] = redis.Z{Score: float64(now.UnixMilli()), Member: chat}
	}
	return chats, wrap("noting which cards are compared", c.rdb.ZAddXX(ctx, cardedKey(team), list...).Err())
}

// Uncard takes a conversation off the list of those that have cards.
func (c *Cache) Uncard(ctx context.Context, team, chat string) error {
	return wrap("forgetting a conversation's cards", c.rdb.ZRem(ctx, cardedKey(team), chat).Err())
}

// unread returns the first error of a pipeline of reads that is more than a miss. go-redis itself returns just the first one,
// which may be a miss with a real error behind it.
func unread(doing string, cmds []redis.Cmder, err error) error {
	if !errors.Is(err, redis.Nil) {
		return wrap(doing, err)
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return wrap(doing, err)
		}
	}
	return nil
}
