package callout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNewKeySetRefusesWhatWouldNotBeSafe(t *testing.T) {
	s := newScriptedIssuer(t)
	good := KeySetConfig{Issuer: s.URL, Client: s.client(t), MinRefetch: time.Second, Algorithms: []string{"RS256"}}
	for name, change := range map[string]func(*KeySetConfig){
		"no client":                          func(c *KeySetConfig) { c.Client = nil },
		"no issuer":                          func(c *KeySetConfig) { c.Issuer = "" },
		"another issuer than the client's":   func(c *KeySetConfig) { c.Issuer += "/" },
		"unknown kids may fetch at any time": func(c *KeySetConfig) { c.MinRefetch = 0 },
		"negative outage":                    func(c *KeySetConfig) { c.Outage = -1 },
		"no algorithm":                       func(c *KeySetConfig) { c.Algorithms = nil },
		"no signature at all":                func(c *KeySetConfig) { c.Algorithms = []string{"none"} },
		"a shared secret":                    func(c *KeySetConfig) { c.Algorithms = []string{"RS256", "HS256"} },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewKeySet(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewKeySet(good); err != nil {
		t.Error(err)
	}
}

func TestKnownKeysAreFoundWithoutAskingAgain(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"), edJWK(t, "b"))
	k := s.keySet(t, nil)
	wantState(t, k, "a", KeyFetchable)
	start(t, k)

	mustFind(t, k, "a")
	mustFind(t, k, "b")
	if key, err := k.Await(t.Context(), []byte("a")); err != nil || key.ID() != "a" {
		t.Errorf("await of a known key: %v, %v", key, err)
	}
	if got := s.fetches.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
	status := k.Status()
	if !status.Usable || status.Degraded || status.Keys != 2 || status.LastError != "" || status.Age > time.Minute {
		t.Errorf("status %+v", status)
	}
}

func TestAKidThatNoKeyCanHaveCausesNoFetch(t *testing.T) {
	s := newScriptedIssuer(t)
	k := s.keySet(t, nil)
	for _, kid := range []string{"", strings.Repeat("k", maxKeyIDBytes+1)} {
		wantState(t, k, kid, KeyAbsent)
		if _, err := k.Await(t.Context(), []byte(kid)); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("await of a kid of %d bytes: %v", len(kid), err)
		}
	}
	if s.discoveries.Load()+s.fetches.Load() != 0 {
		t.Error("the issuer was asked")
	}
}

func TestARotatedKeyIsFoundWithinOneAwait(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "old"))
	k := s.keySet(t, nil)
	start(t, k)

	s.publish(edJWK(t, "old"), edJWK(t, "new"))
	wantState(t, k, "new", KeyFetchable)
	if key, err := k.Await(t.Context(), []byte("new")); err != nil || key.ID() != "new" {
		t.Fatalf("await: %v, %v", key, err)
	}
	mustFind(t, k, "new")
	if got := s.fetches.Load(); got != 2 {
		t.Errorf("%d fetches, want 2", got)
	}
}

func TestAnAnswerOlderThanTheTokenIsFollowedByOneMoreFetch(t *testing.T) {
	s := newScriptedIssuer(t)
	hold := make(chan struct{})
	s.script(func(s *scriptedIssuer) { s.hold = hold })
	k := s.keySet(t, nil)
	k.refresh()
	eventually(t, "the first fetch", func() bool { return s.fetches.Load() == 1 })

	s.publish(edJWK(t, "new")) // too late for the answer on hold
	s.script(func(s *scriptedIssuer) { s.hold = nil })
	result := make(chan error, 1)
	go func() {
		_, err := k.Await(t.Context(), []byte("new"))
		result <- err
	}()
	time.Sleep(20 * time.Millisecond) // either way of interleaving must find the key
	close(hold)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if got := s.fetches.Load(); got != 2 {
		t.Errorf("%d fetches, want 2", got)
	}
}

func TestAWaiterMayLeaveWhileTheFetchGoesOnForOthers(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	hold := make(chan struct{})
	s.script(func(s *scriptedIssuer) { s.hold = hold })
	k := s.keySet(t, nil)

	hurried, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	patient := make(chan error, 1)
	_, err := k.Await(hurried, []byte("a")) // this one begins the fetch
	if !errors.Is(err, ErrIssuerUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the hurried waiter got %v", err)
	}
	go func() {
		_, err := k.Await(t.Context(), []byte("a"))
		patient <- err
	}()
	close(hold)
	if err := <-patient; err != nil {
		t.Errorf("the patient waiter got %v", err)
	}
	if got := s.fetches.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

func TestManyUnknownKidsAtOnceCauseOneFetch(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	k := s.keySet(t, nil)
	start(t, k)
	before := s.fetches.Load()

	var all sync.WaitGroup
	gate := make(chan struct{})
	for i := range 2000 {
		all.Go(func() {
			<-gate
			if _, err := k.Await(t.Context(), fmt.Appendf(nil, "unknown-%d", i)); !errors.Is(err, ErrUnknownKey) {
				t.Errorf("await: %v", err)
			}
		})
	}
	close(gate)
	all.Wait()
	if got := s.fetches.Load() - before; got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
	wantState(t, k, "unknown-x", KeyAbsent)
	mustFind(t, k, "a")
}

func TestAKidThatWasInVainWaitsLongerEachTime(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	clock := new(testClock)
	k := s.keySet(t, func(c *KeySetConfig) {
		c.MinRefetch, c.Outage, c.Now = 10*time.Second, 24*time.Hour, clock.now
	})
	if _, err := k.Await(t.Context(), []byte("a")); err != nil {
		t.Fatal(err)
	}
	for i, wait := range []time.Duration{10, 20, 40, 60, 60} {
		before := s.fetches.Load()
		if _, err := k.Await(t.Context(), []byte("dead")); !errors.Is(err, ErrUnknownKey) {
			t.Fatalf("await: %v", err)
		}
		if s.fetches.Load() != before+1 {
			t.Fatalf("miss %d: caused no fetch", i)
		}
		wantState(t, k, "dead", KeyAbsent)
		clock.add(wait*time.Second - time.Second)
		wantState(t, k, "dead", KeyAbsent)
		if wait > 10 {
			wantState(t, k, "another", KeyFetchable)
		}
		clock.add(time.Second)
		wantState(t, k, "dead", KeyFetchable)
	}

	s.publish(edJWK(t, "dead"))
	if _, err := k.Await(t.Context(), []byte("another")); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("await: %v", err)
	}
	mustFind(t, k, "dead") // the set wins over the memory of misses
}

func TestAFloodOfKidsIsRememberedWithinBounds(t *testing.T) {
	now := time.Now()
	v := new(view)
	for i := range 3 * maxMissed {
		v.remember(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second), 5*time.Second)
	}
	if len(v.missed) != maxMissed {
		t.Errorf("%d kids remembered, want %d", len(v.missed), maxMissed)
	}
	if _, ok := v.missed[fmt.Sprint(3*maxMissed-1)]; !ok {
		t.Error("the last kid is forgotten: those whose time has passed should be")
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	k := s.keySet(t, nil)
	start(t, k)
	known, absent := []byte("a"), []byte(strings.Repeat("absent", 20))
	if _, err := k.Await(t.Context(), absent); !errors.Is(err, ErrUnknownKey) {
		t.Fatal(err)
	}
	for _, kid := range [][]byte{known, absent} {
		if n := testing.AllocsPerRun(1000, func() { k.Lookup(kid) }); n != 0 {
			t.Errorf("lookup of %q: %v allocations", kid, n)
		}
	}
}
