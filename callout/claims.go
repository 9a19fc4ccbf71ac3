package callout

import (
	"harmony-callout/internal/strictjson"
)

// Zitadel names the claim with a project's roles after the project's id. The claim without
// an id, urn:zitadel:iam:org:project:roles, never grants: which project it speaks of
// depends on who asked.
const (
	rolesClaimPrefix = "urn:zitadel:iam:org:project:"
	rolesClaimSuffix = ":roles"
)

// claims are what we read of an access token's payload. Nothing here is true until
// [Verifier.Verify] says so.
type claims struct {
	issuer, subject, tokenID    string
	audience                    []string
	expires, notBefore, issued  int64 // NumericDate, seconds; 0 where absent
	clientID, preferredUsername string
	// idToken: a claim that only ID tokens carry is present (OpenID Connect Core §2,
	// §3.1.3.6, §3.3.2.11).
	idToken bool
	// grants holds, for each role key, the ids of the organisations that grant it.
	grants map[string][]string
	// custom holds the string claims that templates name.
	custom map[string]string
}

// claimReader knows which claims to read.
type claimReader struct {
	rolesClaim string
	custom     map[string]struct{}
}

func newClaimReader(projectID string, custom map[string]struct{}) claimReader {
	return claimReader{rolesClaim: rolesClaimPrefix + projectID + rolesClaimSuffix, custom: custom}
}

// parse reads a payload strictly; buf is overwritten. A registered claim of a wrong type is
// an error, never a zero value: two readers of one token must not differ about it.
func (r *claimReader) parse(buf []byte) (claims, error) {
	var c claims
	var s strictjson.Scanner
	s.Reset(buf)
	err := s.Object(func(name []byte) error {
		var text *string
		switch string(name) {
		case "iss":
			text = &c.issuer
		case "sub":
			text = &c.subject
		case "jti":
			text = &c.tokenID
		case "client_id":
			text = &c.clientID
		case "preferred_username":
			text = &c.preferredUsername
		case "aud":
			return readAudience(&s, &c.audience)
		case "exp":
			return readTime(&s, &c.expires)
		case "nbf":
			return readTime(&s, &c.notBefore)
		case "iat":
			return readTime(&s, &c.issued)
		case "at_hash", "c_hash", "s_hash", "nonce":
			c.idToken = true
			return s.Skip()
		case r.rolesClaim:
			return readGrants(&s, &c.grants)
		}
		_, wanted := r.custom[string(name)]
		var other string
		if text == nil {
			// A claim that only a template names: where it is no string it has no value.
			if !wanted || s.Peek() != strictjson.String {
				return s.Skip()
			}
			text = &other
		}
		if err := readString(&s, text); err != nil {
			return err
		}
		if wanted {
			c.keep(string(name), *text)
		}
		return nil
	})
	if err == nil {
		err = s.End()
	}
	return c, err
}

// keep stores the value of a claim that a template names.
func (c *claims) keep(name, value string) {
	if c.custom == nil {
		c.custom = make(map[string]string)
	}
	c.custom[name] = value
}

func readString(s *strictjson.Scanner, to *string) error {
	text, err := s.String()
	*to = string(text)
	return err
}

// maxNumericDate is the end of the year 9999. Adding to much later times overflows, which
// would make a nbf of the far future one of the past.
const maxNumericDate = 253_402_300_799

// readTime reads a NumericDate. RFC 7519 §2 allows fractions; no issuer that we know
// writes them, and a time that is not a positive whole number of seconds is refused.
func readTime(s *strictjson.Scanner, to *int64) error {
	n, err := s.Int64()
	if err == nil && (n <= 0 || n > maxNumericDate) {
		return errNumericDate
	}
	*to = n
	return err
}

// readAudience reads aud: one string or an array of strings (RFC 7519 §4.1.3).
func readAudience(s *strictjson.Scanner, to *[]string) error {
	if s.Peek() == strictjson.String {
		*to = make([]string, 1)
		return readString(s, &(*to)[0])
	}
	return s.Array(func() error {
		var one string
		err := readString(s, &one)
		*to = append(*to, one)
		return err
	})
}

// readGrants reads {"role key": {"organisation id": "domain"}}.
func readGrants(s *strictjson.Scanner, to *map[string][]string) error {
	grants := make(map[string][]string)
	*to = grants
	var last string // most roles are granted by one organisation: its id is kept once
	return s.Object(func(role []byte) error {
		key := string(role)
		var organizations []string
		if err := s.Object(func(id []byte) error {
			if last != string(id) {
				last = string(id)
			}
			organizations = append(organizations, last)
			_, err := s.String()
			return err
		}); err != nil {
			return err
		}
		if key != "" && len(organizations) > 0 {
			grants[key] = organizations
		}
		return nil
	})
}
