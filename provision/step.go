package provision

import "context"

// Step is one thing that is brought about: a project, its roles, a release. It asks the
// live system whenever it is asked, and keeps nothing but what later steps need of it.
type Step interface {
	// Name is stable: events, --only and --skip use it. Its first word is the part that it
	// belongs to: "zitadel project", "zitadel grants", "nats server".
	Name() string
	// Observe asks the live system and says what it found and what would change. It changes
	// nothing. Where an earlier step has not been applied yet, as in a plan on an empty
	// machine, everything is there to be created.
	Observe(ctx context.Context) (Observation, error)
	// Probe proves that what the step brought about works. It is called after its changes
	// were applied, and by status.
	Probe(ctx context.Context) error
}

// Remover is a Step whose work can be taken away again. The changes that it returns delete
// only what was made by us.
type Remover interface {
	Step
	ObserveRemoval(ctx context.Context) (Observation, error)
}

// Condition names what a step found.
type Condition string

// The conditions of a step.
const (
	Absent    Condition = "absent"      // nothing of it is there
	OutOfSync Condition = "out of sync" // parts are missing or differ
	InSync    Condition = "in sync"     // as wanted: no changes
	Locked    Condition = "locked"      // an earlier run, or somebody else, is in the middle of it
	Foreign   Condition = "foreign"     // something else has the name and must not be touched
	Unknown   Condition = "unknown"     // could not be asked
)

// Observation is what a step found and what it would change.
type Observation struct {
	Condition Condition
	Detail    string // for people: "project 4008… with 2 roles"
	Changes   []Change
}

// Action is what a change does.
type Action string

// The actions of a change.
const (
	Create  Action = "create"
	Adopt   Action = "adopt" // found by name; only noted
	Update  Action = "update"
	Delete  Action = "delete"
	Restart Action = "restart"
)

// Change is one thing that would be done or was done. Plan, up, status, down and the JSON
// events all speak of this one type.
type Change struct {
	Action Action `json:"action"`
	Kind   string `json:"kind"` // "role", "machine user", "grant" …
	Name   string `json:"name"`
	// Detail says what differs: "displayName: Sensor → Sensors", "+operator −sensor". A
	// secret shows as its fingerprint, never itself.
	Detail string `json:"detail,omitempty"`
	// Apply does it. It is finished even when an interruption arrives meanwhile, and safe to
	// repeat when it was not.
	Apply func(ctx context.Context) error `json:"-"`
	// Batch: neighbouring changes of one non-empty batch do not depend on each other and may
	// be applied at the same time.
	Batch string `json:"-"`
}
