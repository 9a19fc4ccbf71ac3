package standin

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// caller is who makes an API call.
type caller struct {
	userID   string
	instance []string // roles as an administrator of the instance
	org      []string // roles as an administrator of an organisation
}

// need is what a call takes.
type need int

const (
	needMember need = iota // any membership: lists and gets
	needOrg                // to manage what an organisation has
	needIAM                // to change the instance
	needLogin              // to approve what people asked for
	needSelfOr             // to manage an organisation, or to be the user in question
)

// Roles of administrators.
const (
	roleIAMOwner    = "IAM_OWNER"
	roleIAMViewer   = "IAM_OWNER_VIEWER"
	roleLoginClient = "IAM_LOGIN_CLIENT"
	roleOrgOwner    = "ORG_OWNER"
)

var (
	errNoHeader     = &apiError{unauthenticated, "", "auth header missing"}
	errBadToken     = fail(unauthenticated, "AUTH-7fs1e", "Errors.Token.Invalid")
	errNoMember     = fail(notFound, "AUTHZ-cdgFk", "membership not found")
	errNotPermitted = fail(permissionDenied, "AUTH-5mWD2", "No matching permissions found")
	errNotLogin     = fail(permissionDenied, "AUTH-AWfge", "No matching permissions found")
)

// authenticate finds who calls by the token that they show: a personal access token, an
// access token for Zitadel's own project, or a system user's self-signed JWT.
func (s *Server) authenticate(r *http.Request) (*caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, errNoHeader
	}
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return nil, errBadToken
	}
	if id := s.systemUser(r.Context(), token); id != "" {
		return &caller{userID: id, instance: []string{roleIAMOwner}}, nil
	}
	userID := ""
	s.store.view(func() {
		if pat := s.store.pats.rows[digest(token)]; pat != nil && time.Now().Before(pat.Expires.Time) {
			userID = pat.UserID
			return
		}
		if t := s.accessToken(token, s.issuerOf(r)); t != nil && slices.Contains(t.Audience, s.store.theInstance().ProjectID) {
			userID = t.UserID
		}
	})
	c := &caller{userID: userID}
	known := false
	s.store.view(func() {
		user := s.store.users.rows[userID]
		known = user != nil && user.State == active
		for _, m := range s.store.members.rows {
			switch {
			case m.UserID != userID:
			case m.Resource == instanceID:
				c.instance = append(c.instance, m.Roles...)
			default:
				c.org = append(c.org, m.Roles...)
			}
		}
	})
	if !known {
		return nil, errBadToken
	}
	return c, nil
}

// check tells whether a caller may do what takes n; userID is the user in question, if any.
func (c *caller) check(n need, userID string) error {
	if n == needSelfOr && userID != "" && userID == c.userID {
		return nil
	}
	owner := slices.Contains(c.instance, roleIAMOwner)
	switch {
	case len(c.instance)+len(c.org) == 0:
		return errNoMember
	case n == needLogin && !slices.Contains(c.instance, roleLoginClient):
		return errNotLogin
	case n == needIAM && !owner,
		(n == needOrg || n == needSelfOr) && !owner && !slices.Contains(c.org, roleOrgOwner):
		return errNotPermitted
	}
	return nil
}
