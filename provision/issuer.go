package provision

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Issuer is where an OpenID provider is reached from outside, and by that its name: tokens
// carry it as iss, byte for byte. Every URL, audience, Host header, chart value and bound
// issuer is made from this one value. Nothing else builds such a URL.
type Issuer struct {
	scheme string // http or https
	host   string // without brackets
	port   int
}

var errIssuer = errors.New("invalid issuer")

// NewIssuer checks the parts of an issuer. Port 0 is the scheme's own.
func NewIssuer(host string, port int, tls bool) (Issuer, error) {
	i := Issuer{scheme: "http", host: host, port: port}
	if tls {
		i.scheme = "https"
	}
	if port == 0 {
		i.port = i.defaultPort()
	}
	ip := net.ParseIP(host)
	switch {
	case host == "":
		return Issuer{}, fmt.Errorf("%w: the host is missing", errIssuer)
	case strings.Contains(host, ":") && ip == nil:
		return Issuer{}, fmt.Errorf("%w: host %q: a port goes into its own field, an IPv6 address needs no brackets", errIssuer, host)
	case strings.ContainsAny(host, "/@?#[] \t\r\n") || host != strings.ToLower(host):
		return Issuer{}, fmt.Errorf("%w: host %q: want a lower-case host name or an address", errIssuer, host)
	case i.port < 1 || i.port > 65535:
		return Issuer{}, fmt.Errorf("%w: port %d is out of range", errIssuer, port)
	}
	return i, nil
}

// ParseIssuer reads an issuer from its URL, which must be the one that [Issuer.URL] writes:
// another spelling would be another issuer to whoever compares bytes.
func ParseIssuer(text string) (Issuer, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return Issuer{}, fmt.Errorf("%w: %q is no http or https URL", errIssuer, text)
	}
	port := 0
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return Issuer{}, fmt.Errorf("%w: %q: port: %w", errIssuer, text, err)
		}
	}
	i, err := NewIssuer(u.Hostname(), port, u.Scheme == "https")
	if err != nil {
		return Issuer{}, err
	}
	if i.URL() != text {
		return Issuer{}, fmt.Errorf("%w: %q: write %q", errIssuer, text, i.URL())
	}
	return i, nil
}

// URL is the issuer as it stands in iss, in aud of assertions and in bound_issuer: without
// the scheme's own port, with any other, without a slash at its end.
func (i Issuer) URL() string { return i.scheme + "://" + i.HostPort() }

// HostPort is the Host header of requests to the issuer: with a port unless it is the
// scheme's own.
func (i Issuer) HostPort() string {
	if i.port == i.defaultPort() {
		if strings.Contains(i.host, ":") {
			return "[" + i.host + "]"
		}
		return i.host
	}
	return net.JoinHostPort(i.host, strconv.Itoa(i.port))
}

// Address is where a connection to the issuer is made: always with a port.
func (i Issuer) Address() string { return net.JoinHostPort(i.host, strconv.Itoa(i.port)) }

// Endpoint is the URL of a path below the issuer; path starts with a slash.
func (i Issuer) Endpoint(path string) string { return i.URL() + path }

// Host is the host name, without brackets where it is an address.
func (i Issuer) Host() string { return i.host }

// Port is the port, also where the URL leaves it out.
func (i Issuer) Port() int { return i.port }

// TLS tells whether the scheme is https.
func (i Issuer) TLS() bool { return i.scheme == "https" }

// IsZero tells whether no issuer was made yet.
func (i Issuer) IsZero() bool { return i == Issuer{} }

func (i Issuer) String() string { return i.URL() }

func (i Issuer) defaultPort() int {
	if i.scheme == "https" {
		return 443
	}
	return 80
}
