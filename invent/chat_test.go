package invent_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inventbot/invent"
	"inventbot/invent/inventtest"
)

func TestChatState(t *testing.T) {
	t.Parallel()
	day := time.Date(2023, 11, 7, 5, 31, 56, 123456000, time.UTC)
	one, four, five := 1, 4, 5
	read := func(t *testing.T, in string) (invent.ChatState, error) {
		c := invent.New(invent.Options{URL: "http://invent.example", Key: "key", Org: "c", Wrap: instead(sends(in))})
		return c.Assign(t.Context(), "chat_1", nil)
	}
	for name, tc := range map[string]struct {
		in   string
		want invent.ChatState
	}{
		"only what must be there": {
			`{"id":"s","state":"OPEN","integration_id":"internal","assistant_id":null,"ai_enabled":true,"admin_unseen_count":2,"user_unseen_count":0}`,
			invent.ChatState{ID: "s", State: invent.Open, IntegrationID: "internal", AIEnabled: true, AdminUnseenCount: 2},
		},
		"unknown values and fields": {
			`{"id":"s","state":"PARKED","integration_id":"fax","mood":[{}],"assistant_config":{"instructions":"secret"}}`,
			invent.ChatState{ID: "s", State: "PARKED", IntegrationID: "fax"},
		},
		"what JSON advises against": {
			`{"id":"s","state":"OPEN","state":"CLOSED","assistant":{"id":"a","name":"` + "\xff" + `"}}`,
			invent.ChatState{ID: "s", State: invent.Closed, Assistant: &invent.Assistant{ID: "a", Name: "\ufffd"}},
		},
		"nulls": {
			`{"id":"s","state":"OPEN","assigned_user":null,"assigned_at":null,"csat_score":null,"follow_up_at":null,"assistant":null,"admin_unseen_count":null}`,
			invent.ChatState{ID: "s", State: invent.Open},
		},
		"dates": {
			`{"id":"s","state":"OPEN","assigned_at":"2023-11-07T05:31:56.123456Z","follow_up_at":"2023-11-07T06:31:56.123456+01:00","muted_until":"2023-11-07T05:31:56.123456","last_contact_message_at":"2023-11-07T05:31:56.123456Z"}`,
			invent.ChatState{ID: "s", State: invent.Open, AssignedAt: &day, FollowUpAt: &day, MutedUntil: &day, LastContactMessageAt: &day},
		},
		"dates that can't be written again": {
			`{"id":"s","state":"OPEN","assigned_at":"9999-12-31T23:59:59-23:00","follow_up_at":"0000-01-01T00:00:00+01:00"}`,
			invent.ChatState{ID: "s", State: invent.Open},
		},
		"numbers": {
			`{"id":"s","state":"OPEN","admin_unseen_count":1e300,"csat_score":4.0}`,
			invent.ChatState{ID: "s", State: invent.Open, AdminUnseenCount: 1<<31 - 1, CSATScore: &four},
		},
		"the worst score": {`{"id":"s","state":"SNOOZED","csat_score":1}`, invent.ChatState{ID: "s", State: invent.Snoozed, CSATScore: &one}},
		"the best score":  {`{"id":"s","state":"CLOSED","csat_score":5}`, invent.ChatState{ID: "s", State: invent.Closed, CSATScore: &five}},
		"numbers below what there can be": {
			`{"id":"s","state":"OPEN","admin_unseen_count":-1,"csat_score":0}`,
			invent.ChatState{ID: "s", State: invent.Open},
		},
		"wrong numbers and dates": {
			`{"id":"s","state":"OPEN","admin_unseen_count":"many","csat_score":6,"assigned_at":12,"muted_until":{},"last_contact_message_at":"yesterday"}`,
			invent.ChatState{ID: "s", State: invent.Open},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	}
	// Whoever has a conversation decides whether it may be taken, so an assignee that cannot be read is an error and not nobody.
	if s, err := read(t, `{"id":"s","state":"OPEN","assigned_user":"ada"}`); err == nil {
		t.Errorf("unreadable assignee: got %+v, want an error", s)
	}
}

func TestCustomer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ contact, channel, want string }{
		{"Carla", "carla on WhatsApp", "Carla"},
		{"", "Carla", "Carla"},
		{" ", "Carla", "Carla"},
		{" Carla ", "", "Carla"},
		{"", " Carla ", "Carla"},
		{"+49 151 000 000 00", "Carla", "Carla"},
		{"(0151) 000-000", "4915100000000@s.whatsapp.net", ""},
		{"Carla +4915100000000", "", ""},
		{"carla@private.example", "Carla <carla@private.example>", ""},
		{"@carla", "", "@carla"},
		{"Carla (@carla)", "", "Carla (@carla)"},
		{"<@carla>", "", "<@carla>"},
		{"Carla (carla@private.example)", "", ""},
		{"carla＠private.example", "", ""},
		{"Carla 2", "", "Carla 2"},
		{"Carla 123456", "", "Carla 123456"},
		{"Carla 1234567", "", ""},
		{"1234 Carla 5678", "", "1234 Carla 5678"},
		{"1234", "", "1234"},
		{"12345", "", ""},
		{"007", "", "007"},
		{"+٤٩١٥١٠٠٠٠٠", "", ""},
		{"مريم", "", "مريم"},
		{"🦊", "", "🦊"},
	} {
		chat := invent.Chat{Members: []invent.Participant{
			{}, // one of the organisation's own
			{ContactChannel: &invent.ContactChannel{Name: tc.channel, Contact: &invent.Contact{Name: &tc.contact}}},
		}}
		if got := chat.Customer(); got != tc.want {
			t.Errorf("contact %q, channel %q: %q; want %q", tc.contact, tc.channel, got, tc.want)
		}
	}
	if got := (invent.Chat{Members: []invent.Participant{{}, {ContactChannel: &invent.ContactChannel{}}}}); got.Customer() != "" || got.Language() != "" {
		t.Errorf("no customer: %q, %q; want nothing", got.Customer(), got.Language())
	}
	if got := (invent.Chat{Members: []invent.Participant{{ContactChannel: &invent.ContactChannel{}}, {ContactChannel: &invent.ContactChannel{Name: "Carla", Language: "de"}}}}); got.Customer() != "Carla" || got.Language() != "de" {
		t.Errorf("two customers: %q, %q; want what is known of the second", got.Customer(), got.Language())
	}
}

func TestMemberIs(t *testing.T) {
	t.Parallel()
	m := invent.Member{ID: "mem_1", UserID: "usr_1", Email: "Ada@Team.example", Status: "ACTIVE"}
	for _, tc := range []struct {
		u    invent.AssignedUser
		m    invent.Member
		want bool
	}{
		{invent.AssignedUser{ID: "mem_1"}, m, true},
		{invent.AssignedUser{ID: "usr_1"}, m, true},
		{invent.AssignedUser{ID: "x", Email: "ada@team.EXAMPLE"}, m, true},
		{invent.AssignedUser{ID: "MEM_1"}, m, false},
		{invent.AssignedUser{ID: "x", Email: "grace@team.example"}, m, false},
		{invent.AssignedUser{}, invent.Member{}, false},
		{invent.AssignedUser{ID: "x"}, invent.Member{}, false},
	} {
		if got := tc.m.Is(tc.u); got != tc.want {
			t.Errorf("%+v is %+v: %v; want %v", tc.m, tc.u, got, tc.want)
		}
	}
	for status, want := range map[string]bool{"ACTIVE": true, "": false, "INVITED": false, "active": false} {
		if (invent.Member{Status: status}).Active() != want {
			t.Errorf("status %q: active is not %v", status, want)
		}
	}
}

func TestNothingPersonalIsDecoded(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	chat, err := c.Chat(t.Context(), "chat_a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(chat)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{inventtest.SecretPrompt, inventtest.CustomerPhone, inventtest.CustomerEmail, "203.0.113.7", "Mozilla"} {
		if strings.Contains(string(b), secret) {
			t.Errorf("the chat holds %q", secret)
		}
	}
}
