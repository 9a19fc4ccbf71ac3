package callout

import "bytes"

// CredentialKind is what a credential looks like, before anything about it is believed. It
// is the metric label `credential`.
type CredentialKind string

// The kinds of credential.
const (
	CredentialNone      CredentialKind = "none"      // the client sent nothing
	CredentialJWT       CredentialKind = "jwt"       // a JWT access token
	CredentialAssertion CredentialKind = "assertion" // an RFC 7523 assertion, signed by the client
	CredentialOpaque    CredentialKind = "opaque"    // an encrypted token that only the issuer can read
	CredentialOther     CredentialKind = "other"     // nothing that Zitadel makes
)

var credentialKinds = []CredentialKind{
	CredentialNone, CredentialJWT, CredentialAssertion, CredentialOpaque, CredentialOther,
}

// maxCredential bounds a credential in bytes: the largest that fits a server's
// max_control_line of 64 KiB, which the documentation recommends.
const maxCredential = 64 << 10

// credential returns the bytes in which the client put its credential: auth_token, else the
// password. MQTT clients know only the password, which the server copies to both fields.
// CONNECT's jwt is never looked at: the server discards it in config mode.
func (o *connectOptions) credential() []byte {
	if len(o.authToken) > 0 {
		return o.authToken
	}
	return o.password
}

// shapeOf tells the kind of a credential by its shape alone, trusting nothing. Whether
// three segments are an access token or an assertion shows in the payload: see
// [Verifier.Verify].
//
// Zitadel's opaque tokens and personal access tokens are five-segment JWEs that begin with
// eyJ like JWTs do: only the number of segments tells them apart.
func shapeOf(credential []byte) CredentialKind {
	if len(credential) == 0 {
		return CredentialNone
	}
	// Line breaks are looked for since decoding base64 would skip them; every other byte that
	// does not belong is found there.
	if !bytes.HasPrefix(credential, []byte("eyJ")) ||
		bytes.IndexByte(credential, '\n') >= 0 || bytes.IndexByte(credential, '\r') >= 0 {
		return CredentialOther
	}
	switch bytes.Count(credential, []byte(".")) {
	case 2:
		return CredentialJWT
	case 4:
		return CredentialOpaque
	}
	return CredentialOther
}
