package zitadel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// Token is an access token.
type Token struct {
	Access  secret.Text
	Expires time.Time // by this machine's clock
}

// ErrAssertion means that the token endpoint refused the assertion of a key.
var ErrAssertion = errors.New("the assertion was refused")

// TokenScope asks for a token whose aud is a project and that names the roles there. The
// singular spelling of the last scope would be ignored (#147, #148).
func TokenScope(projectID string) string {
	return "openid urn:zitadel:iam:org:project:id:" + projectID + ":aud urn:zitadel:iam:org:projects:roles"
}

// MintToken exchanges an assertion signed with a machine user's key for an access token.
func (c *Client) MintToken(ctx context.Context, key KeyFile, projectID string) (Token, error) {
	return c.mint(ctx, key, TokenScope(projectID))
}

func (c *Client) mint(ctx context.Context, key KeyFile, scope string) (Token, error) {
	if key.Type != typeServiceAccount {
		return Token{}, fmt.Errorf("mint token: key %s is of an application, not of a machine user", key.KeyID)
	}
	now := time.Now()
	assertion, err := sign(key.Key, key.KeyID, key.UserID, c.issuer.URL(), now)
	if err != nil {
		return Token{}, fmt.Errorf("mint token: %w", err)
	}
	var out struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	err = c.do(ctx, call{
		what: "mint token for user " + key.UserID, path: "/oauth/v2/token", out: &out, anonymous: true, repeat: true,
		in: url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			"scope":      {scope},
			"assertion":  {assertion.Reveal()},
		},
	})
	if err != nil {
		return Token{}, c.whyRefused(ctx, err)
	}
	if out.AccessToken == "" {
		return Token{}, fmt.Errorf("mint token for user %s: the answer has no access_token", key.UserID)
	}
	return Token{secret.New(out.AccessToken), now.Add(time.Duration(out.ExpiresIn) * time.Second)}, nil
}

// whyRefused makes one error of the two ways in which releases answer an assertion whose aud
// is not the issuer: 400 invalid_grant, and 500 Errors.Internal. Both also stand for other
// reasons, so the server is asked what it calls itself.
func (c *Client) whyRefused(ctx context.Context, err error) error {
	var api *APIError
	if !errors.As(err, &api) || !refusesAssertion(api) {
		return err
	}
	issuer, discovery := c.discoverIssuer(ctx)
	if discovery != nil {
		return fmt.Errorf("%w; and %w", err, discovery)
	}
	refused := fmt.Errorf("%w: its aud is %q, the issuer at %s is %q: %w", ErrAssertion, c.issuer.URL(), c.address, issuer, err)
	if issuer != c.issuer.URL() {
		return provision.WithHint(refused, "the two must be equal byte for byte: set issuer.host, issuer.port and issuer.tls to what the server calls itself")
	}
	return provision.WithHint(refused, "the issuer is right, so the key is not: it was deleted or has expired, its user is locked, deactivated or gone, or this machine's clock is off by more than a second")
}

func refusesAssertion(e *APIError) bool {
	return e.Status == http.StatusBadRequest && e.Code == "invalid_grant" ||
		e.Status == http.StatusInternalServerError && strings.Contains(e.Message, "Errors.Internal")
}
