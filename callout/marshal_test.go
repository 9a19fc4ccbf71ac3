package callout

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMarshalIsReadBackAsTheSame(t *testing.T) {
	cfg := DefaultConfig()
	cfg.NATS.Servers, cfg.NATS.NKeySeedFile = []string{"nats://127.0.0.1:4222"}, "/keys/service.nk"
	cfg.Keys.AccountSeedFile, cfg.Keys.XKeySeedFile = "/keys/account.nk", "/keys/xkey.nk"
	cfg.Zitadel.Issuer, cfg.Zitadel.ProjectID = "http://127.0.0.1:8080", "400888114106661377"
	cfg.MaxTTL = 90 * time.Minute
	cfg.HTTP.Listen = "" // not the default, and empty
	cfg.Roles = []RoleConfig{{
		Role: "sensor", Account: "APP", MaxTTL: time.Hour,
		Publish:   PermissionConfig{Allow: []string{"telemetry.{user}.>", "a:\"b\"#"}},
		Responses: &ResponsesConfig{Max: 2, TTL: time.Minute},
	}, {Role: "0", Account: "false"}}
	text, err := Marshal(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := Parse("/callout.yaml", text, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(*back, cfg) {
		t.Errorf("read back:\n%+v\nwant:\n%+v\n%s", *back, cfg, text)
	}
	for _, silent := range []string{"admission", "leeway", "deny", "insecure", "sources", "null", "organizations"} {
		if strings.Contains(string(text), silent) {
			t.Errorf("%q is as by default, but stands in\n%s", silent, text)
		}
	}
}
