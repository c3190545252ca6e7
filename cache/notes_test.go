package cache_test

import (
	"testing"

	"inventbot/cache"
)

func TestNotes(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		if note, ok, err := c.Note(t.Context(), "T1", "n1"); ok || err != nil || note != "" {
			t.Errorf("a note that nobody kept: %q, %v, %v", note, ok, err)
		}
		fine(t, c.KeepNote(t.Context(), "T1", "n1", "two\nlines"))
		if note, ok, err := c.Note(t.Context(), "T1", "n1"); !ok || err != nil || note != "two\nlines" {
			t.Errorf("kept, and got %q, %v, %v", note, ok, err)
		}
		if _, ok, _ := c.Note(t.Context(), "T2", "n1"); ok {
			t.Error("another team reads it")
		}
		fine(t, c.DropNote(t.Context(), "T1", "n1"))
		if _, ok, err := c.Note(t.Context(), "T1", "n1"); ok || err != nil {
			t.Errorf("a note that was dropped: %v, %v", ok, err)
		}
	})
}

func TestWhoWantsNoNotices(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		for _, quiet := range []bool{true, true, false, false} {
			fine(t, c.SetQuiet(t.Context(), "T1", "U1", quiet))
			if got, err := c.Quiet(t.Context(), "T1", "U1"); got != quiet || err != nil {
				t.Errorf("%v, %v; want %v", got, err, quiet)
			}
		}
		if got, err := c.Quiet(t.Context(), "T1", "U2"); got || err != nil {
			t.Errorf("who never said anything: %v, %v", got, err)
		}
	})
}

func TestGreetedOnce(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		for n, want := range []bool{true, false, false} {
			if first, err := c.Greet(t.Context(), "T1", "U1"); first != want || err != nil {
				t.Errorf("greeting %d: %v, %v; want %v", n, first, err, want)
			}
		}
		fine(t, c.Ungreet(t.Context(), "T1", "U1"))
		if first, err := c.Greet(t.Context(), "T1", "U1"); !first || err != nil {
			t.Errorf("after one that did not arrive: %v, %v", first, err)
		}
	})
}

func TestHome(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		if _, ok, err := c.Home(t.Context(), "T1", "U1"); ok || err != nil {
			t.Errorf("a tab that was never opened: %v, %v", ok, err)
		}
		want := cache.Home{Hash: "h", Page: 1, Below: 2}
		fine(t, c.SetHome(t.Context(), "T1", "U1", want))
		if got, ok, err := c.Home(t.Context(), "T1", "U1"); !ok || err != nil || got != want {
			t.Errorf("got %+v, %v, %v; want %+v", got, ok, err, want)
		}
	})
}
