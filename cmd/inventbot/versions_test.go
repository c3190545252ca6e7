package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

// buildNewer builds the program with the version of intents and buttons one higher, and answers where it is.
func buildNewer(t *testing.T) string {
	t.Helper()
	source, err := filepath.Abs("../../slackui/intent.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	now := fmt.Sprintf("\nconst Version = %d\n", slackui.Version)
	if strings.Count(string(text), now) != 1 {
		t.Fatalf("%s doesn't hold %q", source, now)
	}
	dir := t.TempDir()
	changed, overlay, program := filepath.Join(dir, "intent.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "inventbot")
	write := func(file string, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil { //nolint:gosec // a directory of the test's own
			t.Fatal(err)
		}
	}
	write(changed, []byte(strings.Replace(string(text), now, fmt.Sprintf("\nconst Version = %d\n", slackui.Version+1), 1)))
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	write(overlay, replaced)
	compile(t, program, "-overlay", overlay)
	return program
}

// compile builds the program without Go's own stamp, as images and releases are built.
func compile(t *testing.T, program string, flags ...string) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not on the PATH")
	}
	args := append([]string{"build", "-buildvcs=false", "-o", program}, flags...)
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as they are, too
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v: %s", err, out)
	}
}

// TestBuildInfo: the metrics say the same of a release as `inventbot version`, and that is what it was built with.
func TestBuildInfo(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "inventbot")
	compile(t, program, "-ldflags", "-X main.version=v1.2.3 -X main.commit=0123abc -X main.date=2026-01-02")
	said, err := exec.Command(program, "version").Output()
	if err != nil || !strings.HasPrefix(string(said), "inventbot v1.2.3, commit 0123abc of 2026-01-02, ") {
		t.Errorf("version says %q, %v", said, err)
	}
	w := newWorld(t)
	metrics := startProgram(t, program, w.settings).get(t, "/metrics")
	if want := `revision="0123abc",version="v1.2.3"} 1`; !strings.Contains(metrics, want) {
		_, info, _ := strings.Cut(metrics, "\ninventbot_build_info")
		info, _, _ = strings.Cut(info, "\n")
		t.Errorf("the metrics say %s, want %s", info, want)
	}
}

// TestFaultTwoVersions is a rolling deployment: while both versions take clicks the older one reads jobs of the newer one, which
// it can't know, and is then stopped in the middle.
func TestFaultTwoVersions(t *testing.T) {
	t.Parallel()
	binary := buildNewer(t)
	w := newWorld(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // each version would redraw the other's cards, from time to time, as its own
	w.settings["REDIS_URL"] = redis(t)
	const each = 20
	cardsBy := func(p *program, kind string, version int) (cards []*slacktest.Message) {
		for n := range each {
			chat := fmt.Sprintf("chat_%s_%02d", kind, n)
			w.invent.AddChat(inventtest.Chat{ID: chat, Customer: "Jane Doe", Channel: "email", State: invent.Open})
			w.says(t, p, func() *slacktest.Ack { return w.ada.Types(w.support, "/invent take "+chat) })
		}
		for n := range each {
			card := w.support.ExpectMessage(fmt.Sprintf("chat_%s_%02d", kind, n), "@ada")
			if v := fmt.Sprintf(`{"v":%d,`, version); !strings.HasPrefix(card.Button("Release").Value, v) {
				t.Fatalf("the card's button says %s, want version %d", card.Button("Release").Value, version)
			}
			cards = append(cards, card)
		}
		return cards
	}
	older := start(t, w.settings)
	ofOlder := cardsBy(older, "old", slackui.Version)
	newer := startProgram(t, binary, w.settings)
	ofNewer := cardsBy(newer, "new", slackui.Version+1)

	handedBack := false
	click := func(p *program, card *slacktest.Message) {
		w.says(t, p, func() *slacktest.Ack { return w.ada.Press(card, "Release") })
		handedBack = handedBack || newer.gauge(t, "queue_retry_jobs") > 0
	}
	undo := w.invent.Fault(inventtest.Fault{Method: "PATCH", Delay: 300 * time.Millisecond}) // so that there is a middle
	defer undo()
	for n := range each {
		click(older, ofOlder[n])
		if n < each/2 {
			click(newer, ofNewer[n])
			// What waits for its turn is read by any process that waits for work.
			w.says(t, newer, func() *slacktest.Ack { return w.ada.Types(w.support, fmt.Sprintf("/invent show chat_new_%02d", n)) })
		}
	}
	eventually(t, "the older one reads a job of the newer one", func() bool { return handedBack || newer.gauge(t, "queue_retry_jobs") > 0 })
	if n := older.gauge(t, "retries_total"); n > 0 {
		t.Errorf("the older one tried %v jobs in vain", n) // then it isn't known that it has handed back any
	}
	if err := older.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for n := each / 2; n < each; n++ {
		click(newer, ofNewer[n])
	}
	for _, card := range slices.Concat(ofOlder, ofNewer) {
		w.support.ExpectUpdate(card, "Nobody")
	}
	for n := range each / 2 {
		w.ada.ExpectPrivate(w.support, fmt.Sprintf("chat_new_%02d", n), "Nobody")
	}
	if err := <-older.ended; err != nil {
		t.Errorf("the older one ended with %v, want exit code 0: %s", err, older.output)
	}
	eventually(t, "no work is left", func() bool { return newer.gauge(t, "queue_jobs") == 0 })
	writes := map[string]string{}
	for _, write := range w.invent.Writes() {
		if writes[write.Chat] += " -"; write.Member != nil {
			writes[write.Chat] = strings.TrimSuffix(writes[write.Chat], "-") + *write.Member
		}
	}
	if len(writes) != 2*each {
		t.Errorf("%d conversations were written, want %d", len(writes), 2*each)
	}
	for chat, got := range writes {
		if got != " mem_ada -" {
			t.Errorf("%s was given to%s, want mem_ada and then nobody, each once", chat, got)
		}
	}
}

// says lets somebody say something to one of the programs, and wants it acknowledged.
func (w *world) says(t *testing.T, to *program, say func() *slacktest.Ack) {
	t.Helper()
	w.slack.SetBot(to.address)
	if a := say(); a.Status != http.StatusOK {
		t.Fatalf("answered %d %s", a.Status, a.Err)
	}
}
