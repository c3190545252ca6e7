package invent

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// State says whether a conversation is worked on. The constants are the documented values. Any other is kept as Invent sent it: show it,
// but never guess what it means.
type State string

// The documented states.
const (
	Open    State = "OPEN"
	Snoozed State = "SNOOZED"
	Closed  State = "CLOSED"
)

// Chat is a conversation. What Invent sends beside these fields (phone numbers, addresses, prompts, keys) is not even decoded.
type Chat struct {
	ID      string        `json:"id"`
	Members []Participant `json:"members,omitempty"`
	State   ChatState     `json:"state"`
}

// Participant is one who takes part in a chat.
type Participant struct {
	ContactChannel *ContactChannel `json:"contact_channel,omitempty"` // only the customer has one
}

// ContactChannel is how a customer reaches the organisation.
type ContactChannel struct {
	Name     string   `json:"name,omitempty"`
	Language string   `json:"language,omitempty"`
	Contact  *Contact `json:"contact,omitempty"`
}

// Contact is the customer, the same on every channel.
type Contact struct {
	Name *string `json:"name,omitempty"`
}

// ChatState is what can change about a conversation: who has it, whether it is open, whether the AI answers. Its ID is the state's;
// that it equals the chat's id is documented nowhere. An optional date or score that is absent, null or unreadable is nil.
type ChatState struct {
	ID                   string        `json:"id"`
	State                State         `json:"state"`
	IntegrationID        string        `json:"integration_id,omitempty"` // the channel's kind: "whatsapp_bot", ...
	AssistantID          *string       `json:"assistant_id,omitempty"`
	AIEnabled            bool          `json:"ai_enabled"`
	AdminUnseenCount     int           `json:"admin_unseen_count"`
	Assistant            *Assistant    `json:"assistant,omitempty"`
	AssignedUser         *AssignedUser `json:"assigned_user,omitempty"` // nil: nobody has it
	AssignedAt           *time.Time    `json:"assigned_at,omitempty"`
	FollowUpAt           *time.Time    `json:"follow_up_at,omitempty"`
	MutedUntil           *time.Time    `json:"muted_until,omitempty"`
	LastContactMessageAt *time.Time    `json:"last_contact_message_at,omitempty"`
	CSATScore            *int          `json:"csat_score,omitempty"` // 1 to 5
}

// Assistant is the AI that answers a conversation.
type Assistant struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// AssignedUser is the assignee as a chat shows it. ID may be a member's id or its user id: compare with [Member.Is].
type AssignedUser struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Memory is a summary that Invent made of a part of a conversation.
type Memory struct {
	Summary      string     `json:"summary"`
	KeyPoints    []string   `json:"key_points"`
	SummarizedAt *time.Time `json:"summarized_at,omitempty"`
}

// Customer returns the customer's name: the contact's, else the channel's; "" when none is known. What looks like a phone number or an
// e-mail address is personal data, and never returned.
func (c Chat) Customer() string {
	for _, p := range c.Members {
		if p.ContactChannel == nil {
			continue
		}
		if k := p.ContactChannel.Contact; k != nil && k.Name != nil && isName(*k.Name) {
			return strings.TrimSpace(*k.Name)
		}
		if isName(p.ContactChannel.Name) {
			return strings.TrimSpace(p.ContactChannel.Name)
		}
	}
	return ""
}

// Language returns the customer's language as Invent names it, "" when unknown.
func (c Chat) Language() string {
	for _, p := range c.Members {
		if p.ContactChannel != nil && p.ContactChannel.Language != "" {
			return p.ContactChannel.Language
		}
	}
	return ""
}

// isName reports whether s can be shown as somebody's name: it is not empty and holds no e-mail address (an @ after something; "@ada"
// and "Ada (@ada)" are names) and no phone number (seven digits with no letter between them, or five with no letter at all).
func isName(s string) bool {
	s = strings.TrimSpace(s)
	digits, letters := 0, false
	last := ' '
	for _, r := range s {
		switch {
		case (r == '@' || r == '＠') && !unicode.IsSpace(last) && last != '<' && !unicode.Is(unicode.Ps, last):
			return false
		case unicode.IsDigit(r):
			if digits++; digits >= 7 {
				return false
			}
		case unicode.IsLetter(r):
			digits, letters = 0, true
		}
		last = r
	}
	return s != "" && (letters || digits < 5)
}

// UnmarshalJSON reads a memory as Invent sends it. A broken date counts as absent, as in a ChatState.
func (m *Memory) UnmarshalJSON(b []byte) error {
	var w struct {
		plainMemory
		SummarizedAt moment `json:"summarized_at"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*m = Memory(w.plainMemory)
	m.SummarizedAt = w.SummarizedAt.pointer()
	return nil
}

// The wire types lay forgiving fields over the exported ones (the outer field wins): numbers may be floats, and a broken date counts as
// absent. They are used instead of nested UnmarshalJSON methods, which would scan a chat once for each level.
type (
	plainChat   Chat
	plainState  ChatState
	plainMemory Memory

	wireChat struct {
		plainChat
		State wireState `json:"state"`
	}
	wireState struct {
		plainState
		AdminUnseenCount     count  `json:"admin_unseen_count"`
		AssignedAt           moment `json:"assigned_at"`
		FollowUpAt           moment `json:"follow_up_at"`
		MutedUntil           moment `json:"muted_until"`
		LastContactMessageAt moment `json:"last_contact_message_at"`
		CSATScore            count  `json:"csat_score"`
	}
)

func (w *wireChat) chat() Chat {
	c := Chat(w.plainChat)
	c.State = w.State.state()
	return c
}

func (w *wireState) state() ChatState {
	s := ChatState(w.plainState)
	s.AdminUnseenCount = int(w.AdminUnseenCount)
	s.AssignedAt, s.FollowUpAt, s.MutedUntil = w.AssignedAt.pointer(), w.FollowUpAt.pointer(), w.MutedUntil.pointer()
	s.LastContactMessageAt = w.LastContactMessageAt.pointer()
	if n := int(w.CSATScore); n >= 1 && n <= 5 {
		s.CSATScore = &n
	}
	return s
}

// moment is an optional date; anything that isn't a date is the zero moment.
type moment time.Time

func (m *moment) UnmarshalJSON(b []byte) error {
	*m = moment{}
	s := strings.Trim(string(b), `"`) // no date needs an escape
	// Dates are UTC by the docs, so one without a zone is too.
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			if t = t.UTC(); t.Year() > 0 && t.Year() <= 9999 {
				*m = moment(t)
			}
			return nil
		}
	}
	return nil
}

func (m moment) pointer() *time.Time {
	if t := time.Time(m); !t.IsZero() {
		return &t
	}
	return nil
}

// count is a JSON number of things, cut to a whole number; anything else, and less than 0, is 0.
type count int

func (n *count) UnmarshalJSON(b []byte) error {
	f, _ := strconv.ParseFloat(string(b), 64) // 0 for what is no number
	*n = count(min(max(f, 0), math.MaxInt32))
	return nil
}
