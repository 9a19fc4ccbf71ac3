package callout

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// Decider decides about credentials: who it is, and what they get. It is the part of a
// connect request that serve and explain share, and it never waits for anything.
type Decider struct {
	verifier *Verifier
	accept   map[CredentialKind]bool
	policy   atomic.Pointer[activePolicy]
	verified *cache[*verifiedToken]
	refused  *cache[refusedToken]
	// ownAccount is the account in which the callout is a user, once it is known.
	ownAccount atomic.Pointer[string]
}

// activePolicy is the policy in force and how to read claims for it.
type activePolicy struct {
	*Policy
	read claimReader
}

// verifiedToken is a token that was found good, and what it got last.
type verifiedToken struct {
	policy *activePolicy // under which claims were read
	who    *Principal
	key    *Key
	permit atomic.Pointer[permit]
}

// refusedToken is a token whose signature does not fit the key that it names. Only what
// cost a signature check is remembered, and nothing that its sender wrote: whatever else is
// refused is refused again as cheaply.
type refusedToken struct {
	reason Reason
	key    *Key
}

// permit is a grant, ready to be written into a user JWT. Which roles are granted may
// differ between two connections of one token, by source and connection type.
type permit struct {
	Grant
	granted     []int
	permissions []byte
}

// refusedFor is how long a refused token is remembered. What is remembered will not become
// true, so that this only bounds how long memory is held.
const refusedFor = 5 * time.Minute

func newDecider(v *Verifier, p *Policy, credentials []string, limits CacheConfig) *Decider {
	d := &Decider{
		verifier: v,
		accept:   make(map[CredentialKind]bool, len(credentials)),
		verified: newCache[*verifiedToken](limits.Tokens),
		refused:  newCache[refusedToken](limits.Refused),
	}
	for _, name := range credentials {
		d.accept[CredentialKind(name)] = true
	}
	d.setPolicy(p)
	return d
}

// setPolicy puts another policy in force for all decisions from now on. Every token is
// verified again: which claims are read follows from the templates.
func (d *Decider) setPolicy(p *Policy) {
	d.policy.Store(&activePolicy{Policy: p, read: newClaimReader(d.verifier.ProjectID, p.claims)})
	d.verified.clear()
}

// decide decides about one credential on one connection. It fills in what it learns, for
// the log, also when it refuses. The error is a *RejectError, or a *keyWanted: then the
// issuer's keys have to be fetched and decide called again.
func (d *Decider) decide(credential []byte, conn Connection, now time.Time, trace *Trace, out *Decision) (*permit, error) {
	policy := d.policy.Load()
	token, err := d.identify(policy, credential, now, trace, out)
	if err != nil {
		return nil, err
	}
	out.Principal = token.who
	if own := d.ownAccount.Load(); own != nil {
		conn.OwnAccount = *own
	}
	var few [16]int
	granted, err := policy.granted(few[:0], token.who, conn)
	if err != nil {
		return nil, err
	}
	if last := token.permit.Load(); last != nil && slices.Equal(last.granted, granted) {
		return last, nil
	}
	grant, err := policy.merge(token.who, granted)
	if err != nil {
		return nil, err
	}
	p := &permit{Grant: grant, granted: slices.Clone(granted), permissions: appendPermissions(make([]byte, 0, 512), &grant.Permissions)}
	token.permit.Store(p)
	return p, nil
}

// identify finds out whom a credential speaks of.
func (d *Decider) identify(policy *activePolicy, credential []byte, now time.Time, trace *Trace, out *Decision) (*verifiedToken, error) {
	switch {
	case len(credential) == 0:
		out.Credential = CredentialNone
		return nil, reject(ReasonNoCredential, "neither auth_token nor password is set")
	case len(credential) > maxCredential:
		out.Credential = CredentialOther
		return nil, rejectf(ReasonMalformedToken, "%d bytes, more than %d", len(credential), maxCredential)
	}
	hash := hashToken(credential)
	if token, ok := d.verified.get(&hash, now); ok {
		// A token is only as good as the key that signed it and the policy it was read for.
		if token.policy == policy && token.key.Trusted(now) {
			out.Credential, out.CacheHit = CredentialJWT, true
			return token, nil
		}
		d.verified.drop(&hash)
	}
	// Should the issuer ever publish another key of that id, the signature is checked again.
	if r, ok := d.refused.get(&hash, now); ok && r.key.Trusted(now) {
		out.Credential, out.CacheHit = CredentialJWT, true
		return nil, rejectf(r.reason, "key %q: refused before", r.key.ID())
	}
	switch out.Credential = shapeOf(credential); {
	case out.Credential == CredentialOther:
		return nil, reject(ReasonUnsupportedCredential, "not a token that Zitadel makes")
	case out.Credential != CredentialJWT || !d.accept[CredentialJWT]:
		return nil, rejectf(ReasonUnsupportedCredential, "a credential of kind %s is not accepted here", out.Credential)
	}
	who, key, c, err := d.verifier.Verify(credential, &policy.read, now, trace)
	if err != nil {
		d.refuse(&hash, c, key, err, now, out)
		return nil, err
	}
	token := &verifiedToken{policy: policy, who: who, key: key}
	d.verified.put(&hash, token, who.Expires)
	return token, nil
}

// refuse notes what a refused token claims, and remembers it if a key was tried in vain.
func (d *Decider) refuse(hash *tokenHash, c *claims, key *Key, err error, now time.Time, out *Decision) {
	if c != nil {
		out.Unverified = c.unverified()
		if c.issuer != "" && c.issuer == c.subject {
			out.Credential = CredentialAssertion
		}
	}
	var r *RejectError
	if key != nil && errors.As(err, &r) {
		d.refused.put(hash, refusedToken{r.Reason, key}, now.Add(refusedFor))
	}
}
