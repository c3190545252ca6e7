package inventtest

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is a way to fail. It meets calls with its Method ("" for all) whose escaped path contains Path, or ends with what stands before
// a "$" at Path's end. If it says nothing but a Delay, the answer is late but right.
type Fault struct {
	Method, Path string
	Times        int           // how many calls it meets; 0: all until undone
	Delay        time.Duration // before anything else happens
	AfterWrite   bool          // the call is carried out all the same; only its answer is replaced
	Hang         bool          // no answer until the client leaves or Close
	Status       int           // default: 200
	RetryAfter   string        // header
	Location     string        // header
	HTML         bool          // a proxy's page as the body
	Cut          bool          // the connection ends in the middle of the body
	Body         []byte        // this body
	Huge         int           // how many blanks precede the right answer: only its length is wrong. A PATCH is carried out only with AfterWrite
}

// Fault makes calls fail, until undo is called or Times are used up. If several faults fit a call, it meets the earliest.
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

// fault returns the fault that r meets, nil for none, and counts it. It must be called with the lock held.
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

// answer fails as f says. right is the body that it replaces; nil if the call was not carried out.
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
