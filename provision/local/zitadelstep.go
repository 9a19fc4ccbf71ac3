package local

import (
	"context"
	"errors"
	"fmt"
	"os"

	"harmony-callout/provision"
	"harmony-callout/provision/zitadel"
	"harmony-callout/provision/zitadel/standin"
)

// zitadelStep makes the stand-in for Zitadel be there, and takes it away.
type zitadelStep struct{ *System }

func (*zitadelStep) Name() string { return "zitadel server" }

// Observe starts the stand-in where it has data and nobody serves it: starting is no
// change, and the steps behind this one have to ask it.
func (s *zitadelStep) Observe(context.Context) (provision.Observation, error) {
	switch _, err := os.Stat(standin.AdminPATFile(s.path("zitadel"))); {
	case errors.Is(err, os.ErrNotExist):
		return provision.Observation{Condition: provision.Absent, Changes: []provision.Change{{
			Action: provision.Create, Kind: "server", Name: "stand-in for Zitadel",
			Detail: "no identity provider for production, on loopback alone",
			Apply:  func(context.Context) error { return s.startZitadel() },
		}}}, nil
	case err != nil:
		return provision.Observation{}, err
	}
	detail := "stand-in at " + s.issuer.URL()
	if !s.remote && s.standin == nil {
		if err := s.startZitadel(); err != nil {
			return provision.Observation{}, err
		}
	}
	if s.serving == nil && !s.remote {
		detail = "stand-in of an earlier up, not running"
	}
	return provision.Observation{Condition: provision.InSync, Detail: detail}, nil
}

func (s *zitadelStep) Probe(ctx context.Context) error {
	if err := s.needServer(); err != nil {
		return err
	}
	if s.standin != nil {
		return nil // it listens: nothing else makes one
	}
	return s.client.Ready(ctx)
}

// ObserveRemoval finds what down takes away: everything that the system wrote.
func (s *zitadelStep) ObserveRemoval(context.Context) (provision.Observation, error) {
	if s.remote {
		return provision.Observation{}, provision.WithHint(errors.New("the local system is running"), "stop it with Ctrl-C in its shell, then repeat")
	}
	o := provision.Observation{Condition: provision.Absent}
	if s.opts.KeepData {
		o.Detail = "data and keys are kept"
		return o, nil
	}
	for _, part := range []struct{ path, what string }{
		{s.path("callout.yaml"), "the callout's configuration"},
		{s.path("nats"), "the server's configuration and streams"},
		{provision.KeyDir(s.opts.Dir), "all keys"},
		{s.path("zitadel"), "the stand-in and all that it holds"},
	} {
		if _, err := os.Lstat(part.path); err != nil {
			continue
		}
		o.Condition = provision.OutOfSync
		o.Changes = append(o.Changes, provision.Change{
			Action: provision.Delete, Kind: "data", Name: part.path, Detail: part.what,
			Apply: func(context.Context) error { return os.RemoveAll(part.path) },
		})
	}
	if n := zitadel.CountNotes(s.opts.Notes); n > 0 {
		o.Condition = provision.OutOfSync
		o.Changes = append(o.Changes, provision.Change{
			Action: provision.Delete, Kind: "notes", Name: "zitadel", Detail: fmt.Sprintf("of %d things that the stand-in held", n),
			Apply: func(context.Context) error { return zitadel.DropNotes(s.opts.Notes) },
		})
	}
	for _, name := range s.opts.Notes.Noted(kindPort) {
		o.Condition = provision.OutOfSync
		o.Changes = append(o.Changes, provision.Change{
			Action: provision.Delete, Kind: "port", Name: name,
			Apply: func(context.Context) error { return s.opts.Notes.DropNote(kindPort, name) },
		})
	}
	return o, nil
}

func (s *System) startZitadel() error {
	if s.standin != nil {
		return nil
	}
	s.release(issuerPort)
	server, err := standin.New(standin.Config{Dir: s.path("zitadel"), Addr: s.ports.address(issuerPort), Logger: s.log})
	if err != nil {
		return listenHint(fmt.Errorf("zitadel: %w", err), "--port-issuer")
	}
	s.standin = server
	return nil
}
