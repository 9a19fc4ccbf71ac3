package callout

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// somebody holds roles: role key to the organisations that grant it.
func somebody(grants map[string][]string) *Principal {
	return &Principal{Subject: "4711", Username: "device-7", TokenID: "t1", Expires: testNow.Add(time.Hour), Grants: grants}
}

func in(orgs ...string) []string { return orgs }

func publishing(role, account string, subjects ...string) RoleConfig {
	return RoleConfig{Role: role, Account: account, Publish: PermissionConfig{Allow: subjects}}
}

func TestTheFirstConfiguredRoleThatIsGrantedDecidesTheAccount(t *testing.T) {
	p := policyOf(t, nil,
		publishing("admin", "OPS", "admin"),
		publishing("sensor", "APP", "sensor"),
		publishing("sensor", "OPS", "sensor.in.ops"),
		publishing("reader", "APP", "reader"),
		publishing("guest", "OTHER", "guest"),
	)
	for _, tt := range []struct {
		name    string
		user    string // of CONNECT
		own     string
		grants  []string
		account string
		roles   []string
		allow   []string
		want    Reason
	}{
		{"one role", "", "", []string{"guest"}, "OTHER", []string{"guest"}, []string{"guest"}, ""},
		{"the first one wins", "", "", []string{"guest", "reader"}, "APP", []string{"reader"}, []string{"reader"}, ""},
		{"roles of its account are merged", "", "", []string{"reader", "sensor"}, "APP", []string{"sensor", "reader"}, []string{"sensor", "reader"}, ""},
		{"a role in two accounts counts in the first", "", "", []string{"sensor"}, "APP", []string{"sensor"}, []string{"sensor"}, ""},
		{"… and joins the account that another decided", "", "", []string{"admin", "sensor"}, "OPS", []string{"admin", "sensor"}, []string{"admin", "sensor.in.ops"}, ""},
		{"CONNECT's user picks an account", "OPS", "", []string{"sensor"}, "OPS", []string{"sensor"}, []string{"sensor.in.ops"}, ""},
		{"CONNECT's user picks the last one", "OTHER", "", []string{"admin", "sensor", "guest"}, "OTHER", []string{"guest"}, []string{"guest"}, ""},
		{"CONNECT's user picks one without a role there", "OTHER", "", []string{"sensor"}, "", nil, nil, ReasonAccountNotGranted},
		{"another user means nothing", "ann", "", []string{"sensor"}, "APP", []string{"sensor"}, []string{"sensor"}, ""},
		{"an account in small letters is another user", "other", "", []string{"sensor"}, "APP", []string{"sensor"}, []string{"sensor"}, ""},
		{"an account that is not configured is another user", "SYS", "", []string{"sensor"}, "APP", []string{"sensor"}, []string{"sensor"}, ""},
		{"the callout's own account is passed over", "", "APP", []string{"sensor"}, "OPS", []string{"sensor"}, []string{"sensor.in.ops"}, ""},
		{"the callout's own account cannot be picked", "APP", "APP", []string{"sensor"}, "", nil, nil, ReasonAccountNotGranted},
		{"nothing beside the callout's own account", "", "OTHER", []string{"guest"}, "", nil, nil, ReasonNoRole},
		{"a role that is not configured", "", "", []string{"Sensor", "root"}, "", nil, nil, ReasonNoRole},
		{"no role", "", "", nil, "", nil, nil, ReasonNoRole},
		{"no role in the account that was picked", "APP", "", nil, "", nil, nil, ReasonAccountNotGranted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grants := map[string][]string{}
			for _, role := range tt.grants {
				grants[role] = in(testOrg)
			}
			conn := standardConnection
			conn.User, conn.OwnAccount = tt.user, tt.own
			g, err := p.Authorize(somebody(grants), conn)
			if reasonOf(t, err) != tt.want || g.Account != tt.account || !slices.Equal(g.Roles, tt.roles) || !slices.Equal(g.Permissions.PublishAllow, tt.allow) {
				t.Errorf("%+v, %v", g, err)
			}
		})
	}
}

func TestMergedRolesAllowTogetherAndDenyTogether(t *testing.T) {
	p := policyOf(t, func(c *Config) { c.MaxTTL = time.Hour },
		RoleConfig{
			Role: "a", Account: "APP", MaxTTL: 30 * time.Minute,
			Publish:   PermissionConfig{Allow: []string{"x", "y"}, Deny: []string{"no.a"}},
			Subscribe: PermissionConfig{Allow: []string{"s.{user}"}},
			Responses: &ResponsesConfig{Max: 5, TTL: time.Second},
		},
		RoleConfig{
			Role: "b", Account: "APP", MaxTTL: 10 * time.Minute,
			Publish:   PermissionConfig{Allow: []string{"y", "z"}, Deny: []string{"no.b", "no.a"}},
			Subscribe: PermissionConfig{Allow: []string{"s.{user}", "s.b"}, Deny: []string{"s.no"}},
			Responses: &ResponsesConfig{Max: 1, TTL: time.Minute},
		},
		RoleConfig{Role: "c", Account: "APP", MaxTTL: 2 * time.Hour},
	)
	g, err := p.Authorize(somebody(map[string][]string{"a": in("1"), "b": in("2"), "c": in("3")}), standardConnection)
	if err != nil {
		t.Fatal(err)
	}
	got, want := g.Permissions, Permissions{
		PublishAllow: []string{"x", "y", "z"}, PublishDeny: []string{"no.a", "no.b"},
		SubscribeAllow: []string{"s.4711", "s.b"}, SubscribeDeny: []string{"s.no"},
	}
	if text(t, got) != text(t, want) {
		t.Errorf("permissions %s, want %s", text(t, got), text(t, want))
	}
	if g.MaxTTL != 10*time.Minute {
		t.Errorf("maxTTL %s, want the smallest", g.MaxTTL)
	}
	if r := got.Responses; r == nil || r.Max != 5 || r.TTL != time.Minute {
		t.Errorf("responses %+v, want the largest of each", r)
	}
	if g, err = p.Authorize(somebody(map[string][]string{"c": in("3")}), standardConnection); err != nil || g.MaxTTL != time.Hour || g.Permissions.Responses != nil {
		t.Errorf("a role's maxTTL above the global one: %+v, %v", g, err)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOnlyGrantsOfAllowedOrganisationsCount(t *testing.T) {
	roles := []RoleConfig{
		{Role: "sensor", Account: "APP", Organizations: []string{"1", "2"}, Publish: PermissionConfig{Allow: []string{"events.{org}"}}},
		{Role: "any", Account: "APP", Publish: PermissionConfig{Allow: []string{"any.{org}"}}},
		{Role: "plain", Account: "APP", Publish: PermissionConfig{Allow: []string{"plain"}}},
	}
	for _, tt := range []struct {
		name   string
		global []string
		grants map[string][]string
		want   Reason
		allow  []string
	}{
		{"of a role's own list", nil, map[string][]string{"sensor": in("2")}, "", []string{"events.2"}},
		{"not of that list", nil, map[string][]string{"sensor": in("3")}, ReasonNoRole, nil},
		{"one of the list and one not", nil, map[string][]string{"sensor": in("3", "1")}, "", []string{"events.1"}},
		{"two of the list, and {org} would mean both", nil, map[string][]string{"sensor": in("1", "2")}, ReasonUnsafeValue, nil},
		{"two of any, and {org} would mean both", nil, map[string][]string{"any": in("8", "9")}, ReasonUnsafeValue, nil},
		{"two of any, and no template asks", nil, map[string][]string{"plain": in("8", "9")}, "", []string{"plain"}},
		{"each role means its own organisation", nil, map[string][]string{"sensor": in("1"), "any": in("9")}, "", []string{"events.1", "any.9"}},
		{"the global list bounds every role", in("1"), map[string][]string{"any": in("9")}, ReasonNoRole, nil},
		{"the global list leaves one of two", in("1"), map[string][]string{"any": in("9", "1")}, "", []string{"any.1"}},
		{"both lists must name it", in("1", "9"), map[string][]string{"sensor": in("2")}, ReasonNoRole, nil},
		{"both lists leave one of three", in("1", "9"), map[string][]string{"sensor": in("2", "9", "1")}, "", []string{"events.1"}},
		{"an organisation without an id", nil, map[string][]string{"any": in("")}, ReasonUnsafeValue, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := policyOf(t, func(c *Config) { c.Zitadel.Organizations = tt.global }, roles...)
			g, err := p.Authorize(somebody(tt.grants), standardConnection)
			if reasonOf(t, err) != tt.want || !slices.Equal(g.Permissions.PublishAllow, tt.allow) {
				t.Errorf("%+v, %v", g, err)
			}
		})
	}
}

func TestOneUnsafeValueRefusesEverything(t *testing.T) {
	p := policyOf(t, nil, publishing("good", "APP", "fine"),
		RoleConfig{Role: "bad", Account: "APP", Publish: PermissionConfig{Deny: []string{"x.{claim:team}"}}})
	who := somebody(map[string][]string{"good": in("1"), "bad": in("1")})
	if g, err := p.Authorize(who, standardConnection); reasonOf(t, err) != ReasonUnsafeValue || g.Account != "" {
		t.Errorf("a deny without its value: %+v, %v", g, err)
	}
	who.Claims = map[string]string{"team": "a.>"}
	if g, err := p.Authorize(who, standardConnection); reasonOf(t, err) != ReasonUnsafeValue || g.Account != "" {
		t.Errorf("a deny with a wildcard: %+v, %v", g, err)
	}
	delete(who.Grants, "bad")
	if _, err := p.Authorize(who, standardConnection); err != nil {
		t.Errorf("without that role: %v", err)
	}
}

func TestSourceAndConnectionTypeAreOfThisVeryConnection(t *testing.T) {
	p := policyOf(t, nil,
		RoleConfig{Role: "plant", Account: "APP", Sources: []string{"10.0.0.0/8", "2001:db8::/32"}, Publish: PermissionConfig{Allow: []string{"plant"}}},
		RoleConfig{Role: "web", Account: "WEB", ConnectionTypes: []string{"WEBSOCKET"}, Publish: PermissionConfig{Allow: []string{"web"}}},
		RoleConfig{Role: "leaf", Account: "APP", ConnectionTypes: []string{"LEAFNODE"}, Publish: PermissionConfig{Allow: []string{"leaf"}}},
	)
	for _, tt := range []struct {
		name   string
		role   []string
		source string
		typ    ConnectionType
		want   Reason
	}{
		{"from within", []string{"plant"}, "10.1.2.3", TypeStandard, ""},
		{"from the first address", []string{"plant"}, "10.0.0.0", TypeStandard, ""},
		{"from the last address", []string{"plant"}, "10.255.255.255", TypeStandard, ""},
		{"from the address behind", []string{"plant"}, "11.0.0.0", TypeStandard, ReasonSource},
		{"from an IPv4 address written as IPv6", []string{"plant"}, "::ffff:10.1.2.3", TypeStandard, ""},
		{"from a foreign IPv4 address written as IPv6", []string{"plant"}, "::ffff:11.1.2.3", TypeStandard, ReasonSource},
		{"from IPv6", []string{"plant"}, "2001:db8::1", TypeStandard, ""},
		{"from IPv6 with a zone", []string{"plant"}, "2001:db8::1%eth0", TypeStandard, ""},
		{"from IPv4 in the last bits of IPv6, which is no IPv4", []string{"plant"}, "::10.1.2.3", TypeStandard, ReasonSource},
		{"from what is no address", []string{"plant"}, "", TypeStandard, ReasonSource},
		{"a role for any source, from what is no address", []string{"web"}, "", TypeWebSocket, ""},
		{"MQTT by default", []string{"plant"}, "10.1.2.3", TypeMQTT, ""},
		{"WebSocket by default", []string{"plant"}, "10.1.2.3", TypeWebSocket, ""},
		{"no leafnode by default", []string{"plant"}, "10.1.2.3", TypeLeafnode, ReasonConnectionType},
		{"a leafnode when named", []string{"leaf"}, "10.1.2.3", TypeLeafnode, ""},
		{"only leafnodes when only they are named", []string{"leaf"}, "10.1.2.3", TypeStandard, ReasonConnectionType},
		{"a type that we do not know", []string{"plant"}, "10.1.2.3", 0, ReasonConnectionType},
		{"another role fits", []string{"plant", "web"}, "192.0.2.1", TypeWebSocket, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grants := map[string][]string{}
			for _, role := range tt.role {
				grants[role] = in("1")
			}
			source, _ := netip.ParseAddr(tt.source)
			g, err := p.Authorize(somebody(grants), Connection{Source: source, Type: tt.typ})
			if reasonOf(t, err) != tt.want {
				t.Errorf("%+v, %v; want %q", g, err, tt.want)
			}
		})
	}
}

func TestTheDenyListGoesBeforeEveryRole(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"user": func(c *Config) { c.Deny.Users = []string{"x", "4711"} }, "token": func(c *Config) { c.Deny.Tokens = []string{"t1"} },
	} {
		p := policyOf(t, edit)
		if _, err := p.Authorize(somebody(map[string][]string{"sensor": in("1")}), standardConnection); reasonOf(t, err) != ReasonDenied {
			t.Errorf("%s: %v", name, err)
		}
		other := somebody(map[string][]string{"sensor": in("1")})
		other.Subject, other.TokenID = "47110", "t10"
		if _, err := p.Authorize(other, standardConnection); err != nil {
			t.Errorf("%s: another is refused: %v", name, err)
		}
	}
}
