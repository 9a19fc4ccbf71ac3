package standin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// provider is the OpenID side: zitadel/oidc's op reads the requests and writes the errors, as
// it does in Zitadel itself, and provider decides. Discovery and keys are callouttest's.
type provider struct {
	op.UnimplementedServer
	server *Server
	store  *store
}

// oidcPaths are those that op serves.
var oidcPaths = []string{
	"/oauth/v2/authorize", "/oauth/v2/token", "/oauth/v2/introspect", "/oauth/v2/revoke",
	"/oauth/v2/device_authorization", "/oidc/v1/userinfo", "/oidc/v1/end_session",
}

func newProvider(s *Server) http.Handler {
	// op names its routes to the default logger and takes no other; at Info that is noise.
	former := slog.SetLogLoggerLevel(slog.LevelWarn)
	defer slog.SetLogLoggerLevel(former)
	handler := op.RegisterServer(&provider{server: s, store: s.store}, op.Endpoints{
		Authorization:       op.NewEndpoint("/oauth/v2/authorize"),
		Token:               op.NewEndpoint("/oauth/v2/token"),
		Introspection:       op.NewEndpoint("/oauth/v2/introspect"),
		Revocation:          op.NewEndpoint("/oauth/v2/revoke"),
		DeviceAuthorization: op.NewEndpoint("/oauth/v2/device_authorization"),
		Userinfo:            op.NewEndpoint("/oidc/v1/userinfo"),
		EndSession:          op.NewEndpoint("/oidc/v1/end_session"),
	}, op.WithServerCORSOptions(nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), issuerKey{}, s.issuerOf(r))))
	})
}

// issuerKey is the context's key for the issuer by whose name a request asked.
type issuerKey struct{}

func issuerFrom(ctx context.Context) string {
	issuer, _ := ctx.Value(issuerKey{}).(string)
	return issuer
}

// How old an assertion may be, and how far ahead of our clock.
const (
	assertionMaxAge  = time.Hour
	assertionMaxSkew = time.Second
)

var errNotActive = func() error { return oidc.ErrInvalidRequest().WithDescription("Errors.User.NotActive") }

// keyFinder looks up who may sign an assertion: it makes a table of keys an
// op.JWTProfileKeyStorage.
type keyFinder func(keyID, clientID string) *keyRow

func (f keyFinder) GetKeyByIDAndClientID(_ context.Context, keyID, clientID string) (*jose.JSONWebKey, error) {
	row := f(keyID, clientID)
	if row == nil || !row.Expires.IsZero() && !time.Now().Before(row.Expires.Time) {
		return nil, errors.New("ID=QUERY-Tha6f Message=Errors.AuthNKey.NotFound Parent=(sql: no rows in result set)")
	}
	key, err := parsePublicPEM(row.PublicPEM)
	if err != nil {
		return nil, err
	}
	return &jose.JSONWebKey{KeyID: keyID, Use: "sig", Key: key}, nil
}

func verifyAssertion(ctx context.Context, assertion string, keys keyFinder) (*oidc.JWTTokenRequest, error) {
	return op.VerifyJWTAssertion(ctx, assertion,
		op.NewJWTProfileVerifier(keys, issuerFrom(ctx), assertionMaxAge, assertionMaxSkew))
}

// refuse attaches the reason to an error, which is told when the instance is set to.
func (p *provider) refuse(e *oidc.Error, reason error) error {
	debug := false
	p.store.view(func() { debug = p.store.theInstance().DebugErrors })
	return e.WithParent(reason).WithReturnParentToClient(debug)
}

// JWTProfile is the grant of RFC 7523: a token for whoever signs with a machine user's key.
func (p *provider) JWTProfile(ctx context.Context, r *op.Request[oidc.JWTProfileGrantRequest]) (*op.Response, error) {
	request, err := verifyAssertion(ctx, r.Data.Assertion, func(keyID, userID string) (key *keyRow) {
		p.store.view(func() {
			if k := p.store.userKeys.rows[keyID]; k != nil && k.UserID == userID {
				key = k
			}
		})
		return key
	})
	if err != nil {
		return nil, p.refuse(oidc.ErrInvalidGrant().WithDescription("invalid assertion"), err)
	}
	return p.issueMachine(ctx, request.Subject, r.Data.Scope, false)
}

// ClientCredentialsExchange gives a token to a machine user with a secret.
func (p *provider) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	return p.issueMachine(ctx, r.Client.(*client).userID, strings.Fields(r.Form.Get("scope")), true)
}

// issueMachine issues to a machine user: aud are the projects that it asks for.
func (p *provider) issueMachine(ctx context.Context, userID string, scopes []string, byPassword bool) (*op.Response, error) {
	g := issuance{issuer: issuerFrom(ctx), userID: userID, scopes: scopes}
	var err error
	p.store.view(func() {
		user := p.store.users.rows[userID]
		if user == nil || user.State != active || user.Machine == nil {
			err = errNotActive()
			return
		}
		g.clientID = user.Username
		g.jwt = user.Machine.AccessTokenType == tokenTypeJWT
		g.audience = p.store.projectsAsked(scopes)
		if len(g.audience) == 0 {
			g.audience = []string{user.Username}
		}
		settings := p.store.theInstance().OIDC
		g.lifetime = time.Duration(settings.AccessTokenLifetime)
		g.claims = p.store.claims(userID, g.audience, scopes, "")
		g.idClaims = g.claims
		if byPassword {
			g.amr, g.idLifetime = []string{"pwd"}, time.Duration(settings.IDTokenLifetime)
		}
	})
	if err != nil {
		return nil, err
	}
	return p.issue(g)
}

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
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
