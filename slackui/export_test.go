package slackui

import "slices"

// ReadActions are the action ids that the parser knows: those of verbs, and the one that asks for nothing.
func ReadActions() []string {
	ids := []string{openAction}
	for _, v := range clickable {
		ids = append(ids, string(v))
	}
	slices.Sort(ids)
	return ids
}

// CommandWords are all words that can be typed, aliases too.
func CommandWords() map[string]Verb {
	all := map[string]Verb{}
	for _, c := range commands {
		for _, w := range c.words {
			all[w] = c.verb
		}
	}
	return all
}

// Nearest is nearest.
func Nearest(word string) string { return nearest(word) }

// ValidChat is validChat.
func ValidChat(id string) bool { return validChat(id) }

// NoteLimit is noteLimit.
const NoteLimit = noteLimit
