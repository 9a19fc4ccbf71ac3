package callouttest

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// clientTimeout is longer than the 2 s after which the server gives up on a callout, so that
// a client sees the server's refusal rather than its own impatience.
const clientTimeout = 5 * time.Second

// Connect connects as a client that shows a token. It does not reconnect; options are applied
// last and may change that.
func (n *NATS) Connect(token string, opts ...nats.Option) (*nats.Conn, error) {
	return n.ConnectWith(append([]nats.Option{nats.Token(token)}, opts...)...)
}

// ConnectService connects as the callout's own user.
func (n *NATS) ConnectService(opts ...nats.Option) (*nats.Conn, error) {
	service := keyPair(n.cfg.Seeds.Service)
	login := nats.Nkey(n.cfg.Seeds.ServiceKey(), service.Sign)
	return n.ConnectWith(append([]nats.Option{login}, opts...)...)
}

// ConnectSystem connects as a user of the system account.
func (n *NATS) ConnectSystem(opts ...nats.Option) (*nats.Conn, error) {
	user, password := n.SystemUser()
	return n.ConnectWith(append([]nats.Option{nats.UserInfo(user, password)}, opts...)...)
}

// SystemUser is the name and password of the system account's user.
func (n *NATS) SystemUser() (user, password string) { return "system", n.system }

// ConnectWith connects with these options alone, beside what the server's TLS needs.
func (n *NATS) ConnectWith(opts ...nats.Option) (*nats.Conn, error) {
	base := []nats.Option{nats.NoReconnect(), nats.Timeout(clientTimeout)}
	config, err := n.ClientTLS()
	if err != nil {
		return nil, err
	}
	if config != nil {
		base = append(base, nats.Secure(config))
	}
	return nats.Connect(n.URL(), append(base, opts...)...)
}

// ClientTLS is what a client needs to trust the server and, with VerifyClients, to be
// trusted; nil without a CA.
func (n *NATS) ClientTLS() (*tls.Config, error) {
	if n.cfg.CA == nil {
		return nil, nil
	}
	config := &tls.Config{RootCAs: n.cfg.CA.Pool(), MinVersion: tls.VersionTLS12}
	if n.cfg.VerifyClients {
		cert, err := n.cfg.CA.Issue("client.callouttest")
		if err != nil {
			return nil, fmt.Errorf("connect to nats-server: %w", err)
		}
		config.Certificates = []tls.Certificate{*cert}
	}
	return config, nil
}
