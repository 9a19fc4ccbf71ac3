package callout

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"harmony-callout/internal/conf"
)

// longTTL is a life of user JWTs beyond which a revoked user stays connected for too long.
const longTTL = 24 * time.Hour

// Warnings says what a valid configuration allows but its author hardly meant, one line
// each with its key. [Load] returns them too, with their lines.
func (c *Config) Warnings() []string { return c.warnings(nil) }

func (c *Config) warnings(doc *conf.Document) []string {
	w := &warner{doc: doc}
	if c.Insecure {
		w.warn("insecure", "plain http and plaintext NATS are allowed beyond loopback", "for tests only")
	}
	w.transport(c)
	if c.MaxTTL > longTTL {
		w.warn("maxTTL", fmt.Sprintf("%s is long", c.MaxTTL), "a user who lost a role keeps it until then")
	}
	if !slices.Contains(c.ForbiddenAccounts, "$SYS") {
		w.warn("forbiddenAccounts", `does not name "$SYS"`, "a list in the file replaces the default [SYS, $SYS]")
	}
	for i := range c.Roles {
		w.role(fmt.Sprintf("roles[%d]", i), &c.Roles[i])
		w.repeated(c.Roles, i)
	}
	return w.lines
}

// warner collects warnings.
type warner struct {
	doc   *conf.Document
	lines []string
}

func (w *warner) warn(path, message, hint string) {
	w.lines = append(w.lines, w.doc.Problem(path, message, hint).Error())
}

func (w *warner) transport(c *Config) {
	// By the issuer's own host: a dialAddress is ours alone, clients go to the issuer.
	if u, err := url.Parse(c.Zitadel.Issuer); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		w.warn("zitadel.issuer", "is plain http", "clients send it their credentials in clear")
	}
	if c.NATS.User == "" {
		return
	}
	for i, server := range c.NATS.Servers {
		if u, err := url.Parse(server); err == nil && plaintextNATS(&c.NATS, u) && !isLoopback(u.Hostname()) {
			w.warn(fmt.Sprintf("nats.servers[%d]", i), "is plaintext and takes the password of nats.user", "use tls://, or nats.nkeySeedFile, which never sends its secret")
		}
	}
}

func (w *warner) role(path string, r *RoleConfig) {
	for i, subject := range r.Publish.Allow {
		if subject == ">" {
			w.warn(fmt.Sprintf("%s.publish.allow[%d]", path, i), `">" allows publishing on every subject of the account`, "")
		}
	}
	for i, subject := range r.Subscribe.Allow {
		at := fmt.Sprintf("%s.subscribe.allow[%d]", path, i)
		subject, _, _ = strings.Cut(subject, " ") // a queue group changes nothing
		switch {
		case subject == ">":
			w.warn(at, `">" allows reading everything in the account, everybody's replies included`, "")
		case coversInboxes(subject):
			w.warn(at, conf.Quote(subject)+" lets its holder read everybody's replies",
				"allow _INBOX_{user}.> and start clients with --inbox-prefix _INBOX_<user id>")
		}
	}
	if len(r.Publish.Allow) == 0 && len(r.Subscribe.Allow) == 0 && r.Responses == nil {
		w.warn(path, "allows neither publishing nor subscribing", "an absent or empty allow allows nothing")
	}
	if r.MaxTTL > longTTL {
		w.warn(path+".maxTTL", fmt.Sprintf("%s is long", r.MaxTTL), "a user who lost the role keeps it until then")
	}
}

// coversInboxes reports whether a subject matches the inboxes of clients with the default
// prefix.
func coversInboxes(subject string) bool {
	first, rest, _ := strings.Cut(subject, ".")
	second, _, _ := strings.Cut(rest, ".")
	return (first == "_INBOX" || first == "*") && (second == ">" || second == "*")
}

// repeated points at an earlier role that is granted to the same connections: the two are
// merged, which is seldom what somebody meant who wrote them apart.
func (w *warner) repeated(roles []RoleConfig, i int) {
	r := &roles[i]
	for j := range roles[:i] {
		o := &roles[j]
		if r.Role == o.Role && r.Account == o.Account && shareOrganization(r.Organizations, o.Organizations) &&
			slices.Equal(r.Sources, o.Sources) && slices.Equal(r.ConnectionTypes, o.ConnectionTypes) {
			w.warn(fmt.Sprintf("roles[%d]", i), fmt.Sprintf("repeats role %s of account %s in roles[%d]", conf.Quote(r.Role), conf.Quote(r.Account), j),
				"users get the permissions of both")
			return
		}
	}
}

// shareOrganization reports whether two lists of organisations share one; an empty list means any.
func shareOrganization(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
