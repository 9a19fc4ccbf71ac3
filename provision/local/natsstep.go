package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"harmony-callout/provision"
	"harmony-callout/provision/nats"
)

// natsStep makes the nats-server be there.
type natsStep struct{ *System }

func (*natsStep) Name() string { return "nats server" }

func (s *natsStep) Observe(ctx context.Context) (provision.Observation, error) {
	want, err := s.natsConfig(ctx)
	if errors.Is(err, provision.ErrNoKey) {
		// The keys are made by an earlier step; this is a plan.
		return s.natsWrites(provision.Create, provision.Absent, ""), nil
	}
	if err != nil {
		return provision.Observation{}, err
	}
	switch have, err := os.ReadFile(s.natsFile()); {
	case errors.Is(err, os.ErrNotExist):
		return s.natsWrites(provision.Create, provision.Absent, want), nil
	case err != nil:
		return provision.Observation{}, err
	case string(have) != want:
		return s.natsWrites(provision.Update, provision.OutOfSync, want), nil
	}
	if s.serving != nil {
		if err := s.startNATS(); err != nil {
			return provision.Observation{}, err
		}
	}
	return provision.Observation{Condition: provision.InSync, Detail: s.natsURL()}, nil
}

func (s *natsStep) natsWrites(action provision.Action, condition provision.Condition, text string) provision.Observation {
	return provision.Observation{Condition: condition, Changes: []provision.Change{{
		Action: action, Kind: "server", Name: "nats", Detail: "configuration in " + s.natsFile(),
		Apply: func(context.Context) error {
			if s.nats != nil {
				stopNATS(s.nats)
				s.nats = nil
			}
			if err := writeFile(s.natsFile(), []byte(text)); err != nil {
				return err
			}
			return s.startNATS()
		},
	}}}
}

// Probe logs in to the system account: what an administrator can do while the callout is
// down.
func (s *natsStep) Probe(ctx context.Context) error {
	if err := s.needServer(); err != nil {
		return err
	}
	seed, err := s.opts.Keys.Get(ctx, nats.SystemKey.Name)
	if err != nil {
		return err
	}
	pair, err := nkeys.FromSeed([]byte(seed.Reveal()))
	if err != nil {
		return fmt.Errorf("key %s: %w", nats.SystemKey.Name, err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return err
	}
	c, err := natsgo.Connect(s.natsURL(), natsgo.Nkey(public, pair.Sign), natsgo.NoReconnect(), natsgo.Timeout(5*time.Second))
	if err != nil {
		return fmt.Errorf("log in to the system account at %s: %w", s.natsURL(), err)
	}
	c.Close()
	return nil
}

func (s *System) natsConfig(ctx context.Context) (string, error) {
	keys, err := nats.ReadPublicKeys(ctx, s.opts.Keys)
	if err != nil {
		return "", err
	}
	config := nats.Config{
		Name: s.cfg.Name, Host: host, Port: s.ports[natsPort], Accounts: s.cfg.NATS.Accounts,
		Keys: keys, StoreDir: s.path("nats", "jetstream"),
	}
	return config.Render()
}

func (s *System) startNATS() error {
	if s.nats != nil {
		return nil
	}
	s.release(natsPort)
	server, err := startNATS(s.natsFile(), s.log)
	s.nats = server
	return err
}

func (s *System) natsFile() string { return s.path("nats", "nats.conf") }

func (s *System) natsURL() string { return "nats://" + s.ports.address(natsPort) }
