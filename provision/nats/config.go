package nats

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"harmony-callout/provision"
)

// The accounts that every server has beside those of clients.
const (
	CalloutAccount = "AUTH"
	SystemAccount  = "SYS"
)

// maxControlLine makes room for Zitadel's tokens: CONNECT is one line of the protocol, and
// the default of 4096 bytes ends at some twenty roles.
const maxControlLine = 65536

// Config is a nats-server's configuration: accounts of clients whose logins go to the
// callout, the callout's own account and the system's, whose logins do not.
type Config struct {
	Name     string // of the server
	Host     string
	Port     int
	Accounts map[string]provision.AccountConfig
	Keys     PublicKeys
	// StoreDir is where JetStream keeps what it holds; needed when an account has it.
	StoreDir string
}

// accountName is narrower than what the server takes, so that no name needs escaping.
var accountName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// Render writes the configuration in nats-server's own language. It is complete and holds
// no secret.
func (c *Config) Render() (string, error) {
	if err := c.validate(); err != nil {
		return "", fmt.Errorf("nats configuration: %w", err)
	}
	names := slices.Sorted(maps.Keys(c.Accounts))
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("server_name: %q", c.Name)
	line("listen: %q", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	line("max_control_line: %d", maxControlLine)
	if c.jetStream() {
		line("jetstream { store_dir: %q }", c.StoreDir)
	}
	line("accounts {")
	for _, name := range names {
		if c.Accounts[name].JetStream {
			line("  %q: { jetstream: enabled }", name)
		} else {
			line("  %q: {}", name)
		}
	}
	line("  %q: { users: [ { nkey: %q } ] }", CalloutAccount, c.Keys.Service)
	line("  %q: { users: [ { nkey: %q } ] }", SystemAccount, c.Keys.System)
	line("}")
	line("system_account: %q", SystemAccount)
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	line("authorization {")
	line("  auth_callout {")
	line("    issuer: %q", c.Keys.Account)
	line("    account: %q", CalloutAccount)
	line("    auth_users: [ %q ]", c.Keys.Service)
	line("    xkey: %q", c.Keys.XKey)
	// Users of the callout's and the system's account log in without it, so that a callout
	// that is down locks no administrator out.
	line("    allowed_accounts: [ %s ]", strings.Join(quoted, ", "))
	line("  }")
	line("}")
	return b.String(), nil
}

func (c *Config) jetStream() bool {
	for _, account := range c.Accounts {
		if account.JetStream {
			return true
		}
	}
	return false
}

func (c *Config) validate() error {
	var problems []error
	if len(c.Accounts) == 0 {
		problems = append(problems, errors.New("nats.accounts names no account for clients"))
	}
	for name := range c.Accounts {
		switch {
		case name == CalloutAccount || name == SystemAccount:
			problems = append(problems, fmt.Errorf("nats.accounts.%s: the name is taken: %s is the callout's account, %s the system's", name, CalloutAccount, SystemAccount))
		case !accountName.MatchString(name):
			problems = append(problems, fmt.Errorf("nats.accounts: name %q: want a letter, then at most 63 letters, digits, - and _", name))
		}
	}
	if c.jetStream() && c.StoreDir == "" {
		problems = append(problems, errors.New("an account has JetStream, but there is no directory for it"))
	}
	for what, key := range map[string]string{"account": c.Keys.Account, "xkey": c.Keys.XKey, "service": c.Keys.Service, "system": c.Keys.System} {
		if key == "" {
			problems = append(problems, fmt.Errorf("the public %s key is missing", what))
		}
	}
	return errors.Join(problems...)
}
