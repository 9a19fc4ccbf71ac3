package provision

import (
	"context"
	"time"
)

// Event is one thing that happened in a run, for people and programs alike: the ui prints
// it, and --json writes it as one line.
type Event struct {
	Kind EventKind `json:"event"`
	// Step is the name of the step that it is about; empty for the run.
	Step      string    `json:"step,omitempty"`
	Condition Condition `json:"condition,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Change    *Change   `json:"change,omitempty"`
	Status    Status    `json:"status,omitempty"`
	// Done of Total changes, or of whatever a step counts.
	Done  int `json:"done,omitempty"`
	Total int `json:"total,omitempty"`

	Error     string `json:"error,omitempty"`
	Hint      string `json:"hint,omitempty"`
	ElapsedMS int64  `json:"elapsed_ms,omitempty"`

	*Access        // of EventReady
	Proof   *Proof `json:"proof,omitempty"`
}

// EventKind is what an [Event] tells.
type EventKind string

// The kinds of events.
const (
	EventPlan     EventKind = "plan"     // a change that would be made, or a step without any
	EventStep     EventKind = "step"     // a step was started, done, failed, unchanged, skipped
	EventChange   EventKind = "change"   // a change was started, done, failed
	EventWait     EventKind = "wait"     // the step waits for Detail
	EventProgress EventKind = "progress" // the step got to Done of Total
	EventDone     EventKind = "done"     // the run has ended well: Total changes, or unchanged
	EventError    EventKind = "error"    // the command has failed
	EventReady    EventKind = "ready"    // the system can be used: see Access
	EventProof    EventKind = "proof"    // verify tried something: see Proof
)

// Status is how far a step or a change has got.
type Status string

// The statuses of steps, changes and runs.
const (
	Started   Status = "started"
	Done      Status = "done"
	Failed    Status = "failed"
	Unchanged Status = "unchanged"
	Planned   Status = "planned"
	Skipped   Status = "skipped" // by --only or --skip: observed, not touched
	// Interrupted: what was in hand is finished, the rest was not begun.
	Interrupted Status = "interrupted"
)

// Elapsed is ElapsedMS as a duration.
func (e Event) Elapsed() time.Duration { return time.Duration(e.ElapsedMS) * time.Millisecond }

type eventsKey struct{}

// withEvents makes [Waiting] and [Progress] reach the function.
func withEvents(ctx context.Context, emit func(Event)) context.Context {
	return context.WithValue(ctx, eventsKey{}, emit)
}

// Waiting says what a step is waiting for, for as long as it does: "discovery at
// http://sso.example.com". Outside a [Runner] it goes nowhere.
func Waiting(ctx context.Context, what string) {
	if emit, ok := ctx.Value(eventsKey{}).(func(Event)); ok {
		emit(Event{Kind: EventWait, Detail: what})
	}
}

// Progress says how far a step has got in what is not counted by its changes: pages of a
// list, for instance. Outside a [Runner] it goes nowhere.
func Progress(ctx context.Context, done, total int) {
	if emit, ok := ctx.Value(eventsKey{}).(func(Event)); ok {
		emit(Event{Kind: EventProgress, Done: done, Total: total})
	}
}
