package cache_test

import (
	"testing"

	"inventbot/cache"
)

func TestNotes(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		if note, ok, err := c.Note(t.Context(), "T1", "U1", "n1"); ok || err != nil || note != "" {
			t.Errorf("a note that nobody kept: %q, %v, %v", note, ok, err)
		}
		id, err := c.KeepNote(t.Context(), "T1", "U1", "two\nlines")
		fine(t, err)
		if note, ok, err := c.Note(t.Context(), "T1", "U1", id); !ok || err != nil || note != "two\nlines" {
			t.Errorf("kept, and got %q, %v, %v", note, ok, err)
		}
		if again, err := c.KeepNote(t.Context(), "T1", "U1", "another"); again == id || err != nil {
			t.Errorf("two notes have the id %q; %v", id, err)
		}
		for _, other := range [][2]string{{"T2", "U1"}, {"T1", "U2"}} {
			if _, ok, _ := c.Note(t.Context(), other[0], other[1], id); ok {
				t.Errorf("%v reads it", other)
			}
		}
		fine(t, c.DropNote(t.Context(), "T1", "U1", id))
		if _, ok, err := c.Note(t.Context(), "T1", "U1", id); ok || err != nil {
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
		for _, want := range []bool{false, true, true} {
			if got, err := c.Greeted(t.Context(), "T1", "U1"); got != want || err != nil {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
			fine(t, c.SetGreeted(t.Context(), "T1", "U1"))
		}
		if got, err := c.Greeted(t.Context(), "T1", "U2"); got || err != nil {
			t.Errorf("who was never welcomed: %v, %v", got, err)
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
