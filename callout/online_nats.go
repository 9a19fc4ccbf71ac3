package callout

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/nats-io/nats.go"
)

// serverProbe proves that the keys fit one server's auth_callout block.
type serverProbe struct {
	cfg    *Config
	keys   *keyring
	server string
}

func (p *serverProbe) run(ctx context.Context, yield func(Probe) bool) bool {
	name := "nats server"
	if u, err := url.Parse(p.server); err == nil {
		name = "nats " + u.Redacted()
	}
	only := p.cfg.NATS
	only.Servers = []string{p.server}
	opts, err := natsOptions(&only, new(seedReader), slog.New(slog.DiscardHandler))
	if err != nil {
		return yield(Probe{Name: name, Err: err})
	}
	service, err := connectNATS(&only, append(opts, nats.RetryOnFailedConnect(false), nats.NoReconnect(), nats.Timeout(onlineTimeout)))
	if err != nil {
		return yield(Probe{Name: name, Err: loginHint(err)})
	}
	defer service.Close()
	account, err := ownAccount(ctx, service)
	if err != nil {
		return yield(Probe{Name: name, Err: err})
	}
	if !yield(Probe{Name: name, Detail: "logged in to account " + account}) {
		return false
	}
	for i, r := range p.cfg.Roles {
		if r.Account == account && !yield(Probe{Name: name, Err: fmt.Errorf("roles[%d].account: %s is the callout's own account, which is never granted", i, account)}) {
			return false
		}
	}
	return yield(p.callout(ctx, name+" auth_callout", service, account))
}

// callout logs in as a client and looks at the request that the server makes of it.
func (p *serverProbe) callout(ctx context.Context, name string, service *nats.Conn, account string) Probe {
	fail := func(format string, args ...any) Probe { return Probe{Name: name, Err: fmt.Errorf(format, args...)} }
	requests := make(chan *nats.Msg, 64)
	// No queue group: the callouts that serve here go on getting every request.
	sub, err := service.ChanSubscribe(requestSubject, requests)
	if err != nil {
		return fail("subscribe: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := service.FlushTimeout(onlineTimeout); err != nil {
		return fail("subscribe: %w", err)
	}
	credential := "callout-check-" + rand.Text()
	refused := make(chan error, 1)
	go func() {
		c, err := p.client(credential)
		if err == nil {
			c.Close()
		}
		refused <- err
	}()
	for {
		select {
		case <-ctx.Done():
			return fail("%w", ctx.Err())
		case msg := <-requests:
			if probe, ours := p.examine(name, msg, credential); ours {
				return probe
			}
		case err := <-refused:
			// The server has decided. What it asked about the client was sent before that.
			if err := service.FlushTimeout(onlineTimeout); err != nil {
				return fail("%w", err)
			}
			for len(requests) > 0 {
				if probe, ours := p.examine(name, <-requests, credential); ours {
					return probe
				}
			}
			if err == nil {
				return fail("the server lets in whoever comes: it has no authorization { auth_callout { … } } block")
			}
			return fail("the server refuses a client that it does not know without asking: it has no auth_callout block, or auth_callout.account is not %s, the account of our own login (%w)", account, err)
		}
	}
}

// examine looks at one request; ours tells whether it is about the probing client, or so
// wrong that every request must be.
func (p *serverProbe) examine(name string, msg *nats.Msg, credential string) (Probe, bool) {
	fail := func(format string, args ...any) (Probe, bool) {
		return Probe{Name: name, Err: fmt.Errorf(format, args...)}, true
	}
	token, sealed := msg.Data, msg.Header.Get(xkeyHeader)
	switch {
	case sealed != "" && len(p.keys.xkeys) == 0:
		return fail("keys.xkeySeedFile is not set, but the server has auth_callout.xkey")
	case sealed == "" && len(p.keys.xkeys) > 0:
		return fail("the server has no auth_callout.xkey, but keys.xkeySeedFile is set: requests that are not sealed are refused")
	case sealed != "":
		var secrets sharedSecrets
		opened, _, err := secrets.open(p.keys, sealed, nil, msg.Data)
		if err != nil {
			return fail("keys.xkeySeedFile: its public key is %s, the server's auth_callout.xkey is another: %w", p.keys.xkeys[0].public, err)
		}
		token = opened
	}
	r, _, _, err := decodeRequest(token, nil)
	if err != nil {
		return fail("the server's request cannot be read: %w", err)
	}
	if string(r.connect.authToken) != credential {
		return Probe{}, false
	}
	if _, err := r.check(p.keys); err != nil {
		return fail("%w", err)
	}
	detail := "issuer fits keys.accountSeedFile"
	if sealed != "" {
		detail += ", xkey fits keys.xkeySeedFile"
	}
	return Probe{Name: name, Detail: detail}, true
}

// client connects as a client with a credential that nobody accepts.
func (p *serverProbe) client(credential string) (*nats.Conn, error) {
	opts := []nats.Option{nats.Token(credential), nats.NoReconnect(), nats.Timeout(onlineTimeout), nats.Name("callout check")}
	secure, err := natsTLS(&p.cfg.NATS)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		opts = append(opts, nats.Secure(secure))
	}
	return nats.Connect(p.server, opts...)
}
