package standin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// patScopes are those of a personal access token.
var patScopes = []string{oidc.ScopeOpenID, oidc.ScopeProfile, scopeMetadata, scopeResourceOwner}

// Introspect tells an application about a token that is meant for its project (RFC 7662).
// Roles are those of this moment, not those of the token.
func (p *provider) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	app, err := p.introspector(ctx, r.Data.ClientCredentials)
	if err != nil {
		return nil, p.refuse(oidc.ErrUnauthorizedClient(), err)
	}
	answer := map[string]any{"active": false}
	p.store.view(func() {
		if claims := p.store.introspectPAT(r.Data.Token, app); claims != nil {
			answer = claims
			answer["iss"] = issuerFrom(ctx)
			return
		}
		t := p.server.accessToken(r.Data.Token, issuerFrom(ctx))
		if t == nil || !slices.Contains(t.Audience, app.ProjectID) && !slices.Contains(t.Audience, app.ClientID) {
			return
		}
		answer = p.store.claims(t.UserID, t.Audience, t.Scopes, app.ProjectID)
		merge(answer, p.store.users.rows[t.UserID].introspected(t.Scopes))
		merge(answer, map[string]any{
			"active": true, "iss": issuerFrom(ctx), "sub": t.UserID, "aud": t.Audience, "client_id": t.ClientID,
			"scope": strings.Join(t.Scopes, " "), "token_type": "Bearer", "jti": t.JTI,
			"exp": t.Expires.Unix(), "iat": t.Issued.Unix(), "nbf": t.Issued.Unix(), "auth_time": t.AuthTime.Unix(),
		})
	})
	return op.NewResponse(answer), nil
}

// introspector is the application that asks, by key or by secret.
func (p *provider) introspector(ctx context.Context, cc *op.ClientCredentials) (app *appRow, err error) {
	clientID := cc.ClientID
	if cc.ClientAssertion != "" {
		if clientID, err = p.verifyClientAssertion(ctx, cc.ClientAssertion); err != nil {
			return nil, err
		}
	}
	p.store.view(func() { _, app = p.store.clientApp(clientID) })
	switch {
	case app == nil:
		return nil, errors.New("no active application with that client id")
	case cc.ClientAssertion == "" && (app.SecretDigest == "" || digest(cc.ClientSecret) != app.SecretDigest):
		return nil, errors.New("wrong client secret")
	}
	return app, nil
}

// introspectPAT describes a personal access token, which is meant for whoever asks (#387).
func (s *store) introspectPAT(token string, app *appRow) map[string]any {
	pat := s.pats.rows[digest(token)]
	if pat == nil || !time.Now().Before(pat.Expires.Time) {
		return nil
	}
	user := s.users.rows[pat.UserID]
	if user == nil || user.State != active {
		return nil
	}
	audience := []string{app.ClientID, app.ProjectID}
	scopes := append(slices.Clone(patScopes), s.roleScopes(app.ProjectID)...)
	return merge(merge(s.claims(pat.UserID, audience, scopes, app.ProjectID), user.introspected(scopes)), map[string]any{
		"active": true, "sub": pat.UserID, "aud": audience, "scope": strings.Join(scopes, " "), "token_type": "Bearer",
		"jti": pat.TokenID, "exp": pat.Expires.Unix(), "iat": pat.Created.Unix(), "nbf": pat.Created.Unix(),
	})
}

// introspected are the profile's claims as introspection has them: with a username.
func (u *userRow) introspected(scopes []string) map[string]any {
	claims := u.profileClaims(scopes)
	if name, ok := claims["preferred_username"]; ok {
		claims["username"] = name
	}
	return claims
}

// UserInfo tells the holder of a token about its user.
func (p *provider) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	var answer map[string]any
	p.store.view(func() {
		userID, scopes, audience := "", []string(nil), []string(nil)
		if t := p.server.accessToken(r.Data.AccessToken, issuerFrom(ctx)); t != nil {
			userID, scopes, audience = t.UserID, t.Scopes, t.Audience
		} else if pat := p.store.pats.rows[digest(r.Data.AccessToken)]; pat != nil && time.Now().Before(pat.Expires.Time) {
			userID, scopes = pat.UserID, patScopes
		}
		user := p.store.users.rows[userID]
		if user == nil || user.State != active {
			return
		}
		answer = merge(p.store.claims(userID, audience, scopes, ""), user.profileClaims(scopes))
		answer["sub"] = userID
	})
	if answer == nil {
		return nil, op.NewStatusError(oidc.ErrAccessDenied().WithDescription("access token invalid"), http.StatusUnauthorized)
	}
	return op.NewResponse(answer), nil
}
