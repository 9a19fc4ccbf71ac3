package zitadel

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"harmony-callout/provision"
	"harmony-callout/provision/zitadel/standin"
)

// api are the calls of the API, without the discovery.
func api(r *http.Request) bool { return r.Method != http.MethodGet }

func TestARunGetsThroughTrouble(t *testing.T) {
	t.Parallel()
	for _, trouble := range []struct {
		name string
		make func(*standin.Server, *site)
	}{
		{"searches lag by a second", func(s *standin.Server, m *site) { s.SetLag(time.Second); m.slow = true }},
		{"the API has not started", func(s *standin.Server, _ *site) { s.FailNext(3, http.StatusServiceUnavailable, api) }},
		{"every fifth request fails", every(5, func(s *standin.Server, is standin.Match) { s.FailNext(1<<30, http.StatusInternalServerError, is) })},
		{"every fifth request is lost", every(5, func(s *standin.Server, is standin.Match) { s.DropNext(1<<30, standin.DropBefore, is) })},
		{"every fifth answer is lost", every(5, func(s *standin.Server, is standin.Match) { s.DropNext(1<<30, standin.DropAfter, is) })},
		{"every seventh answer is lost and searches lag", func(s *standin.Server, m *site) {
			every(7, func(s *standin.Server, is standin.Match) { s.DropNext(1<<30, standin.DropAfter, is) })(s, m)
			s.SetLag(300 * time.Millisecond)
			m.slow = true
		}},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			stand := startStandin(t)
			s := newSite(t, stand)
			want := example("t")
			trouble.make(stand, s)
			s.up(want)
			s.unchanged(want)
			s.check(want)
			s.down(want)
		})
	}
}

// every makes a fault of each n-th request.
func every(n int64, fault func(*standin.Server, standin.Match)) func(*standin.Server, *site) {
	return func(s *standin.Server, _ *site) {
		var count atomic.Int64
		fault(s, func(*http.Request) bool { return count.Add(1)%n == 0 })
	}
}

func TestTimeoutsInBetweenLeaveNothingTwice(t *testing.T) {
	t.Parallel()
	stand := startStandin(t)
	s := newSite(t, stand)
	want := example("w")
	var count atomic.Int64
	stand.Intercept(func(*http.Request) (int, string, bool) {
		if count.Add(1)%9 == 0 {
			time.Sleep(250 * time.Millisecond)
		}
		return 0, "", false
	})
	p := s.process(want, nil)
	p.client.timeout = 150 * time.Millisecond
	_, err := p.runner.Up(t.Context())
	if err != nil {
		t.Logf("the first run ended with %v", err)
	}
	stand.Intercept(nil)
	time.Sleep(300 * time.Millisecond) // until the server has done what it was still doing
	s.up(want)
	s.unchanged(want)
	s.check(want)
}

// TestTwoRunsAtOnceMakeNothingTwice has each of two machines make the same; each thinks of
// the other's as found.
func TestTwoRunsAtOnceMakeNothingTwice(t *testing.T) {
	t.Parallel()
	stand := startStandin(t)
	want := example("2")
	one, two := newSite(t, stand), newSite(t, stand)
	var both sync.WaitGroup
	for _, s := range []*site{one, two} {
		both.Go(func() {
			p := s.process(want, nil)
			if _, err := p.runner.Up(t.Context()); err != nil {
				t.Errorf("up: %v", err)
			}
		})
	}
	both.Wait()
	for _, s := range []*site{one, two} {
		s.unchanged(want)
	}
	for _, kind := range []string{kindProject, kindApp, kindUser} {
		for _, name := range one.notes.Noted(kind) {
			a, _ := one.notes.Note(kind, name)
			b, _ := two.notes.Note(kind, name)
			if a.ID != b.ID || a.Made == b.Made {
				t.Errorf("%s %s: one noted %+v, the other %+v", kind, name, a, b)
			}
		}
	}
}

func TestAThousandUsersGoInAtOnceAndAreReadByPage(t *testing.T) {
	t.Parallel()
	users := 1000
	if testing.Short() {
		users = 150
	}
	stand := startStandin(t)
	s := newSite(t, stand)
	want := example("m")
	want.MachineUsers, want.Grants = nil, nil
	for i := range users {
		name := fmt.Sprintf("sensor-%04d", i)
		want.MachineUsers = append(want.MachineUsers, provision.MachineUserConfig{Username: name, Name: "Sensor"})
		want.Grants = append(want.Grants, provision.GrantConfig{User: name, Roles: []string{"sensor"}})
	}
	p := s.process(want, nil)
	p.runner.Parallel = 8
	began := time.Now()
	if _, err := p.runner.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d users in %s by %d requests", users, time.Since(began).Round(time.Millisecond), p.sent.Load())
	if most := int64(3*users + 60); p.sent.Load() > most {
		t.Errorf("%d requests, wanted at most %d", p.sent.Load(), most)
	}
	began = time.Now()
	again := s.unchanged(want)
	t.Logf("again in %s by %d requests", time.Since(began).Round(time.Millisecond), again.sent.Load())
	if again.sent.Load() > 20 {
		t.Errorf("%d requests for no change", again.sent.Load())
	}
	for _, kind := range []string{kindUser, kindMachineKey, kindGrant} {
		if n := len(s.notes.Noted(kind)); n != users {
			t.Errorf("%d notes of %s", n, kind)
		}
	}
}

func TestAPersonWithTheUsernameIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	want := example("h")
	p := s.process(want, nil)
	org, err := p.organization(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.client.do(t.Context(), call{what: "make person", path: "/v2/users/new", in: map[string]any{
		"organizationId": org.ID, "username": "sensor-h",
		"human": map[string]any{"profile": map[string]string{"givenName": "S", "familyName": "H"}, "email": map[string]any{"email": "s@example.com", "isVerified": true}},
	}}); err != nil {
		t.Skip("the stand-in makes no people: ", err)
	}
	_, err = s.process(want, nil).runner.Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the name is taken") || provision.HintOf(err) == "" {
		t.Errorf("up: %v", err)
	}
	if slices.Contains(s.notes.Noted(kindUser), "sensor-h") {
		t.Error("the person is noted as ours")
	}
}
