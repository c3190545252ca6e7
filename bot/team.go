package bot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"inventbot/invent"
	"inventbot/slackui"
)

// Teams returns what is needed to act for the workspace where the app is installed, by the ids that Slack's
// request names. ErrUnknownTeam means that this process doesn't serve it.
type Teams func(ctx context.Context, team, enterprise string) (*Team, error)

// ErrUnknownTeam is the error for a workspace that isn't served.
var ErrUnknownTeam = errors.New("this workspace is not served")

// Team is one Slack workspace and the Invent organisation that belongs to it.
type Team struct {
	ID         string // as Slack says it; Check must have succeeded once before it is read
	Enterprise string
	Slack      *slack.Client
	Invent     *invent.Client

	checked atomic.Bool // ID and Enterprise are set, and stay
	asking  singleflight.Group
	infos   *rate.Limiter // users.info: Slack allows 100 a minute
	anew    *rate.Limiter // calls that list the members anew for people who are missing in a list of the last minute
	users   listing[directory]
	members listing[[]invent.Member]
	inbox   inbox

	contract atomic.Pointer[invent.Contract]
}

// has says whether Invent's API offers a route, with these properties of its body, as far as is known.
func (t *Team) has(op string, properties ...string) bool {
	if k := t.contract.Load(); k != nil {
		return k.Has(op, properties...)
	}
	return invent.Contract{}.Has(op, properties...)
}

// lacks says whether Invent's API is known not to offer a route: its document was read.
func (t *Team) lacks(op string) bool {
	k := t.contract.Load()
	return k != nil && k.Read && !k.Has(op)
}

// assigns says whether Invent's API lets somebody be assigned, as far as is known.
func (t *Team) assigns() bool { return t.has("chat") && t.has("assign", "member_id") }

const whichTeam = "asking Slack which workspace this is"

// Check asks Slack whether it takes the token, and learns from the first answer which workspace this is. Any number of callers at a time
// cost one call. A caller whose ctx ends gets an error; the call goes on for the others, with the client's deadline.
func (t *Team) Check(ctx context.Context) error {
	if ctx.Err() != nil {
		return wrapSlack(whichTeam, ctx.Err())
	}
	asked := t.asking.DoChan("", func() (any, error) {
		who, err := t.Slack.AuthTestContext(context.WithoutCancel(ctx))
		if err != nil {
			return nil, wrapSlack(whichTeam, err)
		}
		if !t.checked.Load() {
			t.ID, t.Enterprise = who.TeamID, who.EnterpriseID
			t.checked.Store(true)
		}
		return nil, nil
	})
	select {
	case answer := <-asked:
		return answer.Err
	case <-ctx.Done():
		return wrapSlack(whichTeam, ctx.Err())
	}
}

// NewSlack makes a Slack client with deadlines and limits, which slack-go's own lacks; it makes no calls with which Slack has asked to
// wait. more may hold an app-level token.
func NewSlack(token, apiURL string, more ...slack.Option) *slack.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxResponseHeaderBytes = 128, headersMost
	return slack.New(token, append([]slack.Option{slack.OptionAPIURL(apiURL), slack.OptionHTTPClient(&http.Client{
		Timeout: 5 * time.Second, Transport: &gates{RoundTripper: timeSlack(limited{transport}), now: time.Now}, CheckRedirect: noRedirect,
	})}, more...)...)
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// answerMost is room for a page of 1,000 users, each of which may stand for one in many workspaces of an organisation.
const answerMost = 16 << 20

const headersMost = 64 << 10 // of an answer

// limited bounds the bodies of answers: slack-go reads them whole.
type limited struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // a transport hands on what it was given
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, answerMost), resp.Body}
	return resp, nil
}

// NewTeam makes the team that the two keys belong to.
func NewTeam(api *slack.Client, client *invent.Client) *Team {
	return &Team{Slack: api, Invent: client, infos: rate.NewLimiter(rate.Every(time.Minute/75), 20), anew: rate.NewLimiter(rate.Every(2*time.Second), 10)}
}

// Only returns this one team, and ErrUnknownTeam for any other. Until Slack has said which workspace this is, each call asks; with a ctx
// that is done it doesn't ask but fails.
func (t *Team) Only(ctx context.Context, team, enterprise string) (*Team, error) {
	if !t.checked.Load() {
		if err := t.Check(ctx); err != nil {
			return nil, err
		}
	}
	if t.ID == "" || team == t.ID || enterprise != "" && enterprise == t.Enterprise {
		return t, nil
	}
	return nil, ErrUnknownTeam
}

const listIn = time.Minute // for a list of up to 100 pages; callers wait for less

// listing is a list that is fetched whole and kept in memory.
type listing[T any] struct {
	mu     sync.Mutex
	list   T
	at     time.Time
	flight singleflight.Group
}

// since returns the list as it was at oldest or later. Any number of callers at a time cost one fetch, or two when some of them asked
// after it began. A caller whose ctx ends gets an error; the fetch goes on, with its own deadline, for the others and for the next try.
func (l *listing[T]) since(ctx context.Context, oldest time.Time, now func() time.Time, fetch func(context.Context) (T, error)) (T, error) {
	for {
		if n := now(); oldest.After(n) {
			oldest = n // by a clock that is ahead of ours: no list could ever be that new
		}
		l.mu.Lock()
		list, at := l.list, l.at
		l.mu.Unlock()
		if !at.IsZero() && !at.Before(oldest) {
			return list, nil
		}
		fetched := l.flight.DoChan("", func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listIn)
			defer cancel()
			begun := now()
			list, err := fetch(ctx)
			if err != nil {
				return nil, err
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.list, l.at = list, begun
			return nil, nil
		})
		select {
		case f := <-fetched:
			if f.Err != nil {
				return list, f.Err
			}
		case <-ctx.Done():
			return list, fmt.Errorf("waiting for a list: %w", ctx.Err())
		}
	}
}

// kept returns the list as it is in memory and when it was fetched; the zero values before the first time.
func (l *listing[T]) kept() (T, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list, l.at
}

// account is what the bot needs to know of a Slack user.
type account struct {
	id          string
	team        string
	enterprise  string
	email       string
	confirmed   bool
	bot         bool
	deactivated bool
	guest       bool
	stranger    bool
	admin       bool // or owner
}

func accountOf(u *slack.User) account {
	return account{
		id: u.ID, team: u.TeamID, enterprise: u.Enterprise.EnterpriseID, email: u.Profile.Email, confirmed: u.IsEmailConfirmed,
		bot: u.IsBot || u.ID == "USLACKBOT", deactivated: u.Deleted, guest: u.IsRestricted || u.IsUltraRestricted,
		stranger: u.IsStranger, admin: u.IsAdmin || u.IsOwner || u.IsPrimaryOwner,
	}
}

// account asks Slack who a user is, within Slack's limit for such questions. When many ask at a time, one list of all
// users answers them.
func (t *Team) account(ctx context.Context, user string, now func() time.Time) (account, error) {
	turn := t.infos.ReserveN(now(), 1)
	wait := turn.DelayFrom(now())
	if wait <= 0 {
		u, err := t.Slack.GetUserInfoContext(ctx, user)
		if err != nil {
			return account{}, wrapSlack("asking Slack who somebody is", err)
		}
		return accountOf(u), nil
	}
	turn.CancelAt(now())
	for _, age := range []time.Duration{membersFresh, 5 * time.Second} { // somebody who is missing may have just come
		all, err := t.everybody(ctx, now().Add(-age), now)
		if a, found := all.accounts[user]; err == nil && found {
			return a, nil
		}
	}
	return account{}, &slackError{doing: "asking Slack who somebody is", code: "ratelimited", retry: true, after: wait}
}

// directoryPages bounds the list of users: 1,000 a page.
const directoryPages = 20

// directory is the users of a workspace.
type directory struct {
	accounts map[string]account // by id
	byEmail  map[string]string  // ids of those who can be written to, by their confirmed e-mail, folded
	whole    bool               // nobody is missing, and Slack shows their e-mails
}

// everybody lists the users of the workspace.
func (t *Team) everybody(ctx context.Context, oldest time.Time, now func() time.Time) (directory, error) {
	return t.users.since(ctx, oldest, now, func(ctx context.Context) (directory, error) {
		d := directory{accounts: map[string]account{}, byEmail: map[string]string{}}
		page := t.Slack.GetUsersPaginated(slack.GetUsersOptionLimit(1000))
		var err error
		for range directoryPages {
			if page, err = page.Next(ctx); err != nil {
				break
			}
			for i := range page.Users {
				a := accountOf(&page.Users[i])
				d.accounts[a.id] = a
				if a.email != "" && a.confirmed && !a.bot && !a.deactivated && !a.stranger {
					d.byEmail[invent.FoldEmail(a.email)] = a.id
				}
			}
		}
		if err != nil && !page.Done(err) {
			return directory{}, wrapSlack("listing Slack's users", err)
		}
		d.whole = err != nil && len(d.byEmail) > 0
		return d, nil
	})
}

// roster lists the members of the organisation.
func (t *Team) roster(ctx context.Context, oldest time.Time, now func() time.Time) ([]invent.Member, error) {
	if !t.has("members") {
		return nil, refuse(slackui.NoMembersList)
	}
	return t.members.since(ctx, oldest, now, func(ctx context.Context) ([]invent.Member, error) {
		list, err := t.Invent.Members(ctx)
		if e, said := errors.AsType[*invent.Error](err); said && e.Status != 0 && !invent.Temporary(err) && !invent.Refused(err) {
			return nil, refuse(slackui.NoMembersList)
		}
		if err != nil {
			return nil, fmt.Errorf("listing members: %w", err)
		}
		return list, nil
	})
}
