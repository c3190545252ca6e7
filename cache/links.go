package cache

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	offerLife   = 7 * 24 * time.Hour
	heldLife    = time.Hour
	heldKept    = 5 // of one person
	triedLife   = 30 * 24 * time.Hour
	triedKept   = 1000
	historyLife = 90 * 24 * time.Hour
	historyKept = 20_000
	toldLife    = 7 * 24 * time.Hour
)

// HandLink is a link that an admin made and the person agreed to.
type HandLink struct {
	Member string    `json:"member"` // Member.id
	By     string    `json:"by"`     // Slack user of the admin
	At     time.Time `json:"at"`     // of the agreement
}

// Offer is the question whether a person is a member.
type Offer struct {
	ID     string `json:"id"` // tells it apart from an older question to the same person
	Member string `json:"member"`
	Name   string `json:"name"`
	By     string `json:"by"` // Slack user of the admin
}

// Deed is one change made through the bot. From and To are names as Invent had them, "" for nobody.
type Deed struct {
	Job     string    `json:"job"`
	Chat    string    `json:"chat"`
	User    string    `json:"user"`
	Verb    string    `json:"verb"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to,omitempty"`
	Channel string    `json:"channel,omitempty"`
	At      time.Time `json:"at"`
}

// HandLinks returns every link made by an admin, by Slack user.
func (c *Cache) HandLinks(ctx context.Context, team string) (map[string]HandLink, error) {
	fields, err := c.rdb.HGetAll(ctx, linksKey(team)).Result()
	if err != nil {
		return nil, wrap("reading links", err)
	}
	links := decodeAll[HandLink](fields)
	maps.DeleteFunc(links, func(_ string, l HandLink) bool { return l.Member == "" })
	return links, nil
}

// HandLink finds the link an admin made for a user. A miss is ok == false without an error.
func (c *Cache) HandLink(ctx context.Context, team, user string) (l HandLink, ok bool, err error) {
	text, err := c.rdb.HGet(ctx, linksKey(team), user).Bytes()
	if errors.Is(err, redis.Nil) {
		return l, false, nil
	}
	if err != nil {
		return l, false, wrap("reading a link", err)
	}
	return l, json.Unmarshal(text, &l) == nil && l.Member != "", nil
}

// ErrNoOffer says that a question is no longer open: it was answered or withdrawn, has expired, or a newer one replaced it.
var ErrNoOffer = errors.New("the question doesn't wait any more")

// linkScript keeps a link, unless the question with the id ARGV[4] is no longer open (false), or somebody else is linked to the same
// member (returns who).
var linkScript = redis.NewScript(`
local offer = redis.call('GET', KEYS[2])
if not offer or cjson.decode(offer).id ~= ARGV[4] then return false end
local all = redis.call('HGETALL', KEYS[1])
for n = 1, #all, 2 do
  if all[n] ~= ARGV[1] and cjson.decode(all[n + 1]).member == ARGV[3] then return all[n] end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ''`)

// SetHandLink keeps a link made by an admin until it is dropped. offer is the id of the question to which the user said yes; if it is no
// longer open, the error is ErrNoOffer. Only one user can be linked to a member: if another one is, nothing is kept, and holder is that
// Slack user.
func (c *Cache) SetHandLink(ctx context.Context, team, user string, l HandLink, offer string) (holder string, err error) {
	text, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("encoding a link: %w", err)
	}
	holder, err = linkScript.Run(ctx, c.rdb, []string{linksKey(team), offerKey(team, user)}, user, text, l.Member, offer).Text()
	if errors.Is(err, redis.Nil) {
		return "", ErrNoOffer
	}
	return holder, wrap("keeping a link", err)
}

// DropHandLink drops a link made by an admin and, in the same step, the question that waits for the user's answer. It reports which of
// the two existed.
func (c *Cache) DropHandLink(ctx context.Context, team, user string) (linked, asked bool, err error) {
	var links, offers *redis.IntCmd
	_, err = c.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		links, offers = p.HDel(ctx, linksKey(team), user), p.Del(ctx, offerKey(team, user))
		return nil
	})
	return links.Val() > 0, offers.Val() > 0, wrap("dropping a link", err)
}

// SetOffer keeps a question for 7 days. It replaces an older one to the same person.
func (c *Cache) SetOffer(ctx context.Context, team, user string, o Offer) error {
	return c.set(ctx, o, offerLife, offerKey(team, user))
}

// Offer finds the question that waits for the user's answer.
func (c *Cache) Offer(ctx context.Context, team, user string) (o Offer, ok bool, err error) {
	ok, err = c.get(ctx, offerKey(team, user), &o)
	return o, ok, err
}

var dropOfferScript = redis.NewScript(`
local offer = redis.call('GET', KEYS[1])
return offer and cjson.decode(offer).id == ARGV[1] and redis.call('DEL', KEYS[1]) or 0`)

// DropOffer forgets the question with this id; a newer one to the same person stays.
func (c *Cache) DropOffer(ctx context.Context, team, user, id string) error {
	return wrap("dropping a question", dropOfferScript.Run(ctx, c.rdb, []string{offerKey(team, user)}, id).Err())
}

// holdScript keeps a refused request if, with those of the last hour, there are not too many (ARGV[4]).
var holdScript = redis.NewScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1`)

// Hold keeps, for an hour, a request that was refused because the person has no link; kept is false if heldKept older ones are kept
// already. Either way it notes, for Tried, that the person tried.
func (c *Cache) Hold(ctx context.Context, team, user string, intent json.RawMessage, at time.Time) (kept bool, err error) {
	_, err = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, triedKey(team), redis.Z{Score: float64(at.Unix()), Member: user})
		p.ZRemRangeByRank(ctx, triedKey(team), 0, -triedKept-1)
		p.Expire(ctx, triedKey(team), triedLife)
		return nil
	})
	if err != nil {
		return false, wrap("keeping who tried", err)
	}
	kept, err = holdScript.Run(ctx, c.rdb, []string{heldKey(team, user)},
		[]byte(intent), at.UnixMilli(), at.Add(-heldLife).UnixMilli(), heldKept, int(heldLife.Seconds())).Bool()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, wrap("keeping a refused request", err)
	}
	return kept, nil
}

// Held returns the user's requests that Hold kept within the last hour, oldest first, and forgets the older ones.
func (c *Cache) Held(ctx context.Context, team, user string, now time.Time) ([]json.RawMessage, error) {
	var list *redis.StringSliceCmd
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRemRangeByScore(ctx, heldKey(team, user), "-inf", strconv.FormatInt(now.Add(-heldLife).UnixMilli(), 10))
		list = p.ZRange(ctx, heldKey(team, user), 0, -1)
		return nil
	})
	if err != nil {
		return nil, wrap("looking for refused requests", err)
	}
	var held []json.RawMessage
	for _, text := range list.Val() {
		held = append(held, json.RawMessage(text))
	}
	return held, nil
}

// DropHeld drops a request that Held returned, and reports whether it was still there.
func (c *Cache) DropHeld(ctx context.Context, team, user string, intent json.RawMessage) (bool, error) {
	n, err := c.rdb.ZRem(ctx, heldKey(team, user), []byte(intent)).Result()
	return n > 0, wrap("dropping a refused request", err)
}

// Tried returns who tried to act in the last 30 days without being linked to a member, and when each last did.
func (c *Cache) Tried(ctx context.Context, team string) (map[string]time.Time, error) {
	since := strconv.FormatInt(time.Now().Add(-triedLife).Unix(), 10)
	list, err := c.rdb.ZRangeByScoreWithScores(ctx, triedKey(team), &redis.ZRangeBy{Min: since, Max: "+inf"}).Result()
	if err != nil {
		return nil, wrap("reading who tried", err)
	}
	tried := make(map[string]time.Time, len(list))
	for _, z := range list {
		if user, ok := z.Member.(string); ok {
			tried[user] = time.Unix(int64(z.Score), 0)
		}
	}
	return tried, nil
}

// addDeed keeps a change for 90 days, but only (about) the newest 20,000 of the team.
func addDeed(ctx context.Context, p redis.Pipeliner, team string, d Deed) error {
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encoding a change: %w", err)
	}
	key := historyKey(team)
	p.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: historyKept, Approx: true, Values: []any{"deed", text}})
	p.XTrimMinID(ctx, key, strconv.FormatInt(time.Now().Add(-historyLife).UnixMilli(), 10))
	p.Expire(ctx, key, historyLife)
	return nil
}

// Deeds returns what was done with a conversation in the last 90 days, newest first, each change once.
func (c *Cache) Deeds(ctx context.Context, team, chat string) ([]Deed, error) {
	var deeds []Deed
	seen := map[string]bool{}
	end := "+"
	for {
		list, err := c.rdb.XRevRangeN(ctx, historyKey(team), end, "-", 1000).Result()
		if err != nil {
			return nil, wrap("reading the history", err)
		}
		for _, m := range list {
			var d Deed
			text, _ := m.Values["deed"].(string)
			if json.Unmarshal([]byte(text), &d) == nil && d.Chat == chat && !seen[d.Job] {
				seen[d.Job] = true
				deeds = append(deeds, d)
			}
		}
		if len(list) < 1000 {
			// The stream is in the order in which deeds were kept; one whose card was late was kept after later deeds.
			slices.SortStableFunc(deeds, func(a, b Deed) int { return b.At.Compare(a.At) })
			return deeds, nil
		}
		end = "(" + list[len(list)-1].ID
	}
}

// TellOnce reports whether to tell of a trouble now: true the first time, then false for a week or until TellAgain.
func (c *Cache) TellOnce(ctx context.Context, team, trouble string) (bool, error) {
	// If the answer is lost, go-redis sends the same random text again and gets the same answer: else nobody would ever be told.
	n, err := tellOnceScript.Run(ctx, c.rdb, []string{toldKey(team, trouble)}, rand.Text(), int(toldLife.Seconds())).Int()
	return n == 1, wrap("writing to Redis", err)
}

var tellOnceScript = redis.NewScript(`
local told = redis.call('GET', KEYS[1])
if told then return told == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1`)

// TellAgain forgets that a trouble was told, because it is over: TellOnce is true again the next time.
func (c *Cache) TellAgain(ctx context.Context, team, trouble string) error {
	return c.del(ctx, toldKey(team, trouble))
}
