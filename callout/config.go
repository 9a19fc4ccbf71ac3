package callout

import (
	"time"
)

// Config is everything that the service reads from callout.yaml. Its yaml names are the
// keys of the file. [DefaultConfig] gives the value of every key that the file leaves out;
// [Load] reads, overlays the environment and validates.
//
// Paths are already resolved against the directory of the file that named them.
type Config struct {
	// Insecure allows what would send credentials over a network in clear: an issuer of
	// plain http beyond loopback, and plaintext NATS beyond loopback without an xkey.
	Insecure bool `yaml:"insecure"`

	NATS    NATSConfig    `yaml:"nats"`
	Keys    KeysConfig    `yaml:"keys"`
	OpenBao OpenBaoConfig `yaml:"openbao"`
	Zitadel ZitadelConfig `yaml:"zitadel"`

	// Roles maps Zitadel role keys to accounts and permissions. Order decides: the first
	// role that a token grants chooses the account.
	Roles []RoleConfig `yaml:"roles"`
	// MaxTTL bounds the life of every user JWT.
	MaxTTL time.Duration `yaml:"maxTTL"`
	// ForbiddenAccounts are account names that no role may ever grant.
	ForbiddenAccounts []string   `yaml:"forbiddenAccounts"`
	Deny              DenyConfig `yaml:"deny"`

	Admission  AdmissionConfig  `yaml:"admission"`
	Cache      CacheConfig      `yaml:"cache"`
	Audit      AuditConfig      `yaml:"audit"`
	Revocation RevocationConfig `yaml:"revocation"`
	OTLP       OTLPConfig       `yaml:"otlp"`
	HTTP       HTTPConfig       `yaml:"http"`
}

// NATSConfig says how the service itself connects to NATS, as a user of the callout's account.
type NATSConfig struct {
	Servers []string `yaml:"servers"` // nats://, tls://, ws:// or wss:// URLs; required

	// Exactly one of NKeySeedFile, CredentialsFile, and User with PasswordFile.
	NKeySeedFile    string `yaml:"nkeySeedFile"`
	CredentialsFile string `yaml:"credentialsFile"`
	User            string `yaml:"user"`
	PasswordFile    string `yaml:"passwordFile"`

	TLS         TLSConfig `yaml:"tls"`
	Connections int       `yaml:"connections"` // connections of this process, 1 to 64
}

// TLSConfig holds files of PEM. CertFile and KeyFile go together and make it mutual.
type TLSConfig struct {
	CAFile   string `yaml:"caFile"`
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

// KeysConfig names the seeds that sign and open. The singular and the plural form of a key
// exclude each other; the plural is for rotation.
type KeysConfig struct {
	AccountSeedFile  string   `yaml:"accountSeedFile"`
	AccountSeedFiles []string `yaml:"accountSeedFiles"`
	XKeySeedFile     string   `yaml:"xkeySeedFile"`
	XKeySeedFiles    []string `yaml:"xkeySeedFiles"`

	Operator *OperatorConfig `yaml:"operator"`
}

// OperatorConfig selects operator mode.
type OperatorConfig struct {
	Account  string                           `yaml:"account"`
	Accounts map[string]OperatorAccountConfig `yaml:"accounts"`
}

// OperatorAccountConfig is an account into which operator mode places users.
type OperatorAccountConfig struct {
	Account         string `yaml:"account"`
	SigningSeedFile string `yaml:"signingSeedFile"`
}

// OpenBaoConfig says where keys come from that are not files.
type OpenBaoConfig struct {
	Address string            `yaml:"address"`
	Auth    OpenBaoAuthConfig `yaml:"auth"`
}

// OpenBaoAuthConfig is how the service logs in to OpenBao.
type OpenBaoAuthConfig struct {
	Method string `yaml:"method"`
	Role   string `yaml:"role"`
	Mount  string `yaml:"mount"`
}

// ZitadelConfig is whom we trust to say who somebody is.
type ZitadelConfig struct {
	// Issuer is compared byte for byte with the token's iss; required, no trailing slash.
	Issuer string `yaml:"issuer"`
	// ProjectID must be in the token's aud and names the roles claim; required.
	ProjectID string `yaml:"projectID"`
	// Organizations are the ids of the organisations whose grants count; empty means any.
	Organizations []string `yaml:"organizations"`
	// DialAddress is a host:port to connect to in place of the issuer's. Host header, TLS
	// server name and the issuer that is compared stay those of Issuer.
	DialAddress string   `yaml:"dialAddress"`
	CAFile      string   `yaml:"caFile"`
	Credentials []string `yaml:"credentials"` // of jwt, assertion, opaque
	APIKeyFile  string   `yaml:"apiKeyFile"`
	// Leeway is granted to nbf and iat, never to exp. At most one minute.
	Leeway     time.Duration `yaml:"leeway"`
	Algorithms []string      `yaml:"algorithms"` // of RS256, ES256, EdDSA

	IntrospectionTTL time.Duration `yaml:"introspectionTTL"`
	JWKS             JWKSConfig    `yaml:"jwks"`
}

// JWKSConfig bounds how the issuer's keys are fetched and for how long they are trusted.
type JWKSConfig struct {
	// MinRefetch is the shortest time between two fetches that unknown key ids may cause.
	MinRefetch time.Duration `yaml:"minRefetch"`
	// Outage is how long known keys are trusted while the issuer cannot be reached.
	Outage time.Duration `yaml:"outage"`
}

// RoleConfig is what one Zitadel role key grants in one account.
type RoleConfig struct {
	Role          string   `yaml:"role"`
	Account       string   `yaml:"account"`
	Organizations []string `yaml:"organizations"`

	Publish   PermissionConfig `yaml:"publish"`
	Subscribe PermissionConfig `yaml:"subscribe"`

	KV      []KVConfig     `yaml:"kv"`
	Streams []StreamConfig `yaml:"streams"`

	// Responses allows answering requests on their reply subjects; nil allows none.
	Responses *ResponsesConfig `yaml:"responses"`
	// ConnectionTypes are the kinds of client that may use the role:
	// STANDARD, WEBSOCKET, MQTT, LEAFNODE. Empty means the first three.
	ConnectionTypes []string `yaml:"connectionTypes"`
	// Sources are CIDR prefixes of client addresses; empty means any.
	Sources []string `yaml:"sources"`
	// MaxTTL bounds the life of a user JWT with this role; 0 means the global one.
	MaxTTL          time.Duration `yaml:"maxTTL"`
	SigningSeedFile string        `yaml:"signingSeedFile"`
}

// PermissionConfig lists subject templates. An empty Allow allows nothing.
type PermissionConfig struct {
	Allow []string `yaml:"allow"`
	Deny  []string `yaml:"deny"`
}

// KVConfig grants keys of a JetStream key-value bucket.
type KVConfig struct {
	Bucket string   `yaml:"bucket"`
	Keys   []string `yaml:"keys"`
	Access string   `yaml:"access"` // read, write, both
}

// StreamConfig grants subjects of a JetStream stream.
type StreamConfig struct {
	Name     string   `yaml:"name"`
	Subjects []string `yaml:"subjects"`
	Access   string   `yaml:"access"` // consume, publish
}

// ResponsesConfig is NATS' allow_responses.
type ResponsesConfig struct {
	Max int           `yaml:"max"` // messages per request; default 1
	TTL time.Duration `yaml:"ttl"` // how long after the request; default 30s
}

// SetDefaults makes `responses: {}` mean one answer within 30 seconds.
func (r *ResponsesConfig) SetDefaults() { r.Max, r.TTL = 1, 30*time.Second }

// DenyConfig refuses at once what still has a valid token.
type DenyConfig struct {
	Users  []string `yaml:"users"`  // token subjects (user ids)
	Tokens []string `yaml:"tokens"` // token ids (jti)
}

// AdmissionConfig bounds the queue in front of the workers.
type AdmissionConfig struct {
	MaxAge time.Duration `yaml:"maxAge"` // at most 1.8 s: the server gives up after 2 s
	Queue  int           `yaml:"queue"`
}

// CacheConfig bounds the caches of decisions, in entries.
type CacheConfig struct {
	Tokens  int `yaml:"tokens"`
	Refused int `yaml:"refused"`
}

// AuditConfig publishes one record per decision.
type AuditConfig struct {
	Subject  string `yaml:"subject"`
	Required bool   `yaml:"required"`
}

// RevocationConfig ends open connections whose reason to be has gone.
type RevocationConfig struct {
	Enabled               bool          `yaml:"enabled"`
	Bucket                string        `yaml:"bucket"`
	Poll                  time.Duration `yaml:"poll"`
	SystemCredentialsFile string        `yaml:"systemCredentialsFile"`
	ZitadelKeyFile        string        `yaml:"zitadelKeyFile"`
}

// OTLPConfig sends traces.
type OTLPConfig struct {
	Endpoint string `yaml:"endpoint"`
}

// HTTPConfig is where /healthz, /readyz and /metrics listen.
type HTTPConfig struct {
	Listen string `yaml:"listen"` // host:port; empty: no HTTP server
}

// DefaultConfig returns the configuration that an empty file means. It is not valid by
// itself: the keys marked required have no default.
func DefaultConfig() Config {
	return Config{
		NATS: NATSConfig{Connections: 4},
		OpenBao: OpenBaoConfig{
			Auth: OpenBaoAuthConfig{Method: "kubernetes", Role: "callout", Mount: "kubernetes"},
		},
		Zitadel: ZitadelConfig{
			Credentials:      []string{"jwt", "assertion"},
			Leeway:           5 * time.Second,
			Algorithms:       []string{"RS256", "ES256", "EdDSA"},
			IntrospectionTTL: 30 * time.Second,
			JWKS:             JWKSConfig{MinRefetch: 5 * time.Second, Outage: 24 * time.Hour},
		},
		MaxTTL:            time.Hour,
		ForbiddenAccounts: []string{"SYS", "$SYS"},
		Admission:         AdmissionConfig{MaxAge: 1500 * time.Millisecond, Queue: 8192},
		Cache:             CacheConfig{Tokens: 65536, Refused: 16384},
		Revocation:        RevocationConfig{Bucket: "callout-sessions", Poll: 500 * time.Millisecond},
		HTTP:              HTTPConfig{Listen: "127.0.0.1:8081"},
	}
}
