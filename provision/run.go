package provision

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Runner walks a list of steps. Its zero durations and numbers have defaults.
type Runner struct {
	Steps []Step
	// Selected tells which steps may be changed; nil: all. A step that is not selected is
	// still observed where a later one is, which may need what it finds.
	Selected func(Step) bool
	// Events is called with one event at a time; nil: nobody listens.
	Events func(Event)
	// Parallel is how many changes of one batch are applied at the same time; 0: 8.
	Parallel int
	// Timeout is the deadline of every observation, probe and change; 0: 10 minutes.
	Timeout time.Duration
	// Settle is how long the live system may take to show what was written: searches lag
	// behind. 0: 30 seconds.
	Settle time.Duration

	mu sync.Mutex // serialises Events
}

// StepPlan is a step and what was found of it.
type StepPlan struct {
	Step string
	Observation
	// Err: the step could not be observed, or does not prove itself. Only Status returns
	// plans with it; elsewhere it ends the run.
	Err error
}

// Summary is what a run did.
type Summary struct {
	Steps   int
	Changes int // 0: unchanged
}

// InterruptedError ends a run whose context was cancelled. The change that was in hand then
// has been finished.
type InterruptedError struct {
	Step    string // the step that was not finished
	Changes int    // applied until then, in the whole run
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("interrupted at step %q after %d changes, all of them finished", e.Step, e.Changes)
}

// Plan observes all steps and changes nothing. It stops at the first that cannot be asked.
func (r *Runner) Plan(ctx context.Context) ([]StepPlan, error) {
	var plans []StepPlan
	for _, step := range r.upToLastSelected() {
		if !r.selected(step) {
			r.pass(ctx, step)
			continue
		}
		plan, err := r.plan(ctx, step, step.Observe)
		if err != nil {
			return plans, err
		}
		plans = append(plans, plan)
	}
	r.emitDone(changesOf(plans), Planned, 0)
	return plans, nil
}

// PlanDown is [Runner.Plan] of what Down would take away.
func (r *Runner) PlanDown(ctx context.Context) ([]StepPlan, error) {
	var plans []StepPlan
	for _, step := range r.removers() {
		plan, err := r.plan(ctx, step, step.ObserveRemoval)
		if err != nil {
			return plans, err
		}
		plans = append(plans, plan)
	}
	r.emitDone(changesOf(plans), Planned, 0)
	return plans, nil
}

func (r *Runner) plan(ctx context.Context, step Step, observe func(context.Context) (Observation, error)) (StepPlan, error) {
	plan := StepPlan{Step: step.Name()}
	r.emit(Event{Kind: EventStep, Step: plan.Step, Status: Started})
	var err error
	if plan.Observation, err = r.observe(ctx, step, observe); err != nil {
		r.emit(Event{Kind: EventStep, Step: plan.Step, Status: Failed, Error: err.Error(), Hint: HintOf(err)})
		return plan, err
	}
	r.emitPlan(plan)
	return plan, nil
}

func changesOf(plans []StepPlan) int {
	n := 0
	for _, p := range plans {
		n += len(p.Changes)
	}
	return n
}

// Up brings everything about: each step is observed, its changes are applied in order, it is
// observed again if there were any, and it proves itself. The error names step and change;
// it is an *[InterruptedError] when the context was cancelled.
func (r *Runner) Up(ctx context.Context) (Summary, error) {
	var sum Summary
	began := time.Now()
	for _, step := range r.upToLastSelected() {
		if !r.selected(step) {
			r.pass(ctx, step)
			continue
		}
		err := r.work(ctx, step, &sum, step.Observe, step.Probe)
		if err != nil {
			return sum, err
		}
	}
	r.emitDone(sum.Changes, Done, time.Since(began))
	return sum, nil
}

// Down takes away what Up made, the last step first.
func (r *Runner) Down(ctx context.Context) (Summary, error) {
	var sum Summary
	began := time.Now()
	for _, step := range r.removers() {
		if err := r.work(ctx, step, &sum, step.ObserveRemoval, nil); err != nil {
			return sum, err
		}
	}
	r.emitDone(sum.Changes, Done, time.Since(began))
	return sum, nil
}

// Status observes all steps and has those prove themselves that are as wanted. What fails
// is in the plans, and does not stop it; the error is of a context that was cancelled.
func (r *Runner) Status(ctx context.Context) ([]StepPlan, error) {
	var plans []StepPlan
	for _, step := range r.Steps {
		if !r.selected(step) {
			continue
		}
		began := time.Now()
		plan := StepPlan{Step: step.Name()}
		r.emit(Event{Kind: EventStep, Step: plan.Step, Status: Started})
		plan.Observation, plan.Err = r.observe(ctx, step, step.Observe)
		if plan.Err == nil && plan.Condition == InSync {
			plan.Err = r.probe(ctx, step.Name(), step.Probe)
		}
		if ctx.Err() != nil {
			return plans, &InterruptedError{Step: plan.Step}
		}
		plans = append(plans, plan)
		e := Event{
			Kind: EventStep, Step: plan.Step, Status: Done, Condition: plan.Condition, Detail: plan.Detail,
			Total: len(plan.Changes), ElapsedMS: time.Since(began).Milliseconds(),
		}
		if plan.Err != nil {
			e.Status, e.Error, e.Hint = Failed, plan.Err.Error(), HintOf(plan.Err)
		}
		r.emit(e)
	}
	return plans, nil
}

// removers are the selected steps whose work can be taken away, the last first.
func (r *Runner) removers() []Remover {
	var list []Remover
	for i := len(r.Steps) - 1; i >= 0; i-- {
		if remover, ok := r.Steps[i].(Remover); ok && r.selected(remover) {
			list = append(list, remover)
		}
	}
	return list
}

func (r *Runner) selected(s Step) bool { return r.Selected == nil || r.Selected(s) }

// upToLastSelected leaves out what no selected step can need.
func (r *Runner) upToLastSelected() []Step {
	for i := len(r.Steps); i > 0; i-- {
		if r.selected(r.Steps[i-1]) {
			return r.Steps[:i]
		}
	}
	return nil
}

// pass observes a step that is not selected, for the sake of later ones. That it cannot be
// asked is theirs to report, if they need it.
func (r *Runner) pass(ctx context.Context, step Step) {
	e := Event{Kind: EventStep, Step: step.Name(), Status: Skipped}
	o, err := r.observe(ctx, step, step.Observe)
	if err != nil {
		o.Condition, e.Error = Unknown, err.Error()
	}
	e.Condition, e.Detail = o.Condition, o.Detail
	r.emit(e)
}

// observe asks for an observation, within the deadline; the error names the step.
func (r *Runner) observe(ctx context.Context, step Step, ask func(context.Context) (Observation, error)) (Observation, error) {
	within, cancel := context.WithTimeout(r.context(ctx, step.Name()), r.timeout())
	defer cancel()
	o, err := ask(within)
	switch {
	case ctx.Err() != nil:
		return Observation{Condition: Unknown}, &InterruptedError{Step: step.Name()}
	case err != nil:
		return Observation{Condition: Unknown}, fmt.Errorf("observe %s: %w", step.Name(), err)
	}
	return o, nil
}

func (r *Runner) probe(ctx context.Context, step string, probe func(context.Context) error) error {
	within, cancel := context.WithTimeout(r.context(ctx, step), r.timeout())
	defer cancel()
	err := probe(within)
	switch {
	case ctx.Err() != nil:
		return &InterruptedError{Step: step}
	case err != nil:
		return fmt.Errorf("probe %s: %w", step, err)
	}
	return nil
}

// context lets the step say what it waits for.
func (r *Runner) context(ctx context.Context, step string) context.Context {
	return withEvents(ctx, func(e Event) {
		e.Step = step
		r.emit(e)
	})
}

func (r *Runner) emit(e Event) {
	if r.Events == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Events(e)
}

func (r *Runner) emitPlan(p StepPlan) {
	e := Event{Kind: EventPlan, Step: p.Step, Condition: p.Condition, Detail: p.Detail, Status: Unchanged, Total: len(p.Changes)}
	if len(p.Changes) == 0 {
		r.emit(e)
	}
	e.Status = Planned
	for i := range p.Changes {
		e.Change, e.Done = &p.Changes[i], i+1
		r.emit(e)
	}
}

func (r *Runner) emitDone(changes int, status Status, took time.Duration) {
	if changes == 0 {
		status = Unchanged
	}
	r.emit(Event{Kind: EventDone, Status: status, Total: changes, ElapsedMS: took.Milliseconds()})
}

func (r *Runner) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return 10 * time.Minute
}
