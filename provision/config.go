package provision

import (
	"time"

	"harmony-callout/callout"
)

// Config is what is wanted: provision.yaml. Its yaml names are the keys of the file.
type Config struct {
	Name    string        `yaml:"name"` // of the cluster, and of the state's directory
	Issuer  IssuerConfig  `yaml:"issuer"`
	OpenBao OpenBaoConfig `yaml:"openbao"`
	NATS    NATSConfig    `yaml:"nats"`
	Zitadel ZitadelConfig `yaml:"zitadel"`
	Callout CalloutConfig `yaml:"callout"`
	Charts  ChartsConfig  `yaml:"charts"`
}

// IssuerConfig is where Zitadel is reached from outside.
type IssuerConfig struct {
	Host string    `yaml:"host"`
	Port int       `yaml:"port"` // 0: the scheme's own
	TLS  TLSConfig `yaml:"tls"`
}

// Issuer makes the one value of which all URLs are made.
func (c IssuerConfig) Issuer() (Issuer, error) { return NewIssuer(c.Host, c.Port, c.TLS.Enabled) }

// OpenBaoConfig is where OpenBao is reached, and how it keeps what it holds.
type OpenBaoConfig struct {
	Host    string `yaml:"host"`
	Port    int    `yaml:"port"`
	Seal    string `yaml:"seal"`    // static, shamir
	Storage string `yaml:"storage"` // raft, file
	Address string `yaml:"address"` // of one that runs already
}

// NATSConfig is the NATS that is installed.
type NATSConfig struct {
	Port     int                      `yaml:"port"`
	Replicas int                      `yaml:"replicas"`
	Accounts map[string]AccountConfig `yaml:"accounts"`
}

// AccountConfig is one NATS account of clients.
type AccountConfig struct {
	JetStream bool `yaml:"jetstream"`
}

// ZitadelConfig is what the identity provider is to hold.
type ZitadelConfig struct {
	Project string `yaml:"project"`
	// TokenLifetime of access tokens; set only on a Zitadel that we installed.
	TokenLifetime time.Duration `yaml:"tokenLifetime"`

	Roles             []RoleConfig             `yaml:"roles"`
	APIApps           []APIAppConfig           `yaml:"apiApps"`
	DeviceApps        []DeviceAppConfig        `yaml:"deviceApps"`
	WebApps           []WebAppConfig           `yaml:"webApps"`
	MachineUsers      []MachineUserConfig      `yaml:"machineUsers"`
	Grants            []GrantConfig            `yaml:"grants"`
	IdentityProviders []IdentityProviderConfig `yaml:"identityProviders"`
}

// RoleConfig is a role of the project.
type RoleConfig struct {
	Key         string `yaml:"key"`
	DisplayName string `yaml:"displayName"`
	Group       string `yaml:"group"`
}

// APIAppConfig is an application that asks Zitadel about tokens.
type APIAppConfig struct {
	Name string `yaml:"name"`
	Auth string `yaml:"auth"` // private_key_jwt, basic
}

// DeviceAppConfig is an application in which people log in by device flow.
type DeviceAppConfig struct {
	Name string `yaml:"name"`
}

// WebAppConfig is an application in which people log in by a browser, with PKCE.
type WebAppConfig struct {
	Name                   string   `yaml:"name"`
	RedirectURIs           []string `yaml:"redirectURIs"`
	PostLogoutRedirectURIs []string `yaml:"postLogoutRedirectURIs"`
}

// MachineUserConfig is a service or device with a key of its own.
type MachineUserConfig struct {
	Username string `yaml:"username"`
	Name     string `yaml:"name"`
	// Key is where its private key is made: local (the default), where only the public half
	// leaves this machine, or zitadel.
	Key string `yaml:"key"`
}

// GrantConfig gives a user roles of the project.
type GrantConfig struct {
	User  string   `yaml:"user"`
	Roles []string `yaml:"roles"`
}

// IdentityProviderConfig is where people may log in from.
type IdentityProviderConfig struct {
	Type             string `yaml:"type"` // google, github, entra, oidc
	Name             string `yaml:"name"`
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	Tenant           string `yaml:"tenant"`
	Issuer           string `yaml:"issuer"`
}

// CalloutConfig is the callout that is deployed.
type CalloutConfig struct {
	Image    string               `yaml:"image"`
	Replicas int                  `yaml:"replicas"`
	Roles    []callout.RoleConfig `yaml:"roles"` // as in callout.yaml
}

// ChartsConfig says where charts come from.
type ChartsConfig struct {
	Zitadel       ChartConfig `yaml:"zitadel"`
	OpenBao       ChartConfig `yaml:"openbao"`
	NATS          ChartConfig `yaml:"nats"`
	CloudNativePG ChartConfig `yaml:"cloudnative-pg"`
}

// ChartConfig is one chart: from a repository or from a path, with values merged last.
type ChartConfig struct {
	Repo    string         `yaml:"repo"`
	Version string         `yaml:"version"`
	Path    string         `yaml:"path" path:"true"`
	Values  map[string]any `yaml:"values"`
}
