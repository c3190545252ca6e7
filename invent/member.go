package invent

import "strings"

// Member is a person in an organisation of Invent. ID is what a conversation is assigned to; UserID is the person across organisations.
type Member struct {
	ID     string `json:"id"`
	UserID string `json:"user_id,omitempty"`
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"`
	Role   string `json:"role,omitempty"`   // ADMIN, DEVELOPER, MANAGER, AGENT
	Status string `json:"status,omitempty"` // ACTIVE, or something that is not allowed to act
}

// Active reports whether the member may act. Only ACTIVE is documented, so every other status says no.
func (m Member) Active() bool { return m.Status == "ACTIVE" }

// Is reports whether the assignee u is this member. Which of the member's ids an assignee carries is not documented: the id is
// compared first, then the user id, then the e-mail. Empty values are equal to nothing.
func (m Member) Is(u AssignedUser) bool {
	if u.ID != "" && (u.ID == m.ID || u.ID == m.UserID) {
		return true
	}
	return SameEmail(u.Email, m.Email)
}

// SameEmail reports whether two e-mails are the same, and there is one.
func SameEmail(a, b string) bool { return a != "" && FoldEmail(a) == FoldEmail(b) }

// FoldEmail answers an e-mail by which to look it up. Only A to Z are folded: to Unicode the long s is an s and the Kelvin sign
// a k, but to a mail server they are other people's mailboxes.
func FoldEmail(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
