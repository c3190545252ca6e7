package slackui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"inventbot/invent"
	"inventbot/slackui"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const chatURL = slackui.ChatURL("https://useinvent.com/o/inbox/{chat_id}")

// names is what comes from other people, in several tempers.
type names struct {
	customer, holder, assistant string
	chat, member, email         string
}

var (
	ordinary = names{"Jane Doe", "Grace Hopper", "Support Bot", "chat_1", "mem_grace", "grace@example.com"}
	longest  = names{
		strings.Repeat("<", 300), strings.Repeat("&", 300), strings.Repeat(">", 300),
		strings.Repeat("<", 200), strings.Repeat("&", 255), strings.Repeat("&", 250) + "@b.c",
	}
	quoted = names{
		strings.Repeat(`"`, 300), strings.Repeat(`\`, 300), strings.Repeat("`", 300),
		strings.Repeat(`"`, 200), strings.Repeat(`\`, 255), strings.Repeat(`"`, 250) + "@b.c",
	}
	wide = names{
		strings.Repeat("👩‍🚀", 100), strings.Repeat("ß", 300), strings.Repeat("مريم ", 60),
		strings.Repeat("é", 100), strings.Repeat("é", 127), strings.Repeat("é", 100) + "@b.c",
	}
	hostile = names{
		"<!channel> مريم \u202e🦊 &amp; <https://evil.example|Jane>\n\tDoe", "<!here> & \u2066Grace\x00 \xff", "<@U1> *bold* _x_ `y`",
		"chat<!channel>&lt;", "mem<!channel>", "<!everyone>@example.com",
	}
	nameless = names{"", "", "", "chat_1", "mem_grace", ""}
	tempers  = map[string]names{
		"ordinary": ordinary, "longest": longest, "quoted": quoted, "wide": wide, "hostile": hostile, "nameless": nameless,
	}
)

func (n names) conversation() invent.Chat {
	at := noon.Add(-time.Hour)
	return invent.Chat{
		ID: n.chat,
		Members: []invent.Participant{
			{ContactChannel: &invent.ContactChannel{Contact: &invent.Contact{Name: &n.customer}}},
		},
		State: invent.ChatState{
			ID: "s1", State: invent.Open, IntegrationID: "whatsapp_bot",
			Assistant: &invent.Assistant{ID: "a1", Name: n.assistant}, AdminUnseenCount: 3, LastContactMessageAt: &at,
		},
	}
}

func (n names) grace() slackui.Holder {
	return slackui.Holder{ID: n.member, Name: n.holder, User: "U0GRACE"}
}

// held is a card of a conversation that Grace has.
func (n names) held(change func(*slackui.Card)) slackui.Card {
	at, h := noon.Add(-4*time.Minute), n.grace()
	c := slackui.Card{Chat: n.conversation(), Holder: &h, URL: chatURL.For(n.chat)}
	c.Chat.State.AssignedUser = &invent.AssignedUser{ID: h.ID, Name: h.Name, Email: n.email}
	c.Chat.State.AssignedAt = &at
	if change != nil {
		change(&c)
	}
	return c
}

func (n names) free(change func(*slackui.Card)) slackui.Card {
	c := slackui.Card{Chat: n.conversation(), URL: chatURL.For(n.chat)}
	if change != nil {
		change(&c)
	}
	return c
}

// cards are the card's states.
func (n names) cards() map[string]slackui.Card {
	everything := func(c *slackui.Card) {
		five, follow, muted := 5, noon.Add(24*time.Hour), noon.Add(time.Hour)
		s := &c.Chat.State
		s.State, s.AIEnabled, s.CSATScore, s.FollowUpAt, s.MutedUntil = invent.Snoozed, true, &five, &follow, &muted
		c.Via, c.Private, c.Snapshot, c.More = "U0ADA", true, true, slackui.More{State: true, AI: true, Summary: true}
	}
	return map[string]slackui.Card{
		"nobody":            n.free(nil),
		"held_linked":       n.held(nil),
		"held_not_on_slack": n.held(func(c *slackui.Card) { c.Holder.User, c.Holder.NotOnSlack = "", true }),
		"held_unknown":      n.held(func(c *slackui.Card) { c.Holder.User = "" }),
		"held_nameless":     n.held(func(c *slackui.Card) { c.Holder.User, c.Holder.Name = "", "" }),
		"through_herself":   n.held(func(c *slackui.Card) { c.Via = "U0GRACE" }),
		"anonymous":         n.held(func(c *slackui.Card) { c.Anonymous = true }),
		"waiting":           n.free(func(c *slackui.Card) { c.Waits = noon.Add(-time.Minute) }),
		"waits_no_more":     n.held(func(c *slackui.Card) { c.Waits = noon.Add(-time.Minute) }),
		"private":           n.free(func(c *slackui.Card) { c.Private = true }),
		"snapshot":          n.free(func(c *slackui.Card) { c.Snapshot = true }),
		"sent_to_holder":    n.held(func(c *slackui.Card) { c.For, c.Via = "U0GRACE", "U0ADA" }),
		"sent_to_her":       n.held(func(c *slackui.Card) { c.For = "U0GRACE" }),
		"sent_to_taker":     n.held(func(c *slackui.Card) { c.For, c.Via = "U0GRACE", "U0GRACE" }),
		"sent_to_former":    n.held(func(c *slackui.Card) { c.For, c.Via = "U0JOAN", "U0ADA" }),
		"sent_and_released": n.free(func(c *slackui.Card) { c.For = "U0GRACE" }),
		"resolved":          n.free(func(c *slackui.Card) { c.Chat.State.State, c.More = invent.Closed, slackui.More{State: true, AI: true} }),
		"resolved_for_good": n.free(func(c *slackui.Card) {
			c.Chat.State.State, c.Chat.State.AIEnabled, c.More = invent.Closed, true, slackui.More{Summary: true}
		}),
		"everything": n.held(everything),
		"unknown_values": n.held(func(c *slackui.Card) {
			c.Chat.State.State, c.Chat.State.IntegrationID = invent.State("PARKED <b>"), "fax_"+n.assistant
		}),
		"bare":          {Chat: invent.Chat{ID: n.chat}},
		"bare_and_held": {Chat: invent.Chat{ID: n.chat, State: invent.ChatState{AssignedUser: &invent.AssignedUser{ID: n.member}}}, Holder: &slackui.Holder{ID: n.member}},
	}
}

var (
	clickedCard = slackui.Place{Channel: "C0SUPPORT", TS: "1772452800.000100"}
	problems    = []slackui.Problem{
		slackui.NoConversation, slackui.NotAConversation, slackui.ForeignLink, slackui.TooManyWords,
		slackui.NoPerson, slackui.NotAPerson, slackui.PlainName, slackui.NoMember, slackui.OldButton, slackui.UndoExpired,
		slackui.OldForm, slackui.NoChoice, slackui.LongNote, slackui.NoteToNobody, slackui.NoteUnreadable, slackui.KnownNow, "of_tomorrow",
	}
	reasons = []slackui.Reason{
		slackui.NotLinked, slackui.TwoMembers, slackui.Unconfirmed, slackui.Guest, slackui.Bot, slackui.Deactivated, slackui.Outsider,
		slackui.Inactive, slackui.EmailHidden, slackui.NoMembersList, slackui.UnknownUser, slackui.UnknownTeam, slackui.NoSuchMember,
		slackui.NotAllowed, slackui.NotAdmin, slackui.MemberTaken, slackui.MemberMailed, slackui.SameEmail, slackui.NoLink, slackui.SelfLink, slackui.OfferGone,
		slackui.NotOffered, slackui.NoInbox, "of_tomorrow",
	}
	failures = []slackui.Failure{
		slackui.NoAnswer, slackui.Limited, slackui.Unsettled, slackui.Stopped, slackui.NotFound, slackui.KeyRefused, slackui.RefusedByAPI,
		slackui.SlackRefused, slackui.SlackForbids, slackui.SlackSilent, slackui.Unplaced, slackui.NewerVersion, slackui.BotFailed, slackui.Crashed, slackui.MemberNotFound, "of_tomorrow",
	}
	changes = []slackui.Verb{slackui.Take, slackui.Assign, slackui.Release}
)

// typed is a command's intent, and pressed that of a button on a card that showed Grace.
func (n names) typed(v slackui.Verb) slackui.Intent {
	i := slackui.Intent{V: slackui.Version, Key: "1.2.3", Verb: v, Chat: n.chat, Team: "T0TEAM", User: "U0ADA", Channel: "C0SUPPORT", Command: "/invent"}
	if v == slackui.Assign {
		i.To = &slackui.To{Email: n.email}
	}
	return i
}

func (n names) pressed(v slackui.Verb) slackui.Intent {
	i := n.typed(v)
	i.Command, i.Seen, i.Clicked = "", &n.member, &clickedCard
	return i
}

// links are two pages and a bit of lines, of each kind.
func (n names) links() (lines []slackui.LinkLine) {
	for i := range 21 {
		lines = append(lines, slackui.LinkLine{
			Kind: slackui.LinkKind(i % 9), User: "U0ADA", Other: "U0GRACE", Member: n.member, Name: n.holder, Has: i / 9, By: "U0ROOT", At: noon,
		})
	}
	return lines
}

// items are two pages and a bit of conversations.
func (n names) items() (items []slackui.Item) {
	for i := range 21 {
		item := slackui.Item{Chat: n.conversation(), URL: chatURL.For(n.chat), Waits: noon, Holder: slackui.Holder{ID: n.member}}
		if i%2 == 1 {
			item = slackui.Item{Chat: invent.Chat{ID: n.chat}} // as little as can be known
		}
		items = append(items, item)
	}
	return items
}

// left are three conversations of somebody who isn't active in Invent.
func (n names) left() (items []slackui.Item) {
	for i := range 3 {
		item := slackui.Item{Chat: invent.Chat{ID: n.chat}, Holder: slackui.Holder{ID: n.member, Inactive: true}} // as little as can be known
		if i == 1 {
			item.Chat, item.URL, item.Holder.Name = n.held(nil).Chat, chatURL.For(n.chat), n.holder
		}
		items = append(items, item)
	}
	return items
}

// told is what became of an announcement in as many channels as there are fates.
func (n names) told(change func(*slackui.Told), fates ...slackui.Fate) slackui.Told {
	t := slackui.Told{Rule: n.holder, Why: n.assistant, Waiting: true, Waits: noon}
	for k, f := range fates {
		f.Channel = fmt.Sprintf("C0SUPPORT%d", k)
		t.Fates = append(t.Fates, f)
	}
	if change != nil {
		change(&t)
	}
	return t
}

// note is a hand-over note, as long as the name of a customer allows, or as long as can be.
func (n names) note() string {
	return strings.Repeat(n.customer+"\n", 1+slackui.NoteLimit/20)
}

// deeds are two pages of changes.
func (n names) deeds() (deeds []slackui.Deed) {
	for range 5 {
		deeds = append(deeds,
			slackui.Deed{User: "U0ADA", Verb: slackui.Take, To: n.holder, Channel: "C0SUPPORT", At: noon},
			slackui.Deed{User: "U0ADA", Verb: slackui.Release, From: n.holder, Channel: "D0ADA", At: noon},
			slackui.Deed{User: "U0ADA", Verb: slackui.Assign, From: n.holder, To: n.customer, Channel: "C0SUPPORT", At: noon})
	}
	return deeds
}

// messages are all that is said privately.
func (n names) messages(t testing.TB) map[string]slackui.Message {
	t.Helper()
	grace, state := n.grace(), n.held(nil).Chat.State
	all := map[string]slackui.Message{
		"help":                  *said(t, "/invent", ""),
		"help_nearest":          *said(t, "/invent", "tkae chat_1"),
		"help_unknown":          *said(t, "/invent", n.customer+"x"),
		"busy":                  slackui.Busy(),
		"doubtful":              slackui.Doubtful(),
		"slow":                  slackui.Slow(),
		"shared":                slackui.Shared(),
		"retired_button":        slackui.RetiredButton(),
		"already_nobody":        slackui.Already(nil, false, false),
		"already_mine":          slackui.Already(&grace, true, false),
		"already_hers":          slackui.Already(&grace, false, false),
		"already_hers_noted":    slackui.Already(&grace, false, true),
		"changed_since_nobody":  slackui.ChangedSince(n.pressed(slackui.Take), nil),
		"changed_since_hers":    slackui.ChangedSince(n.pressed(slackui.Assign), &grace),
		"changed_since_mine":    slackui.ChangedSince(n.pressed(slackui.Release), &slackui.Holder{ID: "mem_ada", User: "U0ADA"}),
		"changed_since_set":     slackui.ChangedSince(n.pressed(slackui.Resolve), nil),
		"changed_nobody":        slackui.Changed(n.pressed(slackui.Release), nil, false, nil),
		"changed_mine":          slackui.Changed(n.pressed(slackui.Take), &grace, true, nil),
		"changed_hers":          slackui.Changed(n.pressed(slackui.Assign), &grace, false, nil),
		"changed_back_to_her":   slackui.Changed(n.pressed(slackui.Take), &grace, true, &slackui.Back{Holder: &grace, Until: noon}),
		"changed_back_unnamed":  slackui.Changed(n.pressed(slackui.Take), &grace, true, &slackui.Back{Holder: &slackui.Holder{ID: n.member}, Until: noon}),
		"changed_back_to_me":    slackui.Changed(n.pressed(slackui.Assign), &grace, false, &slackui.Back{Holder: &grace, Mine: true, Until: noon}),
		"changed_back_to_none":  slackui.Changed(n.pressed(slackui.Assign), &grace, false, &slackui.Back{Until: noon}),
		"set_resolved":          slackui.Set(slackui.Resolve, false),
		"set_reopened":          slackui.Set(slackui.Reopen, true),
		"set_to_ai":             slackui.Set(slackui.ToAI, false),
		"set_without_ai":        slackui.Set(slackui.PauseAI, true),
		"summary_none":          slackui.Summarised(nil),
		"summary":               slackui.Summarised(&invent.Memory{Summary: n.note(), KeyPoints: slices.Repeat([]string{n.customer}, 12), SummarizedAt: &noon}),
		"yours_again":           slackui.YoursAgain("U0GRACE", "U0ADA"),
		"yours_now":             slackui.YoursNow("U0GRACE"),
		"welcome":               slackui.Welcome("/invent", ""),
		"welcome_stranger":      slackui.Welcome("/invent", slackui.NotLinked),
		"unlinked_by":           slackui.UnlinkedBy("/invent", "U0ROOT"),
		"relieved":              slackui.Relieved("U0GRACE", "U0ADA"),
		"set_by":                slackui.SetBy("U0GRACE", "U0ADA", slackui.ToAI),
		"note":                  slackui.Note("U0GRACE", "U0ADA", n.note()),
		"about":                 slackui.About(n.conversation(), slackui.Set(slackui.ToAI, true)),
		"about_unknown":         slackui.About(invent.Chat{ID: n.conversation().ID}, slackui.Set(slackui.ToAI, true)),
		"about_nothing":         slackui.About(invent.Chat{}, slackui.Set(slackui.ToAI, true)),
		"note_returned":         slackui.NoteReturned(&grace, n.note()),
		"note_refused":          slackui.NoteReturned(nil, n.note()),
		"note_gone":             slackui.NoteReturned(&grace, ""),
		"found_none":            slackui.Found(nil),
		"found_several":         slackui.Found([]slackui.Card{n.free(nil), n.held(nil), {Chat: invent.Chat{ID: n.chat}}}),
		"newer":                 slackui.Newer(n.typed(slackui.Take), n.chat, "0a1b2c3d"),
		"late_since_unknown":    slackui.Late(n.typed(slackui.Take), grace, invent.ChatState{}, noon),
		"failed_no_answer_mine": slackui.Failed(slackui.NoAnswer, slackui.Intent{Verb: slackui.Mine, User: "U0ADA"}, "0a1b2c3d", ""),
		"failed_no_answer_show": slackui.Failed(slackui.NoAnswer, n.typed(slackui.Show), "0a1b2c3d", chatURL.For(n.chat)),
		"failed_limited_mine":   slackui.Failed(slackui.Limited, slackui.Intent{Verb: slackui.Mine, User: "U0ADA"}, "0a1b2c3d", ""),
		"failed_silent_mine":    slackui.Failed(slackui.SlackSilent, slackui.Intent{Verb: slackui.Mine, User: "U0ADA"}, "0a1b2c3d", ""),
		"failed_slow_route":     slackui.Failed(slackui.NoAnswer, n.typed(slackui.Route), "0a1b2c3d", ""),
		"failed_refused_show":   slackui.Failed(slackui.RefusedByAPI, n.typed(slackui.Show), "0a1b2c3d", ""),
		"failed_crashed_show":   slackui.Failed(slackui.Crashed, n.typed(slackui.Show), "0a1b2c3d", ""),
		"failed_crashed_link":   slackui.Failed(slackui.Crashed, slackui.Intent{Verb: slackui.Link, User: "U0ADA"}, "0a1b2c3d", ""),
		"myself_by_mail":        slackui.Myself(slackui.Me{Member: n.member, Name: n.holder, Role: "AGENT", Others: []string{"ADMIN", "MANAGER"}}),
		"myself_by_hand":        slackui.Myself(slackui.Me{Member: n.member, Name: n.holder, Role: n.assistant, LinkedBy: "U0ADA", LinkedAt: noon, MayOthers: true}),
		"myself_without_role":   slackui.Myself(slackui.Me{Member: n.member, Name: n.holder, MayOthers: true}),
		"offer":                 slackui.Offer("U0ADA", n.member, n.holder, "q1"),
		"offered":               slackui.Offered("U0GRACE", n.holder),
		"agreed":                slackui.Agreed("/invent", n.holder),
		"declined":              slackui.Declined(),
		"answered_yes":          slackui.Answered("U0GRACE", n.holder, true),
		"answered_no":           slackui.Answered("U0GRACE", n.holder, false),
		"unlinked_mine":         slackui.Unlinked(""),
		"unlinked_hers":         slackui.Unlinked("U0GRACE"),
		"closed":                slackui.Closed("/invent"),
		"withdrawn_mine":        slackui.Withdrawn(""),
		"withdrawn_hers":        slackui.Withdrawn("U0GRACE"),
		"resumed":               slackui.Resumed(),
		"locked_out":            slackui.LockedOut(),
		"links_none":            slackui.LinkList("/invent", nil, 0),
		"links_one_page":        slackui.LinkList("/invent", n.links()[:7], 0),
		"links_first":           slackui.LinkList("/invent", n.links(), 0),
		"links_second":          slackui.LinkList("/invent", n.links(), 1),
		"links_last":            slackui.LinkList("/invent", n.links(), 2),
		"links_past_the_end":    slackui.LinkList("/invent", n.links(), 99),
		"bundled_one":           slackui.Bundled(1, noon),
		"bundled_many":          slackui.Bundled(40, noon),
		"still_waiting":         slackui.StillWaiting("chat_1", noon),
		"still_waiting_unsure":  slackui.StillWaiting("chat_1", time.Time{}),
		"late_at_once":          slackui.Late(n.typed(slackui.Take), grace, state, *state.AssignedAt),
		"refused_show":          slackui.Refused("/invent", slackui.Show, slackui.NotLinked, "", false),
		"refused_show_held":     slackui.Refused("/invent", slackui.Show, slackui.NotLinked, "", true),
		"queue_none":            slackui.Items(slackui.Queue, nil, 0, ""),
		"queue_last_one_done":   slackui.Items(slackui.Queue, nil, 0, "Done: it is yours."),
		"queue_nameless":        slackui.Items(slackui.Queue, []slackui.Item{{Chat: nameless.conversation()}}, 0, ""),
		"queue_one_page":        slackui.Items(slackui.Queue, n.items()[:2], 0, ""),
		"queue_second":          slackui.Items(slackui.Queue, n.items(), 1, "Done: it is yours."),
		"queue_past_the_end":    slackui.Items(slackui.Queue, n.items(), 99, ""),
		"queue_left":            slackui.Items(slackui.Queue, slices.Concat(n.items()[1:10], n.left()), 0, ""),
		"queue_left_over":       slackui.Items(slackui.Queue, slices.Concat(n.items()[1:10], n.left()), 1, "Done: it is yours."),
		"queue_left_only":       slackui.Items(slackui.Queue, n.left()[1:2], 0, ""),
		"mine_none":             slackui.Items(slackui.Mine, nil, 3, ""),
		"mine_first":            slackui.Items(slackui.Mine, n.items(), 0, ""),
		"route_none":            slackui.RouteTold(slackui.Told{}),
		"route_unlisted":        slackui.RouteTold(slackui.Told{Unlisted: true, Waiting: true, Waits: noon}),
		"route_none_waits":      slackui.RouteTold(slackui.Told{Waiting: true, Waits: noon}),
		"route_left_out":        slackui.RouteTold(n.told(func(t *slackui.Told) { t.LeftOut, t.Waits = true, time.Time{} }, slackui.Fate{})),
		"route_left_out_since":  slackui.RouteTold(n.told(func(t *slackui.Told) { t.LeftOut = true }, slackui.Fate{Posted: noon})),
		"route_left_out_not":    slackui.RouteTold(n.told(func(t *slackui.Told) { t.LeftOut = true }, slackui.Fate{Not: "is_archived"})),
		"route_waits":           slackui.RouteTold(n.told(nil, slackui.Fate{})),
		"route_waits_no_more":   slackui.RouteTold(n.told(func(t *slackui.Told) { t.Waiting = false }, slackui.Fate{Posted: noon})),
		"route_posted":          slackui.RouteTold(n.told(nil, slackui.Fate{Posted: noon})),
		"route_bundled":         slackui.RouteTold(n.told(nil, slackui.Fate{Posted: noon, Bundled: true})),
		"route_several":         slackui.RouteTold(n.told(nil, slackui.Fate{Posted: noon}, slackui.Fate{Not: "is_archived"}, slackui.Fate{})),
		"route_many":            slackui.RouteTold(n.told(nil, slices.Repeat([]slackui.Fate{{Not: n.assistant}}, 40)...)),
		"deeds_none":            slackui.Deeds(n.chat, nil, 0),
		"deeds_first":           slackui.Deeds(n.chat, n.deeds(), 0),
		"deeds_last":            slackui.Deeds(n.chat, n.deeds(), 1),
	}
	for _, code := range []string{"not_in_channel", "channel_not_found", "is_archived", "quiet", "ratelimited", "restricted_action"} {
		all["trouble_"+code] = slackui.ChannelTrouble("C0SUPPORT", code)
		all["route_"+code] = slackui.RouteTold(n.told(nil, slackui.Fate{Not: code}))
	}
	for _, v := range changes {
		all["late_command_"+string(v)] = slackui.Late(n.typed(v), grace, state, noon)
		all["late_button_"+string(v)] = slackui.Late(n.pressed(v), grace, state, noon)
	}
	toMyself := n.pressed(slackui.Assign)
	toMyself.To = &slackui.To{User: toMyself.User}
	all["late_button_assign_me"] = slackui.Late(toMyself, grace, state, noon)
	for _, p := range problems {
		for _, v := range append(changes, slackui.Show) {
			all[fmt.Sprintf("problem_%s_%s", p, v)] = slackui.Cannot(slackui.Intent{Verb: v, Command: "/support", Problem: p})
		}
		all[fmt.Sprintf("problem_%s_click", p)] = slackui.Cannot(slackui.Intent{Verb: slackui.Tell, Problem: p})
	}
	for _, r := range reasons {
		all[fmt.Sprintf("refused_%s_self", r)] = slackui.Refused("/invent", slackui.Assign, r, "", false)
		all[fmt.Sprintf("refused_%s_other_user", r)] = slackui.Refused("/invent", slackui.Assign, r, "U0GRACE", false)
		if n.email != "" {
			all[fmt.Sprintf("refused_%s_other_email", r)] = slackui.Refused("/invent", slackui.Assign, r, n.email, false)
		}
		if r.Mends() {
			all[fmt.Sprintf("refused_%s_held", r)] = slackui.Refused("/invent", slackui.Assign, r, "", true)
		}
		all[fmt.Sprintf("nobody_%s", r)] = slackui.Refused("/invent", slackui.Whoami, r, "", false)
	}
	for _, f := range failures {
		all[fmt.Sprintf("failed_%s_command", f)] = slackui.Failed(f, n.typed(slackui.Assign), "0a1b2c3d", chatURL.For(n.chat))
		all[fmt.Sprintf("failed_%s_button", f)] = slackui.Failed(f, n.pressed(slackui.Release), "0a1b2c3d", chatURL.For(n.chat))
	}
	return all
}

// every is each card and each message, of each temper.
func every(t testing.TB) map[string]slackui.Message {
	t.Helper()
	all := map[string]slackui.Message{}
	for temper, n := range tempers {
		for name, c := range n.cards() {
			all["card_"+name+"/"+temper] = c.Message()
		}
		for name, m := range n.messages(t) {
			all[name+"/"+temper] = m
		}
	}
	return all
}
