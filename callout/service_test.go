package callout_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

func TestClientsGetExactlyWhatTheirRolesAllow(t *testing.T) {
	for name, server := range map[string]callouttest.NATSConfig{
		"sealed": {XKey: true}, "in clear": {},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, server, callouttest.IssuerConfig{})
			h.start(h.config(defaultRoles))

			sensor := h.connect(h.token("s1", "sensor"), "s1")
			operator := h.connect(h.token("o1", "operator"), "o1")
			guest := h.connect(h.token("g1", "guest"), "g1")

			mayPublish(t, sensor, "telemetry.s1.temp", true)
			mayPublish(t, sensor, "telemetry.s2.temp", false)
			mayPublish(t, sensor, "commands.s1.x", false)
			maySubscribe(t, sensor, "commands.s1.>", true)
			maySubscribe(t, sensor, "commands.>", false)
			maySubscribe(t, sensor, ">", false)
			maySubscribe(t, sensor, "_INBOX.>", false)

			mayPublish(t, operator, "commands.s1.start", true)
			mayPublish(t, operator, "commands.secret.x", false)
			maySubscribe(t, operator, "telemetry.>", true)

			mayPublish(t, guest, "guests.g1", true)
			mayPublish(t, guest, "guests.g2", false)
			maySubscribe(t, guest, "guests.g1", false) // an absent allow allows nothing

			// What one publishes the other receives: same account.
			sub, err := operator.SubscribeSync("telemetry.s1.>")
			if err != nil {
				t.Fatal(err)
			}
			if err := operator.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := sensor.Publish("telemetry.s1.temp", []byte("21")); err != nil {
				t.Fatal(err)
			}
			if msg, err := sub.NextMsg(5 * time.Second); err != nil || string(msg.Data) != "21" {
				t.Fatalf("message = %v, %v", msg, err)
			}
		})
	}
}

// mayPublish holds what the server says of a publish against what it should.
func mayPublish(t *testing.T, c *nats.Conn, subject string, want bool) {
	t.Helper()
	may(t, c, "publish to "+subject, want, func() error { return c.Publish(subject, []byte("x")) })
}

func maySubscribe(t *testing.T, c *nats.Conn, subject string, want bool) {
	t.Helper()
	may(t, c, "subscribe to "+subject, want, func() error {
		sub, err := c.SubscribeSync(subject)
		if err == nil {
			t.Cleanup(func() { _ = sub.Unsubscribe() })
		}
		return err
	})
}

func may(t *testing.T, c *nats.Conn, what string, want bool, try func() error) {
	t.Helper()
	violations := make(chan error, 8)
	c.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			violations <- err
		}
	})
	if err := try(); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	// The server answers in order: the violation is read before the pong, and handed to the
	// handler's goroutine.
	select {
	case err := <-violations:
		if want {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(map[bool]time.Duration{true: 30 * time.Millisecond, false: 5 * time.Second}[want]):
		if !want {
			t.Errorf("%s: allowed", what)
		}
	}
}
