package callout

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reason says why a client was refused. It is the value of the log field and of the metric
// label `reason`, so that the set is small, fixed and known to whoever writes alerts.
type Reason string

// The reasons of a refusal, in the order in which a request meets the checks.
const (
	ReasonMalformedRequest      Reason = "malformed_request"      // not an authorization request that we may answer
	ReasonStaleRequest          Reason = "stale_request"          // the server that asked has stopped waiting
	ReasonNotSealed             Reason = "not_sealed"             // an xkey is configured, the request came in clear
	ReasonNoCredential          Reason = "no_credential"          // the client sent none
	ReasonUnsupportedCredential Reason = "unsupported_credential" // none of the kinds that are accepted
	ReasonMalformedToken        Reason = "malformed_token"        // the shape of a token, but not a well-formed one
	ReasonAlgorithm             Reason = "algorithm"              // not an allowed one, or not the key's
	ReasonUnknownKey            Reason = "unknown_key"            // the issuer does not publish the key
	ReasonSignature             Reason = "signature"              // not made by the key that it names
	ReasonIssuer                Reason = "issuer"                 // iss is not byte for byte the configured issuer
	ReasonAudience              Reason = "audience"               // the project is not in aud
	ReasonExpired               Reason = "expired"                // exp has passed
	ReasonNotYetValid           Reason = "not_yet_valid"          // nbf or iat lie ahead
	ReasonNotAccessToken        Reason = "not_access_token"       // an ID token or another kind of JWT
	ReasonInactive              Reason = "inactive"               // introspection says so
	ReasonAssertionRejected     Reason = "assertion_rejected"     // the issuer did not take the assertion
	ReasonIssuerUnavailable     Reason = "issuer_unavailable"     // the issuer had to be asked and did not answer
	ReasonDenied                Reason = "denied"                 // on the deny list
	ReasonNoRole                Reason = "no_role"                // no configured role is granted
	ReasonSource                Reason = "source"                 // the role is not for this client address
	ReasonConnectionType        Reason = "connection_type"        // the role is not for this kind of connection
	ReasonAccountNotGranted     Reason = "account_not_granted"    // the client asked for an account it has no role in
	ReasonUnsafeValue           Reason = "unsafe_value"           // a value cannot stand in a subject
	ReasonOverloaded            Reason = "overloaded"             // a bounded queue is full
	ReasonInternal              Reason = "internal"               // a fault of ours; the log says which
)

// reasons lists every Reason, for metrics that must exist before they count.
var reasons = []Reason{
	ReasonMalformedRequest, ReasonStaleRequest, ReasonNotSealed, ReasonNoCredential,
	ReasonUnsupportedCredential, ReasonMalformedToken, ReasonAlgorithm, ReasonUnknownKey,
	ReasonSignature, ReasonIssuer, ReasonAudience, ReasonExpired, ReasonNotYetValid,
	ReasonNotAccessToken, ReasonInactive, ReasonAssertionRejected, ReasonIssuerUnavailable,
	ReasonDenied, ReasonNoRole, ReasonSource, ReasonConnectionType, ReasonAccountNotGranted,
	ReasonUnsafeValue, ReasonOverloaded, ReasonInternal,
}

// RejectError is a refusal. Detail is for the operator's log and for explain; the client
// and the NATS server never see it.
type RejectError struct {
	Reason Reason
	Detail string
	Err    error // what caused it, may be nil
}

func (e *RejectError) Error() string {
	if text := e.explanation(); text != "" {
		return string(e.Reason) + ": " + text
	}
	return string(e.Reason)
}

// explanation is the text behind the reason.
func (e *RejectError) explanation() string {
	switch {
	case e.Err == nil:
		return e.Detail
	case e.Detail == "":
		return e.Err.Error()
	}
	return e.Detail + ": " + e.Err.Error()
}

func (e *RejectError) Unwrap() error { return e.Err }

func reject(r Reason, detail string) *RejectError {
	return &RejectError{Reason: r, Detail: detail}
}

func rejectf(r Reason, format string, args ...any) *RejectError {
	return &RejectError{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// quoteMax bounds what of a stranger's value reaches a log line.
const quoteMax = 64

// printable makes a stranger's bytes fit for a log line: bounded, on one line, valid UTF-8.
func printable(b []byte) string {
	cut := false
	if len(b) > quoteMax {
		b, cut = b[:quoteMax], true
		for len(b) > 0 && !utf8.Valid(b) && !utf8.RuneStart(b[len(b)-1]) {
			b = b[:len(b)-1]
		}
	}
	clean := true
	for _, c := range b {
		if c < ' ' || c >= 0x7f {
			clean = false
			break
		}
	}
	s := string(b)
	if !clean {
		s = strings.Map(func(r rune) rune {
			if r == utf8.RuneError || !unicode.IsPrint(r) {
				return '?' // one byte for at least one
			}
			return r
		}, s)
	}
	if cut {
		s += "…"
	}
	return s
}
