package standin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"harmony-callout/callout/callouttest"
)

const (
	deviceLifetime = 5 * time.Minute
	devicePoll     = 5 * time.Second
)

// The states of a device authorization that somebody has dealt with.
const (
	deviceApproved = "approved"
	deviceDenied   = "denied"
	deviceDone     = "done"
)

// DeviceAuthorization starts a device flow (RFC 8628).
func (p *provider) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	app := r.Client.(*client)
	if !slices.Contains(app.GrantTypes(), oidc.GrantTypeDeviceCode) {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("grant_type %q not allowed", oidc.GrantTypeDeviceCode)
	}
	deviceCode, err := op.NewDeviceCode(16)
	if err != nil {
		return nil, err
	}
	userCode, err := op.NewUserCode([]rune(op.CharSetBase20), 8, 4)
	if err != nil {
		return nil, err
	}
	err = p.store.update("", func(t *tx) error {
		for code, old := range t.deviceAuth.rows {
			if t.now.After(old.Expires.Add(time.Hour)) {
				drop(t, t.deviceAuth, code)
			}
		}
		return put(t, t.deviceAuth, deviceCode, &deviceRow{
			ClientID: app.GetID(), UserCode: userCode, RequestID: callouttest.OpaqueToken(),
			Scopes:  append(slices.Clone([]string(r.Data.Scopes)), t.roleScopes(app.app.ProjectID)...),
			Expires: stamp{t.now.Add(deviceLifetime)},
		})
	})
	if err != nil {
		return nil, err
	}
	page := issuerFrom(ctx) + "/device"
	return op.NewResponse(&oidc.DeviceAuthorizationResponse{
		DeviceCode: deviceCode, UserCode: userCode,
		VerificationURI: page, VerificationURIComplete: page + "?user_code=" + userCode,
		ExpiresIn: int(deviceLifetime / time.Second), Interval: int(devicePoll / time.Second),
	}), nil
}

// DeviceToken is a poll of the waiting device.
func (p *provider) DeviceToken(ctx context.Context, r *op.ClientRequest[oidc.DeviceAccessTokenRequest]) (*op.Response, error) {
	var row *deviceRow
	p.store.view(func() { row = p.store.deviceAuth.rows[r.Data.DeviceCode] })
	switch {
	case row == nil || row.ClientID != r.Client.GetID():
		return nil, oidc.ErrInvalidClient().WithDescription("client_id does not correspond to the client_id in the authorization request")
	case row.State == deviceDone:
		return nil, oidc.ErrInvalidGrant()
	case row.State == deviceDenied:
		return nil, oidc.ErrAccessDenied()
	case !time.Now().Before(row.Expires.Time):
		return nil, oidc.ErrExpiredDeviceCode()
	case row.State != deviceApproved:
		return nil, oidc.ErrAuthorizationPending()
	}
	g := p.personal(ctx, r.Client.(*client).app, row.UserID, row.Scopes)
	g.session, g.authTime = row.SessionID, row.AuthTime.Time
	g.with = func(t *tx) error {
		if now := t.deviceAuth.rows[r.Data.DeviceCode]; now == nil || now.State != deviceApproved {
			return oidc.ErrInvalidGrant() // another poll was faster
		}
		done := *row
		done.State = deviceDone
		return put(t, t.deviceAuth, r.Data.DeviceCode, &done)
	}
	return p.issue(g)
}

// personal is what an application gets for a person who logged in through it.
func (p *provider) personal(ctx context.Context, app *appRow, userID string, scopes []string) issuance {
	g := issuance{
		issuer: issuerFrom(ctx), userID: userID, clientID: app.ClientID, scopes: scopes,
		jwt: app.OIDC.AccessTokenType == oidcTokenJWT, amr: []string{"pwd"},
		refresh: slices.Contains(scopes, oidc.ScopeOfflineAccess) && slices.Contains(app.OIDC.GrantTypes, "OIDC_GRANT_TYPE_REFRESH_TOKEN"),
	}
	p.store.view(func() {
		settings := p.store.theInstance().OIDC
		g.lifetime, g.idLifetime = time.Duration(settings.AccessTokenLifetime), time.Duration(settings.IDTokenLifetime)
		g.audience = p.store.clientsOf(app.ProjectID)
		for _, id := range p.store.projectsAsked(scopes) {
			if !slices.Contains(g.audience, id) {
				g.audience = append(g.audience, id)
			}
		}
		all := p.store.claims(userID, g.audience, scopes, app.ProjectID)
		bare := p.store.claims(userID, nil, scopes, "")
		g.claims, g.idClaims = bare, p.store.claims(userID, nil, scopes, "")
		if app.OIDC.AccessTokenRoleAssertion {
			g.claims = all
		}
		if app.OIDC.IDTokenRoleAssertion {
			merge(g.idClaims, all)
		}
		if user := p.store.users.rows[userID]; user != nil && app.OIDC.IDTokenUserinfoAssertion {
			merge(g.idClaims, user.profileClaims(scopes))
		}
	})
	return g
}

// findDevice finds a request that waits for somebody; read access is held. A code may be
// typed without its dash and in small letters.
func (s *store) findDevice(match func(*deviceRow) bool) (deviceCode string, row *deviceRow) {
	for code, d := range s.deviceAuth.rows {
		if match(d) && time.Now().Before(d.Expires.Time) {
			return code, d
		}
	}
	return "", nil
}

func plainCode(code string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
}

// decideDevice approves or denies what waits.
func (t *tx) decideDevice(deviceCode, state, userID, sessionID string, authTime stamp) error {
	next := *t.deviceAuth.rows[deviceCode]
	next.State, next.UserID, next.SessionID, next.AuthTime = state, userID, sessionID, authTime
	return put(t, t.deviceAuth, deviceCode, &next)
}
