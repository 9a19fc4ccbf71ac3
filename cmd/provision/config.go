package main

import (
	"github.com/spf13/cobra"

	"harmony-callout/provision"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Work with configurations"}
	cmd.AddCommand(&cobra.Command{
		Use:     "example",
		Short:   "Print the built-in provision.yaml, commented",
		Example: "  provision config example > provision.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(provision.Example)
			return err
		},
	})
	return cmd
}
