package zitadel

import (
	"context"
	"fmt"
	"time"

	"harmony-callout/provision"
)

// lifetimeStep sets how long access tokens live, for the whole instance and so only on one
// that is ours.
type lifetimeStep struct{ c *Convergence }

func (*lifetimeStep) Name() string { return "zitadel token lifetime" }

func (s *lifetimeStep) Observe(ctx context.Context) (provision.Observation, error) {
	want := s.c.Want.TokenLifetime
	if !s.c.OwnInstance || want == 0 {
		return provision.Observation{Condition: provision.InSync, Detail: "left as it is"}, nil
	}
	change := provision.Change{
		Action: provision.Update, Kind: "token lifetime", Name: "access token", Detail: "→ " + want.String(), Apply: s.set,
	}
	if installed, err := s.c.installed(ctx); err != nil || !installed {
		return provision.Observation{Condition: provision.Absent, Changes: []provision.Change{change}}, err
	}
	have, err := s.c.client.getOIDCSettings(ctx)
	if err != nil {
		return provision.Observation{Condition: provision.Unknown}, err
	}
	lifetime, err := time.ParseDuration(have.AccessTokenLifetime)
	if err == nil && lifetime == want {
		return provision.Observation{Condition: provision.InSync, Detail: want.String()}, nil
	}
	change.Detail = fmt.Sprintf("%s → %s", have.AccessTokenLifetime, want)
	return provision.Observation{Condition: provision.OutOfSync, Changes: []provision.Change{change}}, nil
}

// set replaces all lifetimes, so the others are sent as they are.
func (s *lifetimeStep) set(ctx context.Context) error {
	settings, err := s.c.client.getOIDCSettings(ctx)
	if err != nil {
		return err
	}
	settings.AccessTokenLifetime = fmt.Sprintf("%ds", int64(s.c.Want.TokenLifetime/time.Second))
	return s.c.client.setOIDCSettings(ctx, settings)
}

// Probe has nothing to add to what observing proves.
func (*lifetimeStep) Probe(context.Context) error { return nil }
