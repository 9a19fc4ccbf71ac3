package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"harmony-callout/internal/cli"
)

// run runs a program whose only command, do, is body.
func run(body func(cmd *cobra.Command) error, environ []string, args ...string) (code int, stdout, stderr string) {
	root := cli.NewRoot("prog", "PROG", "a program")
	do := &cobra.Command{
		Use:  "do",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return body(cmd) },
	}
	do.Flags().Bool("fast", false, "")
	do.Flags().Duration("wait", time.Second, "")
	cli.BindEnv(do.Flags(), "PROG", "fast")
	cli.BindEnv(do.Flags(), "PROG", "wait")
	group := &cobra.Command{Use: "group"}
	group.AddCommand(&cobra.Command{Use: "member", RunE: func(*cobra.Command, []string) error { return nil }})
	root.AddCommand(do, group)

	var out, errs bytes.Buffer
	code = cli.Main(root, args, strings.NewReader(""), &out, &errs, environ)
	return code, out.String(), errs.String()
}

func TestMainTurnsAnErrorIntoExitCodeAndText(t *testing.T) {
	plain := errors.New("read x: no such file")
	tests := []struct {
		name   string
		err    error
		code   int
		stderr string
	}{
		{"no error", nil, 0, ""},
		{"an error of no kind", plain, 1, "prog: read x: no such file\n"},
		{"wrong usage", cli.Usage(plain), 2, "prog: read x: no such file\n"},
		{"a wrapped kind keeps its code", fmt.Errorf("load: %w", cli.Usage(plain)), 2, "prog: load: read x: no such file\n"},
		{"a hint", cli.WithHint(plain, "make x"), 1, "prog: read x: no such file\nhint: make x\n"},
		{"a hint keeps the code", cli.WithHint(cli.Usage(plain), "make x"), 2, "prog: read x: no such file\nhint: make x\n"},
		{"a refusal has said it all", cli.Refused(), 3, ""},
		{"a cancelled context without a signal", context.Canceled, 1, "prog: context canceled\n"},
		{"usage of nothing", cli.Usage(nil), 0, ""},
		{"a hint to nothing", cli.WithHint(nil, "make x"), 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(func(*cobra.Command) error { return tt.err }, nil, "do")
			if code != tt.code || stderr != tt.stderr || stdout != "" {
				t.Errorf("code %d, stderr %q, stdout %q, want %d and %q", code, stderr, stdout, tt.code, tt.stderr)
			}
		})
	}
}

func TestMainCallsWhatFailsBeforeTheCommandWrongUsage(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		stderr string
	}{
		{"an unknown command", []string{"dont"}, "prog: unknown command \"dont\" for \"prog\"\nhint: see 'prog --help'\n"},
		{"an unknown flag", []string{"do", "--slow"}, "prog: unknown flag: --slow\nhint: see 'prog do --help'\n"},
		{"an unknown member of a group", []string{"group", "stranger"}, "prog: unknown command \"stranger\" for \"prog group\"\nhint: see 'prog group --help'\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := run(func(*cobra.Command) error { return nil }, nil, tt.args...)
			if code != 2 || stderr != tt.stderr {
				t.Errorf("code %d, stderr %q, want 2 and %q", code, stderr, tt.stderr)
			}
		})
	}
	if code, stdout, _ := run(nil, nil, "group"); code != 0 || !strings.Contains(stdout, "member") {
		t.Errorf("a group alone: code %d, stdout %q, want 0 and its help", code, stdout)
	}
}

func TestEnvironmentSetsWhatTheCommandLineLeavesOut(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    string // values of --fast and --wait, or the error
	}{
		{"defaults", nil, nil, "false 1s"},
		{"environment over defaults", []string{"PROG_FAST=true", "PROG_WAIT=2s"}, nil, "true 2s"},
		{"flags over environment", []string{"PROG_FAST=true", "PROG_WAIT=2s"}, []string{"--fast=false", "--wait=3s"}, "false 3s"},
		{"the first of two equal variables", []string{"PROG_WAIT=2s", "PROG_WAIT=4s"}, nil, "false 2s"},
		{"an empty variable is none", []string{"PROG_FAST=", "PROG_WAIT="}, nil, "false 1s"},
		{"another program's variable is none", []string{"OTHER_FAST=true"}, nil, "false 1s"},
		{"a value that the flag does not take", []string{"PROG_WAIT=soon"}, nil, "environment variable PROG_WAIT: "},
		{"a value that its flag overrides is not read", []string{"PROG_WAIT=soon"}, []string{"--wait=3s"}, "false 3s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := func(cmd *cobra.Command) error {
				_, err := fmt.Fprint(cmd.OutOrStdout(), cmd.Flag("fast").Value, " ", cmd.Flag("wait").Value)
				return err
			}
			code, stdout, stderr := run(body, tt.environ, append([]string{"do"}, tt.args...)...)
			if code == 0 && stdout == tt.want {
				return
			}
			if code == 2 && strings.HasPrefix(stderr, "prog: "+tt.want) {
				return
			}
			t.Errorf("code %d, stdout %q, stderr %q, want %q", code, stdout, stderr, tt.want)
		})
	}
}

func TestLoggerFollowsTheGlobalFlags(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    []string
		not     string
	}{
		{"text from info on by default", nil, nil, []string{"level=INFO", "msg=said"}, "whispered"},
		{"json", nil, []string{"--log-format=json"}, []string{`"level":"INFO","msg":"said"`}, "whispered"},
		{"debug from the environment", []string{"PROG_LOG_LEVEL=debug"}, nil, []string{"msg=whispered", "msg=said"}, `"msg"`},
		{"errors only", nil, []string{"--log-level=error"}, nil, "said"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := func(cmd *cobra.Command) error {
				logger := cli.Logger(cmd.Context())
				logger.Debug("whispered")
				logger.Info("said")
				return nil
			}
			code, stdout, stderr := run(body, tt.environ, append(tt.args, "do")...)
			if code != 0 || stdout != "" {
				t.Errorf("code %d, stdout %q, want 0 and nothing", code, stdout)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr %q lacks %q", stderr, want)
				}
			}
			if strings.Contains(stderr, tt.not) {
				t.Errorf("stderr %q has %q", stderr, tt.not)
			}
		})
	}
	cli.Logger(t.Context()).Error("goes nowhere, and does not panic")
}

func TestCommandSeesTheEnvironmentOfMain(t *testing.T) {
	run(func(cmd *cobra.Command) error {
		if got := cli.Environ(cmd.Context()); len(got) != 1 || got[0] != "A=b" {
			t.Errorf("environment is %q, want A=b", got)
		}
		return nil
	}, []string{"A=b"}, "do")
}

func TestMainOnSignals(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	tests := []struct {
		name string
		body func(ctx context.Context) error
		code int
	}{
		{"a command that stops in good order is done", func(ctx context.Context) error {
			kill(t, syscall.SIGTERM)
			<-ctx.Done()
			return nil
		}, 0},
		{"a command that is cut short is interrupted", func(ctx context.Context) error {
			kill(t, syscall.SIGINT)
			<-ctx.Done()
			return fmt.Errorf("fetch: %w", ctx.Err())
		}, 130},
		{"a command that fails while it stops has failed", func(ctx context.Context) error {
			kill(t, syscall.SIGINT)
			<-ctx.Done()
			return errors.New("lost an answer")
		}, 1},
		{"a second signal does not wait", func(ctx context.Context) error {
			kill(t, syscall.SIGINT)
			<-ctx.Done()
			kill(t, syscall.SIGTERM)
			<-forever
			return nil
		}, 130},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := run(func(cmd *cobra.Command) error { return tt.body(cmd.Context()) }, nil, "do")
			if code != tt.code {
				t.Errorf("code %d, want %d; stderr %q", code, tt.code, stderr)
			}
			if tt.code == 130 && stderr != "prog: interrupted\n" {
				t.Errorf("stderr %q, want that it was interrupted", stderr)
			}
		})
	}
}

// kill signals this process. Main listens by the time that a command runs.
func kill(t *testing.T, sig syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		t.Error(err)
	}
}
