package callout

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// nkeyHeader is the encoded header of every JWT in NATS: {"typ":"JWT","alg":"ed25519-nkey"}.
const nkeyHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ"

// userJWT is what goes into a NATS user JWT beside the granted permissions.
type userJWT struct {
	userNkey         []byte // sub: the key that the server made for this attempt
	name             string
	account          string // aud: in config mode the account's name places the user
	subject, tokenID string // tags
	permissions      []byte // encoded by appendPermissions
	issued, expires  time.Time
}

// userJWTEnd is when a user JWT ends: with the token, or maxTTL from now if that is earlier,
// in whole seconds and never later than either.
func userJWTEnd(tokenEnd time.Time, maxTTL time.Duration, now time.Time) time.Time {
	end := now.Add(maxTTL)
	if tokenEnd.Before(end) {
		end = tokenEnd
	}
	return time.Unix(end.Unix(), 0)
}

// appendUserJWT appends a signed user JWT, in the form of github.com/nats-io/jwt/v2. That
// library marshals the claims twice, to hash them into a jti which no server reads; this
// writes them once.
func appendUserJWT(dst []byte, s *signer, u *userJWT, scratch []byte) ([]byte, []byte) {
	c := scratch[:0]
	c = append(c, `{"aud":`...)
	c = appendJSONString(c, u.account)
	c = append(c, `,"exp":`...)
	c = strconv.AppendInt(c, u.expires.Unix(), 10)
	c = append(c, `,"iat":`...)
	c = strconv.AppendInt(c, u.issued.Unix(), 10)
	c = append(c, `,"iss":"`...)
	c = append(c, s.public...)
	c = append(c, `","name":`...)
	c = appendJSONString(c, u.name)
	c = append(c, `,"sub":"`...)
	c = append(c, u.userNkey...)
	c = append(c, `","nats":{`...)
	c = append(c, u.permissions...)
	// No limits of its own: a server ignores them in the JWT of a callout; limits belong on
	// the account.
	c = append(c, `,"subs":-1,"data":-1,"payload":-1,"tags":["subject:`...)
	c = appendJSONText(c, u.subject)
	c = append(c, `","token:`...)
	c = appendJSONText(c, u.tokenID)
	c = append(c, `"],"type":"user","version":2}}`...)
	return appendNkeyJWT(dst, s, c), c
}

// appendResponse appends a signed authorization response: with a user JWT when text is one,
// or with an error text when refused.
func appendResponse(dst []byte, s *signer, serverID string, userNkey, text []byte, refused bool, now time.Time, scratch []byte) ([]byte, []byte) {
	c := scratch[:0]
	c = append(c, `{"aud":"`...)
	c = append(c, serverID...)
	c = append(c, `","iat":`...)
	c = strconv.AppendInt(c, now.Unix(), 10)
	c = append(c, `,"iss":"`...)
	c = append(c, s.public...)
	c = append(c, `","sub":"`...)
	c = append(c, userNkey...)
	if refused {
		c = append(c, `","nats":{"error":"`...)
	} else {
		c = append(c, `","nats":{"jwt":"`...)
	}
	c = append(c, text...) // base64url and dots, or our own fixed text
	c = append(c, `","type":"authorization_response","version":2}}`...)
	return appendNkeyJWT(dst, s, c), c
}

func appendNkeyJWT(dst []byte, s *signer, claims []byte) []byte {
	start := len(dst)
	dst = append(dst, nkeyHeader...)
	dst = append(dst, '.')
	dst = b64.AppendEncode(dst, claims)
	signature := s.sign(dst[start:])
	dst = append(dst, '.')
	return b64.AppendEncode(dst, signature)
}

// appendPermissions appends the members pub, sub and resp of a user's claims. To NATS an
// empty allow list means everything; to us it means nothing, so that it becomes a deny
// of everything.
func appendPermissions(dst []byte, p *Permissions) []byte {
	dst = append(dst, `"pub":`...)
	dst = appendPermission(dst, p.PublishAllow, p.PublishDeny)
	dst = append(dst, `,"sub":`...)
	dst = appendPermission(dst, p.SubscribeAllow, p.SubscribeDeny)
	if r := p.Responses; r != nil {
		dst = append(dst, `,"resp":{"max":`...)
		dst = strconv.AppendInt(dst, int64(r.Max), 10)
		dst = append(dst, `,"ttl":`...)
		dst = strconv.AppendInt(dst, int64(r.TTL), 10)
		dst = append(dst, '}')
	}
	return dst
}

func appendPermission(dst []byte, allow, deny []string) []byte {
	if len(allow) == 0 {
		return append(dst, `{"deny":[">"]}`...)
	}
	dst = append(dst, `{"allow":`...)
	dst = appendJSONStrings(dst, allow)
	if len(deny) > 0 {
		dst = append(dst, `,"deny":`...)
		dst = appendJSONStrings(dst, deny)
	}
	return append(dst, '}')
}

func appendJSONStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, s)
	}
	return append(dst, ']')
}

func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendJSONText(dst, s)
	return append(dst, '"')
}

// appendJSONText appends s as it stands between the quotes of a JSON string. What is not
// UTF-8 is replaced.
func appendJSONText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return dst
}
