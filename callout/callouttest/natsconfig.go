package callouttest

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// Accounts of every [NATS].
const (
	AppAccount     = "APP"   // clients; JetStream if asked for
	OtherAccount   = "OTHER" // clients that must not meet those of APP
	CalloutAccount = "AUTH"  // the callout's own, with its nkey user
	SystemAccount  = "SYS"   // with a user for tests, see [NATS.ConnectSystem]
)

// TokenCookie is the cookie in which a WebSocket client may bring its token.
const TokenCookie = "access_token"

// NATSConfig describes a [NATS]. The zero value is a server on any free port of 127.0.0.1
// with fresh seeds, that speaks the NATS protocol in clear and does not seal its requests.
type NATSConfig struct {
	// Seeds of the callout; those left out are made.
	Seeds Seeds
	// XKey makes an xkey where Seeds has none. With one, requests are sealed.
	XKey bool
	// Port for clients; 0 is any free one, kept over restarts.
	Port int
	// ServerName in the configuration; empty is "callouttest".
	ServerName string
	// Dir holds JetStream's store and TLS files; empty is a temporary one.
	Dir string

	JetStream bool // in APP and OTHER
	WebSocket bool // on a port of its own, with TLS if CA is set
	MQTT      bool // on a port of its own; implies JetStream
	Leafnode  bool // on a port of its own

	// CA makes clients, WebSocket, MQTT and leafnodes use TLS.
	CA *CA
	// VerifyClients demands a certificate of that CA from clients.
	VerifyClients bool

	// AuthTimeout is authorization.timeout, rounded to milliseconds; 0 leaves it out.
	AuthTimeout time.Duration
	// AllowedAccounts are those whose static users go to the callout; empty means APP and
	// OTHER, which leaves the callout's account and the system's outside.
	AllowedAccounts []string
	// MaxControlLine in bytes; 0 is 65536. The server's own default, 4096, is too small for
	// the tokens of people with many roles.
	MaxControlLine int
	// Extra is put at the end of the configuration.
	Extra string
}

// natsPorts are the ports as configured or, once the server has run, as found. -1 is any.
type natsPorts struct {
	client, webSocket, mqtt, leafnode int
}

func (c NATSConfig) wantedPorts() natsPorts {
	ports := natsPorts{client: -1, webSocket: -1, mqtt: -1, leafnode: -1}
	if c.Port != 0 {
		ports.client = c.Port
	}
	return ports
}

// checkFree proves that the ports that are given are free: the server itself only logs that
// one is taken.
func (p natsPorts) checkFree(patience time.Duration) error {
	for _, port := range []int{p.client, p.webSocket, p.mqtt, p.leafnode} {
		if port <= 0 {
			continue
		}
		ln, err := listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), patience)
		if err != nil {
			return err
		}
		if err := ln.Close(); err != nil {
			return err
		}
	}
	return nil
}

var natsConf = template.Must(template.New("nats.conf").Parse(`
{{- define "tls"}}tls { cert_file: {{printf "%q" .Cert}}, key_file: {{printf "%q" .Key}}, ca_file: {{printf "%q" .CA}}{{if .Verify}}, verify: true{{end}} }{{end -}}
server_name: {{printf "%q" .ServerName}}
listen: "127.0.0.1:{{.Ports.Client}}"
max_control_line: {{.MaxControlLine}}
{{- with .TLS}}
{{template "tls" .}}
{{- end}}
{{- if .JetStream}}
jetstream { store_dir: {{printf "%q" .StoreDir}}, max_memory_store: 64MB, max_file_store: 256MB }
{{- end}}
{{- if .WebSocket}}
websocket { listen: "127.0.0.1:{{.Ports.WebSocket}}", token_cookie: "{{.TokenCookie}}", {{if .TLS}}{{template "tls" .TLS}}{{else}}no_tls: true{{end}} }
{{- end}}
{{- if .MQTT}}
mqtt { listen: "127.0.0.1:{{.Ports.MQTT}}"{{with .TLS}}, {{template "tls" .}}{{end}} }
{{- end}}
{{- if .Leafnode}}
leafnodes { listen: "127.0.0.1:{{.Ports.Leafnode}}"{{with .TLS}}, {{template "tls" .}}{{end}} }
{{- end}}

accounts {
  APP { {{- if .JetStream}} jetstream: enabled {{end -}} }
  OTHER { {{- if .JetStream}} jetstream: enabled {{end -}} }
  AUTH { users: [ { nkey: {{.Service}} } ] }
  SYS { users: [ { user: system, password: {{printf "%q" .System}} } ] }
}
system_account: SYS

authorization {
{{- with .AuthTimeout}}
  timeout: {{printf "%q" .}}
{{- end}}
  auth_callout {
    issuer: {{.Issuer}}
    account: AUTH
    auth_users: [ {{.Service}} ]
{{- with .XKey}}
    xkey: {{.}}
{{- end}}
    allowed_accounts: [ {{.AllowedAccounts}} ]
  }
}
{{.Extra}}
`))

// tlsBlock is the files of a tls { } block.
type tlsBlock struct {
	Cert, Key, CA string
	Verify        bool
}

// config renders the nats.conf; n.mu is held.
func (n *NATS) config() string {
	c := n.cfg
	type ports struct{ Client, WebSocket, MQTT, Leafnode int }
	data := struct {
		NATSConfig
		Ports                                                                 ports
		TLS                                                                   *tlsBlock
		TokenCookie, StoreDir, Service, Issuer, XKey, System, AllowedAccounts string
		JetStream                                                             bool
		AuthTimeout                                                           string
	}{
		NATSConfig:      c,
		Ports:           ports{n.ports.client, n.ports.webSocket, n.ports.mqtt, n.ports.leafnode},
		TokenCookie:     TokenCookie,
		StoreDir:        filepath.Join(c.Dir, "jetstream"),
		Service:         c.Seeds.ServiceKey(),
		Issuer:          c.Seeds.IssuerKey(),
		XKey:            c.Seeds.XKeyPublic(),
		System:          n.system,
		AllowedAccounts: strings.Join(c.AllowedAccounts, ", "),
		JetStream:       c.JetStream || c.MQTT,
	}
	if c.AuthTimeout > 0 {
		data.AuthTimeout = c.AuthTimeout.Round(time.Millisecond).String()
	}
	if c.CA != nil {
		data.TLS = &tlsBlock{
			Cert:   filepath.Join(c.Dir, "cert.pem"),
			Key:    filepath.Join(c.Dir, "key.pem"),
			CA:     filepath.Join(c.Dir, "ca.pem"),
			Verify: c.VerifyClients,
		}
	}
	var out strings.Builder
	if err := natsConf.Execute(&out, data); err != nil {
		panic("callouttest: render nats.conf: " + err.Error())
	}
	return strings.TrimSpace(out.String()) + "\n"
}
