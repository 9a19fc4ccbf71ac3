package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"harmony-callout/internal/version"
)

// VersionCommand is the command that says which build of a program this is.
func VersionCommand(program string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, out := version.Get(), cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(out).Encode(info)
			}
			_, err := fmt.Fprintf(out, "%s %s\n%-*s %s\n%-*s %s\n", program, info.Version,
				len(program), "commit", info.Commit, len(program), "go", info.Go)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
