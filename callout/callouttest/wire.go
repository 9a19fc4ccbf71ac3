package callouttest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Wire is nats-server's half of the callout protocol without a server, in config mode. It
// builds requests and judges responses as nats-server 2.15 does. Making another is what a
// restart of the server is: another identity, another xkey.
type Wire struct {
	issuer     string // public account key
	calloutKey string // public xkey of the callout, or empty
	id, xkey   nkeys.KeyPair
}

// NewWire is a server that is configured for these seeds; with an xkey it seals.
func NewWire(seeds Seeds) *Wire {
	return &Wire{
		issuer:     seeds.IssuerKey(),
		calloutKey: seeds.XKeyPublic(),
		id:         keyPair(newSeed(nkeys.CreateServer)),
		xkey:       keyPair(newSeed(nkeys.CreateCurveKeys)),
	}
}

// ServerID is the server's identity, N….
func (w *Wire) ServerID() string { return publicKey(w.id) }

// RequestSpec says what a client showed and, for attacks, what is wrong with the request. The
// zero value is the good request of a client without a credential.
type RequestSpec struct {
	Token, Username, Password string // CONNECT's auth_token, user and pass
	Host                      string // the client's address; empty is 127.0.0.1
	ClientID                  uint64 // 0 is 7
	Kind                      string // empty is Client; Leafnode
	Type                      string // empty is nats; websocket, mqtt
	// TLS describes the client's connection; nil is none.
	TLS *jwt.ClientTLS

	// UserNkey is the U… for which a response is wanted; empty is a fresh one.
	UserNkey string
	// Expires is the server's deadline; zero is in 2 s.
	Expires time.Time

	// Audience, Subject (the issuer that is asked) and ServerID replace the right ones.
	Audience, Subject, ServerID string
	// Signer signs in place of the server; its public key becomes iss.
	Signer nkeys.KeyPair
	// Edit changes the claims last.
	Edit func(*jwt.AuthorizationRequestClaims)
	// Unsealed sends in clear although there is an xkey.
	Unsealed bool
	// HeaderXKey is named in the header in place of the key that seals.
	HeaderXKey string
}

// Request is one authorization request on its way to a callout.
type Request struct {
	Data   []byte
	Header nats.Header // nil unless sealed
	Claims *jwt.AuthorizationRequestClaims

	wire *Wire
}

// Msg is the request as the callout's subscription receives it.
func (r *Request) Msg(reply string) *nats.Msg {
	return &nats.Msg{Subject: server.AuthCalloutSubject, Reply: reply, Header: r.Header, Data: r.Data}
}

// Request builds, signs and, where there is an xkey, seals a request.
func (w *Wire) Request(spec RequestSpec) *Request {
	setDefault(&spec.Audience, server.AuthRequestSubject)
	setDefault(&spec.Subject, w.issuer)
	setDefault(&spec.ServerID, w.ServerID())
	setDefault(&spec.Host, "127.0.0.1")
	setDefault(&spec.ClientID, 7)
	setDefault(&spec.Kind, "Client")
	setDefault(&spec.Type, "nats")
	setDefault(&spec.Expires, time.Now().Add(2*time.Second))
	if spec.UserNkey == "" {
		spec.UserNkey = publicKey(keyPair(newSeed(nkeys.CreateUser)))
	}
	if spec.Signer == nil {
		spec.Signer = w.id
	}

	claims := jwt.NewAuthorizationRequestClaims(spec.Subject)
	claims.Audience = spec.Audience
	claims.Expires = spec.Expires.Unix()
	claims.UserNkey = spec.UserNkey
	claims.Server = jwt.ServerID{
		Name: "callouttest", Host: "127.0.0.1", ID: spec.ServerID, Version: server.VERSION,
	}
	if w.calloutKey != "" {
		claims.Server.XKey = publicKey(w.xkey)
	}
	claims.ClientInformation = jwt.ClientInformation{
		Host: spec.Host, ID: spec.ClientID, User: rawAuthUser(spec), Kind: spec.Kind, Type: spec.Type,
	}
	claims.ConnectOptions = jwt.ConnectOptions{
		Token: spec.Token, Username: spec.Username, Password: spec.Password,
		Lang: "go", Version: nats.Version, Protocol: 1,
	}
	claims.TLS = spec.TLS
	if spec.Edit != nil {
		spec.Edit(claims)
	}
	text, err := claims.Encode(spec.Signer)
	if err != nil {
		panic("callouttest: sign authorization request: " + err.Error())
	}
	request := &Request{Data: []byte(text), Claims: claims, wire: w}
	if w.calloutKey != "" && !spec.Unsealed {
		request.Data, request.Header = w.Seal(request.Data)
		if spec.HeaderXKey != "" {
			request.Header.Set(server.AuthRequestXKeyHeader, spec.HeaderXKey)
		}
	}
	return request
}

// rawAuthUser is client_info.user, which names a token without showing it.
func rawAuthUser(spec RequestSpec) string {
	switch {
	case spec.Username != "":
		return spec.Username
	case spec.Token != "":
		return "[REDACTED]"
	default:
		return ""
	}
}

// Sign makes a request of any payload, for claims that jwt/v2 would not write.
func (w *Wire) Sign(payload []byte) []byte {
	return []byte(SignJWT([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`), payload, w.id))
}

// Seal seals any bytes for the callout, with the header that names the server's key.
func (w *Wire) Seal(data []byte) ([]byte, nats.Header) {
	sealed, err := w.xkey.Seal(data, w.calloutKey)
	if err != nil {
		panic("callouttest: seal authorization request: " + err.Error())
	}
	return sealed, nats.Header{server.AuthRequestXKeyHeader: []string{publicKey(w.xkey)}}
}

// Response is a callout's answer that the server would act on.
type Response struct {
	User    *jwt.UserClaims // the client's user; nil when refused
	Refusal string          // the error that the callout gave
	Sealed  bool
}

// Open judges a reply to the request. An error means that the server would drop the client
// because of the callout, not because the callout said so.
func (r *Request) Open(reply []byte) (*Response, error) {
	w := r.wire
	response := &Response{}
	if w.calloutKey != "" && !strings.HasPrefix(string(reply), "eyJ") {
		opened, err := w.xkey.Open(reply, w.calloutKey)
		if err != nil {
			return nil, fmt.Errorf("open response: unseal: %w", err)
		}
		reply, response.Sealed = opened, true
	}
	answer, err := jwt.DecodeAuthorizationResponseClaims(string(reply))
	if err != nil {
		return nil, fmt.Errorf("open response: %w", err)
	}
	if err := validate(answer); err != nil {
		return nil, fmt.Errorf("open response: %w", err)
	}
	switch {
	case answer.Subject != r.Claims.UserNkey:
		return nil, fmt.Errorf("open response: for user %q, want %q", answer.Subject, r.Claims.UserNkey)
	case answer.Audience != w.ServerID():
		return nil, fmt.Errorf("open response: for server %q, want %q", answer.Audience, w.ServerID())
	case !response.Sealed && answer.Issuer != w.issuer:
		return nil, fmt.Errorf("open response: signed by %q, want %q", answer.Issuer, w.issuer)
	case answer.Error != "":
		response.Refusal = answer.Error
		return response, nil
	}
	response.User, err = w.openUser(answer.Jwt, r.Claims.UserNkey)
	return response, err
}

// openUser checks the user JWT as the server does before it places a client.
func (w *Wire) openUser(text, userNkey string) (*jwt.UserClaims, error) {
	user, err := jwt.DecodeUserClaims(text)
	if err != nil {
		return nil, fmt.Errorf("open user: %w", err)
	}
	if err := validate(user); err != nil {
		return nil, fmt.Errorf("open user: %w", err)
	}
	switch {
	case user.Subject != userNkey:
		return nil, fmt.Errorf("open user: for %q, want %q", user.Subject, userNkey)
	case user.IssuerAccount != "":
		return nil, fmt.Errorf("open user: names issuer_account %q, which config mode forbids", user.IssuerAccount)
	case user.Issuer != w.issuer:
		return nil, fmt.Errorf("open user: signed by %q, want %q", user.Issuer, w.issuer)
	case user.Audience == "":
		return nil, errors.New("open user: no account in aud")
	}
	return user, nil
}

// validate is the server's reading of a JWT's own rules: one issue of any kind is too many.
func validate(claims jwt.Claims) error {
	results := jwt.CreateValidationResults()
	claims.Validate(results)
	if len(results.Issues) > 0 {
		return results.Issues[0]
	}
	return nil
}
