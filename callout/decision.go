package callout

import (
	"context"
	"log/slog"
	"time"
)

// Decision is what was decided about one connect request, and why: the record in the log.
type Decision struct {
	Allowed    bool
	Reason     Reason // of a refusal
	Err        *RejectError
	Credential CredentialKind

	// Principal is whom the verified token speaks of; nil where none was verified.
	Principal *Principal
	// Unverified is what the token claimed, where it was not verified.
	Unverified Unverified

	Account string
	Roles   []string
	Until   time.Time // end of the user JWT

	Client Client
	Server Server

	// CacheHit: the token had been verified before.
	CacheHit bool
}

// Unverified is what a refused token says of itself. Anybody can write anything there.
type Unverified struct{ Issuer, Subject, TokenID string }

// Client is the connection that asks, in the words of its server.
type Client struct {
	Host, Name string
	ID         int64
	Type       ConnectionType
}

// Server is the NATS server that asks.
type Server struct{ ID, Name string }

// log writes the decision as one record. Strings that a client chose are bounded and
// printable already.
func (d *Decision) log(logger *slog.Logger) {
	ctx := context.Background()
	if !logger.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 20)
	if d.Allowed {
		attrs = append(attrs,
			slog.String("result", "allowed"),
			slog.String("account", d.Account),
			slog.Any("roles", d.Roles),
			slog.Time("until", d.Until))
	} else {
		attrs = append(attrs,
			slog.String("result", "refused"),
			slog.String("reason", string(d.Reason)))
		if d.Err != nil {
			attrs = append(attrs, slog.String("detail", d.Err.explanation()))
		}
	}
	attrs = append(attrs, slog.String("credential", string(d.Credential)))
	if who := d.Principal; who != nil {
		attrs = append(attrs,
			slog.String("user", who.Subject),
			slog.String("username", printable([]byte(who.Username))),
			slog.String("token", who.TokenID))
	} else if u := d.Unverified; u != (Unverified{}) {
		attrs = append(attrs, slog.Group("unverified",
			slog.String("issuer", u.Issuer),
			slog.String("user", u.Subject),
			slog.String("token", u.TokenID)))
	}
	attrs = append(attrs,
		slog.String("client_host", d.Client.Host),
		slog.Int64("client_id", d.Client.ID),
		slog.String("client_name", d.Client.Name),
		slog.String("connection_type", d.Client.Type.String()),
		slog.String("server_id", d.Server.ID),
		slog.String("server_name", d.Server.Name))
	logger.LogAttrs(ctx, slog.LevelInfo, "decision", attrs...)
}

func (c *claims) unverified() Unverified {
	return Unverified{
		Issuer:  printable([]byte(c.issuer)),
		Subject: printable([]byte(c.subject)),
		TokenID: printable([]byte(c.tokenID)),
	}
}
