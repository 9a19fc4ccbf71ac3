package zitadel

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"harmony-callout/provision"
)

// What a call can have failed of, for errors.Is.
var (
	// ErrConflict: the name or the id is taken.
	ErrConflict = errors.New("it exists already")
	// ErrNotFound: there is no such thing. A caller without any membership gets 404 too; that
	// is ErrDenied and not this.
	ErrNotFound = errors.New("there is no such thing")
	// ErrUnauthenticated: the credential is not accepted.
	ErrUnauthenticated = errors.New("the credential is not accepted")
	// ErrDenied: the credential may not do that.
	ErrDenied = errors.New("not permitted")
	// ErrNoChange: it is so already. Calls that return nothing else take it for success.
	ErrNoChange = errors.New("nothing to change")
	// ErrUnavailable: the server could not be reached or could not answer.
	ErrUnavailable = errors.New("zitadel is unavailable")
	// ErrOtherInstance: who answers does not go by the issuer's name.
	ErrOtherInstance = errors.New("another instance")
)

// APIError is an answer that is no success.
type APIError struct {
	Status  int    // of HTTP
	Code    string // as Connect names it: already_exists
	ID      string // V3-DKcYh; many errors share one
	Message string
	Method  string // what was called: POST /v2/users/new
}

func (e *APIError) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.Method, e.Status, e.Code)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Is tells whether the answer means one of the errors of this package.
func (e *APIError) Is(target error) bool { return target == e.meaning() }

func (e *APIError) meaning() error {
	switch {
	case e.Status == http.StatusNotFound && strings.Contains(e.Message, instanceNotFound):
		return ErrOtherInstance
	case e.Status == http.StatusConflict, e.Status == http.StatusBadRequest && takenMessage.MatchString(e.Message):
		return ErrConflict
	case e.Status == http.StatusBadRequest && noChangeMessage.MatchString(e.Message):
		return ErrNoChange
	case e.Status == http.StatusUnauthorized:
		return ErrUnauthenticated
	case e.Status == http.StatusForbidden, e.Status == http.StatusNotFound && strings.HasPrefix(e.ID, "AUTHZ-"):
		return ErrDenied
	case e.Status == http.StatusNotFound:
		return ErrNotFound
	case e.Status >= 500 && e.Status != http.StatusNotImplemented, e.Status == http.StatusTooManyRequests:
		return ErrUnavailable
	}
	return nil
}

// instanceNotFound is how every call is answered for a Host that no instance has (#9, #12),
// and with status 500 while the database is down (#582).
const instanceNotFound = "unable to set instance using origin"

var (
	// A real Zitadel says "No changes", "User grant has not been changed", and in releases
	// without a translation Errors.….NotChanged or Errors.NoChangesFound (#71, #107, #405).
	noChangeMessage = regexp.MustCompile(`(?i)no ?changes|not ?(been )?changed`)
	// A user id that is taken is answered with 400 (#503).
	takenMessage = regexp.MustCompile(`AlreadyExist|(?i:already exists)`)
	errorID      = regexp.MustCompile(`\(([A-Za-z0-9]+-[A-Za-z0-9]+)\)$|ID=([A-Za-z0-9]+-[A-Za-z0-9]+)`)
)

// grpcCodes are the codes of REST answers as Connect names them.
var grpcCodes = map[int]string{
	1: "canceled", 2: "unknown", 3: "invalid_argument", 4: "deadline_exceeded", 5: "not_found",
	6: "already_exists", 7: "permission_denied", 8: "resource_exhausted", 9: "failed_precondition",
	10: "aborted", 11: "out_of_range", 12: "unimplemented", 13: "internal", 14: "unavailable",
	15: "data_loss", 16: "unauthenticated",
}

// readError reads an answer of any shape: Connect's with a word for code, REST's with a
// number, OAuth's, or text of whoever stands before the API.
func readError(method string, status int, body []byte) *APIError {
	e := &APIError{Status: status, Method: method}
	var answer struct {
		Code    json.RawMessage
		Message string
		Details []struct {
			ID    string
			Debug struct{ ID string }
		}
		Error            string // of OAuth
		ErrorDescription string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) != nil {
		e.Message = strings.TrimSpace(string(body))
		const longest = 300
		if len(e.Message) > longest {
			e.Message = e.Message[:longest] + " …"
		}
	} else {
		e.Message = answer.Message + answer.ErrorDescription
	}
	var number int
	if json.Unmarshal(answer.Code, &e.Code) != nil && json.Unmarshal(answer.Code, &number) == nil {
		e.Code = grpcCodes[number]
	}
	if answer.Error != "" {
		e.Code = answer.Error
	}
	if e.Code == "" {
		e.Code = strings.ToLower(http.StatusText(status))
	}
	for _, d := range answer.Details {
		if e.ID = d.ID + d.Debug.ID; e.ID != "" {
			break
		}
	}
	if e.ID == "" {
		if m := errorID.FindStringSubmatch(e.Message); m != nil {
			e.ID = m[1] + m[2]
		}
	}
	return e
}

// advise adds what helps against an error of a call.
func (c *Client) advise(err error) error {
	if err == nil || provision.HintOf(err) != "" {
		return err
	}
	var unverified *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unverified):
		return provision.WithHint(err, fmt.Sprintf("give the file of the authority that signed the certificate of %s", c.issuer.Host()))
	case errors.Is(err, ErrOtherInstance):
		return provision.WithHint(err, fmt.Sprintf("the instance behind %s does not know the host %s: set issuer.host and issuer.port to its ExternalDomain and ExternalPort",
			c.address, c.issuer.HostPort()))
	case errors.Is(err, ErrDenied):
		return provision.WithHint(err, fmt.Sprintf("%s may not do that: it needs the role IAM_OWNER, or ORG_OWNER of the organisation", c.CredentialName()))
	case errors.Is(err, ErrUnavailable):
		return provision.WithHint(err, fmt.Sprintf("is Zitadel running and its database up? ask %s", c.issuer.Endpoint("/debug/ready")))
	}
	return err
}
