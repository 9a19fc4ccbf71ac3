package zitadel

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"

	"harmony-callout/provision"
)

// check fails the test where the server, the key store or the notes hold anything but what
// is wanted, once each, all of it ours.
func (s *site) check(want provision.ZitadelConfig) {
	s.t.Helper()
	t, ctx := s.t, s.t.Context()
	p := s.process(want, nil)
	project, err := p.needProject(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !project.RoleAssertion {
		t.Error("the project does not put roles into tokens")
	}

	roles, err := p.client.listRoles(ctx, project.ID)
	if err != nil {
		t.Fatal(err)
	}
	var have, wanted []string
	for _, r := range roles {
		have = append(have, "role "+r.Key+"/"+r.DisplayName+"/"+r.Group)
	}
	for _, r := range want.Roles {
		wanted = append(wanted, "role "+r.Key+"/"+r.DisplayName+"/"+r.Group)
	}

	apps, err := p.client.listApps(ctx, project.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range apps {
		have = append(have, "app "+a.Name)
		if a.API == nil {
			continue
		}
		keys, err := p.client.listAppKeys(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			have = append(have, "key of "+a.Name+" stored: "+yes(s.storedKey(appDir(a.Name)+keyName) == k.ID))
		}
	}
	for _, w := range wantedApps(want) {
		wanted = append(wanted, "app "+w.name)
		if w.api == authPrivateKeyJWT {
			wanted = append(wanted, "key of "+w.name+" stored: yes")
		}
		if w.api == authBasic {
			if _, err := s.keys.Get(ctx, appDir(w.name)+clientName); err != nil {
				t.Errorf("client secret: %v", err)
			}
		}
	}

	grants, err := p.client.listGrants(ctx, project.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range want.MachineUsers {
		found, err := p.client.searchUsers(ctx, map[string]any{"userNameQuery": map[string]string{"userName": u.Username}})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			have = append(have, "user "+f.Username+"/"+f.Machine.Name+"/"+f.Machine.AccessTokenType)
			keys, err := p.client.listUserKeys(ctx, "", f.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				have = append(have, "key of "+u.Username+" stored: "+yes(s.storedKey(userDir(u.Username)+keyName) == k.ID))
			}
			for _, g := range grants {
				if g.User.ID == f.ID {
					have = append(have, "grant "+u.Username+" "+set(g.roleKeys()))
				}
			}
		}
		wanted = append(wanted, "user "+u.Username+"/"+u.Name+"/"+tokenTypeJWT, "key of "+u.Username+" stored: yes")
		if _, err := p.Token(ctx, u.Username); err != nil {
			t.Errorf("token of %s: %v", u.Username, err)
		}
	}
	for _, g := range want.Grants {
		wanted = append(wanted, "grant "+g.User+" "+set(g.Roles))
	}
	sort.Strings(have)
	sort.Strings(wanted)
	if !slices.Equal(have, wanted) {
		t.Errorf("there is\n\t%s\nwanted\n\t%s", strings.Join(have, "\n\t"), strings.Join(wanted, "\n\t"))
	}

	names, err := s.keys.List(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, pendingName) {
			t.Errorf("%s was left", name)
		}
	}
	if noted := len(s.notes.Noted(kindGrant)); noted != len(want.Grants) {
		t.Errorf("%d grants are noted", noted)
	}
	for _, kind := range []string{kindProject, kindRole, kindApp, kindAppKey, kindUser, kindMachineKey, kindGrant} {
		for _, name := range s.notes.Noted(kind) {
			if note, _ := s.notes.Note(kind, name); !note.Made {
				t.Errorf("%s %s is not noted as ours", kind, name)
			}
		}
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (s *site) storedKey(name string) string {
	s.t.Helper()
	text, err := s.keys.Get(s.t.Context(), name)
	if errors.Is(err, provision.ErrNoKey) {
		return ""
	}
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := ReadKeyFile(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return f.KeyID
}

// down takes away what was made, and fails the test where anything of it is left.
func (s *site) down(want provision.ZitadelConfig) {
	s.t.Helper()
	t, ctx := s.t, s.t.Context()
	if _, err := s.process(want, nil).runner.Down(ctx); err != nil {
		t.Fatalf("down: %v\nhint: %s", err, provision.HintOf(err))
	}
	p := s.process(want, nil)
	err := p.poll.until(ctx, p.Settle, func(context.Context) (bool, error) {
		_, found, err := p.lookupProject(ctx)
		return !found, err
	})
	if err != nil {
		t.Errorf("the project is left: %v", err)
	}
	for _, u := range want.MachineUsers {
		err := p.poll.until(ctx, p.Settle, func(context.Context) (bool, error) {
			_, found, err := p.client.searchUser(ctx, u.Username)
			return !found, err
		})
		if err != nil {
			t.Errorf("%s is left: %v", u.Username, err)
		}
	}
	names, err := s.keys.List(ctx, "")
	if err != nil || len(names) > 0 {
		t.Errorf("keys are left: %v, %v", names, err)
	}
	for _, kind := range []string{kindProject, kindRole, kindApp, kindAppKey, kindUser, kindMachineKey, kindGrant} {
		if noted := s.notes.Noted(kind); len(noted) > 0 {
			t.Errorf("%s %v is noted still", kind, noted)
		}
	}
}
