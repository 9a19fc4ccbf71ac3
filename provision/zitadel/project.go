package zitadel

import (
	"context"
	"fmt"

	"harmony-callout/provision"
)

// projectStep has the project exist and put the roles of a user into tokens.
type projectStep struct{ c *Convergence }

var _ provision.Remover = (*projectStep)(nil)

func (*projectStep) Name() string { return "zitadel project" }

func (s *projectStep) Observe(ctx context.Context) (provision.Observation, error) {
	c, name := s.c, s.c.Want.Project
	create := provision.Observation{Condition: provision.Absent, Changes: []provision.Change{
		{Action: provision.Create, Kind: "project", Name: name, Apply: s.create},
	}}
	if installed, err := c.installed(ctx); err != nil || !installed {
		return create, err
	}
	p, found, err := c.lookupProject(ctx)
	if err != nil {
		return provision.Observation{Condition: provision.Unknown}, err
	}
	if !found {
		return create, nil
	}
	o := provision.Observation{Condition: provision.InSync, Detail: fmt.Sprintf("%s (%s)", p.Name, p.ID)}
	if p.State == "PROJECT_STATE_INACTIVE" {
		// Somebody did that for a reason; nothing here undoes it.
		o.Detail += ", deactivated by somebody: its tokens are refused until it is activated in the console"
	}
	if note, noted := c.Notes.Note(kindProject, name); !noted || note.ID != p.ID {
		o.Condition = provision.OutOfSync
		o.Changes = append(o.Changes, provision.Change{
			Action: provision.Adopt, Kind: "project", Name: name, Detail: p.ID,
			Apply: func(context.Context) error { return c.Notes.SetNote(kindProject, name, adopted(p.ID, true)) },
		})
	}
	if !p.RoleAssertion {
		o.Condition = provision.OutOfSync
		o.Changes = append(o.Changes, provision.Change{
			Action: provision.Update, Kind: "project", Name: name, Detail: "projectRoleAssertion: false → true",
			Apply: func(ctx context.Context) error { return c.client.assertProjectRoles(ctx, p.ID) },
		})
	}
	return o, nil
}

func (s *projectStep) create(ctx context.Context) error {
	c, name := s.c, s.c.Want.Project
	org, err := c.organization(ctx)
	if err != nil {
		return err
	}
	id, existed, err := c.make(ctx, making{
		kind: kindProject, name: name, chosen: true,
		create: func(ctx context.Context, id string) error { return c.client.createProject(ctx, org.ID, id, name) },
		find: func(ctx context.Context) (string, bool, error) {
			p, found, err := c.client.searchProject(ctx, org.ID, name)
			return p.ID, found, err
		},
	})
	if err != nil {
		return err
	}
	p, err := c.client.getProject(ctx, id)
	if err != nil {
		return err
	}
	c.rememberProject(p)
	if existed && !p.RoleAssertion {
		return c.client.assertProjectRoles(ctx, id)
	}
	return nil
}

// Probe has nothing to add to what observing proves.
func (s *projectStep) Probe(ctx context.Context) error {
	_, err := s.c.needProject(ctx)
	return err
}

// ObserveRemoval deletes the project, with all that is in it, if we made it.
func (s *projectStep) ObserveRemoval(ctx context.Context) (provision.Observation, error) {
	return s.c.removal(ctx, func(context.Context) ([]provision.Change, error) {
		var changes []provision.Change
		for _, name := range s.c.Notes.Noted(kindProject) {
			if note, _ := s.c.Notes.Note(kindProject, name); note.Made {
				changes = append(changes, provision.Change{
					Action: provision.Delete, Kind: "project", Name: name, Detail: note.ID,
					Apply: func(ctx context.Context) error {
						if err := s.c.client.deleteProject(ctx, note.ID); err != nil {
							return err
						}
						s.c.rememberProject(project{})
						return s.c.Notes.DropNote(kindProject, name)
					},
				})
			}
		}
		return changes, nil
	})
}
