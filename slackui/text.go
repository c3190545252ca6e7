package slackui

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
var unescaper = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// tame makes one harmless line of other people's words: valid UTF-8, no line breaks or control
// characters, nothing that changes the direction of the text around it; "" if nothing visible is left.
func tame(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
			return -1
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, s)
	if s = strings.Join(strings.Fields(s), " "); !strings.ContainsFunc(s, visible) {
		return ""
	}
	return s
}

// visible reports whether a character leaves a mark by itself. (Those excluded here are graphic to Unicode, but blank.)
func visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.In(r, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// begun puts a left-to-right mark before words of ours that begin with a name written from right to left, which would turn the whole line.
func begun(words string) string {
	if at := strings.IndexFunc(words, unicode.IsLetter); at >= 0 {
		if r, _ := utf8.DecodeRuneInString(words[at:]); unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko) {
			return "\u200e" + words
		}
	}
	return words
}

// plain clips other people's words to at most n characters, for plain_text.
func plain(s string, n int) string { return clip(tame(s), n) }

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// lines makes other people's words harmless line by line, in at most n characters.
func lines(s string, n int) string {
	var all []string
	for line := range strings.Lines(s) {
		all = append(all, tame(line))
	}
	return clip(strings.TrimSpace(strings.Join(all, "\n")), n)
}

// escape clips other people's words for mrkdwn so that at most n characters remain once & < > are escaped
// as Slack wants; an entity is never cut.
func escape(s string, n int) string {
	s = tame(s)
	if escaped := escaper.Replace(s); utf8.RuneCountInString(escaped) <= n {
		return escaped
	}
	var b strings.Builder
	room := n - 1
	for _, r := range s {
		piece := escaper.Replace(string(r))
		if room -= utf8.RuneCountInString(piece); room < 0 {
			break
		}
		b.WriteString(piece)
	}
	return b.String() + "…"
}

// date is mrkdwn that shows a time in each reader's own zone, and in UTC where Slack can't do that.
func date(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} at {time}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04 UTC"))
}

// mention names a Slack user so that Slack shows their current name.
func mention(user string) string { return "<@" + user + ">" }
