package bot

import (
	"context"
	"errors"

	"inventbot/cache"
	"inventbot/slackui"
)

// step is a moment between two effects of an action. When a process dies there, what came before the step has happened, and another
// process does what comes after it.
type step string

const (
	stepStored     step = "it is stored, not acknowledged yet"
	stepTaken      step = "taken from the queue"
	stepIdentified step = "it is known who asks"
	stepRead       step = "the conversation is read"
	stepChanged    step = "Invent has confirmed the change"
	stepDrawn      step = "the card is drawn"
	stepRemembered step = "the card is remembered"
	stepRedrawn    step = "the other cards are redrawn"
	stepTold       step = "whom it concerns is told"
	stepEnded      step = "the job is ended"
)

// passed is where tests can stop, kill or upset a process. Nothing else can set steps.
func (b *Bot) passed(s step, j cache.Job) {
	if b.steps != nil {
		b.steps(s, j)
	}
}

// setAside keeps a job that panicked at each try, or during which process after process died, where it can be looked at; without its
// response_url, names, e-mails and notes.
func (b *Bot) setAside(ctx context.Context, q *cache.Cache, j cache.Job, w work, why error) {
	w.Intent.ResponseURL, w.Intent.Note, w.Before, w.Deed = "", "", nil, nil
	if w.Intent.To != nil && w.Intent.To.Email != "" {
		w.Intent.To = &slackui.To{}
	}
	j.Body = w.encode()
	if errors.Is(why, errPanicked) {
		j.Tries++ // the last try isn't counted yet
	}
	b.metrics.setAside.Inc()
	b.log.Error("a job was set aside", "why", why, "verb", string(w.Intent.Verb), "tries", j.Tries, "ref", ref(j.ID))
	if err := q.SetAside(context.WithoutCancel(ctx), j); err != nil {
		b.log.Warn("a job could not be kept aside", "error", err, "ref", ref(j.ID))
	}
}
