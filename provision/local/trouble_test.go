package local

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"harmony-callout/provision"
)

func TestASecondUpIsToldWhoServes(t *testing.T) {
	s := newSite(t)
	mustUp(t, s, nil)
	_, err := s.open(t.Context(), true, nil)
	held, ok := errors.AsType[*provision.LockedError](err)
	if !ok || held.Owner.PID != os.Getpid() || held.Owner.Command != "provision up --target local" {
		t.Fatalf("got %v, want the owner of the lock", err)
	}
	if hint := provision.HintOf(err); !strings.Contains(hint, "Ctrl-C") {
		t.Errorf("the hint is %q", hint)
	}
}

func TestTheLockOfAKilledUpIsNoHindrance(t *testing.T) {
	s := newSite(t)
	cmd := child{Site: s, At: -1, Serve: true}.command(t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is up
		t.Fatal(err)
	}
	if owner, serving := (Target{}).Serving(s.Dir); !serving || owner.PID != cmd.Process.Pid {
		t.Errorf("serving is %v, %v", owner, serving)
	}
	if _, err := s.open(t.Context(), true, nil); err == nil {
		t.Error("two serve one system")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wasKilled(t, cmd.Wait())
	if owner, serving := (Target{}).Serving(s.Dir); serving {
		t.Errorf("the dead still serves: %v", owner)
	}
	unchanged(t, s)
}

func TestAFullDiskIsSaidAndALaterUpEndsTheWork(t *testing.T) {
	for _, kilobytes := range []uint64{1, 12} {
		s := newSite(t)
		_, err := child{Site: s, At: -1, MaxFile: kilobytes << 10}.command(t).Output()
		if err == nil {
			t.Errorf("with %d KB for each file up succeeds", kilobytes)
		} else if text := stderrOf(err); !strings.Contains(text, syscall.EFBIG.Error()) {
			t.Errorf("with %d KB for each file up says %q: %v", kilobytes, text, err)
		}
		converges(t, s, trouble{})
	}
}

func TestATakenPortIsSaidWithTheFlagThatChoosesAnother(t *testing.T) {
	s := newSite(t)
	for flag, port := range map[string]int{"--port-issuer": s.Issuer, "--port-nats": s.NATS} {
		t.Run(flag, func(t *testing.T) {
			occupy(t, port)
			p, err := s.open(t.Context(), true, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.up(t.Context())
			if err = errors.Join(err, p.Close()); err == nil {
				t.Fatal("two listen on one port")
			}
			if !strings.Contains(err.Error(), strconv.Itoa(port)) || !strings.Contains(provision.HintOf(err), flag) {
				t.Errorf("got %v, hint: %s", err, provision.HintOf(err))
			}
		})
	}
	converges(t, s, trouble{})
}

func TestThePortThatNobodyChoseMayBeAnother(t *testing.T) {
	s := newSite(t)
	p, _, end := mustUp(t, s, nil)
	port := p.ports[httpPort]
	end()
	occupy(t, port)
	p, _, end = mustUp(t, s, nil)
	if got := p.changes(provision.Done); p.ports[httpPort] == port || !strings.Contains(got, "update port callout http") {
		t.Errorf("the port is %d, changed was\n%s", p.ports[httpPort], got)
	}
	end()
	unchanged(t, s)
}

// occupy listens on a port until the test ends.
func occupy(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}

func TestAnotherIssuerPortIsPlannedWithWhatItMeans(t *testing.T) {
	s := newSite(t)
	p, _, end := mustUp(t, s, nil)
	old, err := p.Token(t.Context(), "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	end()
	before := s.Issuer
	s.Issuer = freePort(t)
	p, _, _ = mustUp(t, s, nil)
	want := "update port issuer " + strconv.Itoa(before) + " → " + strconv.Itoa(s.Issuer) + ": the issuer changes, tokens issued before are refused"
	if got := p.changes(provision.Done); !strings.Contains(got, want) {
		t.Errorf("changed was\n%s\nwant\n%s", got, want)
	}
	p.checkContent(t)
	if err := p.try(t, old); !refused(err) {
		t.Errorf("a token of the issuer before is answered with %v", err)
	}
	fresh, err := p.Token(t.Context(), "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.try(t, fresh); err != nil {
		t.Errorf("a fresh token: %v", err)
	}
}
