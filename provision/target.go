package provision

import (
	"context"
	"log/slog"

	"harmony-callout/internal/secret"
)

// Target is where a system is brought up: this process, a cluster in Docker, a cluster that
// exists. It is chosen with --target.
type Target interface {
	// Name is what --target takes, and the directory of the state.
	Name() string
	// Ignores names the parts of the configuration that mean nothing to the target and that
	// cfg sets, to be told once: "issuer", "charts".
	Ignores(cfg *Config) []string
	// Open makes a system of a valid configuration. It may look at what is there, but
	// changes nothing: that is for the steps of the system. With Options.Serve, a target
	// that needs a process takes a lock of serving, which [Target.Serving] reads.
	Open(ctx context.Context, cfg *Config, opts Options) (System, error)
	// Serving returns the process that serves the system of a state directory right now;
	// false where none does, and for targets that live on without a process of ours.
	Serving(dir string) (Owner, bool)
}

// Options are what a command says beside the configuration.
type Options struct {
	Dir   string // of this system's state: <state-dir>/<name>/<target>
	Notes Notes
	Keys  KeyStore
	// Serve: the command is up, and Serve will be called once the steps are through. All
	// other commands work with what another process serves.
	Serve bool
	// Prune: what we made and the configuration no longer names is to be deleted.
	Prune bool
	// KeepData: down leaves keys and what is stored.
	KeepData bool
	// PortNATS and PortIssuer are where a local system listens: 0 any free port, remembered;
	// [PortOfFile] what the configuration says.
	PortNATS, PortIssuer int
	// Command makes of "token sensor-1" what a person types for it, with the flags that lead
	// to this very system; nil: as in "provision token sensor-1".
	Command func(words ...string) string
	Log     *slog.Logger
}

// PortOfFile leaves a port to the configuration.
const PortOfFile = -1

// System is a target opened for one configuration and one state directory.
type System interface {
	// Steps are what up walks, in order, and down backwards.
	Steps() []Step
	// Rotation are the steps that replace a key, with overlap: part "machine-key" of a user.
	Rotation(part, name string) ([]Step, error)
	// Serve is called after the steps are through, and the notes closed. It calls ready once
	// with what the system answers to, and returns nil when ctx ends, or at once where nothing
	// needs this process.
	Serve(ctx context.Context, ready func(Access)) error
	// Access says how the system is reached; an error with a hint where it is not up.
	Access(ctx context.Context) (Access, error)
	// Token returns a fresh access token of a machine user.
	Token(ctx context.Context, user string) (secret.Text, error)
	// Verify connects as each machine user and tries what its roles allow and what they do
	// not. A proof that failed is no error; that nothing could be tried is.
	Verify(ctx context.Context, each func(Proof)) error
	// Next is what to tell a person after up: commands to type, and where keys lie.
	Next(ctx context.Context, a Access) []string
	// Close lets go of connections. It stops nothing that was brought up.
	Close() error
}

// Access is how a system that is up is reached.
type Access struct {
	NATS      string   `json:"nats"`
	Issuer    string   `json:"issuer"`
	OpenBao   string   `json:"openbao,omitempty"`
	ProjectID string   `json:"projectID"`
	Users     []string `json:"users"` // machine users
}

// Proof is one thing that was tried as a machine user.
type Proof struct {
	User    string `json:"user"`
	Account string `json:"account,omitempty"`
	Action  string `json:"action"` // connect, publish, subscribe
	Subject string `json:"subject,omitempty"`
	// Want is what the roles say, Got what happened: true is allowed.
	Want bool `json:"want"`
	Got  bool `json:"got"`
	// Detail says more of what happened.
	Detail string `json:"detail,omitempty"`
}

// OK tells whether what happened is what the roles say.
func (p Proof) OK() bool { return p.Want == p.Got }
