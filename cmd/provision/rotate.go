package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"harmony-callout/provision/ui"
)

// partMachineKey is what this version can rotate.
const partMachineKey = "machine-key"

func newRotateCommand(screen *ui.Screen) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "rotate machine-key USER [-f FILE]",
		Short: "Replace a key, with overlap",
		Long: `rotate machine-key makes a new key of a machine user and registers it. The old one stays valid
for an hour, so that whoever still uses it can change over; the next up after that deletes it.`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return fmt.Errorf("name what to rotate: %s USER", partMachineKey)
			case args[0] != partMachineKey:
				return fmt.Errorf("rotating %q is not part of this version of provision: it rotates %s", args[0], partMachineKey)
			case len(args) != 2:
				return fmt.Errorf("rotate %s takes one user, not %d", partMachineKey, len(args)-1)
			}
			return nil
		},
		ValidArgs: []string{partMachineKey},
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(cmd, screen, "rotate", f, func(ctx context.Context, s *session) error { return rotate(ctx, s, args[1]) })
		},
	}
	f.common(cmd)
	f.jsonFlag(cmd)
	f.yesFlag(cmd)
	return cmd
}

func rotate(ctx context.Context, s *session, user string) error {
	if err := s.machineUser(user); err != nil {
		return err
	}
	steps, err := s.system.Rotation(partMachineKey, user)
	if err != nil {
		return err
	}
	r, end, err := s.runner(steps)
	if err != nil {
		return err
	}
	defer end()
	_, err = r.Up(ctx)
	return err
}
