package zitadel

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"harmony-callout/provision"
)

// killing is a run that is killed at each of its requests and writes, at each of their
// moments. How many there are is found out by letting one live.
type killing struct {
	site    func(*testing.T) *site
	moments []moment
	// parallel is how many are tried at a time; each waits more than it computes.
	parallel int
	// stride is 1 to try every point.
	stride int
	// prepare is what happened before; nil: nothing.
	prepare func(*site, provision.ZitadelConfig)
	run     func(context.Context, *process) error
	// verify ends the work in a fresh process, and looks at everything.
	verify func(*site, provision.ZitadelConfig)
}

func (k killing) everywhere(t *testing.T) {
	want := example("k")
	begin := func(t *testing.T, m *mortal) (*site, *process) {
		s := k.site(t)
		if k.prepare != nil {
			k.prepare(s, want)
		}
		return s, s.process(want, m)
	}
	s, living := begin(t, nil)
	if err := k.run(t.Context(), living); err != nil {
		t.Fatal(err)
	}
	k.verify(s, want)
	if living.point < 8 {
		t.Fatalf("a whole run has only %d points to be killed at", living.point)
	}

	var workers sync.WaitGroup
	deaths := make(chan *mortal)
	for range k.parallel {
		workers.Go(func() {
			for m := range deaths {
				t.Run(fmt.Sprintf("%s point %d", m.when, m.at), func(t *testing.T) {
					s, doomed := begin(t, m)
					_ = k.run(t.Context(), doomed)
					k.verify(s, want)
					if t.Failed() {
						t.Logf("killed %s %s", m.when, doomed.last)
					}
				})
			}
		})
	}
	for at := 0; at < living.point; at += k.stride {
		for _, when := range k.moments {
			deaths <- &mortal{at: at, when: when}
		}
	}
	close(deaths)
	workers.Wait()
}

// strideIn is stride, and wider where the tests are to be short.
func strideIn(stride int) int {
	if testing.Short() {
		return 5 * stride
	}
	return stride
}

func ownServer(t *testing.T) *site { return newSite(t, startStandin(t)) }

func runUp(ctx context.Context, p *process) error {
	_, err := p.runner.Up(ctx)
	return err
}

// converge ends the work, and then there is nothing left to do.
func converge(s *site, want provision.ZitadelConfig) {
	s.up(want)
	s.unchanged(want)
	s.check(want)
}

func TestKilledAtAnyPointTheNextRunEndsTheWork(t *testing.T) {
	t.Parallel()
	killing{site: ownServer, moments: []moment{before, after, midway}, parallel: 8, stride: strideIn(1), run: runUp, verify: converge}.everywhere(t)
}

// Here searches show the next run the world as it was before the kill.
func TestKilledWhileSearchesLagTheNextRunEndsTheWork(t *testing.T) {
	t.Parallel()
	killing{
		site: func(t *testing.T) *site {
			stand := startStandin(t)
			stand.SetLag(300 * time.Millisecond)
			s := newSite(t, stand)
			s.slow = true
			return s
		},
		moments: []moment{after}, parallel: 16, stride: strideIn(4), run: runUp, verify: converge,
	}.everywhere(t)
}

func TestKilledWhileTakingAwayNothingIsLeft(t *testing.T) {
	t.Parallel()
	killing{
		site: ownServer, moments: []moment{before, after}, parallel: 8, stride: strideIn(2),
		prepare: func(s *site, want provision.ZitadelConfig) { s.up(want) },
		run: func(ctx context.Context, p *process) error {
			_, err := p.runner.Down(ctx)
			return err
		},
		verify: func(s *site, want provision.ZitadelConfig) {
			s.down(want)
			s.down(want)
		},
	}.everywhere(t)
}

func TestKilledWhilePruningTheNextRunPrunesTheRest(t *testing.T) {
	t.Parallel()
	less := func(want provision.ZitadelConfig) provision.ZitadelConfig {
		want.Roles, want.APIApps, want.DeviceApps = want.Roles[:1], nil, nil
		want.MachineUsers, want.Grants = want.MachineUsers[:1], want.Grants[:1]
		return want
	}
	killing{
		site: ownServer, moments: []moment{before, after}, parallel: 8, stride: strideIn(2),
		prepare: func(s *site, want provision.ZitadelConfig) {
			s.up(want)
			s.tune = func(set *Settings) { set.Prune, set.Want = true, less(want) }
		},
		run:    runUp,
		verify: func(s *site, want provision.ZitadelConfig) { converge(s, less(want)) },
	}.everywhere(t)
}

func TestKilledWhileRotatingTheUserKeepsOneKey(t *testing.T) {
	t.Parallel()
	killing{
		site: ownServer, moments: []moment{before, after}, parallel: 8, stride: strideIn(2),
		prepare: func(s *site, want provision.ZitadelConfig) { s.up(want) },
		run: func(ctx context.Context, p *process) error {
			for _, username := range []string{"sensor-k", "operator-k"} {
				if _, err := p.Rotate(ctx, username); err != nil {
					return err
				}
			}
			return nil
		},
		verify: func(s *site, want provision.ZitadelConfig) {
			s.up(want)
			s.unchanged(want)
			s.tune = func(set *Settings) { set.KeyOverlap = time.Nanosecond }
			converge(s, want)
		},
	}.everywhere(t)
}
