package zitadel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"harmony-callout/provision"
)

// probed is for how many users a token is minted: they differ in nothing but their data.
const probed = 3

// probe mints a real token for some machine users and looks at what a verifier will see: a
// JWT, from the issuer, for the project, with the granted roles.
func (g *grants) probe(ctx context.Context) error {
	p, err := g.c.needProject(ctx)
	if err != nil {
		return err
	}
	wanted := wantedGrants(g.c.Want)
	for _, want := range wanted[:min(probed, len(wanted))] {
		key, err := g.c.Key(ctx, want.User)
		if errors.Is(err, provision.ErrNoKey) {
			continue // the key is somebody else's
		}
		if err != nil {
			return err
		}
		err = g.c.poll.until(ctx, g.c.Settle, func(ctx context.Context) (bool, error) {
			token, err := g.c.client.MintToken(ctx, key, p.ID)
			if err != nil {
				return false, err
			}
			missing, err := g.c.checkToken(token, p.ID, want.Roles)
			return len(missing) == 0, err
		})
		if errors.Is(err, errUnseen) {
			err = provision.WithHint(errors.New("the token does not have all granted roles"), "is the grant deactivated? see the user's authorisations in the console")
		}
		if err != nil {
			return fmt.Errorf("token of %s: %w", want.User, err)
		}
	}
	return nil
}

// checkToken returns the roles that a token lacks.
func (c *Convergence) checkToken(token Token, projectID string, roleKeys []string) (missing []string, err error) {
	parts := strings.Split(token.Access.Reveal(), ".")
	if len(parts) != 3 {
		return nil, provision.WithHint(errors.New("it is opaque and no JWT"), "set the user's access token type to JWT, or run provision up")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("its payload is not base64url")
	}
	var claims struct {
		Issuer   string   `json:"iss"`
		Audience []string `json:"aud"`
	}
	var all map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(payload, &claims), json.Unmarshal(payload, &all)); err != nil {
		return nil, fmt.Errorf("its claims: %w", err)
	}
	switch {
	case claims.Issuer != c.client.issuer.URL():
		return nil, fmt.Errorf("%w: iss is %q, the issuer is %q", ErrOtherInstance, claims.Issuer, c.client.issuer.URL())
	case !slices.Contains(claims.Audience, projectID):
		return nil, fmt.Errorf("aud is %q and lacks the project %s", claims.Audience, projectID)
	}
	granted := map[string]json.RawMessage{}
	if claim, ok := all["urn:zitadel:iam:org:project:"+projectID+":roles"]; ok {
		if err := json.Unmarshal(claim, &granted); err != nil {
			return nil, fmt.Errorf("its roles: %w", err)
		}
	}
	for _, key := range roleKeys {
		if _, ok := granted[key]; !ok {
			missing = append(missing, key)
		}
	}
	return missing, nil
}
