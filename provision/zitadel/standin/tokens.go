package standin

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"harmony-callout/callout/callouttest"
)

// issuance is everything about tokens that are to be issued.
type issuance struct {
	issuer     string
	userID     string
	clientID   string // an application's, or the user name
	audience   []string
	scopes     []string
	lifetime   time.Duration
	jwt        bool           // else opaque
	claims     map[string]any // beside the registered ones
	idClaims   map[string]any // of the ID token
	idLifetime time.Duration  // 0: it is born expired, as that of a jwt-bearer grant is
	amr        []string
	authTime   time.Time // zero: now
	session    string    // a person's
	refresh    bool      // a refresh token may be had
	// with is part of the same change: what led to the tokens is used up.
	with func(*tx) error
}

// tokenResponse is RFC 6749 section 5.1.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	IDToken      string `json:"id_token,omitempty"`
}

// issue mints tokens and remembers them, under the digest of each.
func (p *provider) issue(g issuance) (*op.Response, error) {
	response := tokenResponse{TokenType: "Bearer", ExpiresIn: int64(g.lifetime/time.Second) - 1}
	err := p.store.update(g.userID, func(t *tx) error {
		if g.with != nil {
			if err := g.with(t); err != nil {
				return err
			}
		}
		if user := t.users.rows[g.userID]; user == nil || user.State != active {
			return errNotActive()
		}
		if g.authTime.IsZero() {
			g.authTime = t.now.Time
		}
		row := &tokenRow{
			JTI: "V2_" + t.clock.newID() + "-at_" + t.clock.newID(), UserID: g.userID, ClientID: g.clientID,
			Audience: g.audience, Scopes: g.scopes, Issued: t.now, Expires: stamp{t.now.Add(g.lifetime)},
			AuthTime: stamp{g.authTime}, Session: g.session,
		}
		if g.jwt {
			row.Issuer = g.issuer
			response.AccessToken = p.server.sign(merge(map[string]any{
				"iss": g.issuer, "sub": g.userID, "aud": g.audience, "client_id": g.clientID, "jti": row.JTI,
				"exp": row.Expires.Unix(), "iat": t.now.Unix(), "nbf": t.now.Unix(),
			}, g.claims))
		} else {
			response.AccessToken = callouttest.OpaqueToken()
		}
		if err := put(t, t.tokens, digest(response.AccessToken), row); err != nil {
			return err
		}
		if slices.Contains(g.scopes, oidc.ScopeOpenID) {
			var err error
			if response.IDToken, err = p.idToken(g, t.now, response.AccessToken); err != nil {
				return err
			}
		}
		if !g.refresh {
			return nil
		}
		response.RefreshToken = callouttest.OpaqueToken()
		refresh := *row
		refresh.Refresh = true
		refresh.Expires = stamp{t.now.Add(time.Duration(t.theInstance().OIDC.RefreshTokenIdleExpiration))}
		return put(t, t.tokens, digest(response.RefreshToken), &refresh)
	})
	if err != nil {
		return nil, err
	}
	return op.NewResponse(response), nil
}

func (p *provider) idToken(g issuance, now stamp, access string) (string, error) {
	hash, err := oidc.ClaimHash(access, p.server.algorithm())
	if err != nil {
		return "", err
	}
	claims := merge(map[string]any{
		"iss": g.issuer, "sub": g.userID, "azp": g.clientID, "client_id": g.clientID,
		"aud":       oidc.AppendClientIDToAudience(g.clientID, slices.Clone(g.audience)),
		"exp":       now.Add(g.idLifetime).Unix(),
		"iat":       now.Unix(),
		"auth_time": g.authTime.Unix(),
		"at_hash":   hash,
	}, g.idClaims)
	if g.amr != nil {
		claims["amr"] = g.amr
	}
	if g.session != "" {
		claims["sid"] = g.session
	}
	return p.server.sign(claims), nil
}

func merge(into, more map[string]any) map[string]any {
	maps.Copy(into, more)
	return into
}

// sign makes a JWT with the active web key.
func (s *Server) sign(claims map[string]any) string {
	return s.issuer.Token(callouttest.TokenSpec{RawClaims: mustJSON(claims)})
}

// algorithm is that of the active web key.
func (s *Server) algorithm() jose.SignatureAlgorithm {
	switch s.issuer.PublicKey(s.issuer.ActiveKey()).(type) {
	case *ecdsa.PublicKey:
		return jose.ES256
	case ed25519.PublicKey:
		return jose.EdDSA
	default:
		return jose.RS256
	}
}

// accessToken finds a live access token of a live user; read access is held. A JWT counts
// only under the issuer that its iss names, an opaque one under any (#475, #477).
func (s *Server) accessToken(token, issuer string) *tokenRow {
	row := s.store.tokens.rows[digest(token)]
	if row == nil || row.Refresh || !row.live(time.Now()) || row.Issuer != "" && row.Issuer != issuer {
		return nil
	}
	if user := s.store.users.rows[row.UserID]; user == nil || user.State != active {
		return nil
	}
	return row
}

// RefreshToken gives new tokens for a refresh token, and a new one of those in its place.
func (p *provider) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	key := digest(r.Data.RefreshToken)
	var row *tokenRow
	p.store.view(func() { row = p.store.tokens.rows[key] })
	bad := oidc.ErrInvalidGrant().WithDescription("Errors.OIDCSession.RefreshTokenInvalid")
	if row == nil || !row.Refresh || !row.live(time.Now()) || row.ClientID != r.Client.GetID() {
		return nil, bad
	}
	g := p.personal(ctx, r.Client.(*client).app, row.UserID, row.Scopes)
	g.session, g.authTime = row.Session, row.AuthTime.Time
	g.with = func(t *tx) error {
		if t.tokens.rows[key] == nil {
			return bad // somebody else was faster
		}
		drop(t, t.tokens, key)
		return nil
	}
	return p.issue(g)
}

// Revocation ends a token of the client that asks. One that nobody knows is no error.
func (p *provider) Revocation(_ context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	err := p.store.update("", func(t *tx) error {
		key := digest(r.Data.Token)
		row := t.tokens.rows[key]
		if row != nil && row.ClientID != r.Client.GetID() {
			return oidc.ErrInvalidClient().WithDescription("token was not issued for this client")
		}
		drop(t, t.tokens, key)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return op.NewResponse(nil), nil
}
