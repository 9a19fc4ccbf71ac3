package conf

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestOverlaySetsWhatTheEnvironmentNames(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		want    func(*house)
	}{
		{"a scalar", []string{"HOUSE_NAME=b"}, func(h *house) { h.Name = "b" }},
		{"camel case in underscores", []string{"HOUSE_OWNER_ID=7"}, func(h *house) { h.OwnerID = "7" }},
		{"camel case without underscores", []string{"HOUSE_OWNERID=7"}, func(h *house) { h.OwnerID = "7" }},
		{"a key within a section", []string{"HOUSE_GARDEN_TREES=9"}, func(h *house) { h.Garden.Trees = 9 }},
		{"a key behind pointers, which get their defaults", []string{"HOUSE_GARAGE_DOOR_BELL=true"}, func(h *house) { h.Garage = &room{Door: &door{Width: 90, Bell: true}} }},
		{"a list separated by commas", []string{"HOUSE_COLOURS=red, blue"}, func(h *house) { h.Colours = []string{"red", "blue"} }},
		{"a list in brackets", []string{`HOUSE_COLOURS=["r,d", blue]`}, func(h *house) { h.Colours = []string{"r,d", "blue"} }},
		{"an empty list", []string{"HOUSE_COLOURS=[]"}, func(h *house) { h.Colours = []string{} }},
		{"durations and sizes", []string{"HOUSE_HEAT=5s", "HOUSE_CELLAR=1MiB"}, func(h *house) { h.Heat, h.Cellar = 5*time.Second, 1<<20 }},
		{"a string that YAML would take for something else", []string{"HOUSE_NAME=null", "HOUSE_OWNER_ID={a: b}"}, func(h *house) { h.Name, h.OwnerID = "null", "{a: b}" }},
		{"a value with an equals sign", []string{"HOUSE_NAME=a=b"}, func(h *house) { h.Name = "a=b" }},
		{"a path, which starts at the working directory", []string{"HOUSE_PLAN_FILE=p/q", "HOUSE_KEY_FILES=a,b"}, func(h *house) { h.PlanFile, h.KeyFiles = "p/q", []string{"a", "b"} }},
		{"nothing by an empty variable", []string{"HOUSE_NAME=", "HOUSE_FLOORS="}, func(*house) {}},
		{"nothing by variables of others", []string{"NAME=x", "HOUSENAME=x", "house_name=x", "HOUSE_CONFIG=x"}, func(*house) {}},
		{"the first of a variable that is there twice", []string{"HOUSE_NAME=b", "HOUSE_NAME=c"}, func(h *house) { h.Name = "b" }},
		{"nothing by what Kubernetes sets for Services", []string{
			"HOUSE_SERVICE_HOST=10.0.0.1", "HOUSE_SERVICE_PORT=8081", "HOUSE_SERVICE_PORT_HTTP=8081", "HOUSE_PORT=tcp://10.0.0.1:8081",
			"HOUSE_PORT_8081_TCP=tcp://10.0.0.1:8081", "HOUSE_PORT_8081_TCP_PROTO=tcp", "HOUSE_PORT_8081_TCP_PORT=8081",
			"HOUSE_PORT_8081_TCP_ADDR=10.0.0.1", "HOUSE_METRICS_SERVICE_HOST=10.0.0.2", "HOUSE_METRICS_PORT_53_UDP_ADDR=10.0.0.2",
		}, func(*house) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, want := defaultHouse(), defaultHouse()
			test.want(&want)
			warnings, err := Overlay("HOUSE_", test.environ, &got, nil, "CONFIG")
			if err != nil || len(warnings) != 0 {
				t.Fatalf("got error %v, warnings %q", err, warnings)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestOverlayNamesTheVariable(t *testing.T) {
	tests := []struct {
		name           string
		environ        []string
		problems, warn string
	}{
		{name: "a wrong value", environ: []string{"HOUSE_FLOORS=many"}, problems: `HOUSE_FLOORS: floors: must be a whole number, not "many"`},
		{name: "a wrong item", environ: []string{"HOUSE_COLOURS=a,,b"}, problems: `HOUSE_COLOURS: colours[1]: must not be empty`},
		{name: "a wrong item in brackets", environ: []string{"HOUSE_COLOURS=[{a: b}]"}, problems: `HOUSE_COLOURS: colours[0]: must be a string, not a mapping`},
		{name: "brackets that do not close", environ: []string{"HOUSE_COLOURS=[a"}, problems: "HOUSE_COLOURS: colours: not valid YAML: did not find expected ',' or ']' (separate the items by commas)"},
		{name: "two spellings of one key", environ: []string{"HOUSE_OWNER_ID=1", "HOUSE_OWNERID=2"}, problems: `HOUSE_OWNERID: ownerID: is also set by HOUSE_OWNER_ID (keep one of them)`},
		{name: "a misspelt name", environ: []string{"HOUSE_OWNR_ID=1"}, warn: "HOUSE_OWNR_ID: sets nothing that we know (did you mean \"HOUSE_OWNER_ID\"?)"},
		{name: "a name like no other", environ: []string{"HOUSE_UNHEARD_OF_THING=secret"}, warn: "HOUSE_UNHEARD_OF_THING: sets nothing that we know"},
		{name: "a list of structs", environ: []string{"HOUSE_ROOMS=[{name: a}]", "HOUSE_WINGS={}"}, warn: "HOUSE_ROOMS: rooms can be set only in the file\nHOUSE_WINGS: wings can be set only in the file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := defaultHouse()
			warnings, err := Overlay("HOUSE_", test.environ, &h, nil)
			problems := ""
			if err != nil {
				problems = err.Error()
			}
			if problems != test.problems {
				t.Errorf("problems: got\n%s\nwant\n%s", problems, test.problems)
			}
			if got := strings.Join(warnings, "\n"); got != test.warn {
				t.Errorf("warnings: got\n%s\nwant\n%s", got, test.warn)
			}
		})
	}
}

func TestDocumentKnowsWhatTheEnvironmentOverrode(t *testing.T) {
	h := defaultHouse()
	doc, err := Decode("house.yaml", []byte("name: a\ncolours: [x, y]\nfloors: 1\n"), &h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Overlay("HOUSE_", []string{"HOUSE_COLOURS=red", "HOUSE_NAME=b"}, &h, doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"name":       "HOUSE_NAME: name: bad",
		"colours[0]": "HOUSE_COLOURS: colours[0]: bad",
		"floors":     "house.yaml:3: floors: bad",
	} {
		if got := doc.Problem(path, "bad", "").Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTwoKeysWithOneVariablePanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_, _ = Overlay("X_", nil, &struct {
		A struct {
			B string `yaml:"b"`
		} `yaml:"a"`
		AB string `yaml:"aB"`
	}{}, nil)
}

func TestVariableNames(t *testing.T) {
	for name, want := range map[string]string{
		"issuer": "ISSUER", "projectID": "PROJECT_ID", "caFile": "CA_FILE", "maxTTL": "MAX_TTL",
		"nkeySeedFile": "NKEY_SEED_FILE", "apiKeyFile": "API_KEY_FILE", "introspectionTTL": "INTROSPECTION_TTL",
	} {
		if got := underscored(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "17": 17, "17B": 17, "64KiB": 64 << 10, "10 MiB": 10 << 20, "1GiB": 1 << 30, "8589934591GiB": 8589934591 << 30,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: got %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "64KB", "64k", "8589934592GiB", "9223372036854775808", "1 2"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, s)
		}
	}
	for size, want := range map[Size]string{0: "0", 17: "17", 1024: "1KiB", 1536: "1536", 1 << 20: "1MiB", 3 << 30: "3GiB"} {
		if got := size.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"allow", "deny", "maxTTL", "xkeySeedFile", "credentialsFile"}
	for word, want := range map[string]string{
		"alow": "allow", "allwo": "allow", "ALLOW": "allow", "maxttl": "maxTTL", "max_ttl": "maxTTL",
		"xKeySeedFiles": "xkeySeedFile", "credentialFile": "credentialsFile", "dney": "deny",
		"al": "", "zzz": "", "": "", strings.Repeat("a", 100): "",
	} {
		got := Suggest(word, known)
		if want != "" {
			want = `did you mean "` + want + `"?`
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
