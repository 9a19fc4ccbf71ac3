package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// fakeTarget brings up files: one for the project, one for each machine user. The
// environment makes it slow (FAKE_SLOW), fail (FAKE_FAIL), lie (FAKE_LIE) and serve
// (FAKE_SERVE).
type fakeTarget struct{}

const serveLock = "serve.lock"

func (fakeTarget) Name() string { return "local" }

func (fakeTarget) Ignores(c *provision.Config) []string {
	if c.Issuer.TLS.Enabled {
		return []string{"issuer", "openbao"}
	}
	return []string{"openbao"}
}

func (fakeTarget) Serving(dir string) (provision.Owner, bool) {
	return provision.LockOwner(dir, serveLock)
}

func (fakeTarget) Open(_ context.Context, c *provision.Config, o provision.Options) (provision.System, error) {
	s := &fakeSystem{config: c, options: o}
	if o.Serve {
		lock, err := provision.AcquireLock(o.Dir, serveLock, "provision up --target local")
		if err != nil {
			return nil, err
		}
		s.lock = lock
	}
	return s, nil
}

type fakeSystem struct {
	config  *provision.Config
	options provision.Options
	lock    *provision.Lock
}

func (s *fakeSystem) Steps() []provision.Step {
	var users []string
	for _, u := range s.config.Zitadel.MachineUsers {
		users = append(users, u.Username)
	}
	return []provision.Step{
		&fakeStep{s, "shelf project", "project", []string{s.config.Zitadel.Project}},
		&fakeStep{s, "shelf users", "user", users},
	}
}

func (s *fakeSystem) Rotation(_, user string) ([]provision.Step, error) {
	at := time.Now().Format(time.RFC3339Nano)
	return []provision.Step{&fakeStep{s, "shelf key", "key", []string{user + "-" + at}}}, nil
}

func (s *fakeSystem) Serve(ctx context.Context, ready func(provision.Access)) error {
	if err := s.options.Notes.SetNote("late", "note", provision.Record{}); err == nil {
		return errors.New("the notes are still open while it serves")
	}
	a, err := s.Access(ctx)
	if err != nil {
		return err
	}
	ready(a)
	if os.Getenv("FAKE_SERVE") == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(s.options.Dir, "ready"), nil, 0o600); err != nil { // tells the script
		return err
	}
	<-ctx.Done()
	return nil
}

func (s *fakeSystem) Access(context.Context) (provision.Access, error) {
	return provision.Access{NATS: fmt.Sprintf("nats://127.0.0.1:%d", s.options.PortNATS), Issuer: "http://127.0.0.1:1", ProjectID: "4", Users: []string{"sensor-1"}}, nil
}

func (s *fakeSystem) Token(_ context.Context, user string) (secret.Text, error) {
	if _, err := os.Stat(s.path("user", user)); err != nil {
		return secret.Text{}, provision.WithHint(fmt.Errorf("token of %s: it is not up", user), "provision up")
	}
	return secret.New("token-of-" + user), nil
}

func (s *fakeSystem) Verify(_ context.Context, each func(provision.Proof)) error {
	each(provision.Proof{User: "sensor-1", Account: "APP", Action: "publish", Subject: "telemetry.7.x", Want: true, Got: true})
	each(provision.Proof{User: "sensor-1", Account: "APP", Action: "publish", Subject: "commands.x", Got: os.Getenv("FAKE_LIE") != ""})
	return nil
}

func (s *fakeSystem) Next(_ context.Context, a provision.Access) []string {
	return []string{"NATS is at " + a.NATS, "keys lie in " + s.options.Keys.Location("users")}
}

func (s *fakeSystem) Close() error {
	if s.lock != nil {
		return s.lock.Release()
	}
	return nil
}

func (s *fakeSystem) path(kind, name string) string {
	return filepath.Join(s.options.Dir, "live", kind, name)
}

// fakeStep wants files.
type fakeStep struct {
	*fakeSystem
	name, kind string
	want       []string
}

func (s *fakeStep) Name() string { return s.name }

func (s *fakeStep) Observe(context.Context) (provision.Observation, error) {
	o := provision.Observation{Condition: provision.InSync}
	for _, name := range s.want {
		if _, err := os.Stat(s.path(s.kind, name)); errors.Is(err, fs.ErrNotExist) {
			o.Condition = provision.Absent
			o.Changes = append(o.Changes, provision.Change{Action: provision.Create, Kind: s.kind, Name: name, Apply: func(ctx context.Context) error { return s.create(ctx, name) }})
		}
	}
	if s.options.Prune {
		for _, name := range s.options.Notes.Noted(s.kind) {
			if !slices.Contains(s.want, name) {
				o.Condition = provision.OutOfSync
				o.Changes = append(o.Changes, s.removal(name))
			}
		}
	}
	return o, nil
}

func (s *fakeStep) ObserveRemoval(context.Context) (provision.Observation, error) {
	o := provision.Observation{Condition: provision.Absent}
	for _, name := range s.options.Notes.Noted(s.kind) {
		o.Condition = provision.InSync
		o.Changes = append(o.Changes, s.removal(name))
	}
	return o, nil
}

func (s *fakeStep) removal(name string) provision.Change {
	return provision.Change{Action: provision.Delete, Kind: s.kind, Name: name, Apply: func(context.Context) error {
		if err := os.Remove(s.path(s.kind, name)); err != nil {
			return err
		}
		return s.options.Notes.DropNote(s.kind, name)
	}}
}

func (s *fakeStep) create(ctx context.Context, name string) error {
	if os.Getenv("FAKE_FAIL") == name {
		return provision.WithHint(errors.New("the shelf is full"), "buy a larger one")
	}
	path := s.path(s.kind, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if os.Getenv("FAKE_SLOW") == name {
		provision.Waiting(ctx, "the glue to dry")
		if err := os.WriteFile("slow", nil, 0o600); err != nil { // tells the script that the change is in hand
			return err
		}
		for {
			if _, err := os.Stat("go-on"); err == nil {
				time.Sleep(300 * time.Millisecond) // the signal that was sent before has long arrived then
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	data, err := json.Marshal(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	return s.options.Notes.SetNote(s.kind, name, provision.Record{ID: name, Made: true})
}

func (s *fakeStep) Probe(context.Context) error { return nil }
