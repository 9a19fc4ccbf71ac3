package zitadel

import (
	"context"

	"harmony-callout/provision"
)

// machineKeys are the keys of machine users, one in use for each.
type machineKeys struct{ c *Convergence }

func (*machineKeys) name() string { return "zitadel machine keys" }

func (m *machineKeys) observe(ctx context.Context, planOnly bool) (view, error) {
	ring, err := m.keyring(ctx)
	if err != nil {
		return view{}, err
	}
	var v view
	for _, want := range m.c.Want.MachineUsers {
		u, _ := m.c.knownUser(want.Username)
		if err := ring.look(ctx, &v, m.c.machineOwner(want.Username, want.Key != "zitadel"), u.ID); err != nil {
			return view{}, err
		}
	}
	v.detail = keyDetail(v, len(m.c.Want.MachineUsers), "machine key")
	if planOnly {
		return v, nil
	}
	v.changes = append(v.changes, ring.leftovers(kindMachineKey, m.owner)...)
	if m.c.Prune {
		v.changes = append(v.changes, ring.surplus(kindMachineKey, "machine key", "", usersDir, (&machineUsers{m.c}).wanted, m.owner)...)
	}
	return v, nil
}

// keyring lists the keys of all users at once.
func (m *machineKeys) keyring(ctx context.Context) (keyring, error) {
	installed, err := m.c.installed(ctx)
	if err != nil {
		return keyring{}, err
	}
	if !installed {
		return m.c.newKeyring(ctx, usersDir, nil)
	}
	if err := m.c.knowUsers(ctx); err != nil {
		return keyring{}, err
	}
	org, err := m.c.organization(ctx)
	if err != nil {
		return keyring{}, err
	}
	list, err := m.c.client.listUserKeys(ctx, org.ID, "")
	if err != nil {
		return keyring{}, err
	}
	return m.c.newKeyring(ctx, usersDir, list)
}

// owner is a machine user by the name of its note; the id is empty where it is gone.
func (m *machineKeys) owner(note string) (keyOwner, string) {
	u, _ := m.c.knownUser(note)
	return m.c.machineOwner(note, true), u.ID
}

func (m *machineKeys) removal(ctx context.Context) ([]provision.Change, error) {
	ring, err := m.keyring(ctx)
	if err != nil {
		return nil, err
	}
	return ring.surplus(kindMachineKey, "machine key", "", usersDir, nil, m.owner), nil
}
