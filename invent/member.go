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
// compared first, then the user id, then the e-mail (case folded). Empty values are equal to nothing.
func (m Member) Is(u AssignedUser) bool {
	if u.ID != "" && (u.ID == m.ID || u.ID == m.UserID) {
		return true
	}
	return u.Email != "" && strings.EqualFold(u.Email, m.Email)
}
