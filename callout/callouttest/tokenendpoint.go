package callouttest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// JWTBearer is the grant type of RFC 7523, the only one that the token endpoint knows.
const JWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

const (
	scopeProjectPrefix = "urn:zitadel:iam:org:project:id:" // + project id + ":aud"
	scopeRolePrefix    = "urn:zitadel:iam:org:project:role:"
	scopeAllRoles      = "urn:zitadel:iam:org:projects:roles"

	maxTokenRequest  = 64 << 10
	assertionMaxAge  = time.Hour
	assertionMaxSkew = time.Second
)

// tokenResponse is RFC 6749 section 5.1.
type tokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	IDToken     string `json:"id_token,omitempty"`
}

func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenRequest)
	if err := r.ParseForm(); err != nil {
		oauthError(w, "invalid_request", "error parsing form")
		return
	}
	switch grant := r.PostForm.Get("grant_type"); grant {
	case JWTBearer:
	case "":
		oauthError(w, "invalid_request", "grant_type missing")
		return
	default:
		oauthError(w, "unsupported_grant_type", grant+" not supported")
		return
	}
	assertion := r.PostForm.Get("assertion")
	if assertion == "" {
		oauthError(w, "invalid_request", "assertion missing")
		return
	}
	user, ok := i.verifyAssertion(assertion, i.issuerFor(r))
	if !ok {
		oauthError(w, "invalid_grant", "invalid assertion") // one text for every cause, as recorded
		return
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	writeJSON(w, http.StatusOK, mustJSON(i.grant(user, scopes, i.issuerFor(r))))
}

// verifyAssertion finds who signed: iss = sub = a user with that key, aud the issuer that was
// asked, byte for byte.
func (i *Issuer) verifyAssertion(assertion, issuer string) (MachineUser, bool) {
	token, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(token.Headers) != 1 {
		return MachineUser{}, false
	}
	var unverified, claims jwt.Claims
	if token.UnsafeClaimsWithoutVerification(&unverified) != nil {
		return MachineUser{}, false
	}
	user, key, ok := i.users.find(unverified.Issuer, token.Headers[0].KeyID)
	if !ok || token.Claims(key, &claims) != nil {
		return MachineUser{}, false
	}
	now := time.Now()
	switch {
	case claims.Subject != claims.Issuer,
		!slices.Contains(claims.Audience, issuer),
		claims.Expiry == nil || !now.Before(claims.Expiry.Time()),
		claims.IssuedAt == nil,
		claims.IssuedAt.Time().Before(now.Add(-assertionMaxAge)),
		claims.IssuedAt.Time().After(now.Add(assertionMaxSkew)):
		return MachineUser{}, false
	}
	return user, true
}

// grant mints what the scopes ask for. Anybody may ask for any audience; roles come only for
// this project, only when asked for beside its audience, and only those granted.
func (i *Issuer) grant(user MachineUser, scopes []string, issuer string) tokenResponse {
	spec := TokenSpec{Subject: user.ID, Username: user.Username, IssuerClaim: issuer, IssuedAt: time.Now()}
	asked := func(role string) bool {
		return slices.Contains(scopes, scopeAllRoles) || slices.Contains(scopes, scopeRolePrefix+role)
	}
	for _, scope := range scopes {
		rest, isProject := strings.CutPrefix(scope, scopeProjectPrefix)
		if id, isAudience := strings.CutSuffix(rest, ":aud"); isProject && isAudience {
			spec.Audience = append(spec.Audience, id)
		}
	}
	if slices.Contains(spec.Audience, i.cfg.ProjectID) {
		for _, role := range user.Roles {
			if asked(role) {
				spec.Roles = append(spec.Roles, role)
			}
		}
		spec.Grants = map[string][]string{}
		for role, orgs := range user.Grants {
			if asked(role) {
				spec.Grants[role] = orgs
			}
		}
	}
	setAudience := len(spec.Audience) == 0
	if setAudience {
		spec.Audience = []string{user.Username}
	}
	access := i.Token(spec)
	response := tokenResponse{
		AccessToken: access,
		TokenType:   "Bearer",
		ExpiresIn:   int64(i.cfg.TokenTTL/time.Second) - 1, // rounded down by the time it is sent
	}
	if slices.Contains(scopes, "openid") {
		// Zitadel's ID token of this grant is born expired and knows no session.
		spec.Expires = spec.IssuedAt
		spec.Claims = map[string]any{"amr": nil, "sid": nil}
		if setAudience {
			spec.Claims["aud"] = spec.Audience
		}
		response.IDToken = i.idToken(i.complete(spec), access)
	}
	return response
}

// oauthError is RFC 6749 section 5.2.
func oauthError(w http.ResponseWriter, code, description string) {
	writeJSON(w, http.StatusBadRequest, mustJSON(map[string]string{
		"error": code, "error_description": description,
	}))
}
