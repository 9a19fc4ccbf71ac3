// Package cli is the frame that the programs share: global flags, logging, environment,
// signals and exit codes.
//
// A program builds its root with [NewRoot], adds its commands and hands it to [Main]:
//
//	root := cli.NewRoot("callout", "CALLOUT", "Log in to NATS with Zitadel access tokens")
//	root.AddCommand(newServeCommand())
//	os.Exit(cli.Main(root, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
//
// A command uses RunE, reads and writes the streams of its *cobra.Command, takes the logger
// from [Logger] and the environment from [Environ], ends when its context does, and returns
// an error: it never exits and never prints an error itself.
package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"harmony-callout/internal/version"
)

type (
	loggerKey    struct{}
	logWriterKey struct{}
)

// Logger returns the logger that the global flags describe. Outside a command that [Main]
// runs it returns one that drops everything.
func Logger(ctx context.Context) *slog.Logger {
	if logger, ok := ctx.Value(loggerKey{}).(*slog.Logger); ok {
		return logger
	}
	return slog.New(slog.DiscardHandler)
}

// NewRoot returns the root command of a program with the flags --log-format, --log-level and
// --version. envPrefix, without a trailing underscore, begins the names of its environment
// variables. A command below it must not have a PersistentPreRun of its own: that would
// replace the root's, which sets up logging and environment.
func NewRoot(name, envPrefix, short string) *cobra.Command {
	root := &cobra.Command{
		Use:                name,
		Short:              short,
		Version:            version.Get().String(),
		SilenceErrors:      true, // Main prints them, with their hint
		SilenceUsage:       true,
		DisableSuggestions: true, // they would make the error several lines long
		DisableAutoGenTag:  true,
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")

	flags := root.PersistentFlags()
	formats, levels := []string{"text", "json"}, []string{"debug", "info", "warn", "error"}
	format := Choice(flags, "log-format", "text", "form of the log on stderr", formats...)
	level := Choice(flags, "log-level", "info", "least severe level that is logged", levels...)
	for flag, values := range map[string][]string{"log-format": formats, "log-level": levels} {
		BindEnv(flags, envPrefix, flag)
		if err := root.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flag does not exist: a mistake in the lines above
		}
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := applyEnv(cmd, Environ(cmd.Context())); err != nil {
			return err
		}
		to := cmd.ErrOrStderr()
		if log, ok := cmd.Context().Value(logWriterKey{}).(*logWriter); ok {
			to = log
		}
		logger := newLogger(to, *format, *level)
		cmd.SetContext(context.WithValue(cmd.Context(), loggerKey{}, logger))
		return nil
	}
	return root
}

// newLogger takes values that [Choice] has checked.
func newLogger(w io.Writer, format, level string) *slog.Logger {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		panic(err)
	}
	options := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Choice adds a flag to fs that takes one of the allowed words.
func Choice(fs *pflag.FlagSet, name, value, usage string, allowed ...string) *string {
	c := &choice{value: value, allowed: allowed}
	fs.Var(c, name, usage)
	return &c.value
}

// choice is the pflag.Value behind [Choice].
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value = s
	return nil
}
