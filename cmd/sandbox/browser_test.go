package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/slack-go/slack"

	"inventbot/bot"
)

// browser is one tab. A dialog of the page's own, or an error in its scripts, fails the test.
type browser struct {
	t   *testing.T
	ctx context.Context
}

func openBrowser(t *testing.T, address string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not on the PATH")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx,
		chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1400, 900)),
		chromedp.WithListener(func(e any) {
			switch e := e.(type) {
			case *page.EventJavascriptDialogOpening:
				t.Errorf("a script opened a dialog: %s", e.Message)
			case *runtime.EventExceptionThrown:
				t.Errorf("a script failed: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
			}
		}))
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	b.do(chromedp.Navigate(address))
	return b
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
}

// holds waits until a JavaScript expression is true, and fails with what the page shows when it doesn't become so.
func (b *browser) holds(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		shown, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		b.t.Fatalf("%v: %s; the page shows:\n%s", err, expression, shown)
	}
}

// sees waits until something that the selector finds shows the words.
func (b *browser) sees(selector, words string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`[...document.querySelectorAll(%s)].some((n) => n.innerText.includes(%s))`, quote(selector), quote(words)))
}

// types sends a line as the person who is chosen.
func (b *browser) types(line string) {
	b.t.Helper()
	b.keys(`[data-testid="input"]`, line+"\n")
}

// keys types at the end of what stands in a field. (chromedp's own SendKeys reads the page's nodes while they change.)
func (b *browser) keys(selector, text string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`!!document.querySelector(%s)`, quote(selector)))
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{
		const field = document.querySelector(%s);
		field.focus();
		field.setSelectionRange?.(field.value.length, field.value.length);
	}`, quote(selector))), chromedp.KeyEvent(text))
}

// clicks what the selector finds, once more when the page was drawn anew between finding and clicking.
func (b *browser) clicks(selector string) {
	b.t.Helper()
	for {
		err := chromedp.Do(b.ctx, chromedp.Click(selector))
		if err == nil {
			return
		}
		var answer *cdproto.Error
		if !errors.As(err, &answer) || !strings.Contains(answer.Message, "node with given id") {
			b.t.Fatalf("the browser: %v", err)
		}
	}
}

// presses the button with these words in the newest message that has one.
func (b *browser) presses(words string) {
	b.t.Helper()
	b.clicks(fmt.Sprintf(`(//article//button[normalize-space()=%s])[last()]`, quote(words)))
}

func (b *browser) is(who string) {
	b.t.Helper()
	b.clicks(fmt.Sprintf(`//label[.//input[@data-testid="as-%s"]]`, who))
	b.holds(fmt.Sprintf(`document.querySelector('[data-testid="as-%s"]')?.hasAttribute('checked')`, who)) // drawn for them, their channels too
}

// assignee waits until the table of Invent shows the member at the conversation.
func (b *browser) assignee(chat, member string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`document.querySelector('[data-testid="assignee-%s"]')?.value === %s`, chat, quote(member)))
}

// picture keeps what the page looks like when SCREENSHOTS names a folder.
func (b *browser) picture(name string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := root.WriteFile(name+".png", png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func quote(s string) string {
	text, _ := json.Marshal(s) // of a string: it can't fail
	return string(text)
}

const private = `article[data-private]`

func TestBrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, open(t)+"/?as=grace&channel=support")

	b.is("ada")
	b.types("/invent take chat_jane")
	b.sees("article h3", "Jane Doe")
	b.sees("article:not([data-private])", "@Ada")
	b.assignee("chat_jane", "mem_ada")
	b.picture("taken")

	b.presses("Release")
	b.sees(`[data-testid="confirm"]`, "Afterwards nobody will have it")
	b.picture("confirm")
	b.clicks(`[data-testid="confirm-yes"]`)
	b.sees("article:not([data-private])", "Nobody")
	b.assignee("chat_jane", "")

	// Somebody takes it in the dashboard: the card becomes true by itself, and whoever didn't look comes too late.
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const select = document.querySelector('[data-testid="assignee-chat_jane"]');
		select.value = 'mem_grace';
		select.dispatchEvent(new Event('change'));
	}`))
	b.assignee("chat_jane", "mem_grace")
	b.sees("article:not([data-private])", "@Grace")
	b.types("/invent take chat_jane")
	b.sees(private, "Nothing changed")
	b.sees(private, "Only visible to you")
	b.picture("late")
	b.presses("Take over")
	b.assignee("chat_jane", "mem_ada")

	b.is("linus")
	b.holds(`!document.querySelector('article[data-private]')`) // what only Ada sees
	b.types("/invent take chat_jane")
	b.sees(private, "You aren't linked")
	b.picture("refused")

	b.is("ada")
	b.types("hello")
	b.sees("article:not([data-private])", "hello")
	b.types("/invent show chat_bob")
	b.sees("article h3", `<!channel> & "Bob" <script>alert(1)</script>`)
	b.types("/invent show chat_layla")
	b.sees("article h3", "ليلى 🌷 حداد")
	b.types("/invent help")
	b.sees(private, "What you can type")
	b.picture("names")
	b.assignee("chat_bob", "")

	b.clicks(`[data-testid="channel-random"]`)
	b.types("/invent take chat_unnamed")
	b.sees("article:not([data-private])", "doesn't update by itself")
	b.picture("snapshot")
	b.holds(`document.querySelectorAll('script').length === 1 && document.querySelector('[data-testid="complaints"]').hidden`)
}

// A customer asks for a human: the card comes by itself, and shows what is done in the dashboard.
func TestBrowserHandoff(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, open(t)+"/?as=ada&channel=support")
	b.sees("article", "3 conversations are waiting for a human, as of")
	b.clicks(`[data-testid="asks-chat_unnamed"]`)
	b.sees("article h3", "Unnamed")
	b.sees("article", "for a human since")
	b.picture("handoff")
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const select = document.querySelector('[data-testid="assignee-chat_unnamed"]');
		select.value = 'mem_grace';
		select.dispatchEvent(new Event('change'));
	}`))
	b.sees("article", "@Grace")
	b.types("/invent queue")
	b.sees(private, "Waiting for a human: 3")
	b.picture("queue")
	b.holds(`document.querySelector('[data-testid="complaints"]').hidden`)
}

// Each flow around a conversation: the modal that assigns, with a search and a note; the undo; direct messages; the Home tab; both
// shortcuts; a link that unfolds.
func TestBrowserFlows(t *testing.T) {
	t.Parallel()
	address := open(t)
	b := openBrowser(t, address+"/?as=ada&channel=support")
	b.types("see " + address + "/?conversation=chat_layla")
	b.sees(".unfurl h3", "ليلى 🌷 حداد")
	b.picture("unfolded")
	b.clicks(`//*[@class="unfurl"]//button[.="Assign…"]`)
	b.sees(`[data-testid="modal"]`, "The customer never sees it")
	b.do(chromedp.Focus(`[data-testid="modal"] [data-action="who_pick"]`))
	b.holds(`[...document.querySelectorAll('datalist option')].some((o) => o.value === 'Grace Example')`)
	b.holds(`[...document.querySelectorAll('datalist option')].some((o) => o.innerText.includes("won't be notified here") || o.label.includes("won't be notified here"))`)
	b.keys(`[data-testid="modal"] [data-action="who_pick"]`, "somebody else") // which isn't offered, so it can't be chosen
	b.keys(`[data-testid="modal"] [data-action="note_text"]`, "")
	b.sees(`[data-testid="modal"]`, "Nothing is called somebody else")
	b.clicks(`//dialog//button[.="Assign"]`)
	b.sees(`[data-testid="modal"]`, "Please fill in all that is not optional.")
	b.keys(`[data-testid="modal"] [data-action="who_pick"]`, "Me")
	b.keys(`[data-testid="modal"] [data-action="note_text"]`, "Call at 5")
	b.clicks(`//dialog//button[.="Assign"]`)
	b.sees(`[data-testid="modal"]`, "Nobody else would get this note")
	b.picture("assign")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid="modal"] [data-action="who_pick"]').value = ''; undefined`))
	b.keys(`[data-testid="modal"] [data-action="who_pick"]`, "Grace Example")
	b.clicks(`//dialog//button[.="Assign"]`)
	b.holds(`!document.querySelector('dialog[open]')`)
	b.assignee("chat_layla", "mem_grace")
	b.sees(".unfurl", "@Grace")
	b.sees(private, "you can undo this for five minutes")
	b.picture("undo")

	b.is("grace")
	b.clicks(`[data-testid="channel-invent"]`)
	b.sees("article", "@Ada assigned it to you")
	b.sees("article", "Call at 5")
	b.sees("#closed", "turned off")
	b.holds(`document.getElementById('compose').hidden`)
	b.picture("note")
	b.clicks(`[data-testid="channel-home"]`)
	b.sees(`[data-testid="home"]`, "My conversations: 2")
	b.picture("home")
	b.clicks(`//*[@data-testid="home"]//button[.="Turn notices off"]`)
	b.sees(`[data-testid="home"]`, "Turn notices on")
	b.clicks(`[data-testid="channel-support"]`)
	b.clicks(`[data-testid="take-one"]`)
	b.sees(`[data-testid="modal"]`, "Waiting for a human")
	b.clicks(`(//dialog//button[.="Take"])[1]`)
	b.sees(`[data-testid="modal"]`, "it is yours")
	b.picture("take")
	b.clicks(`//dialog//button[.="Close"]`)
	b.holds(`!document.querySelector('dialog[open]')`)

	b.is("ada")
	b.types("hello")
	b.sees("article:not([data-private])", "hello")
	b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('article')].find((a) => a.innerText.includes('hello')).querySelector('.shortcut').click(); undefined`))
	b.sees(`[data-testid="modal"]`, "Find a conversation")
	b.keys(`[data-testid="modal"] [data-action="which_text"]`, "chat_rosa")
	b.clicks(`//dialog//button[.="Show"]`)
	b.sees(private, "Rosa Muster")
	b.picture("shortcut")
	b.presses("Back to nobody")
	b.assignee("chat_layla", "")
	b.is("linus")
	b.clicks(`[data-testid="channel-home"]`)
	b.sees(`[data-testid="home"]`, "You aren't linked")
	b.holds(`document.querySelector('[data-testid="complaints"]').hidden`)
}

// Without a mouse: buttons, questions and modals are answered by the keyboard, and it goes on where it was when they are drawn anew.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, open(t)+"/?as=ada&channel=support")
	b.clicks(`[data-testid="first"]`) // what the page proposes to begin with
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees("article h3", "Jane Doe")
	b.sees("article", "conversations are waiting") // it may come after the card, and count one less then
	b.holds(`document.querySelector('[data-testid="intro"]').hidden`)
	// What a screen reader says of a message is in words, as it is drawn.
	b.holds(`[...document.querySelectorAll('article')].some((a) => a.getAttribute('aria-label').includes('Assignee: @Ada, since today at '))`)
	focus := func(selector, words string) {
		t.Helper()
		b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`[...document.querySelectorAll(%s)].findLast((n) => n.innerText === %s).focus(); undefined`, quote(selector), quote(words))))
	}
	focus("article button", "Release")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees(`[data-testid="confirm"]`, "Afterwards nobody will have it")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.holds(`!document.querySelector('dialog[open]') && document.activeElement.innerText === 'Release'`)
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.sees("article:not([data-private])", "Nobody")
	b.assignee("chat_jane", "")
	b.holds(`!!document.activeElement.closest('article')`)
	b.presses("Assign…")
	b.holds(`document.activeElement.dataset.action === 'who_pick'`)
	b.do(chromedp.KeyEvent("Gra")) // in the place of who is chosen there
	b.holds(`document.activeElement.value === 'Gra' && [...document.querySelectorAll('datalist option')].some((o) => o.value === 'Grace Example')`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.holds(`!document.querySelector('dialog[open]')`)

	focus("button", "Shortcut: Take a conversation")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees(`[data-testid="modal"]`, "Waiting for a human")
	focus("dialog button", "Take")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees(`[data-testid="modal"]`, "it is yours")
	b.holds(`document.activeElement.dataset.testid === 'modal'`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.holds(`!document.querySelector('dialog[open]')`)
	b.holds(`document.querySelector('[data-testid="complaints"]').hidden`)
}

// While Invent is away nothing is lost: what was asked for is done once it is back.
func TestBrowserAway(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, open(t)+"/?as=ada&channel=support")
	b.sees("article", "3 conversations are waiting")
	b.clicks(`[data-testid="away"]`)
	b.is("grace")
	b.holds(`document.querySelector('[data-testid="away"]').checked`)
	b.types("/invent take chat_jane")
	b.sees(private, "Still on it")
	b.picture("away")
	b.clicks(`[data-testid="away"]`)
	b.sees("article:not([data-private])", "@Grace")
	b.assignee("chat_jane", "mem_grace")
	b.holds(`document.querySelector('[data-testid="complaints"]').hidden`)
}

// In a window as narrow as a telephone all is one below the other, and nothing sticks out.
func TestBrowserNarrow(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, open(t)+"/?as=ada&channel=support")
	b.do(chromedp.EmulateViewport(390, 844))
	b.sees("article", "3 conversations are waiting")
	b.holds(`document.querySelector('[data-testid="input"]').getBoundingClientRect().bottom <= innerHeight`) // what to do is seen without scrolling
	b.types("/invent take chat_jane")
	b.sees("article h3", "Jane Doe")
	b.holds(`document.documentElement.scrollWidth <= innerWidth`)
	b.holds(`((m) => m.clientWidth > innerWidth - 40 && m.scrollWidth <= m.clientWidth)(document.querySelector('#messages'))`)
	b.picture("narrow")
}

// By day and by night all words are told from what is behind them (WCAG 2.2, 1.4.3).
func TestBrowserColours(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, open(t)+"/?as=ada&channel=support")
	b.types("/invent take chat_jane")
	b.sees("article h3", "Jane Doe")
	b.types("/invent help")
	b.sees(private, "What you can type")
	for scheme, behind := range map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(26, 29, 33)"} {
		wanted := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, wanted); err != nil {
			t.Fatal(err)
		}
		b.holds(fmt.Sprintf(`getComputedStyle(document.body).backgroundColor === %s`, quote(behind)))
		b.holds(`(() => {
			const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
			const light = (colour) => channels(colour).slice(0, 3).map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
				.reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
			const behind = (n) => { for (; channels(getComputedStyle(n).backgroundColor)[3] === 0; n = n.parentElement); return light(getComputedStyle(n).backgroundColor); };
			const words = [...document.querySelectorAll('body *')].filter((n) => n.checkVisibility({ opacityProperty: true }) && [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim()));
			return words.every((n) => {
				const both = [light(getComputedStyle(n).color), behind(n)];
				return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05) >= 4.5;
			});
		})()`)
		b.picture(scheme)
	}
}

// Of Block Kit, what the bot of today doesn't draw; a modal's way there and back.
func TestBrowserDrawsBlockKit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	t.Cleanup(w.invent.Close)
	t.Cleanup(w.slack.Close)
	served := httptest.NewServer(w.handler())
	t.Cleanup(served.Close)
	api := bot.NewSlack(w.slack.Token(), w.slack.URL())

	const modal = `{"type":"modal","title":{"type":"plain_text","text":"Assign"},"submit":{"type":"plain_text","text":"Do it"},"blocks":[
		{"type":"input","block_id":"who","label":{"type":"plain_text","text":"To whom"},"element":{"type":"external_select","action_id":"who","min_query_length":0}},
		{"type":"input","block_id":"note","label":{"type":"plain_text","text":"Note"},"optional":true,"element":{"type":"plain_text_input","action_id":"note","multiline":true}}]}`
	submitted := make(chan url.Values, 9)
	pretended := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		payload := r.FormValue("payload")
		switch {
		case r.URL.Path == "/slack/commands":
			var v slack.ModalViewRequest
			if err := json.Unmarshal([]byte(modal), &v); err != nil {
				t.Error(err)
			}
			if _, err := api.OpenViewContext(r.Context(), r.FormValue("trigger_id"), v); err != nil {
				t.Error(err)
			}
		case r.URL.Path == "/slack/options":
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write([]byte(`{"options":[{"text":{"type":"plain_text","text":"Grace"},"value":"mem_grace"}]}`))
		case len(payload) > 0:
			submitted <- r.Form
			if len(submitted) == 1 {
				rw.Header().Set("Content-Type", "application/json")
				_, _ = rw.Write([]byte(`{"response_action":"errors","errors":{"note":"Say more."}}`))
			}
		}
	}))
	t.Cleanup(pretended.Close)
	w.slack.SetBot(pretended.URL)

	const blocks = `{"blocks":[
		{"type":"section","text":{"type":"mrkdwn","text":"*bold* _italic_ ~struck~ ` + "`a &lt;b&gt; *c*`" + ` 2*3*4 <@U0ADA> <#C0RANDOM> <!here> <https://example.com/?a=1&amp;b=2|a link> <javascript:alert(1)|no link> &lt;b&gt;not bold&lt;/b&gt;"},
			"accessory":{"type":"overflow","action_id":"more","options":[{"text":{"type":"plain_text","text":"First"},"value":"1"}]}},
		{"type":"divider"},
		{"type":"actions","elements":[
			{"type":"static_select","action_id":"pick","placeholder":{"type":"plain_text","text":"Pick one"},"options":[{"text":{"type":"plain_text","text":"Red"},"value":"r"}]},
			{"type":"button","action_id":"go","style":"danger","text":{"type":"plain_text","text":"<img src=x onerror=alert(1)>"}}]},
		{"type":"context","elements":[{"type":"mrkdwn","text":"<!date^0^{date_num}|long ago>"}]}]}`
	var drawn slack.Msg
	if err := json.Unmarshal([]byte(blocks), &drawn); err != nil {
		t.Fatal(err)
	}
	if _, _, err := api.PostMessageContext(t.Context(), "C0SUPPORT", slack.MsgOptionText("all", false), slack.MsgOptionBlocks(drawn.Blocks.BlockSet...)); err != nil {
		t.Fatal(err)
	}

	b := openBrowser(t, served.URL)
	b.sees("article b", "bold")
	b.sees("article i", "italic")
	b.sees("article s", "struck")
	b.sees("article code", "a <b> *c*")
	b.sees("article", "2*3*4 @Ada #random @here a link no link <b>not bold</b>")
	b.sees("article button", "<img src=x onerror=alert(1)>")
	b.sees("article time[title]", "19")
	b.holds(`document.querySelectorAll('article a').length === 1 && !document.querySelector('article img')`)
	b.picture("blocks")

	b.types("/invent anything")
	b.sees(`[data-testid="modal"]`, "To whom")
	b.do(chromedp.Focus(`[data-testid="modal"] [data-action="who"]`))
	b.holds(`document.querySelector('datalist option')?.value === 'Grace'`)
	b.keys(`[data-testid="modal"] [data-action="who"]`, "Grace")
	b.keys(`[data-testid="modal"] [data-action="note"]`, "short")
	b.clicks(`//dialog//button[.="Do it"]`)
	b.sees(`[data-testid="modal"]`, "Say more.")
	b.picture("modal")
	b.keys(`[data-testid="modal"] [data-action="note"]`, ", and more")
	b.clicks(`//dialog//button[.="Do it"]`)
	b.holds(`!document.querySelector('dialog[open]')`)
	<-submitted
	if last := (<-submitted).Get("payload"); !strings.Contains(last, "mem_grace") || !strings.Contains(last, "short, and more") {
		t.Errorf("submitted was %s", last)
	}
}
