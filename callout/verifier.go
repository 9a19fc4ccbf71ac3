package callout

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

var errNumericDate = errors.New("a time is not a number of seconds between 1970 and the year 9999")

// Verifier decides whether an access token is the issuer's word about somebody, now, for
// our project. The zero Leeway is the strict one.
type Verifier struct {
	// Issuer is compared byte for byte with iss: Zitadel answers under any Host header that
	// it knows, with one key set, so that iss alone tells whose token it is.
	Issuer string
	// ProjectID must be in aud.
	ProjectID string
	// Algorithms are the allowed values of alg.
	Algorithms []string
	// Leeway is granted to nbf and iat, never to exp.
	Leeway time.Duration
	// Keys finds the issuer's keys.
	Keys *KeySet
}

// Principal is who a verified token speaks of: who somebody is, not what they get.
type Principal struct {
	Subject  string              // sub, the user id
	Username string              // may be empty; see userName
	TokenID  string              // jti
	Expires  time.Time           // exp
	Grants   map[string][]string // role key → organisations that grant it, of our project
	Claims   map[string]string   // string claims that templates name
}

// keyWanted is the error of a verification that cannot go on without asking the issuer
// for its keys. It is no refusal: whoever gets it waits for the keys and verifies again.
type keyWanted struct{ kid string }

func (k *keyWanted) Error() string { return "key " + printable([]byte(k.kid)) + " has to be fetched" }

// Verify checks an access token and returns whom it speaks of and the key that signed it.
// The error is a *RejectError, or a *keyWanted where the key may have to be fetched first.
// The claims are returned also with an error, to be logged as unverified; so is the key
// where it is what the token was refused by.
//
// This function is the whole of the policy. The order is: what costs nothing first, so that
// a token which is refused anyway causes no fetch and no signature check.
func (v *Verifier) Verify(token []byte, read *claimReader, now time.Time, trace *Trace) (*Principal, *Key, *claims, error) {
	if len(token) > maxCredential {
		return nil, nil, nil, rejectf(ReasonMalformedToken, "%d bytes, more than %d", len(token), maxCredential)
	}
	jws, ok := splitJWS(token)
	if !ok {
		return nil, nil, nil, reject(ReasonMalformedToken, "not three segments")
	}
	buf := getBuffer()
	defer putBuffer(buf)

	// RFC 7515 §5.2: the header.
	text, err := b64.AppendDecode((*buf)[:0], jws.header)
	if err != nil {
		return nil, nil, nil, &RejectError{ReasonMalformedToken, "header", err}
	}
	*buf = text
	header, err := parseJOSEHeader(text)
	if err != nil {
		return nil, nil, nil, &RejectError{ReasonMalformedToken, "header", err}
	}
	trace.pass("form", "a JWT of three segments")

	text, err = b64.AppendDecode((*buf)[:0], jws.payload)
	if err != nil {
		return nil, nil, nil, &RejectError{ReasonMalformedToken, "payload", err}
	}
	*buf = text
	c, err := read.parse(text)
	if err != nil {
		return nil, nil, nil, &RejectError{ReasonMalformedToken, "payload", err}
	}
	trace.pass("claims", "strict JSON, each claim once and of its type")

	// RFC 8725 §3.1: only algorithms that were chosen beforehand; "none" and HMAC never are.
	if !slices.Contains(v.Algorithms, header.alg) {
		return nil, nil, &c, rejectf(ReasonAlgorithm, "alg is %q, allowed are %v", printable([]byte(header.alg)), v.Algorithms)
	}
	trace.pass("algorithm", header.alg)

	// RFC 8725 §3.8. An assertion names its own subject as issuer: it has another reason, so
	// that its sender learns what is wrong.
	if c.issuer != v.Issuer {
		if c.issuer != "" && c.issuer == c.subject {
			return nil, nil, &c, reject(ReasonUnsupportedCredential, "an assertion (iss = sub): this callout accepts access tokens")
		}
		return nil, nil, &c, rejectf(ReasonIssuer, "iss is %q, zitadel.issuer is %q", printable([]byte(c.issuer)), v.Issuer)
	}
	trace.pass("issuer", v.Issuer)

	// RFC 8725 §3.9. Any user can ask Zitadel for any audience, so that this keeps foreign
	// tokens out but lets nobody in: that takes a role.
	if !slices.Contains(c.audience, v.ProjectID) {
		return nil, nil, &c, rejectf(ReasonAudience,
			"project %s is not in aud %s: ask for the scope urn:zitadel:iam:org:project:id:%[1]s:aud", v.ProjectID, printableList(c.audience))
	}
	trace.pass("audience", v.ProjectID)

	// RFC 7519 §4.1.4: exp has passed when now is not before it. No leeway.
	if c.expires == 0 {
		return nil, nil, &c, reject(ReasonMalformedToken, "exp is missing")
	}
	expires := time.Unix(c.expires, 0)
	if !now.Before(expires) {
		return nil, nil, &c, rejectf(ReasonExpired, "exp was %s ago", now.Sub(expires).Round(time.Second))
	}
	if trace != nil {
		trace.pass("expiry", fmt.Sprintf("until %s", expires.UTC().Format(time.RFC3339)))
	}
	if c.issued == 0 {
		return nil, nil, &c, reject(ReasonMalformedToken, "iat is missing")
	}
	latest := now.Add(v.Leeway)
	if issued := time.Unix(c.issued, 0); issued.After(latest) {
		return nil, nil, &c, rejectf(ReasonNotYetValid, "iat lies %s ahead: compare the clocks of issuer and callout", issued.Sub(now).Round(time.Second))
	}
	if notBefore := time.Unix(c.notBefore, 0); c.notBefore != 0 && notBefore.After(latest) {
		return nil, nil, &c, rejectf(ReasonNotYetValid, "nbf lies %s ahead", notBefore.Sub(now).Round(time.Second))
	}
	trace.pass("not before", "issued in the past")

	// An ID token says who logged in to an application; it is no key to anything else.
	switch {
	case !accessTokenType(header.typ):
		return nil, nil, &c, rejectf(ReasonNotAccessToken, "typ is %q", printable([]byte(header.typ)))
	case c.idToken:
		return nil, nil, &c, reject(ReasonNotAccessToken, "an ID token: send the access token")
	case c.tokenID == "":
		return nil, nil, &c, reject(ReasonNotAccessToken, "jti is missing, which access tokens have")
	case c.subject == "":
		return nil, nil, &c, reject(ReasonMalformedToken, "sub is missing")
	}
	trace.pass("access token", "no ID token; has sub and jti")

	key, err := v.key(header.kid)
	if err != nil {
		return nil, nil, &c, err
	}
	trace.pass("key", header.kid)

	text, err = b64.AppendDecode((*buf)[:0], jws.signature)
	if err != nil {
		return nil, nil, &c, &RejectError{ReasonMalformedToken, "signature", err}
	}
	*buf = text
	switch err := key.Verify(header.alg, jws.signed, text); {
	case errors.Is(err, ErrAlgorithm):
		return nil, key, &c, &RejectError{ReasonAlgorithm, "key " + printable([]byte(header.kid)), err}
	case err != nil:
		return nil, key, &c, &RejectError{ReasonSignature, "key " + printable([]byte(header.kid)), err}
	}
	trace.pass("signature", "made by the issuer's key")

	return &Principal{
		Subject: c.subject, Username: c.userName(), TokenID: c.tokenID,
		Expires: expires, Grants: c.grants, Claims: c.custom,
	}, key, &c, nil
}

// key finds the issuer's key, without waiting for anything.
func (v *Verifier) key(kid string) (*Key, error) {
	if kid == "" {
		return nil, reject(ReasonUnknownKey, "kid is missing")
	}
	key, state := v.Keys.Lookup([]byte(kid))
	switch state {
	case KeyFound:
		return key, nil
	case KeyFetchable:
		return nil, &keyWanted{kid}
	case KeysUnavailable:
		return nil, reject(ReasonIssuerUnavailable, "no usable keys: the issuer cannot be reached")
	}
	return nil, rejectf(ReasonUnknownKey, "the issuer publishes no key %q", printable([]byte(kid)))
}

// userName is what `{username}` stands for: preferred_username, or, in a machine user's
// token, client_id. In a person's token client_id is the application, which then stands in
// aud: it is nobody's name.
func (c *claims) userName() string {
	if c.preferredUsername != "" {
		return c.preferredUsername
	}
	if slices.Contains(c.audience, c.clientID) {
		return ""
	}
	return c.clientID
}

func printableList(list []string) string {
	const most = 4
	s := "["
	for i, item := range list {
		if i == most {
			return s + " …]"
		}
		if i > 0 {
			s += " "
		}
		s += printable([]byte(item))
	}
	return s + "]"
}
