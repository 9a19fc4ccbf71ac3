package callout

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"
)

// systemAccount is the server's own account in the configuration that [GeneratedKeys.ServerConfig] writes.
const systemAccount = "SYS"

// ServerConfig returns the text of a nats-server configuration that hands logins to the
// callout of these keys: account is the callout's own, appAccounts are those that clients
// are placed in. It holds public keys only.
func (k *GeneratedKeys) ServerConfig(account string, appAccounts []string) (string, error) {
	if len(appAccounts) == 0 {
		return "", errors.New("server configuration: name at least one account for clients")
	}
	seen := []string{systemAccount}
	for _, name := range append([]string{account}, appAccounts...) {
		if !accountName.MatchString(name) {
			return "", fmt.Errorf("server configuration: account name %q: want a letter, then at most 63 letters, digits, - and _", name)
		}
		if slices.Contains(seen, name) {
			return "", fmt.Errorf("server configuration: account name %q is taken: the callout's, the clients' and the system account (%s) must all differ", name, systemAccount)
		}
		seen = append(seen, name)
	}
	var text strings.Builder
	err := serverConfig.Execute(&text, struct {
		*GeneratedKeys
		CalloutAccount, SystemAccount string
		AppAccounts                   []string
	}{k, account, systemAccount, appAccounts})
	if err != nil {
		return "", fmt.Errorf("server configuration: %w", err)
	}
	return text.String(), nil
}

// accountName is narrower than what the server takes, so that no name needs escaping.
var accountName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// serverConfig quotes all names and keys: bare words such as on, 1k and 2m mean other types.
var serverConfig = texttemplate.Must(texttemplate.New("nats.conf").Parse(`# For nats-server 2.11 or later, as it is. Where your configuration has one of these blocks
# already, merge the two: the server keeps only the last block of a name.

# A client's token must fit into one line of the protocol. Tokens from Zitadel pass the
# default of 4096 bytes at some twenty roles: "maximum control line exceeded".
max_control_line: 65536

accounts {
  # The callout's own. Whoever subscribes here sees every login: add nobody.
  "{{.CalloutAccount}}": { users: [ { nkey: "{{.Service.Public}}" } ] }

  # Clients are placed here by the roles in callout.yaml.
{{- range .AppAccounts}}
  "{{.}}": {}
{{- end}}

  # The server's own. An administrator added here logs in without the callout:
  #   "{{.SystemAccount}}": { users: [ { user: "admin", password: "<from: nats server passwd>" } ] }
  "{{.SystemAccount}}": {}
}
system_account: "{{.SystemAccount}}"

authorization {
  auth_callout {
    # Public half of account.nk, which signs the answers.
    issuer: "{{.Account.Public}}"
    account: "{{.CalloutAccount}}"

    # Public half of service.nk: the callout itself logs in without being asked.
    auth_users: [ "{{.Service.Public}}" ]

    # Public half of xkey.nk: requests, and the tokens in them, are sealed for the callout.
    xkey: "{{.XKey.Public}}"

    # Users that this file gives to these accounts must pass the callout too; those of the
    # other accounts above need not. Logins that this file does not know always go to the
    # callout, and where it places them is up to callout.yaml, not to this list.
    allowed_accounts: [ {{range $i, $name := .AppAccounts}}{{if $i}}, {{end}}"{{$name}}"{{end}} ]
  }
}
`))
