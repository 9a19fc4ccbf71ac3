package main

import (
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"harmony-callout/internal/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"callout": main})
}

// TestScript runs testdata/script/*.txtar, each a session at a shell with the real program.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector sleeps a second in each program
			env.Values[serversKey{}] = &scriptServers{tb: t}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     clitest.Exits,
			"terminate": terminate,
			"servers":   startServers,
			"ready":     awaitReady,
			"client":    connectClient,
			"hides":     hides,
		},
	})
}

// terminate sends SIGTERM, which testscript's own kill does not know, to every program in the
// background.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}
