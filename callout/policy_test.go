package callout

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestAPolicyOfForbiddenOrBrokenRolesIsNone(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*RoleConfig)
		want string
	}{
		{"the system account", func(r *RoleConfig) { r.Account = "SYS" }, "forbiddenAccounts"},
		{"the system account's other name", func(r *RoleConfig) { r.Account = "$SYS" }, "forbiddenAccounts"},
		{"no account", func(r *RoleConfig) { r.Account = "" }, "account"},
		{"no role", func(r *RoleConfig) { r.Role = "" }, "role"},
		{"a template that does not compile", func(r *RoleConfig) { r.Subscribe.Deny = []string{"fine", "a.{nobody}"} }, "subscribe.deny[1]"},
		{"a queue group to publish to", func(r *RoleConfig) { r.Publish.Allow = []string{"a b"} }, "publish.allow[0]"},
		{"a source that is no prefix", func(r *RoleConfig) { r.Sources = []string{"10.0.0.1"} }, "sources[0]"},
		{"an unknown connection type", func(r *RoleConfig) { r.ConnectionTypes = []string{"INPROCESS"} }, "connection type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Roles = []RoleConfig{publishing("sensor", "APP", "x"), publishing("sensor", "APP", "x")}
			tt.edit(&cfg.Roles[1])
			_, err := NewPolicy(&cfg)
			if err == nil || !strings.Contains(err.Error(), "roles[1]") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names roles[1] and %s", err, tt.want)
			}
		})
	}
}

func TestAPolicyNamesTheClaimsThatItsTemplatesRead(t *testing.T) {
	p := policyOf(t, nil, RoleConfig{
		Role: "a", Account: "APP",
		Publish:   PermissionConfig{Allow: []string{"{claim:one}"}, Deny: []string{"{claim:two:b32}"}},
		Subscribe: PermissionConfig{Allow: []string{"x.{claim:urn:three:trim=x}"}, Deny: []string{"{claim:four} q"}},
	})
	var names []string
	for name := range p.claims {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"four", "one", "two", "urn:three"}; !slices.Equal(names, want) {
		t.Errorf("claims %q, want %q", names, want)
	}
}

func TestAPolicyKeepsNothingOfTheConfigurationThatMayChange(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Roles = []RoleConfig{publishing("sensor", "APP", "x")}
	cfg.Roles[0].Sources = []string{"10.0.0.0/8"}
	cfg.Deny.Users = []string{"bad"}
	p, err := NewPolicy(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Roles[0].Publish.Allow[0], cfg.Roles[0].Sources[0], cfg.Deny.Users[0] = ">", "0.0.0.0/0", "4711"
	who := somebody(map[string][]string{"sensor": in("1")})
	if _, err := p.Authorize(who, standardConnection); reasonOf(t, err) != ReasonSource {
		t.Errorf("from outside: %v", err)
	}
	g, err := p.Authorize(who, Connection{Source: netip.MustParseAddr("10.0.0.1"), Type: TypeStandard})
	if err != nil || !slices.Equal(g.Permissions.PublishAllow, []string{"x"}) {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestConnectionTypesAreTheServersOwnWords(t *testing.T) {
	for _, tt := range []struct {
		kind, typ string
		want      ConnectionType
	}{
		{"Client", "nats", TypeStandard}, {"Client", "websocket", TypeWebSocket}, {"Client", "mqtt", TypeMQTT},
		{"Leafnode", "", TypeLeafnode}, {"Leafnode", "nats", TypeLeafnode}, {"Client", "", 0}, {"client", "nats", 0},
		{"Router", "nats", 0}, {"Gateway", "", 0}, {"", "nats", 0}, {"System", "", 0}, {"Client", "MQTT", 0},
	} {
		if got := connectionType([]byte(tt.kind), []byte(tt.typ)); got != tt.want {
			t.Errorf("%s/%s: %s", tt.kind, tt.typ, got)
		}
	}
}
