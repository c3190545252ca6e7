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
	reachLife  = 10 * time.Minute // for so long a customer's name may still be shown in a channel that was just shared
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
	By      string    `json:"by,omitempty"` // Slack user of the admin who linked them; "" when linked by equal e-mail
	At      time.Time `json:"at,omitzero"`  // when they agreed to the admin's link
	Checked time.Time `json:"checked"`      // when Slack and Invent last confirmed it
}

// Person says who an Invent member is on Slack. User is empty when Slack said that there is no such person.
type Person struct {
	User   string `json:"user"`
	Barred bool   `json:"barred,omitempty"` // the account may not act: it is a guest's or a stranger's, or its e-mail isn't confirmed
}

// Card is a message of the bot's own that shows a conversation and can be redrawn.
type Card struct {
	Channel string `json:"-"`
	TS      string `json:"-"`
	Job     string `json:"job,omitempty"`  // the job that posted it
	Shows   string `json:"hash,omitempty"` // a digest of what it shows
	Link    string `json:"link,omitempty"` // the link in somebody's message that unfolded to the card; "" for a message of the bot's own
	For     string `json:"for,omitempty"`  // the Slack user in whose direct messages it stands; "" in a channel
	Noted   string `json:"note,omitempty"` // the job that last put a note below it
}

// Via says through whom the bot last assigned a conversation.
type Via struct {
	User     string    `json:"user"`     // Slack user
	Assignee string    `json:"assignee"` // the assignee's id as in the state; empty: nobody
	At       time.Time `json:"at"`       // assigned_at as in the state
}

// Fields that lie beside the cards in one hash. A card's field always has a space in it.
const (
	viaField   = "via"
	stateField = "state"
)

// Reach says who can read a channel.
type Reach string

// What Slack says of a channel; ReachUnknown: nothing yet.
const (
	ReachUnknown Reach = ""
	Own          Reach = "own"    // only the team itself
	Shared       Reach = "shared" // other organisations too
)

// Known is what Cache.Known found: about a conversation, the channel it is asked for in, and the person who asks.
type Known struct {
	Cards   []Card
	Via     Via
	Reach   Reach
	Handoff Handoff
	Link    *Link // the person's, as Cache.Link finds it; nil for a miss
}

// Link finds a user's member. A miss is ok == false without an error. An error means that Redis
// gave no answer within 250 ms: the caller asks Slack and Invent instead.
func (c *Cache) Link(ctx context.Context, team, user string) (l Link, ok bool, err error) {
	ok, err = c.get(ctx, linkKey(team, user), &l)
	return l, ok, err
}

// ErrUnlinked says that an admin's link was dropped or changed while the member was looked up.
var ErrUnlinked = errors.New("the link was dropped")

// SetLink keeps a user's member for a day, and the reverse (who the member is on Slack) for an hour. A member found by an admin's link is
// kept only if that link still stands: else the error is ErrUnlinked.
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

// byHandScript keeps a member found by an admin's link, unless that link was dropped or changed meanwhile.
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

// DropLink forgets a user's member, and the reverse, so that they are looked up again.
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

// Question is what Cache.Known is asked about: a conversation, the channel it is asked for in, and the Slack user who asks; "" for what
// isn't needed.
type Question struct{ Team, Chat, Channel, User string }

// Known finds, in one round trip, a conversation's cards (newest first), through whom it was last assigned, whether it waits for a human,
// who can read the channel, and which member the user is. If there are more than 50 cards, it forgets the oldest.
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
	// What is missing or broken counts as not known.
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

// Change is what is kept of a change to a conversation.
type Change struct {
	Chat  string
	State string // a digest of what its cards show
	Via   Via    // zero: leave it as it is
	Card  *Card  // the card drawn for the change; nil: none
	Deed  Deed
	Done  *Job // the job to end in the same round trip; nil: none
}

// Changed keeps a change in one round trip: state, Via and card as Remember does, and the deed for 90 days among the newest 20,000 of
// the team. It returns the Home of the person who made the change (opened is false for a miss), and whether it ended the job as Done
// does, which in a cluster it never does. The job may have ended even if there is an error.
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
		if n.Done != nil && !c.cluster { // in a cluster the job could end first, and the lane's next job not see what is kept here
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

// Remember keeps, for 30 days, cards, the state that all cards of the conversation show (unless it is ""), and through whom the
// conversation was assigned (unless via is zero). What isn't given stays as it is.
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

// keepCards keeps cards, and with them other fields of a conversation's hash.
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

// AddCard keeps a card as Remember does, and changes nothing else. The state it shows is kept only if none is kept yet: the other cards
// may show an older state, and the feed knows by the kept one that they are stale.
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
	// What can't be decoded counts as a miss: it will be looked up again.
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
