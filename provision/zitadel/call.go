package zitadel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"harmony-callout/internal/secret"
)

// call is one request.
type call struct {
	what   string // for errors: "create project"
	method string // POST when empty
	path   string
	in     any // JSON, or url.Values for a form
	out    any // where the JSON of a success goes; nil: nowhere
	// repeat: being executed twice does no harm, so it may be sent again when nobody knows
	// whether it was executed.
	repeat bool
	// anonymous calls carry no credential; with is the one to carry instead of the chosen.
	anonymous bool
	with      secret.Text
}

// attempts is how often a call is sent at most. After a start the gateway answers 503 for most
// of a second, which their pauses outlast.
const attempts = 6

// do sends a call, again where that is safe, and returns what went wrong last.
func (c *Client) do(ctx context.Context, call call) error {
	if call.method == "" {
		call.method = http.MethodPost
	}
	renewed := false
	for attempt := 0; ; attempt++ {
		err := c.attempt(ctx, call)
		var api *APIError
		var bearer *noBearer
		switch {
		case err == nil:
			return nil
		case errors.As(err, &bearer): // it had its own attempts
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", call.what, context.Cause(ctx))
		case errors.Is(err, ErrUnauthenticated) && !renewed && !call.anonymous && call.with.Reveal() == "" && c.renew():
			renewed = true
			continue
		case attempt+1 == attempts:
		case notSent(err), errors.As(err, &api) && refusedUnread(api), call.repeat && errors.Is(err, ErrUnavailable):
			if c.backoff.wait(ctx, attempt) == nil {
				continue
			}
		}
		return c.advise(fmt.Errorf("%s: %w", call.what, err))
	}
}

// noBearer: there is no token for the call.
type noBearer struct{ error }

func (e *noBearer) Unwrap() error { return e.error }

// refusedUnread: 503 is given by the gateway before the API behind it has started, and 429
// before anything was read.
func refusedUnread(e *APIError) bool {
	return e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests
}

// notSent tells that there was no connection, so that nothing can have been executed.
func notSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

func (c *Client) attempt(ctx context.Context, call call) error {
	// The credential may need calls of its own, so its time does not count.
	token := call.with
	if !call.anonymous && token.Reveal() == "" {
		var err error
		if token, err = c.bearer(ctx); err != nil {
			return &noBearer{err}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, call)
	if err != nil {
		return err
	}
	if !call.anonymous {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	status, body, err := c.send(req)
	if err != nil {
		return err
	}
	if status < 200 || status > 299 {
		return readError(call.method+" "+call.path, status, body)
	}
	if call.out == nil {
		return nil
	}
	if err := json.Unmarshal(body, call.out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what Zitadel answers: %w", call.method, call.path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	var body io.Reader
	kind := "application/json"
	switch in := call.in.(type) {
	case nil:
	case url.Values:
		body, kind = bytes.NewBufferString(in.Encode()), "application/x-www-form-urlencoded"
	default:
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, call.method, c.issuer.Endpoint(call.path), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// send returns status and body. Whatever keeps it from that is ErrUnavailable.
func (c *Client) send(req *http.Request) (int, []byte, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %s %s: read answer: %w", ErrUnavailable, req.Method, req.URL.Path, err)
	}
	if len(body) > maxBody {
		return 0, nil, fmt.Errorf("%s %s: the answer has more than %d bytes", req.Method, req.URL.Path, maxBody)
	}
	return res.StatusCode, body, nil
}

// ignoring returns nil where an error is one of those named.
func ignoring(err error, targets ...error) error {
	for _, target := range targets {
		if errors.Is(err, target) {
			return nil
		}
	}
	return err
}
