package standin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
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
