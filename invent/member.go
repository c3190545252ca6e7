package invent

import "strings"

// Member is a person in an organisation of Invent. Conversations are assigned to its ID; UserID is the same person in all organisations.
type Member struct {
	ID     string `json:"id"`
	UserID string `json:"user_id,omitempty"`
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"`
	Role   string `json:"role,omitempty"`   // ADMIN, DEVELOPER, MANAGER, AGENT
	Status string `json:"status,omitempty"` // ACTIVE; with any other the member may not act
}

// Active reports whether the member may act. Only ACTIVE is documented, so every other status says no.
func (m Member) Active() bool { return m.Status == "ACTIVE" }

// Is reports whether the assignee u is this member. Which of the member's ids an assignee carries is not documented: either may match,
// or else the e-mail. Empty values match nothing.
func (m Member) Is(u AssignedUser) bool {
	if u.ID != "" && (u.ID == m.ID || u.ID == m.UserID) {
		return true
	}
	return SameEmail(u.Email, m.Email)
}

// SameEmail reports whether two e-mails are the same and not empty.
func SameEmail(a, b string) bool { return a != "" && FoldEmail(a) == FoldEmail(b) }

// FoldEmail returns an e-mail in the form by which it is compared and looked up. Only A to Z are folded: Unicode also folds the long s to
// an s and the Kelvin sign to a k, but to a mail server those are other people's mailboxes.
func FoldEmail(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
