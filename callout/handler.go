package callout

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"
)

// refusedText is all that a refused client's server learns. The reason stays here.
const refusedText = "authorization refused"

// Handler answers authorization requests. It does no I/O and is safe for concurrent use.
type Handler struct {
	decider *Decider
	keys    *keyring
	secrets sharedSecrets
	servers servers
	now     func() time.Time
}

// work is the state of one request while it is being handled, and its memory, which is
// used again for the next.
type work struct {
	opened, decoded []byte // the request: unsealed, and its claims
	claims, jwt     []byte // of the answer: claims before encoding, the user JWT
	response, out   []byte // the answer, and the answer sealed

	request  authRequest
	signer   *signer // set once the request may be answered
	server   *natsServer
	secret   *sharedSecret // set when the answer is to be sealed
	decision Decision
}

// reset makes w ready for the next request and lets go of memory that an unusual one took.
func (w *work) reset() {
	for _, b := range []*[]byte{&w.opened, &w.decoded, &w.claims, &w.jwt, &w.response, &w.out} {
		if cap(*b) > bufferMax {
			*b = nil
		}
	}
	w.request, w.signer, w.server, w.secret, w.decision = authRequest{}, nil, nil, nil, Decision{}
}

// handle decides about one request and returns the answer, which stays valid until w is
// used again; nil means that the request gets no answer. The decision is left in
// w.decision. A *keyWanted error means that nothing was decided: the key has to be waited
// for and the request handled again. awaited is how such a wait ended.
func (h *Handler) handle(req *Request, awaited error, w *work) (answer []byte, wanted *keyWanted) {
	w.reset()
	defer func() {
		// A fault while one request is handled is that request's refusal and nobody else's.
		if p := recover(); p != nil {
			answer = h.refuse(w, &RejectError{ReasonInternal, "panic", fmt.Errorf("%v\n%s", p, debug.Stack())})
		}
	}()
	if err := h.open(req, w); err != nil {
		return h.refuse(w, err), nil
	}
	now := h.now()
	p, err := h.decider.decide(w.request.connect.credential(), w.connection(), now, nil, &w.decision)
	if errors.As(err, &wanted) {
		if awaited == nil {
			return nil, wanted
		}
		err = awaitedReason(awaited, wanted)
	}
	if err != nil {
		return h.refuse(w, err), nil
	}
	return h.permit(w, p, now), nil
}

// awaitedReason is the refusal of a token whose key was waited for in vain.
func awaitedReason(awaited error, wanted *keyWanted) error {
	if errors.Is(awaited, ErrUnknownKey) {
		return rejectf(ReasonUnknownKey, "the issuer publishes no key %q", printable([]byte(wanted.kid)))
	}
	if errors.Is(awaited, errOverloaded) {
		return &RejectError{ReasonOverloaded, "waiting for the issuer's keys", awaited}
	}
	return &RejectError{ReasonIssuerUnavailable, "waiting for the issuer's keys", awaited}
}

// open unseals, reads and checks a request. Once it has set w.signer, the request is a
// server's and may be answered, also when an error follows.
func (h *Handler) open(req *Request, w *work) error {
	if len(req.Data) > maxRequest {
		return rejectf(ReasonMalformedRequest, "%d bytes, more than %d", len(req.Data), maxRequest)
	}
	token := req.Data
	if req.ServerXKey != "" {
		if len(h.keys.xkeys) == 0 {
			return reject(ReasonMalformedRequest, "sealed, but keys.xkeySeedFile is not set: the server has auth_callout.xkey")
		}
		opened, secret, err := h.secrets.open(h.keys, req.ServerXKey, w.opened[:0], req.Data)
		if err != nil {
			return &RejectError{ReasonMalformedRequest, "sealed request", err}
		}
		w.opened, w.secret, token = opened, secret, opened
	}
	r, jws, decoded, err := decodeRequest(token, w.decoded)
	w.request, w.decoded = r, decoded
	if err != nil {
		return &RejectError{ReasonMalformedRequest, "request", err}
	}
	signer, err := w.request.check(h.keys)
	if err != nil {
		return err
	}
	if err := h.checkServer(req, w, jws); err != nil {
		return err
	}
	w.describe()
	if err := h.checkAge(req, w); err != nil {
		return err
	}
	w.signer = signer
	if len(h.keys.xkeys) > 0 && w.secret == nil {
		return reject(ReasonNotSealed, "keys.xkeySeedFile is set, the server's auth_callout.xkey is not")
	}
	return nil
}

// checkServer checks that the server signed the request and sealed it itself.
func (h *Handler) checkServer(req *Request, w *work, jws compactJWS) error {
	server, err := h.servers.find(w.request.issuer)
	if err != nil {
		return err
	}
	var signature [ed25519.SignatureSize]byte
	if n := b64.DecodedLen(len(jws.signature)); n != len(signature) {
		return reject(ReasonMalformedRequest, "the signature is no Ed25519 signature")
	}
	if _, err := b64.Decode(signature[:], jws.signature); err != nil {
		return &RejectError{ReasonMalformedRequest, "signature", err}
	}
	if !ed25519.Verify(server.key, jws.signed, signature[:]) {
		return reject(ReasonMalformedRequest, "the server's signature does not fit")
	}
	// The header is not signed. Were it believed, the answer, with the user JWT in it, could
	// be sealed for somebody else.
	if w.secret != nil && string(w.request.server.xkey) != req.ServerXKey {
		return rejectf(ReasonMalformedRequest, "header %s is not the xkey that the server signed", xkeyHeader)
	}
	h.servers.remember(server)
	if w.secret != nil {
		h.secrets.remember(req.ServerXKey, w.secret)
	}
	w.server = server
	return nil
}

// checkAge finds out whether the server still waits. exp is in whole seconds, rounded down
// when it was written, so that the request lives up to one second longer than it says.
func (h *Handler) checkAge(req *Request, w *work) error {
	behind := w.server.clock.observe(req.Received, w.request.issued)
	end := time.Unix(w.request.expires, 0).Add(time.Second + behind)
	if now := h.now(); !now.Before(end) {
		return rejectf(ReasonStaleRequest, "the server stopped waiting %s ago", now.Sub(end).Round(time.Millisecond))
	}
	return nil
}

// describe copies into the decision what the log says of client and server: the request
// itself lies in memory that is used again.
func (w *work) describe() {
	r := &w.request
	w.decision.Client = Client{
		Host: printable(r.client.host),
		Name: printable(r.client.name),
		ID:   r.client.id,
		Type: connectionType(r.client.kind, r.client.typ),
	}
	w.decision.Server = Server{ID: w.server.id, Name: printable(r.server.name)}
}

func (w *work) connection() Connection {
	source, _ := netip.ParseAddr(w.decision.Client.Host)
	return Connection{
		User:   string(w.request.connect.user),
		Source: source,
		Type:   w.decision.Client.Type,
	}
}

// permit writes the answer that lets the client in.
func (h *Handler) permit(w *work, p *permit, now time.Time) []byte {
	d := &w.decision
	who := d.Principal
	until := userJWTEnd(who.Expires, p.MaxTTL, now)
	if !until.After(now) {
		return h.refuse(w, reject(ReasonExpired, "less than a second is left"))
	}
	name := who.Username
	if !safeToken(name) {
		name = who.Subject
	}
	w.jwt, w.claims = appendUserJWT(w.jwt[:0], w.signer, &userJWT{
		userNkey: w.request.userNkey, name: name, account: p.Account,
		subject: who.Subject, tokenID: who.TokenID,
		permissions: p.permissions, issued: now, expires: until,
	}, w.claims)
	answer, err := h.answer(w, w.jwt, false)
	if err != nil {
		return h.refuse(w, &RejectError{ReasonInternal, "seal the answer", err})
	}
	d.Allowed, d.Account, d.Roles, d.Until = true, p.Account, p.Roles, until
	return answer
}

// refuse notes a refusal and writes its answer, if the request is one that may be answered.
func (h *Handler) refuse(w *work, err error) []byte {
	var r *RejectError
	if !errors.As(err, &r) {
		r = &RejectError{ReasonInternal, "", err}
	}
	d := &w.decision
	d.Allowed, d.Reason, d.Err = false, r.Reason, r
	if d.Credential == "" {
		d.Credential = CredentialNone
	}
	if w.signer == nil {
		return nil
	}
	answer, err := h.answer(w, []byte(refusedText), true)
	if err != nil {
		return nil
	}
	return answer
}

func (h *Handler) answer(w *work, text []byte, refused bool) ([]byte, error) {
	w.response, w.claims = appendResponse(w.response[:0], w.signer, w.server.id, w.request.userNkey, text, refused, h.now(), w.claims)
	if w.secret == nil {
		return w.response, nil
	}
	out, err := w.secret.seal(w.out[:0], w.response)
	w.out = out
	return out, err
}
