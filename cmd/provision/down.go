package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"harmony-callout/internal/cli"
	"harmony-callout/provision"
	"harmony-callout/provision/ui"
)

func newDownCommand(screen *ui.Screen) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "down [-f FILE]",
		Short: "Take away what up made",
		Long: `down lists what it would take away, asks, and does it, the last step first. What was there
before up, and what others made, stays.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, screen, "down", f, down)
		},
	}
	f.common(cmd)
	f.jsonFlag(cmd)
	f.yesFlag(cmd)
	f.selection(cmd)
	cmd.Flags().BoolVar(&f.keepData, "keep-data", false, "leave volumes and keys")
	bind(cmd, "keep-data")
	return cmd
}

func down(ctx context.Context, s *session) error {
	r, end, err := s.runner(s.system.Steps())
	if err != nil {
		return err
	}
	if !s.flags.yes {
		plans, err := r.PlanDown(ctx)
		end()
		if err != nil || !anyChange(plans) {
			return err
		}
		if err := s.confirm(fmt.Sprintf("Take all of this away from %s (%s)?", s.config.Name, s.target.Name())); err != nil {
			return err
		}
		if r, end, err = s.runner(s.system.Steps()); err != nil {
			return err
		}
	}
	defer end()
	_, err = r.Down(ctx)
	return err
}

func anyChange(plans []provision.StepPlan) bool {
	for _, p := range plans {
		if len(p.Changes) > 0 {
			return true
		}
	}
	return false
}

// confirm asks a person. Where there is none, --yes has to be said beforehand.
func (s *session) confirm(question string) error {
	in := s.cmd.InOrStdin()
	if !isTerminal(in) {
		return cli.WithHint(cli.Usage(errNotConfirmed), "there is no terminal to ask on: use --yes")
	}
	fmt.Fprintf(s.cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNotConfirmed
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
