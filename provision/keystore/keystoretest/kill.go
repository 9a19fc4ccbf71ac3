package keystoretest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

const replacedName = "churn/replaced"

func createdName(i int) string { return fmt.Sprintf("churn/%d/created", i) }

// content is a key that shows whether it is whole, of a length that differs from key to key.
func content(i int) string {
	body := fmt.Sprintf("%d %s", i, strings.Repeat("x", i%7*3000))
	return fmt.Sprintf("%s %x", body, sha256.Sum256([]byte(body)))
}

// number returns the number of a whole key.
func number(t *testing.T, name, text string) int {
	t.Helper()
	digits, _, _ := strings.Cut(text, " ")
	i, err := strconv.Atoi(digits)
	if err != nil || text != content(i) {
		t.Fatalf("%s holds %d bytes that were never stored so", name, len(text))
	}
	return i
}

// testKill kills a process that writes without end at any instant, again and again, and
// looks at what it left.
func (b Backend) testKill(t *testing.T) {
	const rounds = 12
	place := b.New(t)
	next := 0
	for range rounds {
		h := startHelper(t, "churn", place, "", next)
		for range 1 + rand.IntN(5) {
			h.line(t)
		}
		time.Sleep(rand.N(3 * time.Millisecond)) // somewhere in the middle of the next writes
		must(t, h.cmd.Process.Kill())
		acknowledged := -1
		for h.out.Scan() { // what it had still said
			var err error
			acknowledged, err = strconv.Atoi(h.out.Text())
			must(t, err)
		}
		s := b.open(t, place)
		last := number(t, replacedName, get(t, s, replacedName))
		if last < acknowledged || last < next {
			t.Fatalf("holds key %d, but %d was acknowledged", last, max(acknowledged, next))
		}
		next = b.checkCreated(t, s, next, last)
	}
}

// checkCreated wants all keys from first to last, perhaps one more, and nothing else. It
// returns the number of the first that is free.
func (b Backend) checkCreated(t *testing.T, s provision.KeyStore, first, last int) int {
	t.Helper()
	for i := first; i <= last; i++ {
		if got := number(t, createdName(i), get(t, s, createdName(i))); got != i {
			t.Fatalf("%s holds key %d", createdName(i), got)
		}
	}
	free := last + 1
	switch key, err := s.Get(t.Context(), createdName(free)); {
	case err == nil: // created, and killed before it was replaced
		number(t, createdName(free), key.Reveal())
		free++
	case !errors.Is(err, provision.ErrNoKey):
		t.Fatal(err)
	}
	names, err := s.List(t.Context(), "")
	if err != nil || len(names) != free+1 {
		t.Fatalf("%d names are listed, want %d: %v", len(names), free+1, err)
	}
	must(t, s.Replace(t.Context(), replacedName, secret.New(content(last))))
	return free
}
