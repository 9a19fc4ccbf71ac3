package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// work brings one step about, or takes it away: what observe returns decides.
func (r *Runner) work(ctx context.Context, step Step, sum *Summary, observe func(context.Context) (Observation, error), probe func(context.Context) error) (err error) {
	name, began := step.Name(), time.Now()
	r.emit(Event{Kind: EventStep, Step: name, Status: Started})
	var o Observation
	applied := 0
	defer func() {
		e := Event{
			Kind: EventStep, Step: name, Status: Done, Condition: o.Condition, Detail: o.Detail,
			Done: applied, Total: len(o.Changes), ElapsedMS: time.Since(began).Milliseconds(),
		}
		stop, interrupted := errors.AsType[*InterruptedError](err)
		switch {
		case interrupted:
			stop.Changes = sum.Changes
			e.Status = Interrupted
		case err != nil:
			e.Status, e.Error, e.Hint = Failed, err.Error(), HintOf(err)
		case applied == 0:
			e.Status = Unchanged
		}
		r.emit(e)
	}()

	if o, err = r.observe(ctx, step, observe); err != nil {
		return err
	}
	if err := blocked(name, o); err != nil {
		return err
	}
	applied, err = r.apply(ctx, name, o.Changes)
	sum.Steps++
	sum.Changes += applied
	if err != nil {
		return err
	}
	if applied > 0 {
		if err := r.settle(ctx, step, applied, observe); err != nil {
			return err
		}
	}
	if probe == nil {
		return nil
	}
	return r.probe(ctx, name, probe)
}

// blocked is the error of a condition in which nothing may be applied.
func blocked(step string, o Observation) error {
	switch o.Condition {
	case Foreign:
		return WithHint(fmt.Errorf("%s: something else has the name and is not touched: %s", step, o.Detail),
			"choose another name in the configuration, or remove what is there")
	case Unknown:
		return fmt.Errorf("%s: its state could not be told: %s", step, o.Detail)
	case Locked:
		if len(o.Changes) == 0 {
			return WithHint(fmt.Errorf("%s: somebody is in the middle of it: %s", step, o.Detail), "wait until that is done, then repeat")
		}
	}
	return nil
}

// apply applies changes in order, neighbours of one batch at the same time. It returns how
// many were applied. Once the context is cancelled or a change has failed none is begun;
// those in hand are finished.
func (r *Runner) apply(ctx context.Context, step string, changes []Change) (applied int, err error) {
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[0].Batch != "" && changes[n].Batch == changes[0].Batch {
			n++
		}
		did, err := r.applyBatch(ctx, step, changes[:n], applied, applied+len(changes))
		applied += did
		if err != nil {
			return applied, err
		}
		changes = changes[n:]
	}
	return applied, nil
}

// applyBatch applies changes that do not depend on each other. done and total count the
// whole step's.
func (r *Runner) applyBatch(ctx context.Context, step string, batch []Change, done, total int) (applied int, err error) {
	var (
		mu     sync.Mutex
		next   int
		errs   []error
		stop   error
		active sync.WaitGroup
	)
	take := func() *Change {
		mu.Lock()
		defer mu.Unlock()
		if next == len(batch) || len(errs) > 0 {
			return nil
		}
		if ctx.Err() != nil {
			stop = &InterruptedError{Step: step}
			return nil
		}
		next++
		return &batch[next-1]
	}
	for range min(r.parallel(), len(batch)) {
		active.Go(func() {
			for c := take(); c != nil; c = take() {
				began := time.Now()
				r.emit(Event{Kind: EventChange, Step: step, Change: c, Status: Started, Total: total})
				err := r.applyOne(ctx, step, c)
				e := Event{Kind: EventChange, Step: step, Change: c, Status: Done, Total: total, ElapsedMS: time.Since(began).Milliseconds()}
				mu.Lock()
				if err == nil {
					applied++
				} else {
					errs = append(errs, err)
					e.Status, e.Error, e.Hint = Failed, err.Error(), HintOf(err)
				}
				e.Done = done + applied
				mu.Unlock()
				r.emit(e)
			}
		})
	}
	active.Wait()
	if len(errs) > 0 {
		return applied, errors.Join(errs...)
	}
	return applied, stop
}

// applyOne applies one change. Its context outlives an interruption, and has a deadline.
func (r *Runner) applyOne(ctx context.Context, step string, c *Change) error {
	within, cancel := context.WithTimeout(r.context(context.WithoutCancel(ctx), step), r.timeout())
	defer cancel()
	if err := c.Apply(within); err != nil {
		return fmt.Errorf("%s: %s %s %s: %w", step, c.Action, c.Kind, c.Name, err)
	}
	return nil
}

// settle observes a step again until nothing is left to change. The live system may show
// what was written only after a while; what is never shown is an error that says so.
func (r *Runner) settle(ctx context.Context, step Step, applied int, observe func(context.Context) (Observation, error)) error {
	limit := r.Settle
	if limit == 0 {
		limit = 30 * time.Second
	}
	began := time.Now()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		o, err := r.observe(ctx, step, observe)
		if err != nil {
			return err
		}
		if len(o.Changes) == 0 && (o.Condition == InSync || o.Condition == Absent) {
			return nil
		}
		if time.Since(began)+pause > limit {
			return WithHint(fmt.Errorf("%s: after %d changes it still differs (%s): %s", step.Name(), applied, o.Condition, list(o.Changes)),
				"somebody else may be changing it: see provision plan, then repeat")
		}
		r.emit(Event{Kind: EventWait, Step: step.Name(), Detail: "what was written to be seen: " + list(o.Changes)})
		select {
		case <-ctx.Done():
			return &InterruptedError{Step: step.Name()}
		case <-time.After(pause):
		}
	}
}

// list names the first of some changes.
func list(changes []Change) string {
	const most = 5
	if len(changes) == 0 {
		return "no change would help"
	}
	var words []string
	for i, c := range changes {
		if i == most {
			words = append(words, fmt.Sprintf("%d more", len(changes)-most))
			break
		}
		word := fmt.Sprintf("%s %s %s", c.Action, c.Kind, c.Name)
		if c.Detail != "" {
			word += " (" + c.Detail + ")"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func (r *Runner) parallel() int {
	if r.Parallel > 0 {
		return r.Parallel
	}
	return 8
}
