package provision

import "errors"

// TLSConfig is how TLS is had: from a Secret, or from a cert-manager issuer. `tls: false`
// and `tls: true` are read too; true without a source means self-signed.
type TLSConfig struct {
	Enabled    bool   `yaml:"-"`
	SecretName string `yaml:"secretName"`
	IssuerRef  string `yaml:"issuerRef"`
}

// SetDefaults makes every mapping mean TLS.
func (c *TLSConfig) SetDefaults() { *c = TLSConfig{Enabled: true} }

// UnmarshalText reads the short form.
func (c *TLSConfig) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true":
		*c = TLSConfig{Enabled: true}
	case "false":
		*c = TLSConfig{}
	default:
		return errors.New("must be true, false, {secretName: …} or {issuerRef: …}")
	}
	return nil
}
