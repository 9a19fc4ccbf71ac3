package zitadel

import (
	"context"
	"fmt"

	"harmony-callout/provision"
)

// organizationStep finds the organisation that holds all. It is never made, since an
// instance has one from its first start.
type organizationStep struct {
	c      *Convergence
	proven bool // by an observation
}

func (*organizationStep) Name() string { return "zitadel organisation" }

// Observe also proves the credential and the issuer, before anything depends on them.
func (s *organizationStep) Observe(ctx context.Context) (provision.Observation, error) {
	if installed, err := s.c.installed(ctx); err != nil || !installed {
		return provision.Observation{Condition: provision.Absent, Detail: "not installed yet"}, err
	}
	s.proven = false
	if err := s.Probe(ctx); err != nil {
		return provision.Observation{Condition: provision.Unknown}, err
	}
	s.proven = true
	org, err := s.c.organization(ctx)
	if err != nil {
		return provision.Observation{Condition: provision.Unknown}, err
	}
	return provision.Observation{
		Condition: provision.InSync,
		Detail:    fmt.Sprintf("%s (%s), by %s", org.Name, org.ID, s.c.client.CredentialName()),
	}, nil
}

// Probe compares the issuer byte for byte and has the credential accepted, unless an
// observation just did.
func (s *organizationStep) Probe(ctx context.Context) error {
	if s.proven {
		return nil
	}
	if err := s.c.client.CheckIssuer(ctx); err != nil {
		return err
	}
	_, err := s.c.client.Authenticate(ctx)
	return err
}
