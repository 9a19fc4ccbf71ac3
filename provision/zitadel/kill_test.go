package zitadel

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestKilledAtAnyPointTheNextRunEndsTheWork kills a run at each of its requests and writes, at
// each of their moments; how many there are it finds out by itself.
func TestKilledAtAnyPointTheNextRunEndsTheWork(t *testing.T) {
	t.Parallel()
	killEverywhere(t, 4, 1, []moment{before, after, midway}, func(t *testing.T) *site {
		return newSite(t, startStandin(t))
	})
}

// TestKilledWhileSearchesLagTheNextRunEndsTheWork is the same where searches show the world as
// it was before the kill.
func TestKilledWhileSearchesLagTheNextRunEndsTheWork(t *testing.T) {
	t.Parallel()
	stride := 3
	if testing.Short() {
		stride = 11
	}
	killEverywhere(t, 16, stride, []moment{after}, func(t *testing.T) *site {
		stand := startStandin(t)
		stand.SetLag(300 * time.Millisecond)
		s := newSite(t, stand)
		s.slow = true
		return s
	})
}

// killEverywhere runs, with so many at a time, each of: a run that is killed, one that ends
// its work, and one that finds nothing to do.
func killEverywhere(t *testing.T, parallel, stride int, moments []moment, newSite func(*testing.T) *site) {
	points := newSite(t).up(example("whole")).point
	if points < 50 {
		t.Fatalf("a whole run has only %d points to be killed at", points)
	}
	type death struct {
		at   int
		when moment
	}
	deaths := make(chan death)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for d := range deaths {
				// Not t.Parallel: the tests wait more than they compute.
				t.Run(fmt.Sprintf("%s point %d", d.when, d.at), func(t *testing.T) {
					s := newSite(t)
					want := example("k")
					doomed := s.process(want, &mortal{at: d.at, when: d.when})
					_, _ = doomed.runner.Up(t.Context())
					s.up(want)
					s.unchanged(want)
					s.check(want)
					s.down(want)
					if t.Failed() {
						t.Logf("killed %s %s", d.when, doomed.last)
					}
				})
			}
		})
	}
	for at := 0; at < points; at += stride {
		for _, when := range moments {
			deaths <- death{at, when}
		}
	}
	close(deaths)
	workers.Wait()
}
