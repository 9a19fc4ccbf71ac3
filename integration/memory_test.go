//go:build integration

package integration

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

// TestBadTokensLeaveNothingBehind shows 20,000 different bad tokens to a callout: its memory
// grows by its bounded caches alone, and no goroutine or descriptor stays.
func TestBadTokensLeaveNothingBehind(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("needs /proc")
	}
	const warm, flood, growth = 1000, 20_000, 32 << 10 // tokens, tokens, KiB
	s := newSystem(t)
	r := s.startCallout("first", "")
	f := newFlood(s)
	f.send(warm)
	r.settled(s)
	before := r.usage(t)
	f.send(flood)
	r.settled(s)
	s.eventually("goroutines and descriptors as before", func() bool {
		now := r.usage(t)
		return now.goroutines <= before.goroutines && now.descriptors <= before.descriptors
	})
	after := r.usage(t)
	t.Logf("before %+v, after %+v", before, after)
	if grown := after.resident - before.resident; grown > growth {
		t.Errorf("resident memory grew by %d KiB, want %d at most", grown, growth)
	}
	if err := s.connect(s.token("sensor-1")); err != nil {
		t.Errorf("a good client afterwards: %v", err)
	}
}

// usage is what a process holds.
type usage struct{ resident, goroutines, descriptors int } // resident in KiB

func (r *replica) usage(t *testing.T) usage {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(r.cmd.Process.Pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	_, metrics := get(t, "http://"+r.http+"/metrics")
	return usage{
		resident:    number(t, string(status), "VmRSS:"),
		goroutines:  number(t, metrics, "go_goroutines"),
		descriptors: len(files),
	}
}

// number finds the line that begins with a name and returns the number behind it.
func number(t *testing.T, text, name string) int {
	t.Helper()
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// settled waits until the requests that wait for the issuer's keys have given up.
func (r *replica) settled(s *system) {
	s.t.Helper()
	last, same := 0, 0
	s.eventually("settled", func() bool {
		time.Sleep(100 * time.Millisecond)
		now := r.usage(s.t).goroutines
		if same++; now != last {
			last, same = now, 0
		}
		return same >= 20
	})
}

// flood sends requests with bad tokens as a server does, without the cost of one.
type flood struct {
	s        *system
	conn     *nats.Conn
	wire     *callouttest.Wire
	inbox    string
	good     []string // the segments of a good token
	sent     int64
	answered atomic.Int64
}

func newFlood(s *system) *flood {
	s.t.Helper()
	f := &flood{s: s, good: strings.Split(s.token("sensor-1"), ".")}
	var seeds callouttest.Seeds
	for name, seed := range map[string]*[]byte{"account": &seeds.Account, "service": &seeds.Service, "xkey": &seeds.XKey} {
		text, err := os.ReadFile(filepath.Join(s.dir, "keys", name+".nk"))
		if err != nil {
			s.t.Fatal(err)
		}
		*seed = []byte(strings.TrimSpace(string(text)))
	}
	f.wire = callouttest.NewWire(seeds)
	login, err := nats.NkeyOptionFromSeed(filepath.Join(s.dir, "keys", "service.nk"))
	if err != nil {
		s.t.Fatal(err)
	}
	if f.conn, err = nats.Connect("nats://"+s.natsAddr, login); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(f.conn.Close)
	f.inbox = f.conn.NewInbox()
	if _, err := f.conn.Subscribe(f.inbox, func(*nats.Msg) { f.answered.Add(1) }); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// send sends bad tokens and waits until they are answered, some at a time.
func (f *flood) send(n int) {
	f.s.t.Helper()
	for range n {
		f.sent++
		msg := f.wire.Request(callouttest.RequestSpec{Token: f.bad(f.sent)}).Msg(f.inbox)
		if err := f.conn.PublishMsg(msg); err != nil {
			f.s.t.Fatal(err)
		}
		if f.sent%200 == 0 {
			f.s.eventually("answered", func() bool { return f.answered.Load() >= f.sent })
		}
	}
	f.s.eventually("answered", func() bool { return f.answered.Load() >= f.sent })
}

// bad makes a token that is bad in one of several ways, and like no other.
func (f *flood) bad(n int64) string {
	encode := base64.RawURLEncoding.EncodeToString
	noise := make([]byte, 256)
	_, _ = rand.Read(noise)
	switch n % 4 {
	case 0: // a signature that does not fit
		return f.good[0] + "." + f.good[1] + "." + encode(noise)
	case 1: // a key that nobody knows
		return encode(fmt.Appendf(nil, `{"alg":"RS256","typ":"JWT","kid":"k%d"}`, n)) + "." + f.good[1] + "." + encode(noise)
	case 2: // another issuer, with long claims
		return f.good[0] + "." + encode(fmt.Appendf(nil, `{"iss":"https://%x.example"}`, noise)) + "." + encode(noise)
	}
	return encode(noise) // nothing that Zitadel makes
}

// subjectOf reads a token's subject.
func subjectOf(t *testing.T, token string) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}
