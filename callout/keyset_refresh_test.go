package callout

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hurry makes the issuer's answers short-lived, so that Run refreshes all the time.
func hurry(s *scriptedIssuer) func(*KeySetConfig) {
	s.script(func(s *scriptedIssuer) { s.header = http.Header{"Cache-Control": {"max-age=0"}} })
	return func(c *KeySetConfig) { c.MinRefetch = 20 * time.Millisecond }
}

func TestRunRefreshesAheadOfMaxAge(t *testing.T) {
	s := newScriptedIssuer(t)
	a := edJWK(t, "a")
	s.publish(a)
	k := s.keySet(t, hurry(s))
	start(t, k)
	key := mustFind(t, k, "a")

	first := k.Status().FetchedAt
	eventually(t, "some refreshes", func() bool { return s.fetches.Load() > 3 && k.Status().FetchedAt.After(first) })
	if mustFind(t, k, "a") != key {
		t.Error("a key that stayed has become another: all that it verified must be verified again")
	}
	if got := s.discoveries.Load(); got != 1 {
		t.Errorf("%d discoveries, want 1", got)
	}
}

func TestAKeyThatLeftIsForgottenByTheNextRefresh(t *testing.T) {
	s := newScriptedIssuer(t)
	a, b := edJWK(t, "a"), edJWK(t, "b")
	s.publish(a, b)
	k := s.keySet(t, hurry(s))
	start(t, k)
	kept, left := mustFind(t, k, "a"), mustFind(t, k, "b")

	s.publish(a)
	eventually(t, "the key to lose its trust", func() bool { return !left.Trusted(k.now()) })
	if !kept.Trusted(k.now()) {
		t.Error("the key that stayed is not trusted")
	}
	eventually(t, "the lookup to forget it", func() bool { _, state := k.Lookup([]byte("b")); return state != KeyFound })

	s.publish(a, b)
	eventually(t, "it to come back", func() bool { _, state := k.Lookup([]byte("b")); return state == KeyFound })
	if left.Trusted(k.now()) || mustFind(t, k, "b") == left {
		t.Error("what was verified before the key left counts again")
	}
}

func TestNewMaterialUnderAnOldKidIsAnotherKey(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	k := s.keySet(t, hurry(s))
	start(t, k)
	old := mustFind(t, k, "a")

	s.publish(edJWK(t, "a"))
	eventually(t, "the old material to lose its trust", func() bool { return !old.Trusted(k.now()) })
	eventually(t, "the new material", func() bool {
		key, state := k.Lookup([]byte("a"))
		return state == KeyFound && key != old
	})
}

func TestAnEmptySetIsTheIssuersWord(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	k := s.keySet(t, hurry(s))
	start(t, k)
	key := mustFind(t, k, "a")

	s.publish()
	eventually(t, "the key to lose its trust", func() bool { return !key.Trusted(k.now()) })
	eventually(t, "the status to tell", func() bool { return !k.Status().Usable })
	if status := k.Status(); status.Degraded || status.Keys != 0 {
		t.Errorf("status %+v", status)
	}
	if _, err := k.Await(t.Context(), []byte("a")); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("await: %v", err)
	}
}

func TestAnIssuerThatIsDownAtStartHealsByItself(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	s.goDown()
	k := s.keySet(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()

	eventually(t, "the first failure", func() bool { return k.Status().Degraded })
	if status := k.Status(); status.Usable || status.LastError == "" || !status.FetchedAt.IsZero() {
		t.Errorf("status %+v", status)
	}
	s.comeBack()
	eventually(t, "the keys", func() bool { return k.Status().Usable })
	mustFind(t, k, "a")

	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("run returned %v", err)
	}
}

func TestKnownKeysSurviveAnOutageAsLongAsConfigured(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	clock := new(testClock)
	k := s.keySet(t, func(c *KeySetConfig) { c.Outage, c.Now = time.Hour, clock.now })
	if _, err := k.Await(t.Context(), []byte("a")); err != nil {
		t.Fatal(err)
	}
	key := mustFind(t, k, "a")

	s.goDown()
	clock.add(59 * time.Minute)
	clock.add(30 * time.Second)
	if _, err := k.Await(t.Context(), []byte("b")); !errors.Is(err, ErrIssuerUnavailable) {
		t.Errorf("await of an unknown key: %v", err)
	}
	mustFind(t, k, "a")
	wantState(t, k, "b", KeysUnavailable)
	clock.add(10 * time.Second) // another fetch is due, but not for the sake of an unknown kid
	wantState(t, k, "b", KeysUnavailable)

	clock.add(20 * time.Second)
	if key.Trusted(clock.now()) {
		t.Error("the key is trusted for longer than the outage")
	}
	if status := k.Status(); status.Usable || status.Age < time.Hour {
		t.Errorf("status %+v", status)
	}
	wantState(t, k, "a", KeyFetchable) // not an unknown kid: minRefetch does not hold it back
	for range 10 {
		if _, err := k.Await(t.Context(), []byte("a")); !errors.Is(err, ErrIssuerUnavailable) {
			t.Errorf("await: %v", err)
		}
	}
	wantState(t, k, "a", KeysUnavailable)
	if failures := k.current.Load().failures; failures != 2 {
		t.Errorf("%d failures, want 2: those who come within the backoff must not ask again", failures)
	}

	s.comeBack()
	clock.add(maxRetry)
	if got, err := k.Await(t.Context(), []byte("a")); err != nil || got != key || !key.Trusted(clock.now()) {
		t.Errorf("after the outage: %v, %v", got, err)
	}
}

func TestWithoutOutageKeysAreTrustedAsLongAsTheIssuerAllows(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	clock := new(testClock)
	k := s.keySet(t, func(c *KeySetConfig) { c.Outage, c.Now = 0, clock.now })
	key, err := k.Await(t.Context(), []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	clock.add(299 * time.Second)
	if !key.Trusted(clock.now()) {
		t.Error("not trusted within max-age")
	}
	clock.add(2 * time.Second)
	if key.Trusted(clock.now()) {
		t.Error("trusted beyond max-age")
	}
}

func TestRetriesBackOffWithinBounds(t *testing.T) {
	for failures := range 100 {
		most := min(minRetry<<min(failures, 10), maxRetry)
		if d := retryDelay(failures); d < most/2 || d > most {
			t.Errorf("after %d failures: %v, want %v to %v", failures, d, most/2, most)
		}
	}
	for range 100 {
		if d := refreshDelay(time.Minute); d < 42*time.Second || d > 48*time.Second {
			t.Errorf("refresh after %v of a minute", d)
		}
	}
}

func TestNoConnectionIsLeftWhenRunReturns(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	before := runtime.NumGoroutine()
	k := s.keySet(t, hurry(s))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	eventually(t, "some fetches", func() bool { return s.fetches.Load() > 2 })
	cancel()
	<-done
	mustFind(t, k, "a")
	eventually(t, "all goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestAFetchUnderWayEndsWhenRunReturns(t *testing.T) {
	s := newScriptedIssuer(t)
	s.script(func(s *scriptedIssuer) { s.hold = make(chan struct{}) }) // for ever
	k := s.keySet(t, nil)
	before := runtime.NumGoroutine()

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	eventually(t, "a fetch under way", func() bool { return s.fetches.Load() == 1 })
	waiter := make(chan error, 1)
	go func() {
		_, err := k.Await(t.Context(), []byte("a"))
		waiter <- err
	}()
	began := time.Now()
	cancel()
	<-done
	if err := <-waiter; !errors.Is(err, ErrIssuerUnavailable) {
		t.Errorf("the waiter got %v", err)
	}
	if waited := time.Since(began); waited > time.Second {
		t.Errorf("run took %v to return", waited)
	}
	if _, err := k.Await(t.Context(), []byte("a")); !errors.Is(err, ErrIssuerUnavailable) {
		t.Errorf("await after the end: %v", err)
	}
	eventually(t, "all goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	if got := s.fetches.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

func TestFetchesAreCountedAndChangesLogged(t *testing.T) {
	var text lockedBuffer
	var ok, failed atomic.Int64
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"), `{"kty":"oct","kid":"shared","k":"c2VjcmV0"}`)
	clock := new(testClock)
	k := s.keySet(t, func(c *KeySetConfig) {
		c.Now = clock.now
		c.Logger = slog.New(slog.NewTextHandler(&text, nil))
		c.OnFetch = func(result string) {
			switch result {
			case "ok":
				ok.Add(1)
			case "error":
				failed.Add(1)
			}
		}
	})
	fetch := func() {
		t.Helper()
		clock.add(10 * time.Minute)
		want := ok.Load() + failed.Load() + 1
		k.refresh()
		k.flights.Wait()
		if got := ok.Load() + failed.Load(); got != want {
			t.Fatalf("%d fetches counted, want %d", got, want)
		}
	}
	fetch()
	fetch()
	s.goDown()
	fetch()
	fetch()
	s.comeBack()
	fetch()

	if ok.Load() != 3 || failed.Load() != 2 {
		t.Errorf("%d ok, %d failed", ok.Load(), failed.Load())
	}
	log := text.String()
	for part, want := range map[string]int{
		"a key of the issuer is not used":    1,
		"fetching the issuer's keys failed":  1,
		"msg=\"fetched the issuer's keys\"":  2, // at start and after the failure
		"shared":                             1,
		"c2VjcmV0":                           0, // never key material
		"level=WARN msg=\"fetching the issu": 1,
	} {
		if got := strings.Count(log, part); got != want {
			t.Errorf("%q stands %d times in the log, want %d:\n%s", part, got, want, log)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
