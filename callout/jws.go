package callout

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"harmony-callout/internal/strictjson"
)

// b64 is base64url without padding (RFC 7515 §2), refusing trailing bits that are not
// zero, so that one token has one spelling. encoding/base64 skips line breaks; callers
// have looked at every byte before (see [shapeOf]).
var b64 = base64.RawURLEncoding.Strict()

// compactJWS is a JWS in compact serialisation (RFC 7515 §7.1), cut at its dots.
type compactJWS struct {
	header, payload, signature []byte // still encoded
	signed                     []byte // header and payload with the dot between them
}

// splitJWS cuts a token of exactly three segments. The last may be empty, as it is where
// alg is none: that is refused for the algorithm, which tells more than its form.
func splitJWS(token []byte) (compactJWS, bool) {
	first := bytes.IndexByte(token, '.')
	last := bytes.LastIndexByte(token, '.')
	if first <= 0 || last == first || last == first+1 {
		return compactJWS{}, false
	}
	payload := token[first+1 : last]
	if bytes.IndexByte(payload, '.') >= 0 {
		return compactJWS{}, false
	}
	return compactJWS{
		header: token[:first], payload: payload, signature: token[last+1:], signed: token[:last],
	}, true
}

// joseHeader is what of a JWS header decides anything. jku, jwk, x5u and x5c are not read:
// a token never says which key to trust, it only names one of the issuer's by kid.
type joseHeader struct {
	alg, kid, typ string
}

var errCrit = errors.New("crit or b64: an extension that nobody here understands")

// parseJOSEHeader reads a header strictly; buf is overwritten.
func parseJOSEHeader(buf []byte) (joseHeader, error) {
	var h joseHeader
	var s strictjson.Scanner
	s.Reset(buf)
	err := s.Object(func(name []byte) error {
		var field *string
		switch string(name) {
		case "alg":
			field = &h.alg
		case "kid":
			field = &h.kid
		case "typ":
			field = &h.typ
		case "crit", "b64":
			// RFC 7515 §4.1.11: whoever does not understand what it names must reject. b64 must
			// be named there (RFC 7797 §6); readers differ on one that is not.
			return errCrit
		default:
			return s.Skip()
		}
		text, err := s.String()
		*field = string(text)
		return err
	})
	if err == nil {
		err = s.End()
	}
	return h, err
}

// accessTokenType tells whether typ may stand on an access token: Zitadel writes JWT,
// RFC 9068 §2.1 at+jwt. Other types (logout+jwt, secevent+jwt …) are other things.
func accessTokenType(typ string) bool {
	switch {
	case typ == "", strings.EqualFold(typ, "JWT"),
		strings.EqualFold(typ, "at+jwt"), strings.EqualFold(typ, "application/at+jwt"):
		return true
	}
	return false
}
