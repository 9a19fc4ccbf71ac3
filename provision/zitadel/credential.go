package zitadel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// What can be wrong with a credential, beside not being accepted.
var (
	// ErrLost: there is none, though the instance is there.
	ErrLost = errors.New("no credential for zitadel")
	// ErrStale: the instance is ready and does not know it: it was made for a database that is
	// gone, or has been revoked.
	ErrStale = errors.New("the credential is stale")
)

// credential is what a source gave, proven.
type credential struct {
	name   string
	bearer Bearer
	token  secret.Text
	until  time.Time // when a new token is made; never, when zero
}

// CredentialName says which credential is used, once one was needed.
func (c *Client) CredentialName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen == nil {
		return "the credential"
	}
	return c.chosen.name
}

// Authenticate chooses the credential, as the first call would, and says which.
func (c *Client) Authenticate(ctx context.Context) (string, error) {
	chosen, err := c.credential(ctx)
	if err != nil {
		return "", err
	}
	return chosen.name, nil
}

// credential returns the chosen credential with a token that has time left.
func (c *Client) credential(ctx context.Context) (credential, error) {
	if chosen, ok := c.current(); ok {
		return chosen, nil
	}
	c.open.Lock()
	defer c.open.Unlock()
	if chosen, ok := c.current(); ok {
		return chosen, nil
	}
	c.mu.Lock()
	old := c.chosen
	c.mu.Unlock()
	var fresh credential
	var err error
	if old != nil {
		fresh, err = *old, nil
		fresh.token, fresh.until, err = c.token(ctx, old.bearer)
		if err != nil {
			err = fmt.Errorf("renew token of %s: %w", old.name, err)
		}
	} else {
		fresh, err = c.choose(ctx)
	}
	if err != nil {
		return credential{}, err
	}
	c.mu.Lock()
	c.chosen = &fresh
	c.mu.Unlock()
	return fresh, nil
}

func (c *Client) current() (credential, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen == nil || c.chosen.token.Reveal() == "" || !c.chosen.until.IsZero() && time.Now().After(c.chosen.until) {
		return credential{}, false
	}
	return *c.chosen, true
}

// renew makes the next call ask for a new token, where the credential can make one.
func (c *Client) renew() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen == nil || c.chosen.until.IsZero() {
		return false
	}
	fresh := *c.chosen
	fresh.token = secret.Text{}
	c.chosen = &fresh
	return true
}

// token makes a token and says when to make the next: well before it ends.
func (c *Client) token(ctx context.Context, bearer Bearer) (secret.Text, time.Time, error) {
	token, expires, err := bearer(ctx, c)
	if err != nil || expires.IsZero() {
		return token, expires, err
	}
	return token, expires.Add(-min(time.Minute, time.Until(expires)/4)), nil
}

// choose returns the first credential that is there and is accepted.
func (c *Client) choose(ctx context.Context) (credential, error) {
	var refused, missing []error
	for _, s := range c.sources {
		bearer, err := s.Open(ctx)
		if errors.Is(err, ErrNoCredential) {
			missing = append(missing, fmt.Errorf("%s: %w", s.Name(), err))
			continue
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", s.Name(), err))
			continue
		}
		found := credential{name: s.Name(), bearer: bearer}
		if found.token, found.until, err = c.token(ctx, bearer); err == nil {
			err = c.prove(ctx, found.token)
		}
		if err == nil {
			return found, nil
		}
		err = fmt.Errorf("%s: %w", s.Name(), err)
		if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOtherInstance) || ctx.Err() != nil {
			return credential{}, err // the next one would fare no better
		}
		refused = append(refused, err)
	}
	if len(refused) > 0 {
		return credential{}, provision.WithHint(errors.Join(refused...), provision.HintOf(refused[0]))
	}
	return credential{}, provision.WithHint(fmt.Errorf("%w: %w", ErrLost, errors.Join(missing...)),
		"set ZITADEL_PAT_FILE to a file with the token of a machine user that has the role IAM_OWNER; an instance makes one only on its first start")
}

// prove makes a cheap call that only an administrator's credential is answered.
func (c *Client) prove(ctx context.Context, token secret.Text) error {
	_, found, err := c.searchOrganization(ctx, "", token)
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return c.whyUnauthenticated(ctx, err)
	case err != nil:
		return err
	case !found:
		// Some searches answer who may not see anything with nothing (#774).
		return provision.WithHint(fmt.Errorf("%w: it sees no organisation", ErrDenied),
			"give its user the role IAM_OWNER of the instance, or ORG_OWNER of the organisation")
	}
	return nil
}

// whyUnauthenticated tells a stale credential from one of another instance: one that is not
// ready yet, or goes by another name, says nothing about the credential.
func (c *Client) whyUnauthenticated(ctx context.Context, refusal error) error {
	if err := c.Ready(ctx); err != nil {
		return err
	}
	if err := c.CheckIssuer(ctx); err != nil {
		return err
	}
	return provision.WithHint(fmt.Errorf("%w: %w", ErrStale, refusal),
		"the database is newer than the credential, or it was revoked or has expired: take the one that belongs to this database, or make a new token in the console")
}

// Ready asks whether the instance has started and reaches its database. The answer is the
// same for every Host.
func (c *Client) Ready(ctx context.Context) error {
	err := c.do(ctx, call{what: "ask whether zitadel is ready", method: http.MethodGet, path: "/debug/ready", anonymous: true, repeat: true})
	var api *APIError
	if errors.As(err, &api) && api.Status == http.StatusPreconditionFailed {
		return provision.WithHint(fmt.Errorf("%w: %w", ErrUnavailable, err), "Zitadel runs but does not reach its database")
	}
	return err
}

// CheckIssuer compares, byte for byte, the name by which the server goes at our address with
// the issuer. Tokens and assertions carry that name.
func (c *Client) CheckIssuer(ctx context.Context) error {
	got, err := c.discoverIssuer(ctx)
	if err != nil {
		return err
	}
	if got != c.issuer.URL() {
		return provision.WithHint(fmt.Errorf("%w: %s says that its issuer is %q, wanted %q", ErrOtherInstance, c.address, got, c.issuer.URL()),
			"host, port and scheme of the issuer must be Zitadel's ExternalDomain, ExternalPort and ExternalSecure")
	}
	return nil
}

func (c *Client) discoverIssuer(ctx context.Context) (string, error) {
	var out struct{ Issuer string }
	err := c.do(ctx, call{what: "discover issuer", method: http.MethodGet, path: "/.well-known/openid-configuration", out: &out, anonymous: true, repeat: true})
	return out.Issuer, err
}
