package callout

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
)

func TestAServerIsKnownByItsNkeyAlone(t *testing.T) {
	kp, err := nkeys.CreateServer()
	if err != nil {
		t.Fatal(err)
	}
	id, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	var s servers
	for name, text := range map[string]string{
		"nothing": "", "an account's key": newTestSigner(t).public, "a user's key": newUserNkey(t),
		"a wrong checksum": id[:55] + string("AB"[(id[55]-'A'+1)%2]), "cut short": id[:55], "longer": id + "A", "in small letters": "n" + id[1:],
	} {
		if _, err := s.find([]byte(text)); reasonOf(t, err) != ReasonMalformedRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	one, err := s.find([]byte(id))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.find([]byte(id)); err != nil || again == one {
		t.Errorf("a server is remembered before its signature was good: %v", err)
	}
	s.remember(one)
	s.remember(&natsServer{id: id})
	if again, err := s.find([]byte(id)); err != nil || again != one {
		t.Errorf("the server remembered first did not stay: %v", err)
	}
}

func TestRememberedServersAreBounded(t *testing.T) {
	var s servers
	for i := range maxServers + 10 {
		s.remember(&natsServer{id: strconv.Itoa(i)})
		if len(s.known) > maxServers {
			t.Fatalf("%d servers", len(s.known))
		}
	}
	if s.known[strconv.Itoa(maxServers+9)] == nil {
		t.Error("the newest server is not known")
	}
}

func TestAServersClockIsLearnedFromItsRequests(t *testing.T) {
	// ages are those of requests on arrival by the two clocks, one each 100 ms.
	for _, tt := range []struct {
		name string
		ages []time.Duration
		want time.Duration // by how much the server is found to be behind, after the last
	}{
		{"clocks agree", []time.Duration{ms(300), ms(900), ms(10), ms(500)}, 0},
		{"iat is rounded down: a second is nothing", []time.Duration{ms(999), ms(999), ms(999)}, 0},
		{"the server is 20 s behind", []time.Duration{ms(20_500), ms(20_900), ms(20_100)}, ms(19_100)},
		{"two requests prove nothing", []time.Duration{ms(20_500), ms(20_900)}, 0},
		{"stale requests among fresh ones", []time.Duration{ms(300), ms(5000), ms(6000), ms(7000)}, 0},
		{"stale ones first, then a fresh one", []time.Duration{ms(5000), ms(6000), ms(7000), ms(300)}, 0},
		{"the server is ahead", []time.Duration{-ms(20_000), -ms(20_000), -ms(20_000), -ms(20_000)}, 0},
		{"the server is a day behind: too much", []time.Duration{24 * time.Hour, 24 * time.Hour, 24 * time.Hour}, clockMost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c serverClock
			var got time.Duration
			arrived := testNow
			for _, age := range tt.ages {
				arrived = arrived.Add(100 * time.Millisecond)
				issued := arrived.Add(-age)
				// An iat in whole seconds: ages are as given only to within a second.
				got = c.observe(issued.Add(age), issued.Unix())
			}
			if got < tt.want-time.Second || got > tt.want+time.Second {
				t.Errorf("behind by %s, want about %s", got, tt.want)
			}
		})
	}
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func TestAMendedClockIsForgottenWithinAWindow(t *testing.T) {
	var c serverClock
	at := testNow
	see := func(age time.Duration) time.Duration { return c.observe(at, at.Add(-age).Unix()) }
	for range 5 {
		see(20 * time.Second)
	}
	if got := see(20 * time.Second); got < 18*time.Second {
		t.Fatalf("behind by %s", got)
	}
	at = at.Add(time.Second)
	if got := see(0); got != 0 {
		t.Errorf("one fresh request should correct it at once: %s", got)
	}
	at = at.Add(clockWindow + time.Second)
	for range clockSamples {
		if got := see(0); got != 0 {
			t.Errorf("in the next window: %s", got)
		}
	}
}
