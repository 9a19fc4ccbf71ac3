package main

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"harmony-callout/internal/clitest"
	"harmony-callout/provision"
)

// The scripts test the frame: what is brought up is a fake, as the target local.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"provision": main,
		"fake": func() {
			targets = func() map[string]provision.Target { return map[string]provision.Target{"local": fakeTarget{}} }
			main()
		},
	})
}

// TestScript runs testdata/script/*.txtar, each a session at a shell with the real program,
// or with "fake", which differs from it in its target alone.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector sleeps a second in each program
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TERM", "xterm")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits, "await": await},
	})
}

// await waits until a file is there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s does not appear", args[0])
}
