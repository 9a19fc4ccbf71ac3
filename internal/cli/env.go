package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envAnnotation is the key under which a flag remembers its environment variable.
const envAnnotation = "cli_env"

type environKey struct{}

// Environ returns the environment that [Main] was given, as "KEY=value" strings.
func Environ(ctx context.Context) []string {
	environ, _ := ctx.Value(environKey{}).([]string)
	return environ
}

// EnvName returns the variable of a flag: prefix CALLOUT and flag log-level make
// CALLOUT_LOG_LEVEL.
func EnvName(prefix, flag string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// BindEnv lets the environment set a flag of any type that the command line leaves out, and
// says so in its help. The variable's text is parsed as the flag's own would be; an empty
// variable counts as absent. It panics when fs has no such flag, which is a mistake in the
// program.
func BindEnv(fs *pflag.FlagSet, prefix, flag string) {
	env := EnvName(prefix, flag)
	if err := fs.SetAnnotation(flag, envAnnotation, []string{env}); err != nil {
		panic(err)
	}
	f := fs.Lookup(flag)
	f.Usage += " [$" + env + "]"
}

// applyEnv sets the bound flags of cmd that the command line has not.
func applyEnv(cmd *cobra.Command, environ []string) error {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		key, value, _ := strings.Cut(entry, "=")
		if _, again := values[key]; !again { // as getenv, which finds the first
			values[key] = value
		}
	}
	var firstErr error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		env := f.Annotations[envAnnotation]
		if firstErr != nil || f.Changed || len(env) == 0 || values[env[0]] == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, values[env[0]]); err != nil {
			firstErr = fmt.Errorf("environment variable %s: %w", env[0], err)
		}
	})
	return firstErr
}
