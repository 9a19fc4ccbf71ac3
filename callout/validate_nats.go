package callout

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

func (v *validator) nats(c *Config) {
	n := &c.NATS
	if len(n.Servers) == 0 {
		v.fail("nats.servers", "required", "write it like [nats://127.0.0.1:4222]")
	}
	webSocket := 0
	for i, server := range n.Servers {
		path := fmt.Sprintf("nats.servers[%d]", i)
		u, ok := v.server(path, server)
		if !ok {
			continue
		}
		if strings.HasPrefix(u.Scheme, "ws") {
			webSocket++
		}
		if plaintextNATS(n, u) && !isLoopback(u.Hostname()) && !hasXKey(&c.Keys) && !c.Insecure {
			v.fail(path, "plaintext beyond loopback without an xkey sends every token in clear",
				"use tls:// or wss://, or set keys.xkeySeedFile, or insecure: true")
		}
	}
	if webSocket > 0 && webSocket < len(n.Servers) {
		v.fail("nats.servers", "ws:// and wss:// cannot be mixed with nats:// and tls://", "use one transport for all servers")
	}
	v.natsCredentials(n)
	v.natsTLS(&n.TLS)
	v.between("nats.connections", n.Connections, maxConnections)
}

// server checks one URL. Messages do not repeat it: somebody may have put a password in.
func (v *validator) server(path, server string) (*url.URL, bool) {
	const hint = "write it like nats://nats.example.com:4222"
	u, err := url.Parse(server)
	switch {
	case err != nil:
		v.fail(path, "must be a URL", hint)
	case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
		v.fail(path, "must be a URL that begins with nats://, tls://, ws:// or wss://", hint)
	case u.User != nil:
		v.fail(path, "must not hold credentials", "use nats.nkeySeedFile, credentialsFile, or user with passwordFile")
	case u.Hostname() == "":
		v.fail(path, "must name a host", hint)
	case !validPort(u.Port()):
		v.fail(path, "must have a port between 1 and 65535, or none", hint)
	case u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" && !strings.HasPrefix(u.Scheme, "ws"):
		v.fail(path, "must end after host and port", hint)
	default:
		return u, true
	}
	return nil, false
}

func (v *validator) natsCredentials(n *NATSConfig) {
	var ways []string
	if n.NKeySeedFile != "" {
		ways = append(ways, "nkeySeedFile")
	}
	if n.CredentialsFile != "" {
		ways = append(ways, "credentialsFile")
	}
	switch {
	case n.User != "" && n.PasswordFile == "":
		v.fail("nats.passwordFile", "required with nats.user", "")
	case n.User == "" && n.PasswordFile != "":
		v.fail("nats.user", "required with nats.passwordFile", "")
	}
	if n.User != "" || n.PasswordFile != "" {
		ways = append(ways, "user with passwordFile")
	}
	switch len(ways) {
	case 0:
		v.fail("nats", "one of nkeySeedFile, credentialsFile, or user with passwordFile is required", "callout keygen makes an nkey seed")
	case 1:
	default:
		v.fail("nats", strings.Join(ways, " and ")+" exclude each other", "keep one of them")
	}
	v.files("nats.nkeySeedFile", n.NKeySeedFile)
	v.files("nats.credentialsFile", n.CredentialsFile)
	v.files("nats.passwordFile", n.PasswordFile)
}

func (v *validator) natsTLS(t *TLSConfig) {
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		v.fail("nats.tls.keyFile", "required with nats.tls.certFile", "")
	case t.CertFile == "" && t.KeyFile != "":
		v.fail("nats.tls.certFile", "required with nats.tls.keyFile", "")
	}
}

func (v *validator) keys(k *KeysConfig) {
	if k.AccountSeedFile == "" && len(k.AccountSeedFiles) == 0 {
		v.fail("keys.accountSeedFile", "required", "callout keygen makes one")
	}
	v.seedFiles("keys.accountSeedFile", k.AccountSeedFile, k.AccountSeedFiles)
	v.seedFiles("keys.xkeySeedFile", k.XKeySeedFile, k.XKeySeedFiles)
}

// seedFiles checks the singular and the plural form of a key.
func (v *validator) seedFiles(path, one string, several []string) {
	if one != "" && len(several) > 0 {
		v.fail(path, "excludes "+path+"s", "while rotating, list both files in "+path+"s")
	}
	v.files(path, one)
	for i, file := range several {
		at := fmt.Sprintf("%ss[%d]", path, i)
		if file == "" {
			v.fail(at, "must not be empty", "")
		}
		v.files(at, file)
	}
}

func hasXKey(k *KeysConfig) bool { return k.XKeySeedFile != "" || len(k.XKeySeedFiles) > 0 }

// plaintextNATS reports whether connections to the server are not encrypted. The client
// turns TLS on for nats:// when it is given certificates, but not for ws://.
func plaintextNATS(n *NATSConfig, u *url.URL) bool {
	switch u.Scheme {
	case "nats":
		return n.TLS.CAFile == "" && n.TLS.CertFile == ""
	case "ws":
		return true
	}
	return false
}

// validPort accepts what stands behind a URL's host: no port, or 1 to 65535.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
