package main

import (
	"os"
	"regexp"
	"strings"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits, "await": await, "secretless": secretless, "private": private},
	})
}

// await waits until a file is there, and holds what an expression matches: await FILE [REGEXP].
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE [REGEXP]")
	}
	wanted := regexp.MustCompile("(?m)" + strings.Join(args[1:], ""))
	var data []byte
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var err error
		if data, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && wanted.Match(data) {
			return
		}
	}
	ts.Fatalf("%s does not appear in %s:\n%s", strings.Join(args[1:], ""), args[0], data)
}
