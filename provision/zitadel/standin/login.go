package standin

import (
	"time"

	"golang.org/x/crypto/bcrypt"

	"harmony-callout/callout/callouttest"
)

// The API by which a login application serves people: sessions, and device authorizations
// that they approve.

var errNoDevice = fail(notFound, "QUERY-Sah9a", "Device Authorization Request does not exist")

func (s *Server) routeLogin() {
	s.handle("POST /v2/sessions", route{need: needMember, do: createSession, created: true})
	s.handle("GET /v2/oidc/device_authorization/{code}", route{need: needMember, do: getDevice})
	s.handle("POST /v2/oidc/device_authorization/{id}", route{need: needLogin, do: decideDevice})
}

const defaultSession = 24 * time.Hour

// createSession checks a person's password.
func createSession(c *call) (any, error) {
	req, err := decode[struct {
		Checks struct {
			User     struct{ LoginName, UserID string }
			Password struct{ Password string }
		}
		Lifetime span
	}](c)
	if err != nil {
		return nil, err
	}
	id, user := "", (*userRow)(nil)
	c.store.view(func() {
		for userID, u := range c.store.users.rows {
			if userID == req.Checks.User.UserID || u.Username == req.Checks.User.LoginName && u.Username != "" {
				id, user = userID, u
			}
		}
	})
	switch {
	case user == nil:
		return nil, fail(notFound, "QUERY-Dfbg2", "User could not be found")
	case user.State != active:
		return nil, fail(failedPrecondition, "COMMAND-SFA3t", "User is not active")
	case user.Human == nil || bcrypt.CompareHashAndPassword(user.PasswordHash, []byte(req.Checks.Password.Password)) != nil:
		return nil, fail(invalidArgument, "COMMAND-3M0fs", "Password is invalid")
	}
	lifetime := defaultSession
	if req.Lifetime > 0 {
		lifetime = time.Duration(req.Lifetime)
	}
	token, sessionID, m := callouttest.OpaqueToken(), "", meta{}
	err = c.update(func(t *tx) error {
		sessionID = t.clock.newID()
		var err error
		if m, err = t.event("session.added", "session", sessionID, instanceID, nil); err != nil {
			return err
		}
		return put(t, t.sessions, sessionID, &sessionRow{
			meta: m, UserID: id, TokenDigest: digest(token), Expires: stamp{t.now.Add(lifetime)},
		})
	})
	return struct {
		Details      details `json:"details"`
		SessionID    string  `json:"sessionId"`
		SessionToken string  `json:"sessionToken"`
	}{changedDetails(m), sessionID, token}, err
}

// getDevice finds a request by the code that a person was told.
func getDevice(c *call) (any, error) {
	type request struct {
		ID          string   `json:"id"`
		ClientID    string   `json:"clientId"`
		Scope       []string `json:"scope"`
		AppName     string   `json:"appName"`
		ProjectName string   `json:"projectName"`
	}
	var answer *request
	c.store.view(func() {
		code := plainCode(c.PathValue("code"))
		_, row := c.store.findDevice(func(d *deviceRow) bool { return plainCode(d.UserCode) == code })
		if row == nil {
			return
		}
		answer = &request{ID: row.RequestID, ClientID: row.ClientID, Scope: row.Scopes}
		if _, app := c.store.clientApp(row.ClientID); app != nil {
			answer.AppName, answer.ProjectName = app.Name, c.store.projects.rows[app.ProjectID].name()
		}
	})
	if answer == nil {
		return nil, errNoDevice
	}
	return map[string]any{"deviceAuthorizationRequest": answer}, nil
}

// decideDevice approves a request by a person's session, or denies it.
func decideDevice(c *call) (any, error) {
	req, err := decode[struct {
		Session *struct{ SessionID, SessionToken string }
		Deny    *struct{}
	}](c)
	if err != nil {
		return nil, err
	}
	if (req.Session == nil) == (req.Deny == nil) {
		return nil, invalid("AuthorizeOrDenyDeviceAuthorizationRequest", "Decision", "value is required")
	}
	err = c.update(func(t *tx) error {
		code, row := t.findDevice(func(d *deviceRow) bool { return d.RequestID == c.PathValue("id") })
		if row == nil || row.State != "" {
			return errNoDevice
		}
		if req.Deny != nil {
			return t.decideDevice(code, deviceDenied, "", "", stamp{})
		}
		session := t.sessions.rows[req.Session.SessionID]
		if session == nil || session.TokenDigest != digest(req.Session.SessionToken) || !t.now.Before(session.Expires.Time) {
			return fail(permissionDenied, "COMMAND-sGr42", "Session Token is invalid")
		}
		return t.decideDevice(code, deviceApproved, session.UserID, req.Session.SessionID, session.Created)
	})
	return struct{}{}, err
}
