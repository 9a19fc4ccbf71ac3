package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"harmony-callout/internal/secret"
)

// attemptTimeout bounds connecting, and each question to the server.
const attemptTimeout = 5 * time.Second

// VerifyHeader marks the empty messages that a proof publishes, for whoever gets them.
const VerifyHeader = "Provision-Verify"

// Action is what a client tries on a subject.
type Action string

// The actions of an attempt.
const (
	Publish   Action = "publish"
	Subscribe Action = "subscribe"
)

// Attempt is what a client tried and what the server said.
type Attempt struct {
	Action  Action `json:"action"`
	Subject string `json:"subject"`
	Queue   string `json:"queue,omitempty"` // of a subscription
	Allowed bool   `json:"allowed"`
}

// Client is how a proof connects: as the user of a token, to see with the server's eyes.
type Client struct {
	URL         string
	TLS         *tls.Config // nil where the URL's scheme decides
	Token       secret.Text
	InboxPrefix string // as the user's permissions allow it
}

// Try connects and tries each attempt in turn, filling in what the server allows. It
// publishes empty messages with [VerifyHeader]. A client that may not even connect is an
// error that is [natsgo.ErrAuthorization].
func (c *Client) Try(ctx context.Context, attempts []Attempt) error {
	opts := []natsgo.Option{
		natsgo.Name("provision verify"), natsgo.Token(c.Token.Reveal()), natsgo.Timeout(attemptTimeout), natsgo.NoReconnect(),
		// The default handler would print every refusal that we are here to provoke.
		natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}),
	}
	if c.TLS != nil {
		opts = append(opts, natsgo.Secure(c.TLS))
	}
	if c.InboxPrefix != "" {
		opts = append(opts, natsgo.CustomInboxPrefix(c.InboxPrefix))
	}
	conn, err := natsgo.Connect(c.URL, opts...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.URL, err)
	}
	defer conn.Close()
	for i := range attempts {
		if err := try(ctx, conn, &attempts[i]); err != nil {
			return fmt.Errorf("%s %s: %w", attempts[i].Action, attempts[i].Subject, err)
		}
	}
	return nil
}

func try(ctx context.Context, conn *natsgo.Conn, a *Attempt) error {
	switch a.Action {
	case Publish:
		msg := natsgo.NewMsg(a.Subject)
		msg.Header.Set(VerifyHeader, "1")
		if err := conn.PublishMsg(msg); err != nil {
			return err
		}
	case Subscribe:
		sub, err := conn.QueueSubscribeSync(a.Subject, a.Queue)
		if err != nil {
			return err
		}
		defer func() { _ = sub.Unsubscribe() }()
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err := conn.FlushWithContext(ctx); err != nil {
		return err
	}
	// The server answers in order: what it had against this one was read before its pong, and
	// is the connection's last error.
	a.Allowed = !refused(conn.LastError(), a)
	return nil
}

// refused tells whether an error is the server's refusal of this very attempt.
func refused(err error, a *Attempt) bool {
	if !errors.Is(err, natsgo.ErrPermissionViolation) {
		return false
	}
	what := "Publish to"
	if a.Action == Subscribe {
		what = "Subscription to"
	}
	text := fmt.Sprintf("%s %q", what, a.Subject)
	if a.Queue != "" {
		text += fmt.Sprintf(" using queue %q", a.Queue)
	}
	return strings.Contains(err.Error(), text)
}
