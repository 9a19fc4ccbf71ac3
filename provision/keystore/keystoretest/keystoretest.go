// Package keystoretest proves that a [provision.KeyStore] keeps its promises, also when its
// process is killed. The tests of an implementation call [Main] and [Run] with the same
// [Backend]:
//
//	var backend = keystoretest.Backend{New: …, Open: …}
//
//	func TestMain(m *testing.M) { keystoretest.Main(m, backend) }
//
//	func TestConformance(t *testing.T) { keystoretest.Run(t, backend) }
//
// Main is what lets the suite start the test binary again as another process that writes,
// and kill it.
package keystoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// Backend makes stores of one implementation.
type Backend struct {
	// New makes room for an empty store and says where: a directory, a path in OpenBao.
	New func(t *testing.T) (place string)
	// Open opens the store at a place, in this process or in another.
	Open func(place string) (provision.KeyStore, error)
}

// Run tests what every key store promises.
func Run(t *testing.T, b Backend) {
	t.Run("a key is what was stored, also after opening the store again", b.testKeep)
	t.Run("create never touches what is there", b.testCreate)
	t.Run("replace stores whether or not the name is taken", b.testReplace)
	t.Run("delete removes, and may be repeated", b.testDelete)
	t.Run("list gives sorted names by prefix", b.testList)
	t.Run("names that are no words are refused by every method", b.testNames)
	t.Run("a cancelled context stops every method", b.testCancelled)
	t.Run("the location of a key names it and not its content", b.testLocation)
	t.Run("of many who create one name exactly one wins", b.testRace)
	t.Run("a kill leaves the old key or the new one, whole", b.testKill)
}

func (b Backend) open(t *testing.T, place string) provision.KeyStore {
	t.Helper()
	s, err := b.Open(place)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b Backend) testKeep(t *testing.T) {
	place := b.New(t)
	s := b.open(t, place)
	contents := map[string]string{
		"a":                               "text",
		"zitadel/users/sensor-1/key.json": "{\"key\": \"line\\nline\"}\n",
		"empty":                           "",
		"bytes":                           "\x00\xff\n\r\n ",
		"large":                           strings.Repeat("0123456789abcdef", 4096),
		"device=41@x_y+z":                 "odd name",
	}
	for name, content := range contents {
		if err := s.Create(t.Context(), name, secret.New(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []provision.KeyStore{s, b.open(t, place)} {
		for name, content := range contents {
			if got := get(t, s, name); got != content {
				t.Errorf("%s: got %d bytes, want the %d that were stored", name, len(got), len(content))
			}
		}
	}
	if _, err := s.Get(t.Context(), "nothing/here"); !errors.Is(err, provision.ErrNoKey) {
		t.Errorf("a key that is not there: %v, want ErrNoKey", err)
	}
}

func (b Backend) testCreate(t *testing.T) {
	s := b.open(t, b.New(t))
	must(t, s.Create(t.Context(), "k", secret.New("first")))
	if err := s.Create(t.Context(), "k", secret.New("second")); !errors.Is(err, provision.ErrKeyExists) {
		t.Errorf("create of a taken name: %v, want ErrKeyExists", err)
	}
	if got := get(t, s, "k"); got != "first" {
		t.Errorf("got %q, want what was there", got)
	}
}

func (b Backend) testReplace(t *testing.T) {
	s := b.open(t, b.New(t))
	must(t, s.Replace(t.Context(), "d/k", secret.New("a longer first one")))
	must(t, s.Replace(t.Context(), "d/k", secret.New("second")))
	if got := get(t, s, "d/k"); got != "second" {
		t.Errorf("got %q, want the second", got)
	}
}

func (b Backend) testDelete(t *testing.T) {
	s := b.open(t, b.New(t))
	must(t, s.Create(t.Context(), "d/k", secret.New("x")))
	for range 2 {
		must(t, s.Delete(t.Context(), "d/k"))
	}
	if _, err := s.Get(t.Context(), "d/k"); !errors.Is(err, provision.ErrNoKey) {
		t.Errorf("a deleted key: %v, want ErrNoKey", err)
	}
	must(t, s.Create(t.Context(), "d/k", secret.New("again")))
}

func (b Backend) testList(t *testing.T) {
	s := b.open(t, b.New(t))
	if names, err := s.List(t.Context(), ""); err != nil || len(names) != 0 {
		t.Errorf("an empty store lists %q, %v", names, err)
	}
	for _, name := range []string{"b/two", "a", "b/one", "bb", "b/c/d"} {
		must(t, s.Create(t.Context(), name, secret.New(name)))
	}
	for prefix, want := range map[string][]string{
		"":     {"a", "b/c/d", "b/one", "b/two", "bb"},
		"b":    {"b/c/d", "b/one", "b/two", "bb"},
		"b/":   {"b/c/d", "b/one", "b/two"},
		"b/o":  {"b/one"},
		"none": nil,
	} {
		got, err := s.List(t.Context(), prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("prefix %q: got %q, %v, want %q", prefix, got, err, want)
		}
	}
}

func (b Backend) testNames(t *testing.T) {
	s := b.open(t, b.New(t))
	for _, name := range []string{
		"", "/", "a/", "/a", "a//b", ".", "..", "../a", "a/../../b", "a/..", ".hidden", "a/.new-x", "A", "ä", "a b",
		"a\\b", "a\x00b", "a\nb", "a*", "~", strings.Repeat("a", 300), strings.Repeat("a/", 400) + "a",
	} {
		_, err := s.Get(t.Context(), name)
		for method, err := range map[string]error{
			"get":     err,
			"create":  s.Create(t.Context(), name, secret.New("x")),
			"replace": s.Replace(t.Context(), name, secret.New("x")),
			"delete":  s.Delete(t.Context(), name),
		} {
			if err == nil || errors.Is(err, provision.ErrNoKey) || errors.Is(err, provision.ErrKeyExists) {
				t.Errorf("%s %q: %v, want that the name is refused", method, name, err)
			}
		}
	}
	if names, err := s.List(t.Context(), ""); err != nil || len(names) != 0 {
		t.Errorf("refused names are stored: %q, %v", names, err)
	}
}

func (b Backend) testCancelled(t *testing.T) {
	s := b.open(t, b.New(t))
	must(t, s.Create(t.Context(), "k", secret.New("x")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, "k")
	_, listErr := s.List(ctx, "")
	for method, err := range map[string]error{
		"get":     getErr,
		"list":    listErr,
		"create":  s.Create(ctx, "other", secret.New("x")),
		"replace": s.Replace(ctx, "k", secret.New("y")),
		"delete":  s.Delete(ctx, "k"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", method, err)
		}
	}
	if got := get(t, s, "k"); got != "x" {
		t.Errorf("got %q, want what was there", got)
	}
}

func (b Backend) testLocation(t *testing.T) {
	s := b.open(t, b.New(t))
	must(t, s.Create(t.Context(), "nats/account", secret.New("the-seed")))
	if at := s.Location("nats/account"); !strings.Contains(at, "nats") || strings.Contains(at, "the-seed") {
		t.Errorf("location is %q", at)
	}
}

// testRace has goroutines of this process and of others create the same names.
func (b Backend) testRace(t *testing.T) {
	const names, processes, writers = 20, 2, 4
	place := b.New(t)
	var others []*helper
	for i := range processes {
		others = append(others, startHelper(t, "race", place, fmt.Sprint("other-", i), names))
	}
	for _, h := range others {
		h.line(t) // it is ready
	}
	for _, h := range others {
		h.begin(t)
	}
	s := b.open(t, place)
	winners := make([]map[string]bool, names)
	for i := range winners {
		winners[i] = map[string]bool{}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			race(s, fmt.Sprint("here-", w), names, func(i int, who string) {
				mu.Lock()
				defer mu.Unlock()
				winners[i][who] = true
			}, t.Error)
		})
	}
	all.Wait()
	for _, h := range others {
		h.wins(t, winners)
	}
	for i, who := range winners {
		content := get(t, s, raceName(i))
		if len(who) != 1 || !who[content] {
			t.Errorf("%s: created by %v, holds %q", raceName(i), who, content)
		}
	}
}

func raceName(i int) string { return fmt.Sprintf("race/%d/key", i) }

// race creates all names and reports those that it was the one to create.
func race(s provision.KeyStore, who string, names int, won func(int, string), fail func(...any)) {
	for i := range names {
		err := s.Create(context.Background(), raceName(i), secret.New(who))
		switch {
		case err == nil:
			won(i, who)
		case !errors.Is(err, provision.ErrKeyExists):
			fail(err)
		}
	}
}

func get(t *testing.T, s provision.KeyStore, name string) string {
	t.Helper()
	key, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return key.Reveal()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
