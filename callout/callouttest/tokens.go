package callouttest

import (
	"slices"
	"time"
)

// TokenSpec says what a token claims. The zero value is a good access token of a machine user
// without roles. The fields below "Attacks" make what a real Zitadel never would.
type TokenSpec struct {
	Subject  string // user id; empty means [DefaultSubject]
	Username string // empty means [DefaultUsername]; a machine user's client_id
	// ClientID is the app through which a person logged in. It makes a person's token:
	// client_id is the app, in aud beside the project, Username is preferred_username (which
	// Zitadel itself puts in ID tokens only), and the unqualified roles claim is there too.
	ClientID string
	// Roles are granted in the issuer's organisation.
	Roles []string
	// Grants are roles of other organisations: role key to organisation ids.
	Grants map[string][]string
	// TTL is the life from IssuedAt; 0 means the issuer's.
	TTL time.Duration
	// Audience replaces the usual one; empty means the project.
	Audience []string
	JTI      string
	// Claims are added last; a nil value removes a claim.
	Claims map[string]any
	// IDToken mints the ID token that goes with such an access token.
	IDToken bool
	// KeyID is the issuer's key that signs; empty means the active one.
	KeyID string

	// Attacks.

	// IssuerClaim replaces iss.
	IssuerClaim string
	// IssuedAt, NotBefore and Expires replace iat, nbf (that of iat) and exp.
	IssuedAt, NotBefore, Expires time.Time
	// Header is put over alg, kid and typ; a nil value removes a field.
	Header map[string]any
	// RawClaims is signed as it is, in place of every claim above.
	RawClaims []byte
	// Algorithm "none" leaves the signature empty, "HS256" signs with the PEM of the public
	// key as the secret; anything else only changes the header's alg.
	Algorithm string
	// SignWith signs in place of the issuer's key, whose id the header keeps. It is any key
	// that [SignJWT] takes, and decides the header's alg.
	SignWith any
}

// Token mints an access token, or the ID token if the spec says so.
func (i *Issuer) Token(spec TokenSpec) string {
	spec = i.complete(spec)
	if !spec.IDToken {
		return i.mint(spec, i.accessClaims(spec))
	}
	access := spec
	access.IDToken, access.RawClaims = false, nil
	return i.idToken(spec, i.Token(access))
}

// idToken is the ID token for an access token that was minted.
func (i *Issuer) idToken(spec TokenSpec, access string) string {
	return i.mint(spec, i.idClaims(spec, access))
}

// complete fills in what an empty field stands for.
func (i *Issuer) complete(spec TokenSpec) TokenSpec {
	setDefault(&spec.Subject, DefaultSubject)
	setDefault(&spec.Username, DefaultUsername)
	setDefault(&spec.TTL, i.cfg.TokenTTL)
	setDefault(&spec.IssuerClaim, i.URL())
	setDefault(&spec.IssuedAt, time.Now())
	setDefault(&spec.NotBefore, spec.IssuedAt)
	setDefault(&spec.Expires, spec.IssuedAt.Add(spec.TTL))
	if len(spec.Audience) == 0 {
		if spec.ClientID != "" {
			spec.Audience = append(spec.Audience, spec.ClientID)
		}
		spec.Audience = append(spec.Audience, i.cfg.ProjectID)
	}
	if spec.JTI == "" {
		spec.JTI = "V2_" + nextID() + "-at_" + nextID()
	}
	return spec
}

func (i *Issuer) accessClaims(spec TokenSpec) map[string]any {
	claims := map[string]any{
		"iss":       spec.IssuerClaim,
		"sub":       spec.Subject,
		"aud":       spec.Audience,
		"exp":       spec.Expires.Unix(),
		"iat":       spec.IssuedAt.Unix(),
		"nbf":       spec.NotBefore.Unix(),
		"client_id": spec.Username,
		"jti":       spec.JTI,
	}
	if spec.ClientID != "" {
		claims["client_id"] = spec.ClientID
		claims["preferred_username"] = spec.Username
	}
	i.addRoles(claims, spec)
	return claims
}

func (i *Issuer) idClaims(spec TokenSpec, access string) map[string]any {
	claims := map[string]any{
		"iss":       spec.IssuerClaim,
		"sub":       spec.Subject,
		"aud":       append(slices.Clip(spec.Audience), spec.Username),
		"exp":       spec.Expires.Unix(),
		"iat":       spec.IssuedAt.Unix(),
		"auth_time": spec.IssuedAt.Unix(),
		"amr":       []string{"pwd"},
		"azp":       spec.Username,
		"client_id": spec.Username,
		"at_hash":   accessTokenHash(i.keys.signer(spec.KeyID).alg, access),
		"sid":       nextID(),
	}
	if spec.ClientID != "" {
		claims["aud"] = spec.Audience
		claims["azp"] = spec.ClientID
		claims["client_id"] = spec.ClientID
		claims["preferred_username"] = spec.Username
		claims["name"] = spec.Username
	}
	i.addRoles(claims, spec)
	return claims
}

// addRoles asserts {role: {organisation id: its domain}}. Without a role there is no claim.
func (i *Issuer) addRoles(claims map[string]any, spec TokenSpec) {
	roles := map[string]map[string]string{}
	grant := func(role, org, domain string) {
		if roles[role] == nil {
			roles[role] = map[string]string{}
		}
		roles[role][org] = domain
	}
	for _, role := range spec.Roles {
		grant(role, i.cfg.OrgID, i.cfg.OrgDomain)
	}
	for role, orgs := range spec.Grants {
		for _, org := range orgs {
			grant(role, org, "org-"+org+"."+i.url.Hostname())
		}
	}
	if len(roles) == 0 {
		return
	}
	claims[RolesClaim(i.cfg.ProjectID)] = roles
	if spec.ClientID != "" {
		claims["urn:zitadel:iam:org:project:roles"] = roles
	}
}

// RolesClaim is the name of the claim that holds a project's roles.
func RolesClaim(projectID string) string {
	return "urn:zitadel:iam:org:project:" + projectID + ":roles"
}

// mint signs claims, or the spec's raw ones, as the spec demands.
func (i *Issuer) mint(spec TokenSpec, claims map[string]any) string {
	own := i.keys.signer(spec.KeyID)
	var key any = own.private
	if spec.SignWith != nil {
		key = spec.SignWith
	}
	alg := algorithmOf(key)
	switch spec.Algorithm {
	case "":
	case "none":
		key, alg = nil, "none"
	case "HS256":
		key, alg = publicPEM(own.private.Public()), "HS256"
	default:
		alg = spec.Algorithm
	}
	header := map[string]any{"alg": alg, "kid": own.id, "typ": "JWT"}
	overlay(header, spec.Header)
	payload := spec.RawClaims
	if payload == nil {
		overlay(claims, spec.Claims)
		payload = mustJSON(claims)
	}
	return SignJWT(mustJSON(header), payload, key)
}

func overlay(dst, src map[string]any) {
	for name, value := range src {
		if value == nil {
			delete(dst, name)
			continue
		}
		dst[name] = value
	}
}
