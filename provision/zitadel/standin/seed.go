package standin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"harmony-callout/callout/callouttest"
	"harmony-callout/internal/secret"
)

// instanceID is the one instance's.
const instanceID = "400888063842122241"

// What a first start makes, as Zitadel's own start-from-init does.
const (
	defaultOrg      = "HARMONY"
	adminName       = "iam-admin"
	loginClientName = "login-client"
	personName      = "admin" // who may approve a device flow at the page
)

// theInstance is the instance's row; read access is held.
func (s *store) theInstance() *instanceRow { return s.instance.rows[instanceID] }

// seed makes what a new instance has: in one change, so that a kill leaves all or nothing.
func (s *Server) seed() error {
	return s.store.update("", func(t *tx) error {
		if t.theInstance() != nil {
			return nil
		}
		m, err := t.event("instance.added", "instance", instanceID, instanceID, nil)
		if err != nil {
			return err
		}
		instance := &instanceRow{
			meta: m, OIDCMeta: m, LoginMeta: m, FeaturesMeta: m,
			OIDC: oidcSettings{
				AccessTokenLifetime: span(12 * time.Hour), IDTokenLifetime: span(12 * time.Hour),
				RefreshTokenIdleExpiration: span(30 * 24 * time.Hour), RefreshTokenExpiration: span(90 * 24 * time.Hour),
			},
			Login: loginPolicy{
				AllowUsernamePassword: true, AllowRegister: true, AllowExternalIDP: true, AllowDomainDiscovery: true,
				PasswordlessType:      "PASSWORDLESS_TYPE_ALLOWED",
				PasswordCheckLifetime: span(240 * time.Hour), ExternalLoginCheckLifetime: span(240 * time.Hour),
				MFAInitSkipLifetime: span(720 * time.Hour), SecondFactorCheckLifetime: span(18 * time.Hour),
				MultiFactorCheckLifetime: span(12 * time.Hour),
			},
		}
		instance.OrgID, instance.ProjectID = t.clock.newID(), t.clock.newID()
		om, err := t.event("org.added", "org", instance.OrgID, instance.OrgID, map[string]any{"name": defaultOrg})
		if err != nil {
			return err
		}
		if err := put(t, t.orgs, instance.OrgID, &orgRow{meta: om, Name: defaultOrg, Domain: orgDomain(defaultOrg, s.hostname())}); err != nil {
			return err
		}
		pm, err := t.event("project.added", "project", instance.ProjectID, instance.OrgID, map[string]any{"name": "ZITADEL"})
		if err != nil {
			return err
		}
		if err := put(t, t.projects, instance.ProjectID, &projectRow{meta: pm, Name: "ZITADEL"}); err != nil {
			return err
		}
		for _, state := range []string{"ACTIVE", webKeyInitial} {
			key, config, err := s.newWebKey("rsa")
			if err != nil {
				return err
			}
			id, err := t.addWebKey(key, config, state)
			if err != nil {
				return err
			}
			instance.WebKeyOrder = append(instance.WebKeyOrder, id)
		}
		instance.ActiveWebKey = instance.WebKeyOrder[0]
		if err := t.seedUsers(instance.OrgID); err != nil {
			return err
		}
		return put(t, t.instance, instanceID, instance)
	})
}

// seedUsers makes the instance's administrator, the login application, and a person.
func (t *tx) seedUsers(orgID string) error {
	for _, u := range []struct {
		role string
		row  userRow
	}{
		{roleIAMOwner, userRow{Username: adminName, Machine: &machine{Name: "Automatically Initialized IAM Admin"}}},
		{roleLoginClient, userRow{Username: loginClientName, Machine: &machine{Name: "Automatically Initialized IAM_LOGIN_CLIENT"}}},
		{"", userRow{Username: personName, Human: &human{
			Profile: profile{GivenName: "Ada", FamilyName: "Admin", DisplayName: "Ada Admin", PreferredLanguage: "en"},
			Email:   email{Email: "admin@localhost", IsVerified: true},
		}}},
	} {
		id, event := t.clock.newID(), "user.machine.added"
		if u.row.Human != nil {
			event = "user.human.added"
		}
		m, err := t.event(event, "user", id, orgID, map[string]any{"userName": u.row.Username})
		if err != nil {
			return err
		}
		u.row.meta = m
		if err := put(t, t.users, id, &u.row); err != nil {
			return err
		}
		if u.role == "" {
			continue
		}
		member := &memberRow{meta: m, UserID: id, Resource: instanceID, Roles: []string{u.role}}
		if err := put(t, t.members, t.clock.newID(), member); err != nil {
			return err
		}
	}
	return nil
}

// tokenFile is where the token of one of the first users lies.
func tokenFile(dir, username string) string { return filepath.Join(dir, username+".pat") }

// firstToken returns the personal access token of one of the first users. It is written to
// its file first, durably, and made valid then: a kill in between is mended by the next start.
func (s *Server) firstToken(username string) (secret.Text, error) {
	token, err := s.readToken(username)
	if err != nil {
		return secret.Text{}, err
	}
	err = s.store.update("", func(t *tx) error {
		if t.pats.rows[digest(token)] != nil {
			return nil
		}
		id := t.taken[t.users.unique(&userRow{Username: username})[0]]
		user := t.users.rows[id]
		if user == nil {
			return fmt.Errorf("user %s is gone", username)
		}
		m, err := t.event("user.pat.added", "user", id, user.Owner, nil)
		if err != nil {
			return err
		}
		return put(t, t.pats, digest(token), &patRow{meta: m, TokenID: t.clock.newID(), UserID: id, Expires: stamp{t.now.AddDate(10, 0, 0)}})
	})
	return secret.New(token), err
}

func (s *Server) readToken(username string) (string, error) {
	if s.config.Dir == "" {
		return callouttest.OpaqueToken(), nil
	}
	path := tokenFile(s.config.Dir, username)
	data, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(data)) != "" {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read token of %s: %w", username, err)
	}
	token := callouttest.OpaqueToken()
	if err := writeFile(path, []byte(token+"\n")); err != nil {
		return "", fmt.Errorf("write token of %s: %w", username, err)
	}
	return token, nil
}

// writeFile writes a secret whole or not at all, and durably.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// AdminPATFile is where a stand-in with a directory keeps its administrator's token.
func AdminPATFile(dir string) string { return tokenFile(dir, adminName) }
