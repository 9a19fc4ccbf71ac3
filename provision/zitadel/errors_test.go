package zitadel

import (
	"errors"
	"testing"
)

// The bodies are those of a real Zitadel, by number of recording.
func TestAnswersMeanWhatTheirStatusAndTextSay(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		is     error // nil: none of them
		id     string
		code   string
	}{
		{"#28 a project of that name", 409, `{"code":"already_exists","message":"Project already exists on organization (V3-DKcYh)","details":[{"type":"zitadel.v1.ErrorDetail","value":"Cg","debug":{"id":"V3-DKcYh","message":"Project already exists on organization"}}]}`, ErrConflict, "V3-DKcYh", "already_exists"},
		{"#74 a user of that name", 409, `{"code":6,"message":"User already exists (V3-DKcYh)","details":[{"@type":"type.googleapis.com/zitadel.v1.ErrorDetail","id":"V3-DKcYh","message":"User already exists"}]}`, ErrConflict, "V3-DKcYh", "already_exists"},
		{"#503 a user of that id", 400, `{"code":9,"message":"Errors.User.AlreadyExisting (COMMAND-k2una)","details":[{"id":"COMMAND-k2una"}]}`, ErrConflict, "COMMAND-k2una", "failed_precondition"},
		{"#71 an application that is so already", 400, `{"code":"failed_precondition","message":"No changes (COMMAND-2m8vx)","details":[{"debug":{"id":"COMMAND-2m8vx"}}]}`, ErrNoChange, "COMMAND-2m8vx", "failed_precondition"},
		{"#107 a grant that is so already", 400, `{"code":9,"message":"User grant has not been changed (COMMAND-Rs8fy)"}`, ErrNoChange, "COMMAND-Rs8fy", "failed_precondition"},
		{"#405 settings that are so already", 400, `{"code":9,"message":"No changes (COMMAND-0pk2nu)"}`, ErrNoChange, "COMMAND-0pk2nu", "failed_precondition"},
		{"another release without translations", 400, `{"code":9,"message":"Errors.Project.Role.NotChanged"}`, ErrNoChange, "", "failed_precondition"},
		{"#98 a role that is unknown", 400, `{"code":"failed_precondition","message":"Errors.Project.Role.NotFound (COMMAND-mm9F4)"}`, nil, "COMMAND-mm9F4", "failed_precondition"},
		{"#23 a token that is unknown", 401, `{"code":"unauthenticated","message":"Errors.Token.Invalid (AUTH-7fs1e)"}`, ErrUnauthenticated, "AUTH-7fs1e", "unauthenticated"},
		{"#400 a caller without membership", 404, `{"code":"not_found","message":"membership not found (AUTHZ-cdgFk)","details":[{"debug":{"id":"AUTHZ-cdgFk"}}]}`, ErrDenied, "AUTHZ-cdgFk", "not_found"},
		{"#496 a caller without permission", 403, `{"code":7,"message":"No matching permissions found (AUTH-5mWD2)"}`, ErrDenied, "AUTH-5mWD2", "permission_denied"},
		{"#32 a project that is not there", 404, `{"code":"not_found","message":"Project not found (QUERY-fk2fs)"}`, ErrNotFound, "QUERY-fk2fs", "not_found"},
		{"#12 a host that is unknown", 404, `{"code":5,"message":"unable to set instance using origin &{other.local:8080  http} (ExternalDomain is sso.harmony.local): ID=QUERY-1kIjX Message=Instance not found."}`, ErrOtherInstance, "QUERY-1kIjX", "not_found"},
		{"#9 the same as text", 404, "unable to set instance using origin &{other.local:8080  http}: ID=QUERY-1kIjX Message=Instance not found.\n", ErrOtherInstance, "QUERY-1kIjX", "not found"},
		{"#582 a database that is down is not another instance", 500, `{"code":"internal","message":"unable to set instance using origin &{x}: ID=QUERY-d3fas Message=An internal error occurred"}`, ErrUnavailable, "QUERY-d3fas", "internal"},
		{"a gateway before the API", 503, `{"code":14,"message":"connection error"}`, ErrUnavailable, "", "unavailable"},
		{"a proxy's page", 502, "<html>Bad Gateway</html>", ErrUnavailable, "", "bad gateway"},
		{"#854 what is not implemented", 501, `{"code":12,"message":"user type is not implemented ()"}`, nil, "", "unimplemented"},
		{"#183 an assertion that is refused", 400, `{"error":"invalid_grant","error_description":"invalid assertion"}`, nil, "", "invalid_grant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := readError("POST /x", c.status, []byte(c.body))
			for _, target := range []error{ErrConflict, ErrNotFound, ErrUnauthenticated, ErrDenied, ErrNoChange, ErrUnavailable, ErrOtherInstance} {
				if errors.Is(err, target) != (target == c.is) {
					t.Errorf("is %q: %v", target, target != c.is)
				}
			}
			if err.ID != c.id || err.Code != c.code {
				t.Errorf("id %q, code %q", err.ID, err.Code)
			}
		})
	}
}
