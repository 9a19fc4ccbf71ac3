package zitadel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// appKeys are what API applications prove themselves with: a key, or a client secret.
type appKeys struct{ c *Convergence }

func (*appKeys) name() string { return "zitadel application keys" }

func (a *appKeys) observe(ctx context.Context, planOnly bool) (view, error) {
	live, err := a.c.liveApps(ctx, planOnly)
	if err != nil {
		return view{}, err
	}
	ring, err := a.keyring(ctx, live)
	if err != nil {
		return view{}, err
	}
	var v view
	for _, want := range a.c.Want.APIApps {
		is := live[want.Name]
		if want.Auth == "basic" {
			err = a.lookClient(ctx, &v, want.Name, is)
		} else {
			err = ring.look(ctx, &v, a.c.appOwner(want.Name), is.ID)
		}
		if err != nil {
			return view{}, err
		}
	}
	v.detail = keyDetail(v, len(a.c.Want.APIApps), "application key")
	if planOnly {
		return v, nil
	}
	owner := a.owner(live)
	v.changes = append(v.changes, ring.leftovers(kindAppKey, owner)...)
	if a.c.Prune {
		v.changes = append(v.changes, ring.surplus(kindAppKey, "application key", a.c.inProject(""), appsDir, a.wanted, owner)...)
	}
	return v, nil
}

// keyring lists the keys of the applications that have or had one of ours.
func (a *appKeys) keyring(ctx context.Context, live map[string]app) (keyring, error) {
	var list []remoteKey
	for name, is := range live {
		_, noted := a.c.Notes.Note(kindAppKey, a.c.inProject(name))
		if is.API == nil || !noted && !a.wanted(name) {
			continue
		}
		keys, err := a.c.client.listAppKeys(ctx, is.ID)
		if err != nil {
			return keyring{}, err
		}
		list = append(list, keys...)
	}
	return a.c.newKeyring(ctx, appsDir, list)
}

// wanted tells whether an application is to have a key.
func (a *appKeys) wanted(name string) bool {
	for _, want := range a.c.Want.APIApps {
		if want.Name == name {
			return want.Auth != "basic"
		}
	}
	return false
}

func (a *appKeys) owner(live map[string]app) func(string) (keyOwner, string) {
	return func(note string) (keyOwner, string) {
		prefix := a.c.inProject("")
		if len(note) < len(prefix) || note[:len(prefix)] != prefix {
			return keyOwner{}, "" // of another project
		}
		name := note[len(prefix):]
		return a.c.appOwner(name), live[name].ID
	}
}

// client is what an application with basic authentication has, as it is stored.
type client struct {
	ID     string `json:"clientId"`
	Secret string `json:"clientSecret"`
}

// storeClient stores a client secret, which is told once.
func (c *Convergence) storeClient(ctx context.Context, name string, made newApp) error {
	data, err := json.Marshal(client{made.ClientID, made.ClientSecret.Reveal()})
	if err != nil {
		return err
	}
	return c.Keys.Replace(ctx, appDir(name)+clientName, secret.New(string(data)))
}

// lookClient adds to a view what a client secret needs.
func (a *appKeys) lookClient(ctx context.Context, v *view, name string, is app) error {
	change := provision.Change{Action: provision.Create, Kind: "client secret", Name: name}
	text, err := a.c.Keys.Get(ctx, appDir(name)+clientName)
	switch {
	case errors.Is(err, provision.ErrNoKey):
		if is.ID != "" {
			change.Detail = "it is lost here: a new one replaces it for all who use it"
		}
	case err != nil:
		return err
	default:
		var have client
		if json.Unmarshal([]byte(text.Reveal()), &have) != nil {
			return provision.WithHint(fmt.Errorf("%s is no client secret", a.c.Keys.Location(appDir(name)+clientName)),
				"restore it from a backup, or move it away: then a new secret replaces it")
		}
		if have.ID == is.clientID() && have.ID != "" {
			v.there++
			return nil
		}
		change.Detail = "the stored one is of another application"
	}
	change.Apply = func(ctx context.Context) error {
		p, err := a.c.needProject(ctx)
		if err != nil {
			return err
		}
		live, err := a.c.liveApps(ctx, false)
		if err != nil {
			return err
		}
		is, ok := live[name]
		if !ok {
			return fmt.Errorf("application %s: %w", name, ErrNotFound)
		}
		made := newApp{ClientID: is.clientID()}
		if made.ClientSecret, err = a.c.client.generateSecret(ctx, p.ID, is.ID); err != nil {
			return err
		}
		return a.c.storeClient(ctx, name, made)
	}
	v.changes = append(v.changes, change)
	return nil
}

func (a *appKeys) removal(ctx context.Context) ([]provision.Change, error) {
	gone, err := a.c.nothingYet(ctx)
	if err != nil {
		return nil, err
	}
	live, err := a.c.liveApps(ctx, gone)
	if err != nil {
		return nil, err
	}
	ring, err := a.keyring(ctx, live)
	if err != nil {
		return nil, err
	}
	return ring.surplus(kindAppKey, "application key", a.c.inProject(""), appsDir, nil, a.owner(live)), nil
}
