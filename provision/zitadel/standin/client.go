package standin

import (
	"context"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// VerifyClient finds the application or, for client_credentials, the machine user that asks.
func (p *provider) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	if r.Form.Get("grant_type") == string(oidc.GrantTypeClientCredentials) {
		return p.machineClient(r.Data)
	}
	clientID := r.Data.ClientID
	if r.Data.ClientAssertion != "" {
		request := new(oidc.JWTTokenRequest)
		if _, err := oidc.ParseToken(r.Data.ClientAssertion, request); err != nil {
			return nil, oidc.ErrInvalidClient().WithParent(err)
		}
		clientID = request.Issuer
	}
	var c *client
	p.store.view(func() {
		if id, row := p.store.clientApp(clientID); row != nil && row.OIDC != nil {
			c = &client{appID: id, app: row}
		}
	})
	if c == nil {
		return nil, oidc.ErrInvalidClient().WithDescription("no active client not found")
	}
	switch c.AuthMethod() {
	case oidc.AuthMethodNone:
	case oidc.AuthMethodPrivateKeyJWT:
		if _, err := p.verifyClientAssertion(ctx, r.Data.ClientAssertion); err != nil {
			return nil, oidc.ErrInvalidClient().WithParent(err)
		}
	default:
		if r.Data.ClientSecret == "" {
			return nil, oidc.ErrInvalidClient().WithDescription("empty client secret")
		}
		if digest(r.Data.ClientSecret) != c.app.SecretDigest {
			return nil, oidc.ErrInvalidClient().WithDescription("invalid secret")
		}
	}
	return c, nil
}

func (p *provider) machineClient(cc *op.ClientCredentials) (op.Client, error) {
	c := &client{}
	secret := ""
	p.store.view(func() {
		id := p.store.taken[p.store.users.unique(&userRow{Username: cc.ClientID})[0]]
		if row := p.store.users.rows[id]; row != nil && row.Machine != nil && row.Username == cc.ClientID {
			c.userID, secret = id, row.SecretDigest
		}
	})
	switch {
	case c.userID == "":
		return nil, oidc.ErrInvalidClient().WithDescription("client not found")
	case secret == "" || digest(cc.ClientSecret) != secret:
		return nil, oidc.ErrInvalidRequest().WithDescription("Errors.User.Machine.Secret.Invalid")
	}
	return c, nil
}

// verifyClientAssertion finds the application whose key signed (RFC 7523 section 2.2).
func (p *provider) verifyClientAssertion(ctx context.Context, assertion string) (clientID string, err error) {
	request, err := verifyAssertion(ctx, assertion, func(keyID, clientID string) (key *keyRow) {
		p.store.view(func() {
			id, app := p.store.clientApp(clientID)
			if k := p.store.appKeys.rows[keyID]; app != nil && k != nil && k.AppID == id {
				key = k
			}
		})
		return key
	})
	if err != nil {
		return "", err
	}
	return request.Issuer, nil
}

// clientApp is the application with a client id, if it and its project are active.
func (s *store) clientApp(clientID string) (id string, row *appRow) {
	for id, a := range s.apps.rows {
		if a.ClientID != clientID {
			continue
		}
		if project := s.projects.rows[a.ProjectID]; a.State == active && project != nil && project.State == active {
			return id, a
		}
	}
	return "", nil
}

// client is who asks at the token endpoint, as op wants to know it.
type client struct {
	appID  string
	app    *appRow // nil: a machine user
	userID string
}

func (c *client) GetID() string {
	if c.app == nil {
		return c.userID
	}
	return c.app.ClientID
}

func (c *client) AuthMethod() oidc.AuthMethod {
	if c.app == nil {
		return oidc.AuthMethodBasic
	}
	switch c.app.OIDC.AuthMethodType {
	case oidcAuthNone:
		return oidc.AuthMethodNone
	case oidcAuthPost:
		return oidc.AuthMethodPost
	case "OIDC_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT":
		return oidc.AuthMethodPrivateKeyJWT
	default:
		return oidc.AuthMethodBasic
	}
}

func (c *client) GrantTypes() []oidc.GrantType {
	if c.app == nil {
		return []oidc.GrantType{oidc.GrantTypeClientCredentials}
	}
	words := c.app.OIDC.GrantTypes
	var types []oidc.GrantType
	for word, grant := range map[string]oidc.GrantType{
		"OIDC_GRANT_TYPE_AUTHORIZATION_CODE": oidc.GrantTypeCode,
		"OIDC_GRANT_TYPE_DEVICE_CODE":        oidc.GrantTypeDeviceCode,
		"OIDC_GRANT_TYPE_REFRESH_TOKEN":      oidc.GrantTypeRefreshToken,
	} {
		if slices.Contains(words, word) {
			types = append(types, grant)
		}
	}
	return types
}

// What op asks only for flows that are not served here.

func (c *client) RedirectURIs() []string               { return nil }
func (c *client) PostLogoutRedirectURIs() []string     { return nil }
func (c *client) ApplicationType() op.ApplicationType  { return op.ApplicationTypeNative }
func (c *client) ResponseTypes() []oidc.ResponseType   { return nil }
func (c *client) LoginURL(string) string               { return "" }
func (c *client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (c *client) IDTokenLifetime() time.Duration       { return 0 }
func (c *client) DevMode() bool                        { return false }
func (c *client) IsScopeAllowed(string) bool           { return true }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c *client) ClockSkew() time.Duration             { return 0 }

//lint:ignore ST1003 the name is op's
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}

func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
