package local

import (
	"context"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// points counts the moments at which a process has just left a trace or is about to, and
// kills the process at one of them.
type points struct {
	at     int64 // from 0; negative: never
	passed atomic.Int64
	writes atomic.Int64 // of keys and notes
}

func (p *points) pass() {
	if p.passed.Add(1)-1 == p.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// write counts a write, with a point on either side.
func (p *points) write(do func() error) error {
	p.writes.Add(1)
	p.pass()
	err := do()
	p.pass()
	return err
}

type countedKeys struct {
	provision.KeyStore
	*points
}

func (k countedKeys) Create(ctx context.Context, name string, key secret.Text) error {
	return k.write(func() error { return k.KeyStore.Create(ctx, name, key) })
}

func (k countedKeys) Replace(ctx context.Context, name string, key secret.Text) error {
	return k.write(func() error { return k.KeyStore.Replace(ctx, name, key) })
}

func (k countedKeys) Delete(ctx context.Context, name string) error {
	return k.write(func() error { return k.KeyStore.Delete(ctx, name) })
}

type countedNotes struct {
	provision.Notes
	*points
}

func (n countedNotes) SetNote(kind, name string, r provision.Record) error {
	old, noted := n.Note(kind, name)
	if r.At = old.At; noted && r == old { // is not written
		return n.Notes.SetNote(kind, name, r)
	}
	return n.write(func() error { return n.Notes.SetNote(kind, name, r) })
}

func (n countedNotes) DropNote(kind, name string) error {
	return n.write(func() error { return n.Notes.DropNote(kind, name) })
}

// countedStep has points around whatever the step does: servers start and write files there.
// As soon as it has started the stand-in, each request is a point too.
type countedStep struct {
	provision.Step
	process *process
}

func (s countedStep) around(do func() error) error {
	s.process.points.pass()
	err := do()
	if stand := s.process.standin; stand != nil {
		stand.Intercept(func(*http.Request) (int, string, bool) {
			s.process.points.pass()
			return 0, "", false
		})
		if s.process.trouble != nil {
			s.process.trouble(stand)
			s.process.trouble = nil
		}
	}
	s.process.points.pass()
	return err
}

func (s countedStep) Observe(ctx context.Context) (o provision.Observation, err error) {
	err = s.around(func() error {
		o, err = s.Step.Observe(ctx)
		return err
	})
	for i, c := range o.Changes {
		o.Changes[i].Apply = func(ctx context.Context) error {
			return s.around(func() error { return c.Apply(ctx) })
		}
	}
	return o, err
}

func (s countedStep) Probe(ctx context.Context) error {
	return s.around(func() error { return s.Step.Probe(ctx) })
}

// ObserveRemoval is of the steps that have it.
func (s countedStep) ObserveRemoval(ctx context.Context) (provision.Observation, error) {
	if remover, ok := s.Step.(provision.Remover); ok {
		return remover.ObserveRemoval(ctx)
	}
	return provision.Observation{Condition: provision.Absent}, nil
}
