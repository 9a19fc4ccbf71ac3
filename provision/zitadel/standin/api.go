package standin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// call is one request to the API, its caller known and permitted.
type call struct {
	*http.Request
	server *Server
	store  *store
	who    *caller
	body   []byte
}

// endpoint answers one call with what is encoded as JSON, or with an *apiError.
type endpoint func(*call) (any, error)

// route is an endpoint and what it takes to be let in.
type route struct {
	need need
	do   endpoint
	// created: the answer's status is 201.
	created bool
}

// connect serves a method of Connect: POST /zitadel.project.v2.ProjectService/GetProject.
func (s *Server) connect(service, method string, n need, do endpoint) {
	name := strings.ToLower(strings.TrimSuffix(service, "Service"))
	switch service {
	case "WebKeyService":
		name = "webkey"
	case "InternalPermissionService":
		name = "internal_permission"
	case "OrganizationService":
		name = "org"
	}
	s.handle("POST /zitadel."+name+".v2."+service+"/"+method, route{need: n, do: do})
}

func (s *Server) handle(pattern string, rt route) {
	s.api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		answer, err := s.serveAPI(w, r, rt)
		if err != nil {
			writeAPIError(w, r, err)
			return
		}
		apiHeaders(w, r)
		status := http.StatusOK
		if rt.created {
			status = http.StatusCreated
		}
		writeJSON(w, status, answer)
	})
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, rt route) (any, error) {
	c := &call{Request: r, server: s, store: s.store}
	var err error
	if c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		return nil, &apiError{invalidArgument, "", "read body: " + err.Error()}
	}
	if c.who, err = s.authenticate(r); err != nil {
		return nil, err
	}
	if err := c.who.check(rt.need, r.PathValue("user")); err != nil {
		return nil, err
	}
	return rt.do(c)
}

// update is [store.update] by the caller of a call, noted as a write.
func (c *call) update(f func(*tx) error) error {
	changed := false
	err := c.store.update(c.who.userID, func(t *tx) error {
		err := f(t)
		changed = err == nil && len(t.rows) > 0
		return err
	})
	c.server.faults.wrote(Write{Method: c.Method, Path: c.URL.Path, Changed: changed && err == nil})
	return err
}

// decode reads a request's body. Unknown fields are ignored, as Zitadel does.
func decode[T any](c *call) (T, error) {
	var v T
	if len(c.body) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(c.body, &v); err != nil {
		return v, &apiError{invalidArgument, "", "proto: syntax error: " + err.Error()}
	}
	return v, nil
}

// isConnect tells the two dialects of the API apart, which differ in their errors.
func isConnect(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/zitadel.") }

// isV1 tells the old part of the REST API, whose answers forbid caching.
func isV1(r *http.Request) bool {
	return slices.ContainsFunc([]string{"/admin/v1/", "/management/v1/", "/auth/v1/", "/system/v1/"},
		func(prefix string) bool { return strings.HasPrefix(r.URL.Path, prefix) })
}

// apiHeaders are those of a good answer, which differ between the dialects.
func apiHeaders(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if isConnect(r) || isV1(r) {
		noStore(w)
	}
	if !isConnect(r) {
		h.Set("Grpcgateway-Cache-Control", "no-store")
		h.Set("Grpcgateway-Content-Type", "application/grpc")
		h.Set("Grpcgateway-Pragma", "no-cache")
	}
}

func writeAPIError(w http.ResponseWriter, r *http.Request, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{internal, "", err.Error()}
	}
	if isConnect(r) {
		writeJSON(w, e.code.status, e.connectBody())
		return
	}
	if isV1(r) {
		noStore(w)
		if e.code == unauthenticated {
			w.Header().Set("Www-Authenticate", e.Error())
		}
	}
	w.Header().Set("Grpcgateway-Content-Type", "application/grpc")
	writeJSON(w, e.code.status, e.restBody())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(v)) // into memory: see recorder
}

func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("Expires", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
}

// details is the history of a row as the REST API tells it.
type details struct {
	Sequence      string `json:"sequence,omitempty"`
	CreationDate  stamp  `json:"creationDate,omitzero"`
	ChangeDate    stamp  `json:"changeDate,omitzero"`
	ResourceOwner string `json:"resourceOwner,omitempty"`
}

func detailsOf(m meta) details {
	return details{strconv.Itoa(m.Sequence), m.Created, m.Changed, m.Owner}
}

// createdDetails and changedDetails are what v1 answers to a write.
func createdDetails(m meta) details {
	return details{Sequence: strconv.Itoa(m.Sequence), CreationDate: m.Created, ResourceOwner: m.Owner}
}

func changedDetails(m meta) details {
	return details{Sequence: strconv.Itoa(m.Sequence), ChangeDate: m.Changed, ResourceOwner: m.Owner}
}

type detailsAnswer struct {
	Details details `json:"details"`
}

type createdAnswer struct {
	CreationDate stamp `json:"creationDate,omitzero"`
}

type changedAnswer struct {
	ChangeDate stamp `json:"changeDate,omitzero"`
}

type deletedAnswer struct {
	DeletionDate stamp `json:"deletionDate,omitzero"`
}
