package bot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"inventbot/invent"
	"inventbot/slackui"
)

// Routes say where handoffs are announced. With Every, each rule takes every conversation; else the first rule that fits a conversation
// takes it.
type Routes struct {
	Every bool
	Rules []Rule
}

// Rule takes the conversations that fit all of its conditions. A condition without values fits every conversation.
type Rule struct {
	Name      string
	Assistant []string // names or ids
	Kind      []string // integration ids, such as whatsapp_bot
	Language  []string // such as de
	Channel   string   // Slack channel id
	Quiet     *Quiet   // when nothing is announced; the announcements come afterwards
}

// Quiet is a time of each day. It may go over midnight.
type Quiet struct {
	From, To time.Duration // since midnight
	Zone     *time.Location
}

// ToChannels announces every handoff in each of the channels, once.
func ToChannels(channels []string) Routes {
	r := Routes{Every: true}
	for n, c := range channels {
		if slices.Contains(channels[:n], c) {
			continue
		}
		r.Rules = append(r.Rules, Rule{Name: "HANDOFF_CHANNEL", Channel: c})
	}
	return r
}

var channelID = regexp.MustCompile(`^[CG][A-Z0-9]+$`)

// IsChannel says whether s is the id of a channel of Slack's.
func IsChannel(s string) bool { return channelID.MatchString(s) }

// ReadRoutes reads the file that HANDOFF_ROUTES names: YAML with a list of rules under routes. The error names everything that is wrong
// with it; what oneDocument finds is named first, alone.
func ReadRoutes(r io.Reader) (Routes, error) {
	var file struct {
		Routes []struct {
			Name      string `yaml:"name"`
			Assistant words  `yaml:"assistant"`
			Kind      words  `yaml:"kind"`
			Language  words  `yaml:"language"`
			Channel   string `yaml:"channel"`
			Quiet     *struct {
				From string `yaml:"from"`
				To   string `yaml:"to"`
				Zone string `yaml:"zone"`
			} `yaml:"quiet"`
		} `yaml:"routes"`
	}
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return Routes{}, fmt.Errorf("reading it: %w", err)
	}
	if err := oneDocument(text); err != nil {
		return Routes{}, err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var routes Routes
	var problems []error
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		problems = append(problems, inWords(err)) // what could be read is checked all the same
	} else if len(file.Routes) == 0 {
		problems = append(problems, errors.New("it names no routes"))
	}
	for n, f := range file.Routes {
		rule := Rule{Name: f.Name, Assistant: f.Assistant, Kind: f.Kind, Language: f.Language, Channel: f.Channel}
		if rule.Name == "" {
			rule.Name = fmt.Sprintf("number %d", n+1)
		}
		wrong := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("route %q: "+format, append([]any{rule.Name}, args...)...))
		}
		if !IsChannel(f.Channel) {
			wrong("channel is not a channel's id such as C012ABCDEF")
		}
		if f.Quiet != nil {
			from, noFrom := clockTime(f.Quiet.From)
			to, noTo := clockTime(f.Quiet.To)
			zone, noZone := time.LoadLocation(f.Quiet.Zone)
			if noFrom != nil || noTo != nil || from == to {
				wrong("quiet needs from and to as two times such as 22:00")
			}
			if noZone != nil || f.Quiet.Zone == "" {
				wrong("quiet needs a zone such as Europe/Berlin")
			}
			rule.Quiet = &Quiet{From: from, To: to, Zone: zone}
		}
		if rule.everything() && n < len(file.Routes)-1 {
			wrong("it takes everything, so the routes after it are never reached")
		}
		routes.Rules = append(routes.Rules, rule)
	}
	return routes, errors.Join(problems...)
}

// oneDocument refuses what decoding would silently ignore: text behind the first document, and names without a value, which would count
// as no condition.
func oneDocument(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := d.Decode(&first); errors.Is(err, io.EOF) {
		return nil // empty
	} else if err != nil {
		return inWords(err)
	}
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return errors.New("it goes on after its end (--- or ...), where nothing would be read")
	}
	return errors.Join(empties(&first)...)
}

// empties returns a problem for each name and each list entry in a node that has no value.
func empties(n *yaml.Node) (problems []error) {
	for i, c := range n.Content {
		switch null := c.ShortTag() == "!!null"; {
		case null && n.Kind == yaml.MappingNode && i%2 == 1:
			problems = append(problems, fmt.Errorf("line %d: %s is without a value", c.Line, n.Content[i-1].Value))
		case null && n.Kind == yaml.SequenceNode:
			problems = append(problems, fmt.Errorf("line %d: an entry of a list is without a value", c.Line))
		}
		problems = append(problems, empties(c)...)
	}
	return problems
}

var (
	unknownName = regexp.MustCompile(`field (\S+) not found in type .*`)
	otherForm   = regexp.MustCompile("cannot unmarshal (?s:.*)")
)

// inWords puts a YAML error into words for the person who wrote the file, who doesn't know this program's types.
func inWords(err error) error {
	form, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return errors.New("it isn't YAML: " + strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var problems []error
	for _, e := range form.Errors {
		e = unknownName.ReplaceAllString(e, "nothing is called $1")
		problems = append(problems, errors.New(otherForm.ReplaceAllString(e, "it has a different form from the README's example")))
	}
	return errors.Join(problems...)
}

// words is one word, or a list of them.
type words []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (w *words) UnmarshalYAML(n *yaml.Node) error {
	var list []string
	if n.Kind == yaml.ScalarNode {
		list = []string{n.Value}
	} else if n.Decode(&list) != nil {
		list = nil
	}
	if slices.Contains(list, "") || len(list) == 0 {
		// A TypeError, so that the decoder goes on and reports it together with the other problems.
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: a condition is a word, or a list of words", n.Line)}}
	}
	*w = list
	return nil
}

func clockTime(s string) (time.Duration, error) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("a time of day: %w", err)
	}
	return sinceMidnight(t), nil
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}

func (r Rule) everything() bool { return len(r.Assistant)+len(r.Kind)+len(r.Language) == 0 }

// take returns the rules that take a conversation.
func (r Routes) take(c invent.Chat) []Rule {
	if r.Every {
		return r.Rules
	}
	for _, rule := range r.Rules {
		if rule.fits(c) {
			return []Rule{rule}
		}
	}
	return nil
}

func (r Rule) fits(c invent.Chat) bool {
	assistant := c.State.AssistantID != nil && oneOf(r.Assistant, *c.State.AssistantID) ||
		c.State.Assistant != nil && (oneOf(r.Assistant, c.State.Assistant.ID) || oneOf(r.Assistant, c.State.Assistant.Name))
	return (len(r.Assistant) == 0 || assistant) && (len(r.Kind) == 0 || oneOf(r.Kind, c.State.IntegrationID)) &&
		(len(r.Language) == 0 || oneOf(r.Language, c.Language()))
}

func oneOf(list []string, s string) bool {
	return s != "" && slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}

// why says in words which facts of a conversation the rule that takes it looked at.
func (r Routes) why(rule Rule) string {
	return slackui.WhyRule(rule.Assistant, rule.Kind, rule.Language, !r.Every && len(r.Rules) > 1)
}

// quiet says whether nothing is to be announced at this time.
func (r Rule) quiet(now time.Time) bool {
	if r.Quiet == nil {
		return false
	}
	t := sinceMidnight(now.In(r.Quiet.Zone))
	if r.Quiet.From < r.Quiet.To {
		return t >= r.Quiet.From && t < r.Quiet.To
	}
	return t >= r.Quiet.From || t < r.Quiet.To
}
