package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"harmony-callout/internal/cli"
	"harmony-callout/provision"
	"harmony-callout/provision/ui"
)

func newTokenCommand(screen *ui.Screen) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:     "token USER [-f FILE]",
		Short:   "Print a fresh access token of a machine user",
		Example: `  nats --token "$(provision token sensor-1)" pub telemetry.ID.temperature 21`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one machine user, not %d: token USER", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(cmd, screen, "token", f, func(ctx context.Context, s *session) error { return token(ctx, s, args[0]) })
		},
	}
	f.common(cmd)
	return cmd
}

func token(ctx context.Context, s *session, user string) error {
	if err := s.machineUser(user); err != nil {
		return err
	}
	text, err := s.system.Token(ctx, user)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.cmd.OutOrStdout(), text.Reveal())
	return err
}

// machineUser checks that the configuration has the user.
func (s *session) machineUser(name string) error {
	var known []string
	for _, u := range s.config.Zitadel.MachineUsers {
		known = append(known, u.Username)
	}
	if slices.Contains(known, name) {
		return nil
	}
	slices.Sort(known)
	hint := "the configuration has none"
	if len(known) > 0 {
		const most = 10
		hint = "known are " + strings.Join(known[:min(len(known), most)], ", ")
		if more := len(known) - most; more > 0 {
			hint += fmt.Sprintf(" and %d more", more)
		}
	}
	return cli.Usage(provision.WithHint(fmt.Errorf("%q is no machine user of the configuration", name), hint))
}
