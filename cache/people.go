package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	linkLife   = 24 * time.Hour
	personLife = time.Hour
	reachLife  = 10 * time.Minute // so long may a customer's name be shown in a channel that was just shared
	cardsLife  = 30 * 24 * time.Hour

	cardsKept = 50 // of one conversation: the newest
)

// Link says which Invent member a Slack user is.
type Link struct {
	Member  string    `json:"member"`         // Member.id
	UserID  string    `json:"user,omitempty"` // Member.user_id
	Email   string    `json:"email,omitempty"`
	Name    string    `json:"name,omitempty"`
	Role    string    `json:"role,omitempty"`
	By      string    `json:"by,omitempty"` // Slack user of the admin who linked them; "" when the e-mails are equal
	At      time.Time `json:"at,omitzero"`  // when they agreed to that
	Checked time.Time `json:"checked"`      // when Slack and Invent last said so
}

// Person says who an Invent member is on Slack. User is empty when Slack said that there is nobody.
type Person struct {
	User   string `json:"user"`
	Barred bool   `json:"barred,omitempty"` // there is an account, but it may not act: a guest's, a stranger's, without a confirmed e-mail
}

// Card is a message of the bot's own that shows a conversation and can be redrawn.
type Card struct {
	Channel string `json:"-"`
	TS      string `json:"-"`
	Job     string `json:"job,omitempty"`  // the job that posted it
	Shows   string `json:"hash,omitempty"` // a digest of what it shows
	Link    string `json:"link,omitempty"` // in somebody's message, which unfolded to the card; "" for a message of the bot's own
	For     string `json:"for,omitempty"`  // the Slack user in whose direct messages it stands; "" in a channel
	Noted   string `json:"note,omitempty"` // the job whose note stands below it last
}

// Via says through whom a conversation was assigned last by the bot.
type Via struct {
	User     string    `json:"user"`     // Slack user
	Assignee string    `json:"assignee"` // Invent's id as in the state; empty: nobody
	At       time.Time `json:"at"`       // assigned_at as in the state
}

// These lie beside the cards in one hash; no card's field looks like them.
const (
	viaField   = "via"
	stateField = "state"
)

// Reach says who can read a channel.
type Reach string

// What Slack says of a channel, or nothing yet.
const (
	ReachUnknown Reach = ""
	Own          Reach = "own"    // only the team itself
	Shared       Reach = "shared" // other organisations too
)

// Known is what one round trip tells of a conversation, of the channel where it is asked for, and of the one who asks.
type Known struct {
	Cards   []Card
	Via     Via
	Reach   Reach
	Handoff Handoff
	Link    *Link // as Cache.Link finds it; nil for a miss
}

// Link finds a user's member. A miss is ok == false without an error. An error means that Redis
// gave no answer within 250 ms: the caller asks Slack and Invent instead.
func (c *Cache) Link(ctx context.Context, team, user string) (l Link, ok bool, err error) {
	ok, err = c.get(ctx, linkKey(team, user), &l)
	return l, ok, err
}

// ErrUnlinked says that an admin's link was dropped, or changed, while it was looked up.
var ErrUnlinked = errors.New("the link was dropped")

// SetLink keeps a user's member for a day, and the way back for an hour. A member that an admin linked is kept only while that link is
// there: else the error is ErrUnlinked.
func (c *Cache) SetLink(ctx context.Context, team, user string, l Link) error {
	if l.By == "" {
		if err := c.set(ctx, l, linkLife, linkKey(team, user)); err != nil {
			return err
		}
	} else if err := c.setByHand(ctx, team, user, l); err != nil {
		return err
	}
	return c.SetPerson(ctx, team, Person{User: user}, l.Member, l.UserID)
}

// byHandScript keeps a member that an admin linked, unless that link was dropped or changed while it was looked up.
var byHandScript = redis.NewScript(`
local hand = redis.call('HGET', KEYS[1], ARGV[1])
if not hand or cjson.decode(hand).member ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
return 1`)

func (c *Cache) setByHand(ctx context.Context, team, user string, l Link) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	kept, err := byHandScript.Run(ctx, c.rdb, []string{linksKey(team), linkKey(team, user)}, user, l.Member, text, int(linkLife.Seconds())).Bool()
	if err == nil && !kept {
		return ErrUnlinked
	}
	return wrap("writing to Redis", err)
}

// DropLink forgets what was known of a user, so that it is looked up again.
func (c *Cache) DropLink(ctx context.Context, team, user string, l Link) error {
	return c.del(ctx, append(personKeys(team, l.Member, l.UserID), linkKey(team, user))...)
}

func personKeys(team string, ids ...string) (keys []string) {
	for _, id := range ids {
		if id != "" {
			keys = append(keys, personKey(team, id))
		}
	}
	return keys
}

// Person finds who a member is on Slack, by any id under which Invent shows it.
func (c *Cache) Person(ctx context.Context, team, member string) (p Person, ok bool, err error) {
	ok, err = c.get(ctx, personKey(team, member), &p)
	return p, ok, err
}

// SetPerson keeps for an hour who a member is on Slack, under each of its ids.
func (c *Cache) SetPerson(ctx context.Context, team string, p Person, ids ...string) error {
	return c.set(ctx, p, personLife, personKeys(team, ids...)...)
}

// Question names what one round trip is to tell of: a conversation, the channel where it is asked for, and the Slack user who asks;
// "" for what isn't asked.
type Question struct{ Team, Chat, Channel, User string }

// Known finds the cards of a conversation, newest first, through whom it was assigned last, whether it waits for a human, who can
// read the channel, and which member the user is. Of more than 50 cards the oldest are forgotten.
func (c *Cache) Known(ctx context.Context, q Question) (Known, error) {
	var cards *redis.MapStringStringCmd
	var reach, handoff, link *redis.StringCmd
	cmds, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		cards, reach = p.HGetAll(ctx, cardsKey(q.Team, q.Chat)), p.Get(ctx, reachKey(q.Team, q.Channel))
		handoff, link = p.HGet(ctx, handoffsKey(q.Team), q.Chat), p.Get(ctx, linkKey(q.Team, q.User))
		return nil
	})
	if err := unread("reading cards", cmds, err); err != nil {
		return Known{}, err
	}
	// A miss, or what is broken, is what isn't known.
	fields := cards.Val()
	k := Known{Reach: Reach(reach.Val())}
	_ = json.Unmarshal([]byte(handoff.Val()), &k.Handoff)
	_ = json.Unmarshal([]byte(fields[viaField]), &k.Via)
	if l := (Link{}); json.Unmarshal([]byte(link.Val()), &l) == nil {
		k.Link = &l
	}
	for field, text := range fields {
		var card Card
		if channel, ts, ok := strings.Cut(field, " "); ok && json.Unmarshal([]byte(text), &card) == nil {
			card.Channel, card.TS = channel, ts
			k.Cards = append(k.Cards, card)
		}
	}
	slices.SortFunc(k.Cards, func(a, b Card) int { return strings.Compare(b.TS, a.TS) })
	if len(k.Cards) > cardsKept {
		old := k.Cards[cardsKept:]
		k.Cards = k.Cards[:cardsKept]
		return k, c.Forget(ctx, q.Team, q.Chat, old...)
	}
	return k, nil
}

func (card Card) field() string { return card.Channel + " " + card.TS }

// Reach finds who can read a channel; ReachUnknown for a miss.
func (c *Cache) Reach(ctx context.Context, team, channel string) (Reach, error) {
	r, err := c.rdb.Get(ctx, reachKey(team, channel)).Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return Reach(r), wrap("reading from Redis", err)
}

// SetReach keeps for ten minutes who can read a channel.
func (c *Cache) SetReach(ctx context.Context, team, channel string, r Reach) error {
	return wrap("writing to Redis", c.rdb.Set(ctx, reachKey(team, channel), string(r), reachLife).Err())
}

// Change is what a change of a conversation leaves behind.
type Change struct {
	Chat  string
	State string // a digest of what its cards show
	Via   Via    // zero: as it is
	Card  *Card  // drawn for it; nil: none
	Deed  Deed
	Done  *Job // ended with it; nil: it isn't done yet
}

// Changed keeps a change in one round trip: the card and through whom as Remember does, the deed for 90 days, as one of
// the newest 20,000 of the team. It answers what Home knows by then of the one who made it (opened: anything), and whether the
// job was ended as by Done. With an error the job may have been ended all the same.
func (c *Cache) Changed(ctx context.Context, team string, n Change) (h Home, opened, ended bool, err error) {
	var cards []Card
	if n.Card != nil {
		cards = append(cards, *n.Card)
	}
	var home *redis.StringCmd
	var done *redis.Cmd
	cmds, _ := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		if err = remember(ctx, p, team, n.Chat, n.State, n.Via, cards); err != nil {
			return err
		}
		if err = addDeed(ctx, p, team, n.Deed); err != nil {
			return err
		}
		home = p.Get(ctx, homeKey(team, n.Deed.User))
		if n.Done != nil && !c.cluster { // else the next job of the lane might not see what is kept here
			done = c.done(ctx, p, *n.Done)
		}
		return nil
	})
	for _, cmd := range cmds {
		if no := cmd.Err(); cmd != redis.Cmder(done) && no != nil && !errors.Is(no, redis.Nil) {
			err = no
		}
	}
	if ended = done != nil && done.Err() == nil; ended {
		c.letGo(*n.Done)
	}
	if err != nil {
		return Home{}, false, ended, wrap("keeping a change", err)
	}
	return h, json.Unmarshal([]byte(home.Val()), &h) == nil, ended, nil
}

// Remember keeps cards, the state that all cards of the conversation show ("": as it is known), and who assigned the conversation
// (unless via is zero), for 30 days.
func (c *Cache) Remember(ctx context.Context, team, chat, state string, via Via, cards ...Card) error {
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		return remember(ctx, p, team, chat, state, via, cards)
	})
	return wrap("remembering cards", err)
}

func remember(ctx context.Context, p redis.Pipeliner, team, chat, state string, via Via, cards []Card) error {
	var fields []any
	if state != "" {
		fields = append(fields, stateField, state)
	}
	if via != (Via{}) {
		text, err := json.Marshal(via)
		if err != nil {
			return fmt.Errorf("encoding: %w", err)
		}
		fields = append(fields, viaField, text)
	}
	return keepCards(ctx, p, team, chat, fields, cards)
}

// keepCards keeps cards beside other fields of a conversation.
func keepCards(ctx context.Context, p redis.Pipeliner, team, chat string, fields []any, cards []Card) error {
	for _, card := range cards {
		text, err := json.Marshal(card)
		if err != nil {
			return fmt.Errorf("encoding a card: %w", err)
		}
		fields = append(fields, card.field(), text)
	}
	if len(fields) == 0 {
		return nil
	}
	key := cardsKey(team, chat)
	p.HSet(ctx, key, fields...)
	p.Expire(ctx, key, cardsLife)
	p.ZAdd(ctx, cardedKey(team), redis.Z{Score: float64(time.Now().UnixMilli()), Member: chat})
	p.Expire(ctx, cardedKey(team), cardsLife)
	return nil
}

// AddCard keeps a card as Remember does, and leaves all else as it is known. The state that it shows is kept where none is: the other
// cards may show an older one, and are to be found by that.
func (c *Cache) AddCard(ctx context.Context, team, chat, state string, card Card) error {
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSetNX(ctx, cardsKey(team, chat), stateField, state)
		return keepCards(ctx, p, team, chat, nil, []Card{card})
	})
	return wrap("remembering a card", err)
}

// Forget drops cards that can't be redrawn any more.
func (c *Cache) Forget(ctx context.Context, team, chat string, cards ...Card) error {
	if len(cards) == 0 {
		return nil
	}
	fields := make([]string, len(cards))
	for i, card := range cards {
		fields[i] = card.field()
	}
	return wrap("forgetting cards", c.rdb.HDel(ctx, cardsKey(team, chat), fields...).Err())
}

func (c *Cache) del(ctx context.Context, keys ...string) error {
	return wrap("deleting from Redis", c.rdb.Del(ctx, keys...).Err())
}

func (c *Cache) get(ctx context.Context, key string, into any) (bool, error) {
	text, err := c.rdb.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, wrap("reading from Redis", err)
	}
	// What can't be decoded is as good as not there: it will be looked up again.
	return json.Unmarshal(text, into) == nil, nil
}

func (c *Cache) set(ctx context.Context, value any, life time.Duration, keys ...string) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	_, err = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Set(ctx, key, text, life)
		}
		return nil
	})
	return wrap("writing to Redis", err)
}
