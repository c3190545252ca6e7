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

	"inventbot/invent"
)

// Teams answers what is needed to act for the workspace where the app is installed, by the ids that Slack's
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
	members roster
}

// Check asks Slack whether it takes the token, and learns from the first answer which workspace this is.
// Any number of callers at a time cost one call.
func (t *Team) Check(ctx context.Context) error {
	_, err, _ := t.asking.Do("", func() (any, error) {
		who, err := t.Slack.AuthTestContext(ctx)
		if err != nil {
			return nil, wrapSlack("asking Slack which workspace this is", err)
		}
		if !t.checked.Load() {
			t.ID, t.Enterprise = who.TeamID, who.EnterpriseID
			t.checked.Store(true)
		}
		return nil, nil
	})
	return err //nolint:wrapcheck // wrapped above
}

// NewSlack makes a Slack client with deadlines and limits, which slack-go's own lacks.
func NewSlack(token, apiURL string) *slack.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 128
	return slack.New(token, slack.OptionAPIURL(apiURL), slack.OptionHTTPClient(&http.Client{
		Timeout: 5 * time.Second, Transport: limited{transport}, CheckRedirect: noRedirect,
	}))
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

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
	}{io.LimitReader(resp.Body, 4<<20), resp.Body}
	return resp, nil
}

// NewTeam makes the team that the two keys belong to.
func NewTeam(api *slack.Client, client *invent.Client) *Team {
	return &Team{Slack: api, Invent: client}
}

// Only serves this one team. Which one that is, Slack is asked when it is first needed, until it answers.
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

// roster is the list of an organisation's members in memory.
type roster struct {
	mu     sync.Mutex
	list   []invent.Member
	at     time.Time
	flight singleflight.Group
}

// since answers the list as it was at the given moment or later. Any number of callers at a time cost one
// listing, or two when some of them asked after it began.
func (r *roster) since(ctx context.Context, client *invent.Client, oldest time.Time, now func() time.Time) ([]invent.Member, error) {
	for {
		r.mu.Lock()
		list, at := r.list, r.at
		r.mu.Unlock()
		if !at.IsZero() && !at.Before(oldest) {
			return list, nil
		}
		_, err, _ := r.flight.Do("members", func() (any, error) {
			// The one who asks for all others must not take his own deadline with him.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
			defer cancel()
			begun := now()
			list, err := client.Members(ctx)
			if err != nil {
				return nil, fmt.Errorf("listing members: %w", err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.list, r.at = list, begun
			return nil, nil
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // wrapped above
		}
	}
}
