package callouttest

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Assertion signs what a machine user proves its identity with (RFC 7523 section 3): iss =
// sub = the user id, aud the issuer, five minutes from now. keyJSON is what
// [Issuer.AddMachineUser] returned or Zitadel's console. claims are put over these; a nil
// value removes one.
func Assertion(keyJSON []byte, audience string, claims map[string]any) (string, error) {
	var key machineKey
	if err := json.Unmarshal(keyJSON, &key); err != nil {
		return "", fmt.Errorf("sign assertion: machine key: %w", err)
	}
	block, _ := pem.Decode([]byte(key.Key))
	if block == nil {
		return "", errors.New("sign assertion: machine key: field key is no PEM")
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("sign assertion: machine key: %w", err)
	}
	now := time.Now()
	payload := map[string]any{
		"iss": key.UserID,
		"sub": key.UserID,
		"aud": audience,
		"iat": now.Unix(),
		"exp": now.Add(5 * time.Minute).Unix(),
	}
	overlay(payload, claims)
	header := map[string]any{"alg": RS256, "kid": key.KeyID}
	return SignJWT(mustJSON(header), mustJSON(payload), private), nil
}

// OpaqueToken looks like Zitadel's opaque tokens and PATs: a JWE of five segments and some
// 280 characters that starts with eyJ. Nobody can open it.
func OpaqueToken() string {
	header := fmt.Sprintf(`{"alg":"A256GCMKW","enc":"A256GCM","iv":"%s","kid":"oidcKey","tag":"%s"}`,
		randomSegment(12), randomSegment(16))
	return strings.Join([]string{
		b64.EncodeToString([]byte(header)),
		randomSegment(32), randomSegment(12), randomSegment(44), randomSegment(16),
	}, ".")
}

func randomSegment(bytes int) string {
	data := make([]byte, bytes)
	_, _ = rand.Read(data) // never fails, see its documentation
	return b64.EncodeToString(data)
}
