package callout

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// explainWait bounds how long Explain waits for the issuer's keys. A person waits, no
// server: it may be longer than a request's deadline.
const explainWait = 10 * time.Second

// Explanation is the decision about one credential, check by check. It never holds the
// credential.
type Explanation struct {
	Allowed    bool           `json:"allowed"`
	Reason     Reason         `json:"reason,omitempty"`
	Detail     string         `json:"detail,omitempty"`
	Credential CredentialKind `json:"credential"`
	// Checks are those that the credential passed; the one it failed is Reason.
	Checks []Check `json:"checks"`

	// User, Username, TokenID and Expires are of the verified token, also when it is refused
	// for what it grants.
	User     string     `json:"user,omitempty"`
	Username string     `json:"username,omitempty"`
	TokenID  string     `json:"tokenID,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	// Grants are all role keys of the token, configured or not, with the organisations that
	// grant them.
	Grants map[string][]string `json:"grants,omitempty"`

	Account     string               `json:"account,omitempty"`
	Roles       []string             `json:"roles,omitempty"`
	Permissions *Permissions         `json:"permissions,omitempty"`
	Responses   *ExplainedResponses  `json:"responses,omitempty"`
	Until       *time.Time           `json:"until,omitempty"` // end of the user JWT if it were made now
	Unverified  *ExplainedUnverified `json:"unverified,omitempty"`
}

// ExplainedResponses is [ResponsesConfig] in a form for people.
type ExplainedResponses struct {
	Max int    `json:"max"`
	TTL string `json:"ttl"`
}

// ExplainedUnverified is what a refused token says of itself: anybody can write anything there.
type ExplainedUnverified struct {
	Issuer  string `json:"issuer,omitempty"`
	User    string `json:"user,omitempty"`
	TokenID string `json:"tokenID,omitempty"`
}

// Explain decides about a credential as a running service would, on a connection of which
// the caller tells source, type and user. It fetches the issuer's keys and needs no seeds.
// The error is for what kept it from deciding; a refusal is no error.
func Explain(ctx context.Context, cfg *Config, logger *slog.Logger, credential []byte, conn Connection) (*Explanation, error) {
	policy, err := NewPolicy(cfg)
	if err != nil {
		return nil, err
	}
	keys, err := newIssuerKeys(cfg, logger, nil)
	if err != nil {
		return nil, err
	}
	defer keys.stop()
	decider := newDecider(newVerifier(cfg, keys), policy, cfg.Zitadel.Credentials, CacheConfig{Tokens: 1, Refused: 1})

	var decision Decision
	var trace Trace
	now := time.Now()
	p, err := decider.decide(credential, conn, now, &trace, &decision)
	var wanted *keyWanted
	if errors.As(err, &wanted) {
		wait, cancel := context.WithTimeout(ctx, explainWait)
		defer cancel()
		_, awaited := keys.Await(wait, []byte(wanted.kid))
		decision, trace = Decision{}, Trace{}
		p, err = decider.decide(credential, conn, now, &trace, &decision)
		if errors.As(err, &wanted) && awaited == nil {
			awaited = ErrUnknownKey
		}
		// A refusal for want of keys gets the cause, which serve has in its log already.
		if refused := (*RejectError)(nil); errors.As(err, &wanted) || awaited != nil && errors.As(err, &refused) && refused.Reason == ReasonIssuerUnavailable {
			err = awaitedReason(awaited, wanted)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return explain(&decision, &trace, p, err, now), nil
}

func explain(d *Decision, trace *Trace, p *permit, err error, now time.Time) *Explanation {
	e := &Explanation{Allowed: err == nil, Credential: d.Credential, Checks: append([]Check{}, trace.Checks...)}
	if who := d.Principal; who != nil {
		e.User, e.Username, e.TokenID, e.Expires, e.Grants = who.Subject, who.Username, who.TokenID, &who.Expires, who.Grants
	} else if u := d.Unverified; u != (Unverified{}) {
		e.Unverified = &ExplainedUnverified{Issuer: u.Issuer, User: u.Subject, TokenID: u.TokenID}
	}
	if err != nil {
		var r *RejectError
		if !errors.As(err, &r) {
			r = &RejectError{Reason: ReasonInternal, Err: err}
		}
		e.Reason, e.Detail = r.Reason, r.explanation()
		return e
	}
	until := userJWTEnd(d.Principal.Expires, p.MaxTTL, now)
	e.Account, e.Roles, e.Permissions, e.Until = p.Account, p.Roles, &p.Permissions, &until
	if r := p.Permissions.Responses; r != nil {
		e.Responses = &ExplainedResponses{Max: r.Max, TTL: r.TTL.String()}
	}
	return e
}
