package callout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	requestSubject = "$SYS.REQ.USER.AUTH"
	queueGroup     = "harmony-callout"
	// userInfoSubject is where any user may ask the server who it is (nats-server 2.9).
	userInfoSubject = "$SYS.REQ.USER.INFO"

	// What the client library may hold before it drops. The service's own queue takes
	// messages as fast as they are read, so that this is met only if the process stands still.
	pendingMessages = 64 << 10
	pendingBytes    = 128 << 20

	userInfoTimeout = time.Second
	userInfoRetry   = 500 * time.Millisecond
)

// link is one connection to NATS and its subscription.
//
// It subscribes only when it knows in which account it is: were a role to place clients
// into that account, they would see the requests, and with them everybody's tokens.
type link struct {
	service *Service
	number  int
	conn    *nats.Conn

	mu      sync.Mutex
	sub     *nats.Subscription
	problem error // why it does not serve yet
}

// newLink connects. connected is signalled at each (re)connect, also the first.
func (s *Service) newLink(ctx context.Context, number int) (*link, error) {
	l := &link{service: s, number: number, problem: errors.New("connecting")}
	connected := make(chan struct{}, 1)
	signal := func(*nats.Conn) {
		select {
		case connected <- struct{}{}:
		default:
		}
	}
	opts := append(append([]nats.Option{}, s.options...), nats.ConnectHandler(signal), nats.ReconnectHandler(func(c *nats.Conn) {
		s.logger.Info("nats: reconnected", "server", c.ConnectedUrlRedacted(), "connection", number)
		signal(c)
	}))
	conn, err := connectNATS(&s.cfg.NATS, opts)
	if err != nil {
		return nil, err
	}
	l.conn = conn
	go l.run(ctx, connected)
	return l, nil
}

// run learns the account after each connect and subscribes after the first.
func (l *link) run(ctx context.Context, connected <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-connected:
		}
		for ctx.Err() == nil && l.conn.IsConnected() {
			err := l.begin(ctx)
			l.mu.Lock()
			l.problem = err
			l.mu.Unlock()
			if err == nil {
				break
			}
			l.service.logger.Error("nats: cannot serve yet", "connection", l.number, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(userInfoRetry):
			}
		}
	}
}

func (l *link) begin(ctx context.Context) error {
	account, err := ownAccount(ctx, l.conn)
	if err != nil {
		return err
	}
	l.service.forbidOwnAccount(account)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sub != nil {
		return nil
	}
	sub, err := l.conn.QueueSubscribe(requestSubject, queueGroup, l.receive)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", requestSubject, err)
	}
	if err := sub.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		return fmt.Errorf("subscribe to %s: %w", requestSubject, err)
	}
	l.sub = sub
	return nil
}

// ownAccount asks the server in which account a connection is.
func ownAccount(ctx context.Context, conn *nats.Conn) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, userInfoTimeout)
	defer cancel()
	msg, err := conn.RequestWithContext(ctx, userInfoSubject, nil)
	if err != nil {
		return "", fmt.Errorf("ask the server for our own account (%s): %w; the service user must be allowed to publish there and to subscribe to _INBOX.>", userInfoSubject, err)
	}
	var info struct {
		Data struct {
			Account string `json:"account"`
		} `json:"data"`
	}
	if err := json.Unmarshal(msg.Data, &info); err != nil || info.Data.Account == "" {
		return "", fmt.Errorf("ask the server for our own account (%s): the answer names none", userInfoSubject)
	}
	return info.Data.Account, nil
}

// receive runs in the goroutine that delivers messages: it must not wait for anything.
func (l *link) receive(msg *nats.Msg) {
	if msg.Reply == "" {
		return
	}
	l.service.queue.push(&job{
		Request: Request{Data: msg.Data, ServerXKey: msg.Header.Get(xkeyHeader), Received: time.Now()},
		reply: func(answer []byte) {
			// Publish copies. An answer that cannot be sent has nobody waiting for it: its server
			// is gone.
			_ = l.conn.Publish(msg.Reply, answer)
		},
	})
}

// status is nil while the link serves.
func (l *link) status() error {
	if !l.conn.IsConnected() {
		if err := l.conn.LastError(); err != nil {
			return err
		}
		return errors.New("not connected")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem
}

// unsubscribe stops taking requests; those that the server has sent already still arrive.
func (l *link) unsubscribe(ctx context.Context) {
	l.mu.Lock()
	sub := l.sub
	l.mu.Unlock()
	if sub == nil {
		return
	}
	done := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(done) })
	if err := sub.Drain(); err != nil {
		return // not connected: nothing more can arrive
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (l *link) close() {
	_ = l.conn.FlushTimeout(time.Second)
	l.conn.Close()
}

// forbidOwnAccount makes sure that no role places a client among the callouts.
func (s *Service) forbidOwnAccount(account string) {
	d := s.handler.decider
	if have := d.ownAccount.Load(); have != nil && *have == account {
		return
	}
	d.ownAccount.Store(&account)
	if _, named := d.policy.Load().accounts[account]; named {
		s.logger.Error("roles name the callout's own account: they are never granted", "account", account)
	}
}
