package callout

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"harmony-callout/internal/conf"
)

// purpose is what a configuration is validated for.
type purpose int

const (
	forService purpose = iota // to run: everything must be there
	forPolicy                 // to decide by hand: the issuer, the roles, and what bounds them
)

// Bounds of the configuration. Each keeps something of the service finite.
const (
	maxConnections = 64
	maxLeeway      = time.Minute
	maxAdmission   = 1800 * time.Millisecond // the server gives up after 2 s
	maxQueue       = 65_536
	maxCache       = 1 << 20
	minTTL         = time.Second
)

// Validate checks a configuration that was built in code as [Load] checks one that was
// read. The error holds every problem, each with its key.
func (c *Config) Validate() error { return c.validate(nil, forService).Err() }

func (c *Config) validate(doc *conf.Document, p purpose) conf.Problems {
	v := &validator{doc: doc}
	if p == forService {
		v.nats(c)
		v.keys(&c.Keys)
		v.limits(c)
	}
	v.zitadel(c)
	v.roles(c)
	v.words("forbiddenAccounts", c.ForbiddenAccounts)
	v.words("deny.users", c.Deny.Users)
	v.words("deny.tokens", c.Deny.Tokens)
	if c.MaxTTL < minTTL {
		v.fail("maxTTL", fmt.Sprintf("must be at least %s, not %s", minTTL, c.MaxTTL), "")
	}
	v.unavailable(c)
	return v.problems
}

// validator collects problems. Its methods take the path of the key that they check.
type validator struct {
	doc      *conf.Document
	problems conf.Problems
}

func (v *validator) fail(path, message, hint string) {
	v.problems = append(v.problems, v.doc.Problem(path, message, hint))
}

func (v *validator) limits(c *Config) {
	v.positive("admission.maxAge", c.Admission.MaxAge)
	if c.Admission.MaxAge > maxAdmission {
		v.fail("admission.maxAge", fmt.Sprintf("must be at most %s, not %s", maxAdmission, c.Admission.MaxAge), "the server stops waiting after 2s")
	}
	v.between("admission.queue", c.Admission.Queue, maxQueue)
	v.between("cache.tokens", c.Cache.Tokens, maxCache)
	v.between("cache.refused", c.Cache.Refused, maxCache)
	if c.HTTP.Listen != "" {
		v.address("http.listen", c.HTTP.Listen, "write it like 127.0.0.1:8081")
	}
}

func (v *validator) positive(path string, d time.Duration) {
	if d <= 0 {
		v.fail(path, fmt.Sprintf("must be above zero, not %s", d), "")
	}
}

func (v *validator) between(path string, n, most int) {
	if n < 1 || n > most {
		v.fail(path, fmt.Sprintf("must be between 1 and %d, not %d", most, n), "")
	}
}

// word checks a name or an id: something, and in one piece.
func (v *validator) word(path, value, hint string) {
	switch {
	case value == "":
		v.fail(path, "required", hint)
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		v.fail(path, "must not contain white space: "+conf.Quote(value), "")
	}
}

// words checks a list of names or ids. One that is there twice is no problem: a deny list
// in a hurry must not fail for that.
func (v *validator) words(path string, values []string) {
	for i, value := range values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if value == "" {
			v.fail(at, "must not be empty", "")
			continue
		}
		v.word(at, value, "")
	}
}

// oneOf checks that the values are among those known.
func (v *validator) oneOf(path string, values, known []string) {
	for i, value := range values {
		if slices.Contains(known, value) {
			continue
		}
		hint := conf.Suggest(value, known)
		if hint == "" {
			hint = "known are " + strings.Join(known, ", ")
		}
		v.fail(fmt.Sprintf("%s[%d]", path, i), conf.Quote(value)+" is unknown", hint)
	}
}

// address checks host:port; an empty host and port 0 are for listeners.
func (v *validator) address(path, value, hint string) {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		v.fail(path, "must be host:port, not "+conf.Quote(value), hint)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.fail(path, "must end in a port number, unlike "+conf.Quote(value), hint)
	}
}

// seedShape is what an nkey's seed looks like: S, the kind, and base32.
var seedShape = regexp.MustCompile(`^S[ACNOUX][A-Z2-7]{56}$`)

// files checks keys that name files. A seed written in a file name's place would end up in
// every message about that file.
func (v *validator) files(path string, values ...string) {
	for _, value := range values {
		if seedShape.MatchString(filepath.Base(value)) {
			v.fail(path, "holds a seed, but must name a file that holds it", "write the seed to a file of mode 0600 of its own")
		}
	}
}

// isLoopback reports whether connections to the host stay on this machine.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
