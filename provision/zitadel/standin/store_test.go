package standin

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func openTestStore(t *testing.T, dir string) *store {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.journal.close() })
	return s
}

func putUser(id, name string) func(*tx) error {
	return func(t *tx) error { return put(t, t.users, id, &userRow{Username: name}) }
}

func TestAChangeThatFailsHalfWayLeavesNothing(t *testing.T) {
	s := openTestStore(t, "")
	if err := s.update("", putUser("1", "ada")); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("half way")
	err := s.update("", func(t *tx) error {
		if _, err := t.event("user.changed", "user", "1", "o", nil); err != nil {
			return err
		}
		drop(t, t.users, "1")
		if err := putUser("2", "ada")(t); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if s.users.rows["1"] == nil || s.users.rows["2"] != nil || s.taken[unique("user", "ada")[0]] != "1" {
		t.Errorf("something was left: %v %v", s.users.rows, s.taken)
	}
	if m := s.lastOf("user", "1"); m.Sequence != 0 || len(s.events.rows) != 0 {
		t.Errorf("an event was left: %v", m)
	}
}

func TestANameIsGivenOnce(t *testing.T) {
	s := openTestStore(t, "")
	if err := s.update("", putUser("1", "ada")); err != nil {
		t.Fatal(err)
	}
	if err := s.update("", putUser("2", "ADA")); !errors.Is(err, errTaken) {
		t.Errorf("the name of another: %v", err)
	}
	if err := s.update("", putUser("1", "ada")); err != nil {
		t.Errorf("one's own name again: %v", err)
	}
	if err := s.update("", putUser("1", "bob")); err != nil {
		t.Fatal(err)
	}
	if err := s.update("", putUser("2", "ada")); err != nil {
		t.Errorf("a name that was given up: %v", err)
	}
}

func TestASearchLagsAndAGetDoesNot(t *testing.T) {
	s := openTestStore(t, "")
	s.setLag(time.Hour)
	step := func(f func(*tx) error) {
		t.Helper()
		if err := s.update("", f); err != nil {
			t.Fatal(err)
		}
	}
	everything := func(*found[userRow]) bool { return true }
	step(putUser("1", "ada"))
	if hits := s.users.search(time.Now(), s.lag, everything); len(hits) != 0 {
		t.Errorf("found at once: %v", hits)
	}
	if s.users.rows["1"] == nil {
		t.Error("not there by id")
	}
	hour := time.Now().Add(time.Hour)
	if hits := s.users.search(hour, s.lag, everything); len(hits) != 1 {
		t.Errorf("not found after the lag: %v", hits)
	}
	step(putUser("1", "bob"))
	step(func(t *tx) error { drop(t, t.users, "1"); return nil })
	if hits := s.users.search(time.Now(), 0, everything); len(hits) != 0 {
		t.Errorf("found without a lag although deleted: %v", hits)
	}
	if hits := s.users.search(hour, s.lag, everything); len(hits) != 1 || hits[0].row.Username != "ada" {
		t.Errorf("as it was: %v", hits)
	}
}

func TestARewrittenJournalHoldsTheSame(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir)
	for n := range 1500 {
		if err := s.update("", putUser("1", fmt.Sprint("name-", n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.update("", putUser("2", "ada")); err != nil {
		t.Fatal(err)
	}
	if err := s.journal.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first open rewrites, the second reads what was rewritten
		again := openTestStore(t, dir)
		if again.users.len() != 2 || again.users.rows["1"].Username != "name-1499" || again.taken[unique("user", "ada")[0]] != "2" {
			t.Fatalf("got %v", again.users.rows)
		}
		if err := again.update("", putUser("3", "ADA")); !errors.Is(err, errTaken) {
			t.Errorf("a name that is taken: %v", err)
		}
		if err := again.journal.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIDsAndTimesOnlyRise(t *testing.T) {
	var c clock
	c.seen(time.Now().Add(time.Hour).Truncate(time.Microsecond), "999999999999999998")
	c.seen(time.Time{}, "chosen-by-somebody")
	before := c.now()
	if next := c.now(); !next.After(before.Time) {
		t.Errorf("%v after %v", next, before)
	}
	if id := c.newID(); id != "999999999999999999" {
		t.Errorf("id %s after one that was given", id)
	}
}
