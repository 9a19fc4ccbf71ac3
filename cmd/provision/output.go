package main

import (
	"errors"

	"harmony-callout/internal/cli"
	"harmony-callout/provision"
	"harmony-callout/provision/ui"
)

// runner walks the system's steps, those that --only and --skip leave, and shows what
// happens. The function that it returns ends the showing.
func (s *session) runner(steps []provision.Step) (*provision.Runner, func(), error) {
	selected, err := provision.Select(steps, s.flags.only, s.flags.skip)
	if err != nil {
		return nil, nil, cli.Usage(err)
	}
	r := &provision.Runner{Steps: steps, Selected: selected}
	if s.flags.json {
		r.Events = ui.JSON(s.cmd.OutOrStdout())
		return r, func() {}, nil
	}
	printer := ui.NewPrinter(s.screen, s.verb)
	r.Events = printer.Event
	return r, printer.Close, nil
}

// emitError makes an event of what ends the command.
func (s *session) emitError(err error) {
	e, ok := errors.AsType[*cli.ExitError](err)
	if err == nil || ok && e.Err == nil { // nothing, or an answer that its events have given
		return
	}
	event := provision.Event{Kind: provision.EventError, Error: err.Error()}
	if ok {
		event.Hint = e.Hint
	}
	ui.JSON(s.cmd.OutOrStdout())(event)
}

// exit gives an error the exit code and the hint that the frame prints.
func exit(err error) error {
	if stop, ok := errors.AsType[*provision.InterruptedError](err); ok {
		return &cli.ExitError{Code: cli.CodeInterrupted, Err: stop, Hint: "the same command again goes on from there"}
	}
	if hint := provision.HintOf(err); hint != "" {
		return cli.WithHint(err, hint)
	}
	return err
}
