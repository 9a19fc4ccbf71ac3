package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnInterruptionFinishesTheChangeInHand(t *testing.T) {
	_, a, _, _, r := two()
	ctx, cancel := context.WithCancel(t.Context())
	finished := false
	a.apply = func(within context.Context, name string) error {
		cancel()
		if _, ok := within.Deadline(); !ok {
			t.Error("a change has no deadline")
		}
		select {
		case <-within.Done():
			return within.Err()
		case <-time.After(20 * time.Millisecond):
			finished = true
			return nil
		}
	}
	_, err := r.Up(ctx)
	stop, ok := errors.AsType[*InterruptedError](err)
	if !ok || stop.Step != "novels long" || stop.Changes != 1 || !finished {
		t.Fatalf("got %v, the change was finished: %v", err, finished)
	}
	a.apply = nil
	if sum, err := r.Up(t.Context()); err != nil || sum.Changes != 2 {
		t.Errorf("the next up did %+v, %v, want what was left", sum, err)
	}
}

func TestAFailureWhileInterruptedIsAFailure(t *testing.T) {
	_, a, _, _, r := two()
	ctx, cancel := context.WithCancel(t.Context())
	a.apply = func(context.Context, string) error {
		cancel()
		return errors.New("boom")
	}
	_, err := r.Up(ctx)
	if _, ok := errors.AsType[*InterruptedError](err); ok || err == nil {
		t.Errorf("got %v, want the failure", err)
	}
}

func TestAnInterruptedObservationIsNoFailure(t *testing.T) {
	_, _, _, _, r := two()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, run := range map[string]func() error{
		"plan":   func() error { _, err := r.Plan(ctx); return err },
		"up":     func() error { _, err := r.Up(ctx); return err },
		"down":   func() error { _, err := r.Down(ctx); return err },
		"status": func() error { _, err := r.Status(ctx); return err },
	} {
		if _, ok := errors.AsType[*InterruptedError](run()); !ok {
			t.Errorf("%s: no interruption", name)
		}
	}
}

func TestChangesOfABatchAreAppliedTogetherAndOthersInOrder(t *testing.T) {
	s := &shelf{there: map[string]bool{}}
	p := &part{name: "many", shelf: s, batch: "b"}
	for i := range 40 {
		p.want = append(p.want, fmt.Sprint(i))
	}
	var now, most atomic.Int32
	p.apply = func(context.Context, string) error {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
		return nil
	}
	r := &Runner{Steps: []Step{p}, Parallel: 4}
	sum, err := r.Up(t.Context())
	must(t, err)
	if sum.Changes != 40 || most.Load() < 2 || most.Load() > 4 {
		t.Errorf("did %+v, at most %d at the same time", sum, most.Load())
	}

	s.there, p.batch = map[string]bool{}, ""
	var order []string
	p.apply = func(_ context.Context, name string) error {
		order = append(order, name)
		return nil
	}
	_, err = r.Up(t.Context())
	must(t, err)
	if !slices.Equal(order, p.want) {
		t.Errorf("the order was %q", order)
	}
}

func TestAFailedChangeStopsItsBatch(t *testing.T) {
	s := &shelf{there: map[string]bool{}}
	p := &part{name: "many", shelf: s, batch: "b"}
	for i := range 100 {
		p.want = append(p.want, fmt.Sprint(i))
	}
	var applied atomic.Int32
	p.apply = func(context.Context, string) error {
		if applied.Add(1) > 10 {
			return errors.New("boom")
		}
		return nil
	}
	sum, err := (&Runner{Steps: []Step{p}, Parallel: 3}).Up(t.Context())
	if err == nil || sum.Changes != 10 || applied.Load() > 13 {
		t.Errorf("%v, did %+v, began %d", err, sum, applied.Load())
	}
}
