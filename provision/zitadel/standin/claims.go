package standin

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// Scopes and claims of Zitadel's own.
const (
	scopeAudiencePrefix = "urn:zitadel:iam:org:project:id:" // + project id, or "zitadel", + ":aud"
	scopeRolePrefix     = "urn:zitadel:iam:org:project:role:"
	scopeAllRoles       = "urn:zitadel:iam:org:projects:roles"
	scopeOrgPrefix      = "urn:zitadel:iam:org:id:"
	scopeResourceOwner  = "urn:zitadel:iam:user:resourceowner"
	scopeMetadata       = "urn:zitadel:iam:user:metadata"
	claimOrgID          = "urn:zitadel:iam:org:id"
	claimAnyRoles       = "urn:zitadel:iam:org:project:roles"
)

func claimRoles(projectID string) string {
	return "urn:zitadel:iam:org:project:" + projectID + ":roles"
}

// projectsAsked are the projects whose audience the scopes name, whether they exist or not.
func (s *store) projectsAsked(scopes []string) []string {
	var ids []string
	for _, scope := range scopes {
		rest, isProject := strings.CutPrefix(scope, scopeAudiencePrefix)
		id, isAudience := strings.CutSuffix(rest, ":aud")
		if !isProject || !isAudience {
			continue
		}
		if id == "zitadel" {
			id = s.theInstance().ProjectID
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// claims are what the scopes ask for beside the registered claims; read access is held. Roles
// come for the projects in the audience, those asked for and granted. own names the project
// whose roles are asserted under the unqualified claim too.
func (s *store) claims(userID string, audience, scopes []string, own string) map[string]any {
	claims := map[string]any{}
	user := s.users.rows[userID]
	if user == nil {
		return claims
	}
	for _, projectID := range audience {
		if roles := s.rolesOf(userID, projectID, scopes); len(roles) > 0 {
			claims[claimRoles(projectID)] = roles
			if projectID == own {
				claims[claimAnyRoles] = roles
			}
		}
	}
	if slices.Contains(scopes, scopeOrgPrefix+user.Owner) {
		claims[claimOrgID] = user.Owner
	}
	if org := s.orgs.rows[user.Owner]; org != nil && (claims[claimOrgID] != nil || slices.Contains(scopes, scopeResourceOwner)) {
		claims[scopeResourceOwner+":id"] = user.Owner
		claims[scopeResourceOwner+":name"] = org.Name
		claims[scopeResourceOwner+":primary_domain"] = org.Domain
	}
	if slices.Contains(scopes, scopeMetadata) && len(user.Metadata) > 0 {
		metadata := map[string]string{}
		for key, value := range user.Metadata {
			metadata[key] = base64.RawURLEncoding.EncodeToString(value)
		}
		claims[scopeMetadata] = metadata
	}
	return claims
}

// rolesOf is {role: {organisation id: its domain}}: of the grants that are active, the roles
// that the scopes ask for.
func (s *store) rolesOf(userID, projectID string, scopes []string) map[string]map[string]string {
	roles := map[string]map[string]string{}
	all := slices.Contains(scopes, scopeAllRoles)
	for _, g := range s.grants.rows {
		if g.UserID != userID || g.ProjectID != projectID || g.State != active {
			continue
		}
		for _, key := range g.Roles {
			if !all && !slices.Contains(scopes, scopeRolePrefix+key) {
				continue
			}
			if roles[key] == nil {
				roles[key] = map[string]string{}
			}
			roles[key][g.Owner] = s.orgs.rows[g.Owner].domain()
		}
	}
	return roles
}

// roleScopes are the scopes that a project's application asks for by itself, if the project
// asserts roles.
func (s *store) roleScopes(projectID string) []string {
	var scopes []string
	if project := s.projects.rows[projectID]; project == nil || !project.RoleAssertion {
		return nil
	}
	for _, r := range s.roles.rows {
		if r.ProjectID == projectID {
			scopes = append(scopes, scopeRolePrefix+r.Key)
		}
	}
	slices.Sort(scopes)
	return scopes
}

// profileClaims are those of the scopes profile and email (OpenID Connect Core section 5.4).
func (u *userRow) profileClaims(scopes []string) map[string]any {
	claims := map[string]any{}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		claims["preferred_username"], claims["updated_at"] = u.Username, u.Changed.Unix()
		if u.Machine != nil {
			claims["name"] = u.Machine.Name
		} else {
			p := u.Human.Profile
			claims["name"], claims["given_name"], claims["family_name"] = p.DisplayName, p.GivenName, p.FamilyName
			claims["locale"] = nil
		}
	}
	if slices.Contains(scopes, oidc.ScopeEmail) && u.Human != nil {
		claims["email"], claims["email_verified"] = u.Human.Email.Email, u.Human.Email.IsVerified
	}
	return claims
}

func (o *orgRow) domain() string {
	if o == nil {
		return ""
	}
	return o.Domain
}
