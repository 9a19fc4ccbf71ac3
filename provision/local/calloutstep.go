package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"harmony-callout/callout"
	"harmony-callout/provision"
	"harmony-callout/provision/nats"
)

const (
	calloutReady = 15 * time.Second
	calloutPoll  = 5 * time.Millisecond
)

// calloutStep makes the callout be there.
type calloutStep struct{ *System }

func (*calloutStep) Name() string { return "callout server" }

func (s *calloutStep) Observe(ctx context.Context) (provision.Observation, error) {
	project, err := s.conv.ProjectID(ctx)
	if err != nil {
		if s.serving != nil || s.remote {
			return provision.Observation{}, err
		}
		// Nothing is there yet: this is a plan.
		return s.calloutWrites(provision.Create, provision.Absent, nil), nil
	}
	want, err := callout.Marshal(s.calloutConfig(project))
	if err != nil {
		return provision.Observation{}, err
	}
	switch have, err := os.ReadFile(s.calloutFile()); {
	case errors.Is(err, os.ErrNotExist):
		return s.calloutWrites(provision.Create, provision.Absent, want), nil
	case err != nil:
		return provision.Observation{}, err
	case string(have) != string(want):
		return s.calloutWrites(provision.Update, provision.OutOfSync, want), nil
	}
	if s.serving != nil {
		if err := s.startCallout(); err != nil {
			return provision.Observation{}, err
		}
	}
	return provision.Observation{Condition: provision.InSync, Detail: s.calloutFile()}, nil
}

func (s *calloutStep) calloutWrites(action provision.Action, condition provision.Condition, text []byte) provision.Observation {
	return provision.Observation{Condition: condition, Changes: []provision.Change{{
		Action: action, Kind: "server", Name: "callout", Detail: "configuration in " + s.calloutFile(),
		Apply: func(context.Context) error {
			if s.callout != nil {
				s.callout.stop()
				s.callout = nil
			}
			if err := writeFile(s.calloutFile(), text); err != nil {
				return err
			}
			return s.startCallout()
		},
	}}}
}

// Probe waits until the callout is ready and connects as the first machine user.
func (s *calloutStep) Probe(ctx context.Context) error {
	if err := s.needServer(); err != nil {
		return err
	}
	if s.callout != nil {
		provision.Waiting(ctx, "the callout to be ready")
		if err := s.callout.waitReady(ctx); err != nil {
			return err
		}
	}
	if len(s.cfg.Zitadel.Grants) == 0 {
		return nil
	}
	user := s.cfg.Zitadel.Grants[0].User
	client, err := s.natsClient(ctx, user)
	if err != nil {
		return err
	}
	if err := client.Try(ctx, nil); err != nil {
		return provision.WithHint(fmt.Errorf("connect as %s: %w", user, err), "see why: provision token "+user+" | callout explain --config "+s.calloutFile())
	}
	return nil
}

// calloutConfig is callout.yaml, as for any callout: it names the keys by their files.
func (s *System) calloutConfig(project string) *callout.Config {
	cfg := callout.DefaultConfig()
	cfg.NATS.Servers = []string{s.natsURL()}
	cfg.NATS.NKeySeedFile = s.opts.Keys.Location(nats.ServiceKey.Name)
	cfg.Keys.AccountSeedFile = s.opts.Keys.Location(nats.AccountKey.Name)
	cfg.Keys.XKeySeedFile = s.opts.Keys.Location(nats.XKey.Name)
	cfg.Zitadel.Issuer = s.issuer.URL()
	cfg.Zitadel.ProjectID = project
	cfg.Roles = s.cfg.Callout.Roles
	cfg.HTTP.Listen = s.ports.address(httpPort)
	return &cfg
}

func (s *System) calloutFile() string { return s.path("callout.yaml") }

func (s *System) startCallout() error {
	if s.callout != nil {
		return nil
	}
	s.release(httpPort)
	process, err := startCallout(s.calloutFile(), s.log)
	s.callout = process
	return err
}

// calloutProcess is a callout that runs in this process.
type calloutProcess struct {
	service *callout.Service
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // of Run, to be read after done
}

// startCallout starts a callout from its configuration file, as `callout serve` does.
func startCallout(file string, logger *slog.Logger) (*calloutProcess, error) {
	// The environment that would change a callout's configuration is not ours to read.
	cfg, _, err := callout.Load(file, nil)
	if err != nil {
		return nil, fmt.Errorf("callout configuration: %w", err)
	}
	service, err := callout.New(cfg, logger)
	if err != nil {
		return nil, fmt.Errorf("start callout: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &calloutProcess{service: service, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = service.Run(ctx)
	}()
	return p, nil
}

func (p *calloutProcess) stop() {
	p.cancel()
	<-p.done
}

func (p *calloutProcess) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, calloutReady)
	defer cancel()
	tick := time.NewTicker(calloutPoll)
	defer tick.Stop()
	for !p.service.Readiness().Ready {
		select {
		case <-p.done:
			return fmt.Errorf("the callout has ended: %w", p.err)
		case <-ctx.Done():
			return fmt.Errorf("the callout is not ready after %s: %s", calloutReady, p.service.Readiness().Text)
		case <-tick.C:
		}
	}
	return nil
}
