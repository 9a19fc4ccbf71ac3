package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"

	"harmony-callout/provision"
	"harmony-callout/provision/nats"
	"harmony-callout/provision/zitadel"
	"harmony-callout/provision/zitadel/standin"
)

const (
	host      = "127.0.0.1"
	serveLock = "serve.lock"

	// upAgain is the advice where a system is needed that nobody serves.
	upAgain = "start it in another shell with: provision up --target local"
)

// Target is --target local.
type Target struct{}

// Name is local.
func (Target) Name() string { return "local" }

// Ignores names what has no meaning on one machine.
func (Target) Ignores(cfg *provision.Config) []string {
	var ignored []string
	for _, part := range []struct {
		name string
		set  bool
	}{
		{"issuer (it is http://" + host + ":<port>)", true},
		{"openbao", true},
		{"nats.replicas", cfg.NATS.Replicas > 1},
		{"callout.image", cfg.Callout.Image != ""},
		{"charts", anyChart(cfg.Charts)},
		{"zitadel.identityProviders", len(cfg.Zitadel.IdentityProviders) > 0},
	} {
		if part.set {
			ignored = append(ignored, part.name)
		}
	}
	return ignored
}

func anyChart(c provision.ChartsConfig) bool {
	for _, chart := range []provision.ChartConfig{c.Zitadel, c.OpenBao, c.NATS, c.CloudNativePG} {
		if chart.Repo != "" || chart.Version != "" || chart.Path != "" || len(chart.Values) > 0 {
			return true
		}
	}
	return false
}

// Serving returns the process that serves the system of a directory.
func (Target) Serving(dir string) (provision.Owner, bool) { return provision.LockHeld(dir, serveLock) }

// System is a system on this machine, as one command sees it.
type System struct {
	cfg    *provision.Config
	opts   provision.Options
	log    *slog.Logger
	ports  ports
	issuer provision.Issuer
	// reserved are the ports where a server is yet to start.
	reserved map[string]net.Listener

	serving *provision.Lock // held by the process that serves
	remote  bool            // another process serves

	client *zitadel.Client
	conv   *zitadel.Convergence

	standin *standin.Server
	nats    *server.Server
	callout *calloutProcess
}

// Open looks who serves the system and which ports it has. For up it becomes the one that
// serves; there can be one.
func (t Target) Open(_ context.Context, cfg *provision.Config, opts provision.Options) (provision.System, error) {
	s := &System{cfg: cfg, opts: opts, log: opts.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if opts.Serve {
		// Nobody on another host can serve this one's loopback, whatever the file says.
		if s.serving, err = provision.TakeLock(opts.Dir, serveLock, "provision up --target local"); err != nil {
			return nil, provision.WithHint(err, "it runs already: use it, or stop it with Ctrl-C first")
		}
	} else {
		_, s.remote = t.Serving(opts.Dir)
	}
	if err = s.choosePorts(); err == nil {
		s.issuer, err = provision.NewIssuer(host, s.ports[issuerPort], false)
	}
	if err == nil {
		s.client, err = zitadel.New(zitadel.Config{
			Issuer: s.issuer,
			// The stand-in writes its administrator's token here at its first start.
			Credentials: []zitadel.CredentialSource{zitadel.PATFile(standin.AdminPATFile(s.path("zitadel")))},
		})
	}
	if err == nil {
		s.conv, err = zitadel.NewConvergence(s.client, zitadel.Settings{
			Want: cfg.Zitadel, Keys: opts.Keys, Notes: opts.Notes, OwnInstance: true, Prune: opts.Prune,
			Installed: func(context.Context) (bool, error) { return s.remote || s.standin != nil, nil },
		})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Steps are what makes the system, in order.
func (s *System) Steps() []provision.Step {
	steps := []provision.Step{&portsStep{s}, &zitadelStep{s}}
	for _, step := range s.conv.Steps() {
		// Hiding that it can be removed: down takes the stand-in away with all that it holds.
		steps = append(steps, struct{ provision.Step }{step})
	}
	return append(steps, &nats.KeysStep{Store: s.opts.Keys}, &natsStep{s}, &calloutStep{s})
}

// Rotation replaces a machine user's key.
func (s *System) Rotation(part, name string) ([]provision.Step, error) {
	if part != "machine-key" {
		return nil, fmt.Errorf("rotate %s: the local target rotates machine-key USER", part)
	}
	if err := s.needServer(); err != nil {
		return nil, err
	}
	return []provision.Step{&rotateStep{System: s, user: name}}, nil
}

// needServer is an error where no process serves the system.
func (s *System) needServer() error {
	if s.remote || s.serving != nil {
		return nil
	}
	return provision.WithHint(errors.New("the local system is not running"), upAgain)
}

// Close stops what this process serves and lets go of the rest.
func (s *System) Close() error {
	if s.callout != nil {
		s.callout.stop()
	}
	if s.nats != nil {
		stopNATS(s.nats)
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.standin != nil {
		s.standin.Close()
	}
	for _, name := range portNames {
		s.release(name)
	}
	if s.serving != nil {
		return s.serving.Release()
	}
	return nil
}

// path is a file or directory of the system.
func (s *System) path(elem ...string) string {
	return filepath.Join(append([]string{s.opts.Dir}, elem...)...)
}
