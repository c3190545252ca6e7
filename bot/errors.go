package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

// Why an action ended, where neither Slack nor Invent says so.
var (
	errPanicked = errors.New("it panicked at each try")
	errKills    = errors.New("its process died again and again")
	errTooLate  = errors.New("its time has passed")
	errNewer    = errors.New("a newer version wrote it")
	errStopped  = errors.New("the bot was stopped")
	errDoubt    = errors.New("it can't be told whether it was done") // an earlier try may have done it, and reading doesn't tell: it must not be done again
)

// refusal is an answer, not a failure: somebody may not act, or can't be assigned.
type refusal struct {
	reason slackui.Reason
	about  string // Slack user or e-mail, when it isn't the person who asked
}

// Error names the reason as it stands in the log.
func (r *refusal) Error() string { return "refused: " + string(r.reason) }

// mends says whether the intent that was refused can still be carried out once its person is linked.
func (r *refusal) mends(i slackui.Intent) bool {
	return r.about == "" && r.reason.Mends() && i.Verb.OfChat() && !i.Verb.Opens() && i.Verb != slackui.Undo
}

func refuse(r slackui.Reason) error { return &refusal{reason: r} }

// refused returns the refusal that err is, or nil for any other error.
func refused(err error) *refusal {
	no, _ := errors.AsType[*refusal](err)
	return no
}

// slackError is an error of Slack's without what a raw one may carry (the address with the token's owner,
// the body).
type slackError struct {
	doing string
	code  string // Slack's word, or ""
	retry bool
	after time.Duration
}

// Error says what was being done and Slack's own word for what went wrong.
func (e *slackError) Error() string {
	if e.code == "" {
		return e.doing + ": no answer"
	}
	return e.doing + ": " + e.code
}

func wrapSlack(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, wrapped := errors.AsType[*slackError](err); wrapped {
		return err
	}
	e := &slackError{doing: doing}
	var limit *slack.RateLimitedError
	var said slack.SlackErrorResponse
	var status slack.StatusCodeError
	switch {
	case errors.As(err, &limit):
		e.code, e.retry, e.after = "ratelimited", true, limit.RetryAfter
	case errors.As(err, &said):
		e.code = said.Err
		switch said.Err {
		case "ratelimited", "rate_limited", "internal_error", "service_unavailable", "fatal_error", "request_timeout", "team_added_to_org":
			e.retry = true
		}
	case errors.As(err, &status):
		e.code, e.retry = status.Status, status.Code >= 500 || status.Code == 429
	default:
		e.retry = true // no answer at all, or one that couldn't be read
	}
	return e
}

// slackSays says whether Slack answered with one of these errors.
func slackSays(err error, codes ...string) bool {
	var code string
	if said := (slack.SlackErrorResponse{}); errors.As(err, &said) {
		code = said.Err
	}
	if said, ok := errors.AsType[*slackError](err); ok {
		code = said.code
	}
	return slices.Contains(codes, code)
}

// slackDead says whether Slack doesn't take the token any more.
func slackDead(err error) bool {
	return slackSays(err, "token_revoked", "account_inactive", "invalid_auth", "not_authed", "token_expired")
}

// temporary says whether the same may succeed a moment later.
func temporary(err error) bool {
	if said, ok := errors.AsType[*slackError](err); ok {
		return said.retry
	}
	return invent.Temporary(err) || errors.Is(err, context.DeadlineExceeded) || cache.Failed(err)
}

// about makes a refusal one that concerns somebody else.
func about(err error, whom string) error {
	if no := refused(err); no != nil {
		return &refusal{reason: no.reason, about: whom}
	}
	return err
}

// failure returns the kind of words that tell a person of an error.
func failure(w *work, err error) slackui.Failure {
	var e *invent.Error
	var s *slackError
	switch {
	case errors.Is(err, errNewer):
		return slackui.NewerVersion
	case errors.Is(err, errKills) || errors.Is(err, errPanicked) && w.Wrote != untouched:
		return slackui.Crashed
	case w.Wrote == written:
		return slackui.Unplaced
	case invent.NotFound(err) && !w.Intent.Releases() && errors.As(err, &e) && e.Op == "assign": // the conversation was read just before
		return slackui.MemberNotFound
	case invent.NotFound(err), errors.Is(err, invent.ErrID):
		return slackui.NotFound
	case w.Wrote == unsettled: // whatever came after it
		return slackui.Unsettled
	case cache.Failed(err):
		return slackui.BotFailed
	case errors.As(err, &s) && s.retry:
		return slackui.SlackSilent
	case invent.RetryAfter(err) > 0:
		return slackui.Limited
	case temporary(err) || errors.Is(err, errTooLate):
		return slackui.NoAnswer
	case errors.Is(err, errStopped):
		return slackui.Stopped
	case invent.Refused(err):
		return slackui.KeyRefused
	case errors.As(err, &e):
		return slackui.RefusedByAPI
	case slackDead(err):
		return slackui.SlackRefused
	case errors.As(err, &s):
		return slackui.SlackForbids
	}
	return slackui.BotFailed
}
