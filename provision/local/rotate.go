package local

import (
	"context"
	"fmt"
	"time"

	"harmony-callout/provision"
)

// rotateStep gives a machine user a new key beside the one in use.
type rotateStep struct {
	*System
	user string
	done bool
}

func (*rotateStep) Name() string { return "zitadel machine key" }

func (s *rotateStep) Observe(ctx context.Context) (provision.Observation, error) {
	key, err := s.conv.Key(ctx, s.user)
	if err != nil {
		return provision.Observation{}, err
	}
	if s.done {
		return provision.Observation{Condition: provision.InSync, Detail: "key " + key.KeyID}, nil
	}
	change := provision.Change{Action: provision.Update, Kind: "machine key", Name: s.user, Detail: "a new key beside " + key.KeyID}
	change.Apply = func(ctx context.Context) error {
		rotation, err := s.conv.Rotate(ctx, s.user)
		if err != nil {
			return err
		}
		s.done = true
		if rotation.OldKeyID != "" {
			s.log.Info(fmt.Sprintf("the old key %s stays valid until %s; the next provision up after that deletes it",
				rotation.OldKeyID, rotation.OldUntil.Format(time.RFC3339)))
		}
		return nil
	}
	return provision.Observation{Condition: provision.OutOfSync, Changes: []provision.Change{change}}, nil
}

// Probe mints a token with the new key.
func (s *rotateStep) Probe(ctx context.Context) error {
	_, err := s.Token(ctx, s.user)
	return err
}
