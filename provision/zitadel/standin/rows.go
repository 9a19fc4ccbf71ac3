package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// meta is what every row says of its history.
type meta struct {
	Created  stamp  `json:"created"`
	Changed  stamp  `json:"changed"`
	Owner    string `json:"owner"`    // organisation, or the instance
	Sequence int    `json:"sequence"` // of the aggregate's event that made it what it is
}

// changedBy is the history of a row after a further event.
func (m meta) changedBy(event meta) meta {
	m.Changed, m.Sequence = event.Changed, event.Sequence
	return m
}

// The states of rows that can be switched off; the zero value is active.
const (
	active   = ""
	inactive = "INACTIVE"
	locked   = "LOCKED"
)

type instanceRow struct {
	meta
	OrgID        string       `json:"orgID"`     // the default organisation
	ProjectID    string       `json:"projectID"` // ZITADEL's own, the audience of its API
	OIDC         oidcSettings `json:"oidc"`
	OIDCMeta     meta         `json:"oidcMeta"`
	Login        loginPolicy  `json:"login"`
	LoginMeta    meta         `json:"loginMeta"`
	LoginIDPs    []string     `json:"loginIDPs"` // ids, in the order in which they were added
	DebugErrors  bool         `json:"debugErrors"`
	FeaturesMeta meta         `json:"featuresMeta"`
	WebKeyOrder  []string     `json:"webKeyOrder"` // ids, as they were added
	ActiveWebKey string       `json:"activeWebKey"`
}

// oidcSettings are the lifetimes of what is issued.
type oidcSettings struct {
	AccessTokenLifetime        span `json:"accessTokenLifetime"`
	IDTokenLifetime            span `json:"idTokenLifetime"`
	RefreshTokenIdleExpiration span `json:"refreshTokenIdleExpiration"`
	RefreshTokenExpiration     span `json:"refreshTokenExpiration"`
}

type orgRow struct {
	meta
	Name   string `json:"name"`
	Domain string `json:"domain"`
}

type projectRow struct {
	meta
	Name                  string `json:"name"`
	State                 string `json:"state,omitempty"`
	RoleAssertion         bool   `json:"roleAssertion,omitempty"`
	AuthorizationRequired bool   `json:"authorizationRequired,omitempty"`
	AccessRequired        bool   `json:"accessRequired,omitempty"`
}

type roleRow struct {
	meta
	ProjectID   string `json:"projectID"`
	Key         string `json:"key"`
	DisplayName string `json:"displayName"`
	Group       string `json:"group,omitempty"`
}

type appRow struct {
	meta
	ProjectID    string      `json:"projectID"`
	Name         string      `json:"name"`
	State        string      `json:"state,omitempty"`
	ClientID     string      `json:"clientID"`
	SecretDigest string      `json:"secretDigest,omitempty"`
	API          *apiConfig  `json:"api,omitempty"`
	OIDC         *oidcConfig `json:"oidc,omitempty"`
}

// keyRow is a public key of a user or of an application.
type keyRow struct {
	meta
	UserID    string `json:"userID,omitempty"`
	AppID     string `json:"appID,omitempty"`
	ProjectID string `json:"projectID,omitempty"`
	PublicPEM []byte `json:"publicPEM"`
	Expires   stamp  `json:"expires"`
}

type userRow struct {
	meta
	Username       string            `json:"username"`
	State          string            `json:"state,omitempty"`
	Machine        *machine          `json:"machine,omitempty"`
	Human          *human            `json:"human,omitempty"`
	SecretDigest   string            `json:"secretDigest,omitempty"`
	PasswordHash   []byte            `json:"passwordHash,omitempty"`
	Metadata       map[string][]byte `json:"metadata,omitempty"`
	MetadataStamps map[string]stamp  `json:"metadataStamps,omitempty"`
}

type grantRow struct {
	meta
	UserID    string   `json:"userID"`
	ProjectID string   `json:"projectID"`
	State     string   `json:"state,omitempty"`
	Roles     []string `json:"roles"`
}

// memberRow makes a user an administrator of the instance or of an organisation.
type memberRow struct {
	meta
	UserID   string   `json:"userID"`
	Resource string   `json:"resource"` // an organisation's id, or the instance's
	Roles    []string `json:"roles"`
}

// patRow is a personal access token, under the digest of the token.
type patRow struct {
	meta
	TokenID string `json:"tokenID"`
	UserID  string `json:"userID"`
	Expires stamp  `json:"expires"`
}

type idpRow struct {
	meta
	Name         string          `json:"name"`
	Type         string          `json:"type"` // google, github, azure, oidc
	ClientID     string          `json:"clientID"`
	ClientSecret string          `json:"clientSecret,omitempty"`
	Settings     json.RawMessage `json:"settings"` // the provider's own part, without the secret
	Options      json.RawMessage `json:"options,omitempty"`
}

type webKeyRow struct {
	meta
	State  string          `json:"state"`
	Config json.RawMessage `json:"config"` // {"rsa":{…}}
	PKCS8  []byte          `json:"pkcs8"`
}

// sessionRow is a person who has proved who they are.
type sessionRow struct {
	meta
	UserID      string `json:"userID"`
	TokenDigest string `json:"tokenDigest"`
	Expires     stamp  `json:"expires"`
}

// deviceRow is a device authorization request (RFC 8628), under its device code.
type deviceRow struct {
	ClientID  string   `json:"clientID"`
	UserCode  string   `json:"userCode"`
	RequestID string   `json:"requestID"` // what the login API calls it
	Scopes    []string `json:"scopes"`
	Expires   stamp    `json:"expires"`
	State     string   `json:"state,omitempty"` // approved, denied, done
	UserID    string   `json:"userID,omitempty"`
	SessionID string   `json:"sessionID,omitempty"`
	AuthTime  stamp    `json:"authTime"`
}

// tokenRow is an access or refresh token that was issued, under the digest of the token.
type tokenRow struct {
	JTI      string   `json:"jti"`
	UserID   string   `json:"userID"`
	ClientID string   `json:"clientID"` // an application's, or the user name
	Audience []string `json:"audience"`
	Scopes   []string `json:"scopes"`
	Issued   stamp    `json:"issued"`
	Expires  stamp    `json:"expires"`
	AuthTime stamp    `json:"authTime"`
	Session  string   `json:"session,omitempty"`
	Issuer   string   `json:"issuer,omitempty"` // of a JWT
	Refresh  bool     `json:"refresh,omitempty"`
}

func (t *tokenRow) live(now time.Time) bool { return now.Before(t.Expires.Time) }

type eventRow struct {
	Type          string          `json:"type"`
	AggregateType string          `json:"aggregateType"`
	AggregateID   string          `json:"aggregateID"`
	Owner         string          `json:"owner"`
	Editor        string          `json:"editor"`
	Created       stamp           `json:"created"`
	Sequence      int             `json:"sequence"`
	Payload       json.RawMessage `json:"payload,omitempty"`
}

func (e *eventRow) aggregate() string { return e.AggregateType + "\x00" + e.AggregateID }

func (e *eventRow) meta() meta {
	return meta{Created: e.Created, Changed: e.Created, Owner: e.Owner, Sequence: e.Sequence}
}

// digest is how a secret of 256 random bits is kept.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
