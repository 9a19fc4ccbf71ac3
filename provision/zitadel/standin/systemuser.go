package standin

import (
	"context"
	"crypto/rsa"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// systemUser is the system user who signed a token; empty if none did.
func (s *Server) systemUser(ctx context.Context, token string) string {
	if len(s.config.SystemUsers) == 0 || strings.Count(token, ".") != 2 {
		return ""
	}
	claims := new(oidc.JWTTokenRequest)
	payload, err := oidc.ParseToken(token, claims)
	if err != nil || claims.Issuer != claims.Subject {
		return ""
	}
	key := s.config.SystemUsers[claims.Subject]
	if key == nil ||
		oidc.CheckAudience(claims, s.URL()) != nil ||
		oidc.CheckExpiration(claims, 0) != nil ||
		oidc.CheckIssuedAt(claims, assertionMaxAge, assertionMaxSkew) != nil ||
		oidc.CheckSignature(ctx, token, payload, claims, nil, systemKey{key}) != nil {
		return ""
	}
	return claims.Subject
}

// systemKey is the one key of a system user, as an oidc.KeySet.
type systemKey struct{ key *rsa.PublicKey }

func (k systemKey) VerifySignature(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	return jws.Verify(k.key)
}
