package zitadel

import (
	"context"
	"fmt"
	"slices"

	"harmony-callout/provision"
)

// apps are the applications of the project.
type apps struct{ c *Convergence }

func (*apps) name() string { return "zitadel applications" }

func (a *apps) observe(ctx context.Context, planOnly bool) (view, error) {
	live, err := a.c.liveApps(ctx, planOnly)
	if err != nil {
		return view{}, err
	}
	var v view
	wanted := wantedApps(a.c.Want)
	for _, want := range wanted {
		is, found := live[want.name]
		if !found {
			v.changes = append(v.changes, provision.Change{
				Action: provision.Create, Kind: "application", Name: want.name, Batch: kindApp,
				Apply: func(ctx context.Context) error { return a.create(ctx, want) },
			})
			continue
		}
		v.there++
		change, differs, err := a.repair(is, want)
		if err != nil {
			return view{}, err
		}
		if differs {
			v.changes = append(v.changes, change)
		}
	}
	v.detail = fmt.Sprintf("%d of %s", v.there, count(len(wanted), "application"))
	if a.c.Prune && !planOnly {
		v.changes = append(v.changes, a.surplus(live, func(name string) bool {
			return slices.ContainsFunc(wanted, func(w wantedApp) bool { return w.name == name })
		})...)
	}
	return v, nil
}

func (c *Convergence) liveApps(ctx context.Context, planOnly bool) (map[string]app, error) {
	if planOnly {
		return nil, nil
	}
	p, err := c.needProject(ctx)
	if err != nil {
		return nil, err
	}
	list, err := c.client.listApps(ctx, p.ID)
	live := make(map[string]app, len(list))
	for _, is := range list {
		live[is.Name] = is
	}
	return live, err
}

// sameKind tells an API application from one in which people log in.
func sameKind(is app, want wantedApp) error {
	if (is.API != nil) == (want.oidc == nil) && (is.OIDC != nil) == (want.oidc != nil) {
		return nil
	}
	return provision.WithHint(fmt.Errorf("application %s: %w by an application of another type", want.name, errForeign),
		"give ours another name, or delete or rename the one that is there")
}

func (a *apps) repair(is app, want wantedApp) (provision.Change, bool, error) {
	if err := sameKind(is, want); err != nil {
		return provision.Change{}, false, err
	}
	d := want.differs(is)
	note, noted := a.c.Notes.Note(kindApp, a.c.inProject(want.name))
	noted = noted && note.ID == is.ID
	if noted && len(d) == 0 {
		return provision.Change{}, false, nil
	}
	change := provision.Change{Action: provision.Update, Kind: "application", Name: want.name, Detail: d.String(), Batch: kindApp}
	if len(d) == 0 {
		change.Action = provision.Adopt
	}
	change.Apply = func(ctx context.Context) error {
		if !noted {
			if err := a.c.Notes.SetNote(kindApp, a.c.inProject(want.name), adopted(is.ID, true)); err != nil {
				return err
			}
		}
		return a.update(ctx, is, want)
	}
	return change, true, nil
}

func (a *apps) update(ctx context.Context, is app, want wantedApp) error {
	if err := sameKind(is, want); err != nil {
		return err
	}
	if len(want.differs(is)) == 0 {
		return nil
	}
	p, err := a.c.needProject(ctx)
	if err != nil {
		return err
	}
	return a.c.client.updateApp(ctx, p.ID, is.ID, want)
}

func (a *apps) create(ctx context.Context, want wantedApp) error {
	p, err := a.c.needProject(ctx)
	if err != nil {
		return err
	}
	var made newApp
	var is app
	_, existed, err := a.c.make(ctx, making{
		kind: kindApp, name: a.c.inProject(want.name), chosen: true,
		create: func(ctx context.Context, id string) (err error) {
			made, err = a.c.client.createApp(ctx, p.ID, id, want)
			return err
		},
		find: func(ctx context.Context) (string, bool, error) {
			live, err := a.c.liveApps(ctx, false)
			is = live[want.name]
			return is.ID, is.ID != "", err
		},
	})
	switch {
	case err != nil:
		return err
	case existed:
		return a.update(ctx, is, want)
	case want.api == authBasic:
		return a.c.storeClient(ctx, want.name, made)
	}
	return nil
}

func (a *apps) surplus(live map[string]app, wanted func(string) bool) []provision.Change {
	return a.c.surplus(taking{
		kind: kindApp, noun: "application", prefix: a.c.inProject(""), wanted: wanted,
		live: func(name string, note provision.Record) bool { return live[name].ID == note.ID },
		remove: func(ctx context.Context, _ string, note provision.Record) error {
			p, err := a.c.needProject(ctx)
			if err != nil {
				return err
			}
			return a.c.client.deleteApp(ctx, p.ID, note.ID)
		},
		forget: func(ctx context.Context, name string) error {
			return a.c.Keys.Delete(ctx, appDir(name)+clientName)
		},
	})
}

func (a *apps) removal(ctx context.Context) ([]provision.Change, error) {
	gone, err := a.c.nothingYet(ctx)
	if err != nil {
		return nil, err
	}
	live, err := a.c.liveApps(ctx, gone)
	if err != nil {
		return nil, err
	}
	return a.surplus(live, nil), nil
}
