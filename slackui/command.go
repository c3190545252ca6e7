package slackui

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// ChatURL is the template of a conversation's address in the dashboard; {chat_id} stands for its id.
type ChatURL string

// For returns the address of one conversation.
func (t ChatURL) For(chat string) string {
	// Escaped for a path and for a query alike: the template may have it in either.
	id := strings.ReplaceAll(url.QueryEscape(chat), "+", "%20")
	return strings.ReplaceAll(string(t), "{chat_id}", id)
}

// chat reads the conversation's id out of an address of the dashboard. http and https count as the same, because
// Slack puts http before a link that was typed without a scheme.
func (t ChatURL) chat(link string) (string, bool) {
	before, after, ok := strings.Cut(string(t), "{chat_id}")
	link, web := cutScheme(link)
	before, same := cutScheme(before)
	if !ok || web != same || len(link) < len(before) || !strings.EqualFold(link[:len(before)], before) {
		return "", false
	}
	id := link[len(before):]
	if after != "" {
		id, _, _ = strings.Cut(id, after)
	}
	if i := strings.IndexAny(id, "/?#&"); i >= 0 {
		id = id[:i]
	}
	id, err := url.PathUnescape(id)
	return id, err == nil && validChat(id)
}

// cutScheme cuts http:// or https:// off an address, and reports whether it did.
func cutScheme(address string) (rest string, web bool) {
	scheme, rest, ok := strings.Cut(address, "://")
	if ok && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")) {
		return rest, true
	}
	return address, false
}

// validChat refuses only what can't be an id: Invent's are opaque.
func validChat(id string) bool {
	return id != "" && id != "." && id != ".." && len(id) <= 200 &&
		!strings.ContainsFunc(id, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar })
}

// line reads what was typed behind the command into the intent. If it returns a message, that is to be said
// at once (help, or what is wrong) and the intent isn't to be carried out.
func (t ChatURL) line(text, command string, i *Intent, off []Verb) *Message {
	words := token.FindAllString(text, -1)
	if len(words) == 0 {
		words = []string{"help"}
	}
	verb, ok := verbOf(words[0])
	switch {
	case !ok:
		return help(command, unescaper.Replace(words[0]), off)
	case verb == "":
		return help(command, "", off)
	}
	i.Verb = verb
	if verb == Take && len(words) == 1 {
		i.Verb = Queue // its list has the buttons to choose from
	}
	if problem := t.arguments(words[1:], i); problem != "" {
		wrong := say(problemText(problem, command, verb))
		return &wrong
	}
	return nil
}

// arguments reads what stands behind the verb.
func (t ChatURL) arguments(words []string, i *Intent) (problem Problem) {
	if i.Verb.OfChat() {
		if len(words) == 0 {
			return NoConversation
		}
		if i.Chat, problem = t.conversation(words[0]); problem != "" {
			return problem
		}
		words = words[1:]
	}
	switch i.Verb {
	case Assign:
		if len(words) > 0 && strings.EqualFold(words[0], "to") {
			words = words[1:]
		}
		i.To, words, problem = who(words, i.User)
	case Link:
		if i.Person, words, problem = slackUser(words, i.User); problem == "" {
			i.To, words, problem = member(words)
		}
	case Unlink:
		if len(words) > 0 {
			i.Person, words, problem = slackUser(words, i.User)
		}
	}
	if problem == "" && len(words) > 0 {
		return TooManyWords
	}
	return problem
}

// who reads a person off the front of words, and returns the rest.
func who(words []string, me string) (*To, []string, Problem) {
	if len(words) == 0 {
		return nil, nil, NoPerson
	}
	to, problem := person(words[0], me)
	return to, words[1:], problem
}

// slackUser reads a Slack user off the front of words: an @person or me, but no e-mail.
func slackUser(words []string, me string) (string, []string, Problem) {
	to, rest, problem := who(words, me)
	switch {
	case problem != "":
		return "", rest, problem
	case to.User == "": // an e-mail
		return "", rest, NotAPerson
	}
	return to.User, rest, ""
}

// member reads an e-mail or a member's id off the front of words.
func member(words []string) (*To, []string, Problem) {
	if len(words) == 0 {
		return nil, nil, NoMember
	}
	if to, problem := person(words[0], ""); problem == "" && to.Email != "" {
		return to, words[1:], ""
	}
	id := unescaper.Replace(words[0])
	if strings.ContainsAny(id, "@<>") || !validChat(id) {
		return nil, nil, NoMember
	}
	return &To{Member: id}, words[1:], ""
}

// conversation reads an id or a pasted link of the dashboard.
func (t ChatURL) conversation(word string) (string, Problem) {
	if strings.HasPrefix(word, "<") && strings.HasSuffix(word, ">") {
		word, _, _ = strings.Cut(word[1:len(word)-1], "|")
		if strings.HasPrefix(word, "!") || strings.HasPrefix(word, "mailto:") || strings.HasPrefix(word, "tel:") {
			return "", NotAConversation
		}
	}
	word = unescaper.Replace(word)
	if strings.Contains(word, "://") {
		if id, ok := t.chat(word); ok {
			return id, ""
		}
		return "", ForeignLink
	}
	if strings.HasPrefix(word, "@") || strings.HasPrefix(word, "#") || !validChat(word) {
		return "", NotAConversation
	}
	return word, ""
}

var (
	token       = regexp.MustCompile(`<[^<>]*>|[^\s\v\x{85}\p{Z}]+`) // what Slack put between < and > is one token, with the spaces in its label
	userID      = regexp.MustCompile(`^[UW][A-Z0-9]{1,63}$`)         // Slack's have 11 characters; the bound is for a button's value, of 2,000 in all
	userMention = regexp.MustCompile(`^<@([UW][A-Z0-9]{1,63})(\|[^>]*)?>$`)
	mailLink    = regexp.MustCompile(`^<mailto:([^|>]+)(\|[^>]*)?>$`)
	mailAddress = regexp.MustCompile(`^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$`)
)

// person reads whom to assign: me, a picked @name, or an e-mail.
func person(word, me string) (*To, Problem) {
	if strings.EqualFold(word, "me") {
		return &To{User: me}, ""
	}
	if m := userMention.FindStringSubmatch(word); m != nil {
		return &To{User: m[1]}, ""
	}
	if m := mailLink.FindStringSubmatch(word); m != nil {
		word = m[1]
	}
	word = unescaper.Replace(word)
	switch {
	case strings.HasPrefix(word, "@"):
		return nil, PlainName
	case len(word) <= 254 && mailAddress.MatchString(word) && word == tame(word):
		return &To{Email: word}, ""
	}
	return nil, NotAPerson
}

func verbOf(word string) (Verb, bool) {
	for _, c := range commands {
		if slices.ContainsFunc(c.words, func(w string) bool { return strings.EqualFold(w, word) }) {
			return c.verb, true
		}
	}
	return "", false
}

// nearest returns the command that begins with what was typed, or else the one that a mistyped word is closest to; "" when none
// is close.
func nearest(word string) string {
	word = strings.ToLower(word)
	best, least := "", 3
	for _, c := range commands {
		for _, w := range c.words {
			d := distance(word, w)
			if word != "" && strings.HasPrefix(w, word) {
				d = 0
			}
			if d < least {
				best, least = w, d
			}
		}
	}
	return best
}

// distance counts the letters to add, drop or change between two words.
func distance(a, b string) int {
	ra, rb := []rune(a), []rune(b)
	if len(ra) > 20 {
		return len(ra)
	}
	row := make([]int, len(rb)+1)
	for j := range row {
		row[j] = j
	}
	for i := range ra {
		diagonal := row[0]
		row[0] = i + 1
		for j := range rb {
			change := diagonal
			if ra[i] != rb[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(rb)]
}

// Commands lists the commands that can be typed, in the order of the manifest's usage hint.
func Commands() []string {
	var list []string
	for _, c := range commands {
		list = append(list, c.words[0])
	}
	return list
}
