package zitadel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"harmony-callout/provision"
)

// grants give users roles of the project.
type grants struct{ c *Convergence }

func (*grants) name() string { return "zitadel grants" }

// wantedGrants merges the entries of one user: Zitadel has one grant for each.
func wantedGrants(cfg provision.ZitadelConfig) []provision.GrantConfig {
	var merged []provision.GrantConfig
	at := map[string]int{}
	for _, g := range cfg.Grants {
		i, known := at[userKey(g.User)]
		if !known {
			i = len(merged)
			at[userKey(g.User)] = i
			merged = append(merged, provision.GrantConfig{User: g.User})
		}
		for _, key := range g.Roles {
			if !slices.Contains(merged[i].Roles, key) {
				merged[i].Roles = append(merged[i].Roles, key)
			}
		}
	}
	return merged
}

func (g *grants) observe(ctx context.Context, planOnly bool) (view, error) {
	live, err := g.live(ctx, planOnly)
	if err != nil {
		return view{}, err
	}
	if !planOnly {
		if err := g.c.knowUsers(ctx); err != nil {
			return view{}, err
		}
	}
	var v view
	stopped := 0
	wanted := wantedGrants(g.c.Want)
	for _, want := range wanted {
		u, _ := g.c.knownUser(want.User) // an earlier step is yet to make it
		is, granted := live[u.ID]
		if !granted {
			v.changes = append(v.changes, provision.Change{
				Action: provision.Create, Kind: "grant", Name: want.User, Detail: roleChanges(nil, want.Roles), Batch: kindGrant,
				Apply: func(ctx context.Context) error { return g.create(ctx, want) },
			})
			continue
		}
		v.there++
		if is.State == "STATE_INACTIVE" {
			stopped++
		}
		if change, differs := g.repair(is, want); differs {
			v.changes = append(v.changes, change)
		}
	}
	v.detail = fmt.Sprintf("%d of %s", v.there, count(len(wanted), "grant"))
	if stopped > 0 {
		// Somebody did that for a reason; nothing here undoes it.
		v.detail += fmt.Sprintf(", %d deactivated by somebody", stopped)
	}
	if g.c.Prune && !planOnly {
		v.changes = append(v.changes, g.surplus(live, func(name string) bool {
			return slices.ContainsFunc(wanted, func(w provision.GrantConfig) bool { return userKey(w.User) == name })
		})...)
	}
	return v, nil
}

// live lists the grants in our organisation, by user id.
func (g *grants) live(ctx context.Context, planOnly bool) (map[string]grant, error) {
	if planOnly {
		return nil, nil
	}
	p, err := g.c.needProject(ctx)
	if err != nil {
		return nil, err
	}
	list, err := g.c.client.listGrants(ctx, p.ID, "")
	live := make(map[string]grant, len(list))
	for _, is := range list {
		if is.Organization.ID == p.OrgID {
			live[is.User.ID] = is
		}
	}
	return live, err
}

func (g *grants) repair(is grant, want provision.GrantConfig) (provision.Change, bool) {
	detail := roleChanges(is.roleKeys(), want.Roles)
	_, noted := g.c.Notes.Note(kindGrant, g.c.inProject(userKey(want.User)))
	if noted && detail == "" {
		return provision.Change{}, false
	}
	change := provision.Change{Action: provision.Update, Kind: "grant", Name: want.User, Detail: detail, Batch: kindGrant}
	if detail == "" {
		change.Action = provision.Adopt
	}
	change.Apply = func(ctx context.Context) error {
		if !noted {
			if err := g.c.Notes.SetNote(kindGrant, g.c.inProject(userKey(want.User)), adopted("", false)); err != nil {
				return err
			}
		}
		return g.update(ctx, is, want)
	}
	return change, true
}

func (g *grants) update(ctx context.Context, is grant, want provision.GrantConfig) error {
	if roleChanges(is.roleKeys(), want.Roles) == "" {
		return nil
	}
	return g.c.client.updateGrant(ctx, is.ID, want.Roles)
}

func (g *grants) create(ctx context.Context, want provision.GrantConfig) error {
	p, err := g.c.needProject(ctx)
	if err != nil {
		return err
	}
	u, err := g.c.needUser(ctx, want.User)
	if err != nil {
		return err
	}
	var is grant
	_, existed, err := g.c.make(ctx, making{
		kind: kindGrant, name: g.c.inProject(userKey(want.User)),
		create: func(ctx context.Context, _ string) error {
			return g.c.client.createGrant(ctx, p.OrgID, p.ID, u.ID, want.Roles)
		},
		find: func(ctx context.Context) (string, bool, error) {
			list, err := g.c.client.listGrants(ctx, p.ID, u.ID)
			for _, found := range list {
				if found.Organization.ID == p.OrgID {
					is = found
				}
			}
			return is.ID, is.ID != "", err
		},
	})
	if err != nil || !existed {
		return err
	}
	return g.update(ctx, is, want)
}

// roleChanges describes what becomes of role keys: "+operator −sensor"; empty for nothing.
func roleChanges(is, want []string) string {
	var parts []string
	for _, key := range want {
		if !slices.Contains(is, key) {
			parts = append(parts, "+"+key)
		}
	}
	for _, key := range is {
		if !slices.Contains(want, key) {
			parts = append(parts, "−"+key)
		}
	}
	return strings.Join(parts, " ")
}

func (g *grants) surplus(live map[string]grant, wanted func(string) bool) []provision.Change {
	id := func(name string) string {
		u, _ := g.c.knownUser(name)
		return live[u.ID].ID
	}
	return g.c.surplus(taking{
		kind: kindGrant, noun: "grant", prefix: g.c.inProject(""), wanted: wanted,
		live: func(name string, _ provision.Record) bool { return id(name) != "" },
		remove: func(ctx context.Context, name string, _ provision.Record) error {
			return g.c.client.deleteGrant(ctx, id(name))
		},
	})
}

func (g *grants) removal(ctx context.Context) ([]provision.Change, error) {
	gone, err := g.c.nothingYet(ctx)
	if err != nil {
		return nil, err
	}
	live, err := g.live(ctx, gone)
	if err != nil {
		return nil, err
	}
	if err := g.c.knowUsers(ctx); err != nil {
		return nil, err
	}
	return g.surplus(live, nil), nil
}
