package standin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// code is a gRPC status code: its number, its name in Connect, its status in HTTP.
type code struct {
	number int
	name   string
	status int
}

var (
	invalidArgument    = code{3, "invalid_argument", http.StatusBadRequest}
	notFound           = code{5, "not_found", http.StatusNotFound}
	alreadyExists      = code{6, "already_exists", http.StatusConflict}
	permissionDenied   = code{7, "permission_denied", http.StatusForbidden}
	failedPrecondition = code{9, "failed_precondition", http.StatusBadRequest}
	unimplemented      = code{12, "unimplemented", http.StatusNotImplemented}
	internal           = code{13, "internal", http.StatusInternalServerError}
	unauthenticated    = code{16, "unauthenticated", http.StatusUnauthorized}
)

// apiError is an error as Zitadel's API tells it.
type apiError struct {
	code    code
	id      string // "COMMAND-2m8vx"; empty: an error of the frame, without details
	message string
}

func (e *apiError) Error() string {
	if e.id == "" {
		return e.message
	}
	return fmt.Sprintf("%s (%s)", e.message, e.id)
}

// fail is an error with an id of Zitadel's.
func fail(c code, id, message string) error { return &apiError{c, id, message} }

// invalid is what protobuf's validation says before Zitadel sees a request.
func invalid(request, field, rule string) error {
	return &apiError{invalidArgument, "", fmt.Sprintf("invalid %s.%s: %s", request, field, rule)}
}

const ruleLength200 = "value length must be between 1 and 200 runes, inclusive"

// checkLength is nil when a text has 1 to 200 runes.
func checkLength(request, field, value string) error {
	if n := len([]rune(value)); n < 1 || n > 200 {
		return invalid(request, field, ruleLength200)
	}
	return nil
}

// connectBody is the error in Connect's form (#28), whose value is the protobuf of id and message.
func (e *apiError) connectBody() any {
	type debug struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}
	type detail struct {
		Type  string `json:"type"`
		Value string `json:"value"`
		Debug debug  `json:"debug"`
	}
	body := struct {
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Details []detail `json:"details,omitempty"`
	}{Code: e.code.name, Message: e.Error()}
	if e.id != "" {
		proto := append(protoString(1, e.id), protoString(2, e.message)...)
		body.Details = []detail{{
			Type:  "zitadel.v1.ErrorDetail",
			Value: base64.RawStdEncoding.EncodeToString(proto),
			Debug: debug{e.id, e.message},
		}}
	}
	return body
}

// protoString is a string field of protobuf's wire format.
func protoString(field byte, s string) []byte {
	out := []byte{field<<3 | 2}
	n := uint(len(s))
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(append(out, byte(n)), s...)
}

// restBody is the error in the gRPC gateway's form (#36).
func (e *apiError) restBody() any {
	type detail struct {
		Type    string `json:"@type"`
		ID      string `json:"id,omitempty"`
		Message string `json:"message"`
	}
	body := struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Details []detail `json:"details,omitempty"`
	}{Code: e.code.number, Message: e.Error()}
	if e.id != "" {
		body.Details = []detail{{"type.googleapis.com/zitadel.v1.ErrorDetail", e.id, e.message}}
	}
	return body
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("standin: encode answer: " + err.Error()) // only types of this package get here
	}
	return data
}
