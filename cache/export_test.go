package cache

import (
	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// What tests may see of the inside.
const (
	Patience  = patience
	Ready     = readyKey
	Group     = workers
	CardsKept = cardsKept
	TriedKept = triedKept
	HeldKept  = heldKept

	LeaderLife   = leaderLife
	HandoffsLife = handoffsLife

	TroublePasses = troublePasses
)

// Parse reads a URL that Open takes.
var Parse = parse

// QueueKeys are the keys that may live for ever.
var QueueKeys = []string{readyKey, bodiesKey, laterKey, tellKey}

// AsideKey is where what fails at each try lies.
const AsideKey = asideKey

// The functions of the keys.
var (
	OnceKey   = onceKey
	LaneKey   = laneKey
	LinkKey   = linkKey
	PersonKey = personKey
	CardsKey  = cardsKey
	ReachKey  = reachKey

	LeaderKey   = leaderKey
	HandoffsKey = handoffsKey
	NoticesKey  = noticesKey
	TroubleKey  = troubleKey
	RedrawsKey  = redrawsKey
	CardedKey   = cardedKey

	LinksKey   = linksKey
	OfferKey   = offerKey
	HeldKey    = heldKey
	TriedKey   = triedKey
	HistoryKey = historyKey
	ToldKey    = toldKey

	NoteKey    = noteKey
	QuietKey   = quietKey
	GreetedKey = greetedKey
	HomeKey    = homeKey
)

// Raw is the Redis itself.
func (c *Cache) Raw() *redis.Client { return c.rdb.(*redis.Client) }

// Mini is the in-process Redis.
func (c *Cache) Mini() *miniredis.Miniredis { return c.mini }

// Consumer is this process in the consumer group.
func (c *Cache) Consumer() string { return c.consumer }

// Another is a second process on the same Redis, reached at addr unless that is empty.
func (c *Cache) Another(addr string) *Cache {
	old := c.Raw().Options()
	if addr == "" {
		addr = old.Addr
	}
	return connect(&redis.UniversalOptions{Addrs: []string{addr}, Password: old.Password}, patience)
}

// Held is the job as if it had been taken from there.
func (j Job) Held(entry string) Job {
	j.entry = entry
	return j
}
