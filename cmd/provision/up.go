package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"harmony-callout/internal/cli"
	"harmony-callout/provision"
	"harmony-callout/provision/ui"
)

func newUpCommand(screen *ui.Screen) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "up [-f FILE] [--target local]",
		Short: "Bring everything up; safe to repeat, interrupt and resume",
		Long: `up looks at what is there, changes what differs from the configuration, and proves that it
works. Repeated, it changes nothing and says so. Ctrl-C finishes the change in hand and stops;
the same command again goes on from there. A second Ctrl-C stops at once.

With --target local it then serves the system until Ctrl-C.`,
		Example: `  provision up --target local
  provision up --dry-run
  provision up --only zitadel`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, screen, "up", f, up)
		},
	}
	f.common(cmd)
	f.jsonFlag(cmd)
	f.yesFlag(cmd)
	f.selection(cmd)
	f.pruneFlag(cmd)
	f.ports(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing and print what would be: plan")
	bind(cmd, "dry-run")
	return cmd
}

func newPlanCommand(screen *ui.Screen) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "plan [-f FILE]",
		Short: "Print what up would change; exit code 3 where anything would",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, screen, "plan", f, plan)
		},
	}
	f.common(cmd)
	f.jsonFlag(cmd)
	f.selection(cmd)
	f.pruneFlag(cmd)
	f.ports(cmd)
	return cmd
}

func plan(ctx context.Context, s *session) error {
	s.tellIgnored()
	r, end, err := s.runner(s.system.Steps())
	if err != nil {
		return err
	}
	defer end()
	plans, err := r.Plan(ctx)
	if err != nil {
		return err
	}
	for _, p := range plans {
		if len(p.Changes) > 0 {
			return cli.Refused()
		}
	}
	return nil
}

func up(ctx context.Context, s *session) error {
	if s.flags.dryRun {
		return plan(ctx, s)
	}
	s.tellIgnored()
	if err := provision.SetLastTarget(s.flags.stateDir, s.config.Name, s.target.Name()); err != nil {
		return err
	}
	if err := s.keepConfig(); err != nil {
		return err
	}
	r, end, err := s.runner(s.system.Steps())
	if err != nil {
		return err
	}
	_, err = r.Up(ctx)
	end()
	if err != nil {
		return err
	}
	if err := s.release(); err != nil {
		return err
	}
	return s.system.Serve(ctx, s.ready)
}

// ready says how the system is reached, in words for whoever listens.
func (s *session) ready(a provision.Access) {
	out := s.cmd.OutOrStdout()
	if s.flags.json {
		ui.JSON(out)(provision.Event{Kind: provision.EventReady, Access: &a})
		return
	}
	fmt.Fprintln(out)
	for _, line := range s.system.Next(s.cmd.Context(), a) {
		fmt.Fprintln(out, line)
	}
}

func (s *session) tellIgnored() {
	if ignored := s.target.Ignores(s.config); len(ignored) > 0 {
		s.note("the %s target ignores %s of the configuration", s.target.Name(), strings.Join(ignored, ", "))
	}
	if s.flags.portOpenBao != provision.PortOfFile {
		s.note("--port-openbao has no effect: this version serves no OpenBao yet")
	}
}

// errNotConfirmed ends a command whose question was answered with no.
var errNotConfirmed = errors.New("not confirmed: nothing was changed")
