package main

import (
	"fmt"
	"testing"

	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// perAddress is what Invent allows one address in any minute.
const perAddress = 500

// TestInventRate: what the settings say fills no minute above Invent's limit, but for pretended Invents on this machine.
func TestInventRate(t *testing.T) {
	for name, value := range map[string]string{"SLACK_SIGNING_SECRET": "s", "SLACK_BOT_TOKEN": "t", "INVENT_API_KEY": "k"} {
		t.Setenv(name, value)
	}
	for _, c := range []struct {
		address, rate string
		least, most   int
	}{
		{least: 1, most: defaultRate},
		{address: "https://invent.example.com", least: 1, most: defaultRate},
		{address: "http://127.0.0.1:1"},
		{address: "http://127.0.0.1:1", rate: "48", least: 48, most: 48},
		{rate: "48", least: 48, most: 48},
		{rate: "0"},
	} {
		t.Setenv("INVENT_API_URL", c.address)
		t.Setenv("INVENT_RATE", c.rate)
		s, problems := load()
		if len(problems) > 0 || s.rate < c.least || s.rate > c.most {
			t.Errorf("at %q with INVENT_RATE %q: %d calls a minute, want %d to %d; %v", c.address, c.rate, s.rate, c.least, c.most, problems)
		}
	}
	if most := defaultRate + defaultRate/32; most >= perAddress {
		t.Errorf("a minute of the default, and a burst: %d calls, of which Invent allows %d", most, perAddress)
	}
}

// TestInventRateIsKept: the program itself calls no more often than it is set to, whatever people ask for at a time.
func TestInventRateIsKept(t *testing.T) {
	t.Parallel()
	const rate, commands = 48, 60
	w := newWorld(t)
	w.invent.LimitPerMinute(rate + rate/32)
	w.settings["INVENT_RATE"] = fmt.Sprint(rate)
	p := start(t, w.settings)
	for n := range commands {
		chat := w.invent.AddChat(inventtest.Chat{ID: fmt.Sprintf("chat_of_%d", n), State: invent.Open})
		w.says(t, p, func() *slacktest.Ack { return w.ada.Types(w.support, "/invent show "+chat) })
	}
	w.ada.ExpectPrivate(w.support, "Still on it") // said after 5 s: without a limit all calls would have been made by now
	w.slack.IgnoreLeftovers()
	if n := len(w.invent.Requests()); n == 0 {
		t.Error("Invent was never asked")
	}
	for _, wrong := range w.invent.Complaints() {
		t.Error("Invent complains of", wrong)
	}
}
