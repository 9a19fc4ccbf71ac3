package local

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"harmony-callout/callout"
	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/nats"
)

// Serve keeps the system up until ctx ends.
func (s *System) Serve(ctx context.Context, ready func(provision.Access)) error {
	if s.callout == nil {
		s.log.Warn("--only or --skip left parts out that are not there yet: nothing is served")
		return nil
	}
	access, err := s.Access(ctx)
	if err != nil {
		return err
	}
	ready(access)
	select {
	case <-ctx.Done():
		return nil
	case <-s.callout.done:
		return fmt.Errorf("the callout has ended: %w", s.callout.err)
	}
}

// Access says how the system is reached.
func (s *System) Access(ctx context.Context) (provision.Access, error) {
	if err := s.needServer(); err != nil {
		return provision.Access{}, err
	}
	project, err := s.conv.ProjectID(ctx)
	if err != nil {
		return provision.Access{}, err
	}
	access := provision.Access{NATS: s.natsURL(), Issuer: s.issuer.URL(), ProjectID: project, Users: []string{}}
	for _, user := range s.cfg.Zitadel.MachineUsers {
		access.Users = append(access.Users, user.Username)
	}
	return access, nil
}

// Token returns a fresh access token of a machine user.
func (s *System) Token(ctx context.Context, user string) (secret.Text, error) {
	if err := s.needServer(); err != nil {
		return secret.Text{}, err
	}
	token, err := s.conv.Token(ctx, user)
	return token.Access, err
}

// natsClient connects as a machine user.
func (s *System) natsClient(ctx context.Context, user string) (*nats.Client, error) {
	token, err := s.Token(ctx, user)
	if err != nil {
		return nil, err
	}
	key, err := s.conv.Key(ctx, user)
	if err != nil {
		return nil, err
	}
	return &nats.Client{URL: s.natsURL(), Token: token, InboxPrefix: "_INBOX_" + key.UserID}, nil
}

// Verify connects as each machine user and tries every subject that any of them may use.
func (s *System) Verify(ctx context.Context, each func(provision.Proof)) error {
	if err := s.needServer(); err != nil {
		return err
	}
	project, err := s.conv.ProjectID(ctx)
	if err != nil {
		return err
	}
	cfg := s.calloutConfig(project)
	type trial struct {
		user   string
		client *nats.Client
		grant  *callout.Explanation
	}
	var trials []trial
	var pool subjects
	for _, user := range s.cfg.Zitadel.MachineUsers {
		client, err := s.natsClient(ctx, user.Username)
		if err != nil {
			return fmt.Errorf("verify %s: %w", user.Username, err)
		}
		grant, err := callout.Explain(ctx, cfg, slog.New(slog.DiscardHandler), []byte(client.Token.Reveal()), loopback)
		if err != nil {
			return fmt.Errorf("verify %s: %w", user.Username, err)
		}
		trials = append(trials, trial{user.Username, client, grant})
		pool.add(grant.Permissions)
	}
	for _, t := range trials {
		if err := prove(ctx, t.user, t.client, t.grant, pool.attempts(), each); err != nil {
			return fmt.Errorf("verify %s: %w", t.user, err)
		}
	}
	return nil
}

// someUsers is how many users up names at most.
const someUsers = 3

// Next is what to type after up.
func (s *System) Next(ctx context.Context, access provision.Access) []string {
	command := s.opts.Command
	if command == nil {
		command = func(words ...string) string { return "provision " + strings.Join(words, " ") }
	}
	lines := []string{
		"Everything is up, on this machine alone, until Ctrl-C. It is no identity provider for production.",
		"  NATS     " + access.NATS,
		"  issuer   " + access.Issuer + "   (project " + access.ProjectID + ")",
		"  keys     " + provision.KeyDir(s.opts.Dir),
		"  callout  " + s.calloutFile() + "   (http://" + s.ports.address(httpPort) + "/readyz)",
		"",
		"In another shell:",
		"  # what each machine user may do, proven by doing it",
		"  " + command("verify"),
	}
	grants := s.cfg.Zitadel.Grants
	for _, grant := range grants[:min(len(grants), someUsers)] {
		key, err := s.conv.Key(ctx, grant.User)
		if err != nil {
			continue // verify says what is the matter with it
		}
		lines = append(lines,
			"  # as "+grant.User+", whose id is "+key.UserID,
			fmt.Sprintf(`  nats --server %s --token "$(%s)" --inbox-prefix _INBOX_%s rtt`, access.NATS, command("token", grant.User), key.UserID))
	}
	if more := len(grants) - someUsers; more > 0 {
		lines = append(lines, fmt.Sprintf("  # and so for %d more users", more))
	}
	return lines
}
