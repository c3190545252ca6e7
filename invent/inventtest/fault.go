package inventtest

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is a way to fail. Which calls it meets: those with its Method ("" for all) whose escaped path contains Path, or ends with it
// when Path ends with "$". Without anything but Delay the answer is late and else right.
type Fault struct {
	Method, Path string
	Times        int           // so many calls; 0: until undone
	Delay        time.Duration // before anything else happens
	AfterWrite   bool          // the call is carried out all the same, and only its answer replaced
	Hang         bool          // no answer until the client leaves or Close
	Status       int           // default: 200
	RetryAfter   string        // header
	Location     string        // header
	HTML         bool          // a proxy's page as the body
	Cut          bool          // the connection ends in the middle of the body
	Body         []byte        // this body
	Huge         int           // the right answer, behind so many blanks: wrong by its length alone. A change is carried out with AfterWrite only
}

// Fault makes calls fail, those of an earlier fault by the earlier one, until undo is called or Times are used up.
func (i *Invent) Fault(f Fault) (undo func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := &f
	i.faults = append(i.faults, p)
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.faults = slices.DeleteFunc(i.faults, func(q *Fault) bool { return q == p })
	}
}

// fault returns the fault that meets r, nil for none, and counts it. It wants the lock held.
func (i *Invent) fault(r *http.Request) *Fault {
	path := r.URL.EscapedPath()
	for n, f := range i.faults {
		end, exact := strings.CutSuffix(f.Path, "$")
		if f.Method != "" && f.Method != r.Method || !strings.Contains(path, end) || exact && !strings.HasSuffix(path, end) {
			continue
		}
		found := *f
		if f.Times == 1 {
			i.faults = slices.Delete(i.faults, n, n+1)
		} else if f.Times > 1 {
			f.Times--
		}
		return &found
	}
	return nil
}

func (f *Fault) onlyLate() bool {
	return !f.Hang && f.Status == 0 && !f.HTML && !f.Cut && f.Body == nil && f.Huge == 0
}

// answer fails as f says. right is the body of the answer that it replaces, if the call was carried out.
func (f *Fault) answer(w http.ResponseWriter, right []byte) {
	kind, body := "application/json", f.Body
	switch {
	case body != nil:
	case f.HTML:
		kind, body = "text/html", []byte("<html><head><title>Bad gateway</title></head><body>nginx</body></html>")
	case f.Huge > 0:
		body = append(bytes.Repeat([]byte(" "), f.Huge), right...)
	case f.Cut && right != nil:
		body = right[:len(right)/2]
	case f.Cut:
		body = []byte(`{"id":"chat_`)
	default:
		body = encode(failure("fault"))
	}
	w.Header().Set("Content-Type", kind)
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Location != "" {
		w.Header().Set("Location", f.Location)
	}
	if f.Cut {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1000))
	}
	w.WriteHeader(f.status())
	_, _ = w.Write(body)
	if f.Cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func (f *Fault) status() int {
	if f.Hang {
		return 0
	}
	return max(f.Status, http.StatusOK)
}
