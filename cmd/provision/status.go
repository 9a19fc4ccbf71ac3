package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"harmony-callout/provision"
	"harmony-callout/provision/ui"
)

func newStatusCommand(screen *ui.Screen) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "status [-f FILE]",
		Short: "Print the state of each part; exit code 1 unless all are as wanted",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, screen, "status", f, status)
		},
	}
	f.common(cmd)
	f.jsonFlag(cmd)
	f.selection(cmd)
	return cmd
}

func status(ctx context.Context, s *session) error {
	r, end, err := s.runner(s.system.Steps())
	if err != nil {
		return err
	}
	plans, err := r.Status(ctx)
	end()
	if err != nil {
		return err
	}
	bad := 0
	for _, p := range plans {
		if p.Err != nil || p.Condition != provision.InSync {
			bad++
		}
	}
	if bad > 0 {
		return provision.WithHint(fmt.Errorf("%d of %d parts are not as wanted", bad, len(plans)), "provision plan says what differs, provision up mends it")
	}
	return nil
}
