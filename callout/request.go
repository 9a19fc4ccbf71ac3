package callout

import (
	"bytes"
	"errors"
	"time"

	"harmony-callout/internal/strictjson"
)

// Request is one authorization request as it came from NATS.
type Request struct {
	// Data is the message's body: a JWT, or a sealed one.
	Data []byte
	// ServerXKey is the header Nats-Server-Xkey; empty where the request is not sealed.
	ServerXKey string
	// Received is when the message reached this process.
	Received time.Time
}

const (
	requestAudience = "nats-authorization-request" // aud of a request
	requestType     = "authorization_request"      // its nats.type
	xkeyHeader      = "Nats-Server-Xkey"

	// maxRequest bounds a request: a token of 64 KiB twice in base64, and what is around it.
	maxRequest = 256 << 10
)

// authRequest is what we read of a request's JWT. Its byte slices point into the buffer
// that the request was decoded to.
type authRequest struct {
	issuer, subject, audience []byte
	expires, issued           int64 // seconds
	natsType                  []byte
	userNkey                  []byte
	server                    serverInfo
	client                    clientInfo
	connect                   connectOptions
}

type serverInfo struct{ id, name, xkey []byte }

type clientInfo struct {
	host, name, kind, typ []byte
	id                    int64
}

type connectOptions struct{ authToken, password, user []byte }

var (
	errNotJWT     = errors.New("not a JWT of three segments")
	errNkeyHeader = errors.New("the header is not that of an nkey JWT")
)

// decodeRequest reads the claims of a request's JWT into buf and checks its form, not yet
// its signature. The result points into the returned buffer.
func decodeRequest(token []byte, buf []byte) (authRequest, compactJWS, []byte, error) {
	var r authRequest
	jws, ok := splitJWS(token)
	if !ok {
		return r, jws, buf, errNotJWT
	}
	if bytes.IndexByte(token, '\n') >= 0 || bytes.IndexByte(token, '\r') >= 0 {
		return r, jws, buf, errNotJWT // which decoding base64 would skip
	}
	if string(jws.header) != nkeyHeader {
		if err := checkNkeyHeader(jws.header); err != nil {
			return r, jws, buf, err
		}
	}
	buf, err := b64.AppendDecode(buf[:0], jws.payload)
	if err != nil {
		return r, jws, buf, err
	}
	err = r.parse(buf)
	return r, jws, buf, err
}

// checkNkeyHeader accepts another spelling of the header than ours.
func checkNkeyHeader(encoded []byte) error {
	text, err := b64.AppendDecode(nil, encoded)
	if err != nil {
		return err
	}
	h, err := parseJOSEHeader(text)
	if err != nil {
		return err
	}
	if h.alg != "ed25519-nkey" || h.typ != "JWT" {
		return errNkeyHeader
	}
	return nil
}

func (r *authRequest) parse(text []byte) error {
	var s strictjson.Scanner
	s.Reset(text)
	err := s.Object(func(name []byte) (err error) {
		switch string(name) {
		case "iss":
			r.issuer, err = s.String()
		case "sub":
			r.subject, err = s.String()
		case "aud":
			r.audience, err = s.String()
		case "exp":
			r.expires, err = s.Int64()
		case "iat":
			r.issued, err = s.Int64()
		case "nats":
			err = r.parseNATS(&s)
		default:
			err = s.Skip()
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	return err
}

func (r *authRequest) parseNATS(s *strictjson.Scanner) error {
	return s.Object(func(name []byte) (err error) {
		switch string(name) {
		case "server_id":
			err = r.server.parse(s)
		case "user_nkey":
			r.userNkey, err = s.String()
		case "client_info":
			err = r.client.parse(s)
		case "connect_opts":
			err = r.connect.parse(s)
		case "type":
			r.natsType, err = s.String()
		default:
			err = s.Skip()
		}
		return err
	})
}

func (i *serverInfo) parse(s *strictjson.Scanner) error {
	return s.Object(func(name []byte) (err error) {
		switch string(name) {
		case "id":
			i.id, err = s.String()
		case "name":
			i.name, err = s.String()
		case "xkey":
			i.xkey, err = s.String()
		default:
			err = s.Skip()
		}
		return err
	})
}

func (i *clientInfo) parse(s *strictjson.Scanner) error {
	return s.Object(func(name []byte) (err error) {
		switch string(name) {
		case "host":
			i.host, err = s.String()
		case "id":
			i.id, err = s.Int64()
		case "name":
			i.name, err = s.String()
		case "kind":
			i.kind, err = s.String()
		case "type":
			i.typ, err = s.String()
		default:
			err = s.Skip()
		}
		return err
	})
}

func (o *connectOptions) parse(s *strictjson.Scanner) error {
	return s.Object(func(name []byte) (err error) {
		switch string(name) {
		case "auth_token":
			o.authToken, err = s.String()
		case "pass":
			o.password, err = s.String()
		case "user":
			o.user, err = s.String()
		default:
			err = s.Skip()
		}
		return err
	})
}

// check compares what a request says with what it must say: signed by the server that it
// names, meant for authorization, about a user nkey, for a callout with one of our account
// keys. The signature is checked by the caller.
func (r *authRequest) check(keys *keyring) (*signer, error) {
	switch {
	case string(r.audience) != requestAudience:
		return nil, rejectf(ReasonMalformedRequest, "aud is %q, want %q", printable(r.audience), requestAudience)
	case string(r.natsType) != requestType:
		return nil, rejectf(ReasonMalformedRequest, "type is %q, want %q", printable(r.natsType), requestType)
	case len(r.issuer) == 0 || !bytes.Equal(r.issuer, r.server.id):
		return nil, reject(ReasonMalformedRequest, "the signer is not the server that the request names")
	case !isUserNkey(r.userNkey):
		return nil, reject(ReasonMalformedRequest, "user_nkey is no public user nkey")
	case r.expires <= 0:
		return nil, reject(ReasonMalformedRequest, "exp is missing")
	}
	signer := keys.signer(r.subject)
	if signer == nil {
		return nil, rejectf(ReasonMalformedRequest,
			"the server's auth_callout.issuer is %q, the key of keys.accountSeedFile is %s: one of the two is wrong", printable(r.subject), keys.accounts())
	}
	return signer, nil
}

// isUserNkey checks the form of a public user nkey. The server made the key for this very
// attempt and will compare it: its checksum is not ours to check.
func isUserNkey(text []byte) bool {
	if len(text) != nkeyText || text[0] != 'U' {
		return false
	}
	for _, c := range text {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
