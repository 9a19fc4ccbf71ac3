package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Main runs the program and returns its exit code; the caller exits with it. args leaves out
// the program's name.
//
// The first SIGINT or SIGTERM ends the context of the command, which decides how to stop: a
// nil error is [CodeDone], context.Canceled is [CodeInterrupted]. The second one ends the
// program with [CodeInterrupted], whatever the command is doing.
func Main(root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	log := newLogWriter(stderr)
	ctx := context.WithValue(context.Background(), environKey{}, environ)
	ctx, cancel := context.WithCancel(context.WithValue(ctx, logWriterKey{}, log))
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)

	done := make(chan error, 1)
	go func() { done <- execute(ctx, root) }()
	for interrupted := false; ; interrupted = true {
		select {
		case err := <-done:
			if interrupted && errors.Is(err, context.Canceled) {
				err = errInterrupted
			}
			log.flush()
			return report(stderr, root.Name(), err)
		case <-signals:
			if interrupted {
				return report(stderr, root.Name(), errInterrupted)
			}
			cancel()
		}
	}
}

var errInterrupted = &ExitError{Code: CodeInterrupted, Err: errors.New("interrupted")}

// execute runs the command that the arguments name. Whatever fails before the command's own
// RunE begins is wrong usage: cobra has no error types to tell that by.
func execute(ctx context.Context, root *cobra.Command) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	started := false
	prepare(root, &started)

	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !started {
		return WithHint(Usage(err), fmt.Sprintf("see '%s --help'", cmd.CommandPath()))
	}
	return err
}

// prepare makes the commands below cmd note that they began, and groups of commands refuse
// what they do not know: cobra would print their help and exit 0.
func prepare(cmd *cobra.Command, started *bool) {
	for _, sub := range cmd.Commands() {
		prepare(sub, started)
	}
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.DisableFlagsInUseLine = true
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return nil
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
}

// report prints err and returns its exit code. Where nobody reads stderr it gives up on
// printing: the program must end all the same.
func report(stderr io.Writer, program string, err error) int {
	if err == nil {
		return CodeDone
	}
	var text bytes.Buffer
	code := describe(&text, program, err)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = stderr.Write(text.Bytes())
	}()
	select {
	case <-written:
	case <-time.After(logFlush):
	}
	return code
}

// describe writes err for a person and returns its exit code.
func describe(stderr io.Writer, program string, err error) int {
	exit, ok := errors.AsType[*ExitError](err)
	if !ok {
		exit = &ExitError{Code: CodeFailed, Err: err}
	}
	if exit.Err != nil {
		text := err.Error()
		if lines := strings.Count(text, "\n") + 1; lines > 1 { // each begins with its own place
			text = fmt.Sprintf("%d problems:\n%s", lines, text)
		}
		fmt.Fprintf(stderr, "%s: %s\n", program, text)
	}
	if exit.Hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", exit.Hint)
	}
	return exit.Code
}
