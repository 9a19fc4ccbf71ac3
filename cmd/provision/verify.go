package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"harmony-callout/provision"
	"harmony-callout/provision/ui"
)

func newVerifyCommand(screen *ui.Screen) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "verify [-f FILE]",
		Short: "Prove by connecting what each machine user may do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, screen, "verify", f, verify)
		},
	}
	f.common(cmd)
	f.jsonFlag(cmd)
	return cmd
}

func verify(ctx context.Context, s *session) error {
	out := s.cmd.OutOrStdout()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	emit := ui.JSON(out)
	tried, failed := 0, 0
	each := func(p provision.Proof) {
		if tried++; !p.OK() {
			failed++
		}
		switch {
		case s.flags.json:
			emit(proofEvent(p))
		default:
			if tried == 1 {
				fmt.Fprintln(table, "USER\tACCOUNT\tACTION\tSUBJECT\tRESULT")
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.User, p.Account, p.Action, p.Subject, result(p))
		}
	}
	err := errors.Join(s.system.Verify(ctx, each), table.Flush())
	switch {
	case err != nil:
		return err
	case failed > 0:
		return provision.WithHint(fmt.Errorf("%d of %d proofs failed", failed, tried), "provision plan says whether the system is as the configuration wants it")
	case tried == 0:
		return errors.New("there is nothing to prove: the configuration has no machine users")
	}
	if s.flags.json {
		emit(provision.Event{Kind: provision.EventDone, Status: provision.Done, Total: tried})
		return nil
	}
	_, err = fmt.Fprintf(out, "%d proofs, all as the roles say\n", tried)
	return err
}

func proofEvent(p provision.Proof) provision.Event {
	e := provision.Event{Kind: provision.EventProof, Status: provision.Done, Proof: &p}
	if !p.OK() {
		e.Status = provision.Failed
	}
	return e
}

func result(p provision.Proof) string {
	words := map[bool]string{true: "allowed", false: "refused"}
	text := words[p.Got]
	if !p.OK() {
		text += ", BUT SHOULD BE " + words[p.Want]
	}
	if p.Detail != "" {
		text += " (" + p.Detail + ")"
	}
	return text
}
