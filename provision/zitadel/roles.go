package zitadel

import (
	"cmp"
	"context"
	"fmt"

	"harmony-callout/provision"
)

// roles are the roles of the project.
type roles struct{ c *Convergence }

func (*roles) name() string { return "zitadel roles" }

func (r *roles) observe(ctx context.Context, planOnly bool) (view, error) {
	live, err := r.live(ctx, planOnly)
	if err != nil {
		return view{}, err
	}
	var v view
	for _, want := range r.c.Want.Roles {
		is, found := live[want.Key]
		if !found {
			v.changes = append(v.changes, provision.Change{
				Action: provision.Create, Kind: "role", Name: want.Key, Batch: kindRole,
				Apply: func(ctx context.Context) error { return r.create(ctx, want) },
			})
			continue
		}
		v.there++
		if change, differs := r.repair(is, want); differs {
			v.changes = append(v.changes, change)
		}
	}
	v.detail = fmt.Sprintf("%d of %s", v.there, count(len(r.c.Want.Roles), "role"))
	if r.c.Prune && !planOnly {
		v.changes = append(v.changes, r.surplus(live, r.wanted)...)
	}
	return v, nil
}

func (r *roles) live(ctx context.Context, planOnly bool) (map[string]role, error) {
	if planOnly {
		return nil, nil
	}
	p, err := r.c.needProject(ctx)
	if err != nil {
		return nil, err
	}
	list, err := r.c.client.listRoles(ctx, p.ID)
	live := make(map[string]role, len(list))
	for _, is := range list {
		live[is.Key] = is
	}
	return live, err
}

// merged is what a role is to be. What the configuration leaves out stays as it is.
func merged(is role, want provision.RoleConfig) role {
	return role{
		Key:         want.Key,
		DisplayName: cmp.Or(want.DisplayName, is.DisplayName, want.Key),
		Group:       cmp.Or(want.Group, is.Group),
	}
}

func (r *roles) repair(is role, want provision.RoleConfig) (provision.Change, bool) {
	target := merged(is, want)
	var d differences
	d.compare("displayName", is.DisplayName, target.DisplayName)
	d.compare("group", is.Group, target.Group)
	_, noted := r.c.Notes.Note(kindRole, r.c.inProject(want.Key))
	if noted && len(d) == 0 {
		return provision.Change{}, false
	}
	change := provision.Change{Action: provision.Update, Kind: "role", Name: want.Key, Detail: d.String(), Batch: kindRole}
	if len(d) == 0 {
		change.Action = provision.Adopt
	}
	change.Apply = func(ctx context.Context) error {
		if !noted {
			if err := r.c.Notes.SetNote(kindRole, r.c.inProject(want.Key), adopted("", false)); err != nil {
				return err
			}
		}
		return r.update(ctx, is, target)
	}
	return change, true
}

func (r *roles) update(ctx context.Context, is, target role) error {
	if is == target {
		return nil
	}
	p, err := r.c.needProject(ctx)
	if err != nil {
		return err
	}
	return r.c.client.updateRole(ctx, p.ID, target)
}

func (r *roles) create(ctx context.Context, want provision.RoleConfig) error {
	p, err := r.c.needProject(ctx)
	if err != nil {
		return err
	}
	var is role
	_, existed, err := r.c.make(ctx, making{
		kind: kindRole, name: r.c.inProject(want.Key),
		create: func(ctx context.Context, _ string) error { return r.c.client.addRole(ctx, p.ID, merged(role{}, want)) },
		find: func(ctx context.Context) (string, bool, error) {
			live, err := r.live(ctx, false)
			is = live[want.Key]
			return "", is.Key != "", err
		},
	})
	if err != nil || !existed {
		return err
	}
	return r.update(ctx, is, merged(is, want))
}

func (r *roles) wanted(key string) bool {
	for _, want := range r.c.Want.Roles {
		if want.Key == key {
			return true
		}
	}
	return false
}

func (r *roles) surplus(live map[string]role, wanted func(string) bool) []provision.Change {
	return r.c.surplus(taking{
		kind: kindRole, noun: "role", prefix: r.c.inProject(""), wanted: wanted,
		live: func(key string, _ provision.Record) bool { return live[key].Key != "" },
		remove: func(ctx context.Context, key string, _ provision.Record) error {
			p, err := r.c.needProject(ctx)
			if err != nil {
				return err
			}
			return r.c.client.removeRole(ctx, p.ID, key)
		},
	})
}

func (r *roles) removal(ctx context.Context) ([]provision.Change, error) {
	gone, err := r.c.nothingYet(ctx)
	if err != nil {
		return nil, err
	}
	live, err := r.live(ctx, gone)
	if err != nil {
		return nil, err
	}
	return r.surplus(live, nil), nil
}
