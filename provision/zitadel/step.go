package zitadel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"harmony-callout/provision"
)

// list is what a step brings about: things of one kind.
type list interface {
	name() string
	// observe compares. planOnly: there is no project yet, so nothing in it to ask for.
	observe(ctx context.Context, planOnly bool) (view, error)
	// removal returns what deletes all that we made.
	removal(ctx context.Context) ([]provision.Change, error)
}

// view is what a list found.
type view struct {
	there   int    // of the wanted things
	detail  string // for people
	changes []provision.Change
	// unseen: something that was written lately is not listed, so the view may be of the past.
	unseen bool
}

// listStep is the step of a list.
type listStep struct {
	c    *Convergence
	list list
}

var _ provision.Remover = (*listStep)(nil)

// Name returns the name of the step.
func (s *listStep) Name() string { return s.list.name() }

// Observe compares what is listed with what is wanted, again while something that was written
// lately is not listed yet.
func (s *listStep) Observe(ctx context.Context) (provision.Observation, error) {
	var v view
	planOnly, err := s.c.nothingYet(ctx)
	if err == nil {
		err = s.c.poll.until(ctx, s.c.Settle, func(ctx context.Context) (bool, error) {
			seen, err := s.list.observe(ctx, planOnly)
			if err != nil {
				return false, err
			}
			v = seen
			return !v.unseen, nil
		})
		if errors.Is(err, errUnseen) {
			err = nil // it is not late but gone
		}
	}
	o := provision.Observation{Condition: provision.OutOfSync, Detail: v.detail, Changes: v.changes}
	switch {
	case errors.Is(err, errForeign):
		o.Condition = provision.Foreign
	case err != nil:
		o.Condition = provision.Unknown
	case len(v.changes) == 0:
		o.Condition = provision.InSync
	case v.there == 0:
		o.Condition = provision.Absent
	}
	return o, err
}

// Probe proves more than that the things are listed, which observing does.
func (s *listStep) Probe(ctx context.Context) error {
	if p, ok := s.list.(interface{ probe(context.Context) error }); ok {
		return p.probe(ctx)
	}
	return nil
}

// ObserveRemoval returns what deletes what we made.
func (s *listStep) ObserveRemoval(ctx context.Context) (provision.Observation, error) {
	return s.c.removal(ctx, s.list.removal)
}

// nothingYet tells that there is no Zitadel, or no project in it.
func (c *Convergence) nothingYet(ctx context.Context) (bool, error) {
	installed, err := c.installed(ctx)
	if err != nil || !installed {
		return true, err
	}
	_, found, err := c.project(ctx)
	return !found, err
}

// removal is the observation of changes that take away.
func (c *Convergence) removal(ctx context.Context, changes func(context.Context) ([]provision.Change, error)) (provision.Observation, error) {
	if installed, err := c.installed(ctx); err != nil || !installed {
		return provision.Observation{Condition: provision.Absent}, err
	}
	list, err := changes(ctx)
	switch {
	case err != nil:
		return provision.Observation{Condition: provision.Unknown}, err
	case len(list) == 0:
		return provision.Observation{Condition: provision.Absent, Detail: "nothing that provision made"}, nil
	}
	return provision.Observation{Condition: provision.OutOfSync, Changes: list}, nil
}

// errForeign: something else has the name.
var errForeign = errors.New("the name is taken")

// differences describes drift: "displayName: Sensor → Sensors, group: → nats".
type differences []string

func (d *differences) compare(field, is, want string) {
	if is == want {
		return
	}
	if is != "" {
		is = " " + is
	}
	*d = append(*d, fmt.Sprintf("%s:%s → %s", field, is, want))
}

func (d differences) String() string { return strings.Join(d, ", ") }

// count says how many: "1 role", "2 roles".
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
