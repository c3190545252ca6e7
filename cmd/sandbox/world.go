package main

import (
	"sync"
	"time"

	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// world is what the page shows: a workspace in Slack, and an organisation in Invent. Its people and conversations are
// plainly made up.
type world struct {
	slack  *slacktest.Workspace
	invent *inventtest.Invent
	about  map[string]string // what is worth knowing about a person or channel, by id

	mu   sync.Mutex
	back func() // lets Invent answer again; nil while it does
}

// newWorld starts Slack and Invent with people and conversations of each kind. The caller closes both.
func newWorld() *world {
	w := &world{
		slack: slacktest.Start(slacktest.Scopes("commands", "chat:write", "users:read", "users:read.email",
			"channels:read", "groups:read", "im:read", "mpim:read", "links:read", "links:write")), // those of manifest.yml
		invent: inventtest.Start(),
		about:  map[string]string{},
	}
	w.slack.RateLimits(true)
	user := func(about string, u slacktest.User) {
		u.Email, u.TZ = u.Name+"@example.com", "Europe/Berlin"
		w.about[w.slack.AddUser(u).ID] = about
	}
	user("member, admin", slacktest.User{ID: "U0ADA", Name: "ada", RealName: "Ada Example", Admin: true})
	user("member", slacktest.User{ID: "U0GRACE", Name: "grace", RealName: "Grace Example"})
	user("not in Invent", slacktest.User{ID: "U0LINUS", Name: "linus", RealName: "Linus Example"})
	user("guest in Slack", slacktest.User{ID: "U0GUS", Name: "gus", RealName: "Gus Guest", Guest: true})
	user("another organisation", slacktest.User{
		ID: "U0OLGA", Name: "olga", RealName: "Olga Outside", TeamID: "T0OTHER", Stranger: true,
	})
	channel := func(about string, c slacktest.Channel) { w.about[w.slack.AddChannel(c).ID] = about }
	channel("The bot is a member: its cards stay true", slacktest.Channel{
		ID: "C0SUPPORT", Name: "support", BotIsMember: true, Members: []string{"U0ADA", "U0GRACE", "U0LINUS", "U0GUS"},
	})
	channel("The bot is not a member: its cards are snapshots", slacktest.Channel{
		ID: "C0RANDOM", Name: "random", Members: []string{"U0ADA", "U0GRACE", "U0LINUS"},
	})
	channel("Shared with another organisation: customers' names are left out", slacktest.Channel{
		ID: "C0PARTNERS", Name: "partners", BotIsMember: true, Shared: true, Members: []string{"U0ADA", "U0GRACE", "U0OLGA"},
	})
	for _, m := range []invent.Member{
		{ID: "mem_ada", Name: "Ada Example", Email: "ada@example.com", Role: "ADMIN"},
		{ID: "mem_grace", Name: "Grace Example", Email: "grace@example.com"},
		{ID: "mem_gus", Name: "Gus Guest", Email: "gus@example.com"},
		{ID: "mem_hedy", Name: "Hedy Example", Email: "hedy@example.com", Role: "MANAGER"}, // has no Slack
	} {
		w.invent.AddMember(m)
	}
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []inventtest.Chat{
		{ID: "chat_jane", Customer: "Jane Doe", Unseen: 2, LastContactMessageAt: ago(3 * time.Minute)},
		{ID: "chat_bob", Customer: `<!channel> & "Bob" <script>alert(1)</script>`, Channel: "email", LastContactMessageAt: ago(time.Hour)},
		{ID: "chat_layla", Customer: "ليلى 🌷 حداد", Channel: "instagram_dm", Language: "ar", Unseen: 1, LastContactMessageAt: ago(20 * time.Minute)},
		{ID: "chat_unnamed", Channel: "telegram_bot", AIEnabled: true, LastContactMessageAt: ago(26 * time.Hour)},
		{
			ID: "chat_rosa", Customer: "Rosa Muster", Channel: "messenger_bot", State: invent.Snoozed, FollowUpAt: now.Add(24 * time.Hour),
			AssigneeID: "mem_grace", AssignedAt: ago(2 * time.Hour), LastContactMessageAt: ago(3 * time.Hour),
		},
		{
			ID: "chat_max", Customer: "Max Mustermann", Channel: "gmail", State: invent.Closed, CSAT: 4,
			AssigneeID: "mem_hedy", AssignedAt: ago(49 * time.Hour), LastContactMessageAt: ago(48 * time.Hour),
		},
	} {
		w.invent.AddChat(c)
	}
	return w
}
