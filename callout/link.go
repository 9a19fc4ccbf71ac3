package callout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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
	pendingBytes    = 16 << 20

	// maxAnswers bounds the answers of one link that wait to be sent.
	maxAnswers = 1024

	userInfoTimeout = time.Second

	// linkRetry is how often a link that does not serve is looked at.
	linkRetry = 250 * time.Millisecond
	// linkReport is the shortest time between two log records about different problems.
	linkReport   = 5 * time.Second
	closeTimeout = time.Second
)

// link is one connection to NATS and its subscription.
//
// It subscribes only when it knows in which account it is: were a role to place clients
// into that account, they would see the requests, and with them everybody's tokens.
//
// The client library holds its lock while it dials and logs in, which may take loginTimeout
// for each server. What must not wait, readiness and answers, goes by the state kept here.
type link struct {
	service *Service
	number  int
	wake    chan struct{} // signalled at each (re)connect, also the first
	ended   chan struct{} // closed when run has returned
	answers chan outgoing // to be sent; closed by close
	sent    chan struct{} // closed when all of them have been sent

	connected atomic.Bool

	mu      sync.Mutex
	conn    *nats.Conn // nil until the first attempt has ended
	sub     *nats.Subscription
	closing bool
	// problem is why it does not serve, or what is wrong although it does.
	problem    error
	reported   string // the problem that was logged last; empty after a success
	reportedAt time.Time
}

func (s *Service) newLink(number int) *link {
	return &link{
		service: s, number: number, problem: errors.New("connecting"),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		answers: make(chan outgoing, maxAnswers), sent: make(chan struct{}),
	}
}

// run connects, learns the account after each connect and subscribes after the first, until
// ctx ends. An error is one that no retry mends.
func (l *link) run(ctx context.Context) error {
	defer close(l.ended)
	go l.send()
	opts := append(slices.Clone(l.service.options),
		nats.ConnectHandler(l.onConnect),
		nats.ReconnectHandler(func(c *nats.Conn) {
			l.service.logger.Info("nats: reconnected", "server", c.ConnectedUrlRedacted(), "connection", l.number)
			l.onConnect(c)
		}),
		nats.DisconnectErrHandler(l.onDisconnect),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { l.onFailure(err) }),
	)
	conn, err := connectNATS(&l.service.cfg.NATS, opts)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.conn = conn
	closing := l.closing
	l.mu.Unlock()
	if closing {
		conn.Close()
		return nil
	}
	retry := time.NewTicker(linkRetry)
	defer retry.Stop()
	begun := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
			begun = false
		case <-retry.C:
		}
		switch {
		case !l.connected.Load():
			// The library reports that a server cannot be reached, but not each time that one
			// refuses the login.
			if err := conn.LastError(); err != nil {
				l.onFailure(err)
			}
		case !begun:
			err := l.begin(ctx, conn)
			begun = err == nil
			l.note(err)
		}
	}
}

func (l *link) onConnect(*nats.Conn) {
	l.connected.Store(true)
	l.note(nil)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) onDisconnect(c *nats.Conn, err error) {
	l.connected.Store(false)
	if err != nil { // nil: we closed it ourselves
		l.note(fmt.Errorf("connection to %s lost: %w", c.ConnectedUrlRedacted(), err))
	}
}

func (l *link) onFailure(err error) {
	if !l.connected.Load() {
		l.note(loginHint(err))
	}
}

// note keeps a problem for readiness and logs it where it is news: attempts fail many times
// a second while a server is away, and each server may fail in its own way.
func (l *link) note(problem error) {
	l.mu.Lock()
	l.problem = problem
	report := false
	if problem == nil {
		l.reported = ""
	} else if text := problem.Error(); !l.closing && text != l.reported &&
		(l.reported == "" || time.Since(l.reportedAt) > linkReport) {
		l.reported, l.reportedAt = text, time.Now()
		report = true
	}
	l.mu.Unlock()
	if report {
		l.service.logger.Warn("nats: connection does not serve", "connection", l.number, "error", problem)
	}
}

// begin learns the account and subscribes if that is not done yet.
func (l *link) begin(ctx context.Context, conn *nats.Conn) error {
	account, err := ownAccount(ctx, conn)
	if err != nil {
		return err
	}
	l.service.forbidOwnAccount(account)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sub != nil || l.closing {
		return nil
	}
	sub, err := conn.QueueSubscribe(requestSubject, queueGroup, l.receive)
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
		reply:   func(answer []byte) { l.answer(msg, answer) },
	})
}

// outgoing is an answer on its way.
type outgoing struct {
	request *nats.Msg
	answer  []byte
}

// answer hands an answer to the link's sender, copied. The library holds its lock while it
// dials, and while it writes to a server that does not read: no worker may wait for that.
// Where so many wait already, their clients have left, and so will this one.
func (l *link) answer(request *nats.Msg, answer []byte) {
	select {
	case l.answers <- outgoing{request, bytes.Clone(answer)}:
	default:
		l.service.lost(dropStuck, 1)
	}
}

// send sends answers until there will be no more. One that cannot be sent has nobody
// waiting for it: its server is gone.
func (l *link) send() {
	defer close(l.sent)
	for a := range l.answers {
		_ = a.request.Respond(a.answer)
	}
}

// linkStatus is a link's health at one moment.
type linkStatus struct {
	serving bool
	problem error // why not, or what is wrong although it serves
}

func (l *link) status() linkStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return linkStatus{serving: l.connected.Load() && l.sub != nil, problem: l.problem}
}

// unsubscribe stops taking requests; those that the server has sent already still arrive.
func (l *link) unsubscribe(ctx context.Context) {
	l.mu.Lock()
	l.closing = true
	sub := l.sub
	l.mu.Unlock()
	if sub == nil || !l.connected.Load() {
		return // nothing more can arrive
	}
	done := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(done) })
	if err := sub.Drain(); err != nil {
		return // not connected any more
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// close sends what is still to be sent and closes; nobody answers any more. It waits for
// closeTimeout at most: where the library is in the middle of dialling, the connection is
// closed right after that.
func (l *link) close() {
	close(l.answers)
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn == nil {
		return // run closes it
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		select {
		case <-l.sent:
		case <-time.After(closeTimeout / 2):
		}
		if l.connected.Load() {
			_ = conn.FlushTimeout(closeTimeout / 2)
		}
		conn.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// forbidOwnAccount makes sure that no role places a client among the callouts.
func (s *Service) forbidOwnAccount(account string) {
	d := s.handler.decider
	if have := d.ownAccount.Load(); have != nil && *have == account {
		return
	}
	d.ownAccount.Store(&account)
	s.reportOwnAccount()
}

// reportOwnAccount logs roles that are never granted.
func (s *Service) reportOwnAccount() {
	own := s.handler.decider.ownAccount.Load()
	if own == nil {
		return
	}
	if _, named := s.handler.decider.policy.Load().accounts[*own]; named {
		s.logger.Error("roles name the callout's own account: they are never granted", "account", *own)
	}
}
