package zitadel

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"harmony-callout/internal/secret"
)

// assertionLifetime is short: an assertion is used at once. Zitadel takes those whose iat is
// at most an hour old.
const assertionLifetime = 5 * time.Minute

// sign makes the JWT by which a holder of a key says who it is: to the token endpoint with
// the id of the key, to the API as a system user without one. Zitadel wants the header kid
// there too, empty (#700).
func sign(key *rsa.PrivateKey, keyID, subject, audience string, now time.Time) (secret.Text, error) {
	options := (&jose.SignerOptions{}).WithHeader("kid", keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		return secret.Text{}, fmt.Errorf("sign assertion: %w", err)
	}
	payload, err := json.Marshal(map[string]any{
		"iss": subject, "sub": subject, "aud": audience,
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return secret.Text{}, err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return secret.Text{}, fmt.Errorf("sign assertion: %w", err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return secret.Text{}, fmt.Errorf("sign assertion: %w", err)
	}
	return secret.New(text), nil
}
