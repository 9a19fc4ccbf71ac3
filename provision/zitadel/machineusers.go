package zitadel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"harmony-callout/provision"
)

// machineUsers are services and devices. Their access tokens are JWTs.
type machineUsers struct{ c *Convergence }

func (*machineUsers) name() string { return "zitadel machine users" }

func (m *machineUsers) observe(ctx context.Context, planOnly bool) (view, error) {
	live, err := m.live(ctx, planOnly)
	if err != nil {
		return view{}, err
	}
	var v view
	stopped := 0
	for _, want := range m.c.Want.MachineUsers {
		is, found := live[userKey(want.Username)]
		if !found {
			v.changes = append(v.changes, provision.Change{
				Action: provision.Create, Kind: "machine user", Name: want.Username, Batch: kindUser,
				Apply: func(ctx context.Context) error { return m.create(ctx, want) },
			})
			continue
		}
		v.there++
		if is.State == "USER_STATE_INACTIVE" || is.State == "USER_STATE_LOCKED" {
			stopped++
		}
		if change, differs := m.repair(is, want); differs {
			v.changes = append(v.changes, change)
		}
	}
	v.detail = fmt.Sprintf("%d of %s", v.there, count(len(m.c.Want.MachineUsers), "machine user"))
	if stopped > 0 {
		// Somebody did that for a reason; nothing here undoes it.
		v.detail += fmt.Sprintf(", %d locked or deactivated by somebody", stopped)
	}
	if m.c.Prune && !planOnly {
		v.changes = append(v.changes, m.surplus(live, m.wanted)...)
	}
	return v, nil
}

// live lists the machine users of the organisation, and remembers them for later steps.
func (m *machineUsers) live(ctx context.Context, planOnly bool) (map[string]user, error) {
	if planOnly {
		// Users belong to the organisation, so they can be there without the project.
		if installed, err := m.c.installed(ctx); err != nil || !installed {
			return nil, err
		}
	}
	org, err := m.c.organization(ctx)
	if err != nil {
		return nil, err
	}
	list, err := m.c.client.listMachineUsers(ctx, org.ID)
	if err != nil {
		return nil, err
	}
	live := make(map[string]user, len(list))
	for _, is := range list {
		live[userKey(is.Username)] = is
	}
	m.c.mu.Lock()
	m.c.users = maps.Clone(live)
	m.c.mu.Unlock()
	return live, nil
}

// wantedName is the name a user is to have. Left out, it stays as it is.
func wantedName(is user, want provision.MachineUserConfig) string {
	var have string
	if is.Machine != nil {
		have = is.Machine.Name
	}
	return cmp.Or(want.Name, have, want.Username)
}

func userDiffers(is user, want provision.MachineUserConfig) differences {
	var d differences
	d.compare("name", is.Machine.Name, wantedName(is, want))
	d.compare("accessTokenType", cmp.Or(is.Machine.AccessTokenType, "ACCESS_TOKEN_TYPE_BEARER"), tokenTypeJWT)
	return d
}

func (m *machineUsers) repair(is user, want provision.MachineUserConfig) (provision.Change, bool) {
	d := userDiffers(is, want)
	note, noted := m.c.Notes.Note(kindUser, userKey(want.Username))
	noted = noted && note.ID == is.ID
	if noted && len(d) == 0 {
		return provision.Change{}, false
	}
	change := provision.Change{Action: provision.Update, Kind: "machine user", Name: want.Username, Detail: d.String(), Batch: kindUser}
	if len(d) == 0 {
		change.Action = provision.Adopt
	}
	change.Apply = func(ctx context.Context) error {
		if !noted {
			// What a search shows may be deleted already.
			if _, err := m.c.client.getUser(ctx, is.ID); errors.Is(err, ErrNotFound) {
				return m.create(ctx, want)
			} else if err != nil {
				return err
			}
			if err := m.c.Notes.SetNote(kindUser, userKey(want.Username), adopted(is.ID, true)); err != nil {
				return err
			}
		}
		return m.update(ctx, is, want)
	}
	return change, true
}

func (m *machineUsers) update(ctx context.Context, is user, want provision.MachineUserConfig) error {
	if len(userDiffers(is, want)) == 0 {
		return nil
	}
	return m.c.client.updateMachineUser(ctx, is.ID, wantedName(is, want))
}

func (m *machineUsers) create(ctx context.Context, want provision.MachineUserConfig) error {
	org, err := m.c.organization(ctx)
	if err != nil {
		return err
	}
	var is user
	id, existed, err := m.c.make(ctx, making{
		kind: kindUser, name: userKey(want.Username), chosen: true,
		create: func(ctx context.Context, id string) error {
			return m.c.client.createMachineUser(ctx, org.ID, id, want.Username, wantedName(user{}, want))
		},
		find: func(ctx context.Context) (id string, found bool, err error) {
			is, found, err = m.c.client.searchUser(ctx, want.Username)
			if err == nil && found && (is.Machine == nil || is.Details.OrgID != org.ID) {
				err = provision.WithHint(fmt.Errorf("machine user %s: %w by a person or by a user of another organisation", want.Username, errForeign),
					"choose another username: they are unique among all users of the instance")
			}
			return is.ID, found, err
		},
	})
	if errors.Is(err, errForeign) {
		// The note said that it would be ours.
		return errors.Join(err, m.c.Notes.DropNote(kindUser, userKey(want.Username)))
	}
	if err != nil {
		return err
	}
	if existed {
		err = m.update(ctx, is, want)
	} else {
		is = user{ID: id, Username: want.Username}
	}
	m.c.rememberUser(is)
	return err
}

func (m *machineUsers) wanted(username string) bool {
	return slices.ContainsFunc(m.c.Want.MachineUsers, func(w provision.MachineUserConfig) bool { return userKey(w.Username) == userKey(username) })
}

func (m *machineUsers) surplus(live map[string]user, wanted func(string) bool) []provision.Change {
	return m.c.surplus(taking{
		kind: kindUser, noun: "machine user", wanted: wanted,
		live: func(name string, note provision.Record) bool { return live[name].ID == note.ID },
		remove: func(ctx context.Context, _ string, note provision.Record) error {
			return m.c.client.deleteUser(ctx, note.ID)
		},
	})
}

func (m *machineUsers) removal(ctx context.Context) ([]provision.Change, error) {
	live, err := m.live(ctx, false)
	if err != nil {
		return nil, err
	}
	return m.surplus(live, nil), nil
}
