package provision

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func helpLock(dir string) error {
	if _, err := AcquireLock(dir, RunLock, "provision up"); err != nil {
		return err
	}
	fmt.Println("locked")
	select {}
}

func TestTheSecondIsToldWhoRunsAndSinceWhen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	cmd := helperCommand("lock", dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the helper says %q, %v", line, err)
	}
	_, err = AcquireLock(dir, RunLock, "provision down")
	held, ok := errors.AsType[*LockedError](err)
	if !ok || held.Owner.PID != cmd.Process.Pid || held.Owner.Command != "provision up" || held.Elsewhere || time.Since(held.Owner.Since) > time.Minute {
		t.Fatalf("got %v, want that the helper holds it", err)
	}
	for _, want := range []string{"provision up runs since 20", fmt.Sprintf("process %d on ", cmd.Process.Pid)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if HintOf(err) == "" {
		t.Error("there is no hint")
	}
	if owner, ok := LockOwner(dir, RunLock); !ok || owner.PID != cmd.Process.Pid {
		t.Errorf("the owner is %v, %v", owner, ok)
	}

	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	if owner, ok := LockOwner(dir, RunLock); ok {
		t.Errorf("after its process was killed the lock is held by %v", owner)
	}
	lock, err := AcquireLock(dir, RunLock, "provision down")
	if err != nil {
		t.Fatalf("a stale lock is not taken over: %v", err)
	}
	must(t, lock.Release())
	if owner, ok := LockOwner(dir, RunLock); ok {
		t.Errorf("a released lock is held by %v", owner)
	}
}

func TestLocksThatOnlyTheFileTellsOf(t *testing.T) {
	me := self("provision up")
	tests := []struct {
		name      string
		owner     Owner
		free      bool
		elsewhere bool
	}{
		{"a process that is gone", Owner{PID: 1 << 30, Host: me.Host, Start: 5, Command: "x"}, true, false},
		{"a process id that was used again", Owner{PID: os.Getppid(), Host: me.Host, Start: startTicks(os.Getppid()) + 1, Command: "x"}, true, false},
		{"a process that runs", Owner{PID: os.Getppid(), Host: me.Host, Start: startTicks(os.Getppid()), Command: "x"}, false, false},
		{"ourselves, once", me, true, false},
		{"another host", Owner{PID: 1, Host: "elsewhere", Start: 5, Command: "x"}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			data, err := json.Marshal(tt.owner)
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, RunLock), data, 0o600))
			lock, err := AcquireLock(dir, RunLock, "provision up")
			if tt.free {
				must(t, err)
				must(t, lock.Release())
				return
			}
			held, ok := errors.AsType[*LockedError](err)
			if !ok || held.Elsewhere != tt.elsewhere {
				t.Fatalf("got %v", err)
			}
			if tt.elsewhere {
				lock, err := TakeLock(dir, RunLock, "provision up")
				must(t, err)
				must(t, lock.Release())
			}
		})
	}
}

func TestALockInUseByTheSameProcessIsHeld(t *testing.T) {
	dir := t.TempDir()
	lock, err := AcquireLock(dir, RunLock, "provision up")
	must(t, err)
	if _, err := AcquireLock(dir, RunLock, "provision up"); err == nil {
		t.Error("it is taken twice")
	}
	must(t, lock.Release())
	lock, err = AcquireLock(dir, RunLock, "provision up")
	must(t, err)
	must(t, lock.Release())
}

func TestTheTargetOfTheLastUpIsRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if name, err := LastTarget(dir, "n"); name != "" || err != nil {
		t.Errorf("before any up: %q, %v", name, err)
	}
	must(t, SetLastTarget(dir, "n", "local"))
	if name, err := LastTarget(dir, "n"); name != "local" || err != nil {
		t.Errorf("got %q, %v", name, err)
	}
}
