package callout

import (
	"strings"
	"testing"
)

// rendered puts values into one template of a role; an error is a *RejectError.
func rendered(t *testing.T, text string, v *values) (string, error) {
	t.Helper()
	tpl, err := compileTemplate(text, true)
	if err != nil {
		t.Fatal(err)
	}
	return tpl.render(v)
}

func TestPlaceholdersStandForTheirValues(t *testing.T) {
	v := &values{user: "4711", username: "device-7", org: "99", role: "sensor", claims: map[string]string{
		"team": "blue", "urn:example:site": "north", "a:trimmed": "x", "mail": "ann@example.test", "b32": "own",
	}}
	for text, want := range map[string]string{
		"plain":                                  "plain",
		"a.*.b.>":                                "a.*.b.>",
		"a.{user}":                               "a.4711",
		"{user}.>":                               "4711.>",
		"a.{user}.{username}.{org}.{role}":       "a.4711.device-7.99.sensor",
		"a.x{user}y.b":                           "a.x4711y.b",
		"a.{user}{org}":                          "a.471199",
		"_INBOX_{user}.>":                        "_INBOX_4711.>",
		"a.{claim:team}":                         "a.blue",
		"a.{claim:urn:example:site}":             "a.north",
		"a.{claim:urn:example:site:b32}":         "a.NZXXE5DI",
		"a.{claim:urn:example:site:trim=no}.b":   "a.rth.b",
		"a.{claim:a:trimmed}":                    "a.x",
		"a.{claim:b32}":                          "a.own",
		"a.{claim:mail:b32}":                     "a.MFXG4QDFPBQW24DMMUXHIZLTOQ",
		"a.{username:trim=device-}.>":            "a.7.>",
		"a.{username:trim=device-:b32}":          "a.G4",
		"a.{username:b32:trim=MRSX}":             "a.M2LDMUWTO",
		"a.{username:b32}":                       "a.MRSXM2LDMUWTO",
		"commands.{user} workers":                "commands.4711 workers",
		"$KV.device-info.{username}.>":           "$KV.device-info.device-7.>",
		"$JS.API.CONSUMER.INFO.EVENTS.{user}-*x": "",
	} {
		if want == "" {
			if _, err := compileTemplate(text, true); err == nil {
				t.Errorf("%s: compiled", text)
			}
			continue
		}
		got, err := rendered(t, text, v)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
}

// hostile are values that must never stand in a subject as they are.
var hostile = map[string]string{
	"nothing":                      "",
	"a dot":                        "a.b",
	"a dot alone":                  ".",
	"a star":                       "*",
	"a star within":                "a*b",
	"a full wildcard":              ">",
	"a full wildcard at the end":   "a>",
	"a space":                      "a b",
	"a space at the end":           "a ",
	"a tab":                        "a\tb",
	"a line feed":                  "a\nb",
	"a carriage return":            "a\rb",
	"NUL":                          "a\x00b",
	"DEL":                          "a\x7fb",
	"an escape":                    "a\x1bb",
	"a C1 control":                 "a\u0085b",
	"a no-break space":             "a\u00a0b",
	"an ideographic space":         "a\u3000b",
	"a line separator":             "a\u2028b",
	"a zero-width space":           "a\u200bb",
	"a zero-width joiner":          "a\u200db",
	"a right-to-left override":     "a\u202eb",
	"a byte order mark":            "\ufeffa",
	"a soft hyphen":                "a\u00adb",
	"bytes that are not UTF-8":     "a\xffb",
	"half a rune":                  "a\xe2\x82",
	"the replacement character":    "a\ufffdb",
	"300 bytes":                    strings.Repeat("a", 300),
	"YAML that would be a grant":   "x\n  publish: {allow: [\">\"]}",
	"JSON that would be a grant":   `x"],"deny":[]},"pub":{"allow":[">"`,
	"a subject of everything else": "x.>",
}

func TestAHostileValueRefusesTheConnection(t *testing.T) {
	for name, value := range hostile {
		v := &values{user: value, username: value, org: value, role: value, claims: map[string]string{"c": value}}
		for _, text := range []string{"a.{user}", "a.{username}.>", "{org}.a", "a.x{role}", "a.{claim:c}.b", "a.b {user}"} {
			tpl, err := compileTemplate(text, true)
			if err != nil {
				continue // a placeholder in a queue group
			}
			got, err := tpl.render(v)
			if name == "JSON that would be a grant" && err == nil {
				t.Errorf("%s in %s: %q", name, text, got)
			}
			if reasonOf(t, err) != ReasonUnsafeValue || got != "" {
				t.Errorf("%s in %s: %q, %v", name, text, got, err)
			}
		}
	}
}

func TestBase32MakesAnyValueOneHarmlessToken(t *testing.T) {
	for name, value := range hostile {
		got, err := rendered(t, "a.{claim:c:b32}.b", &values{claims: map[string]string{"c": value}})
		if value == "" || len(value) > maxValue {
			if reasonOf(t, err) != ReasonUnsafeValue {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			continue
		}
		middle := strings.TrimSuffix(strings.TrimPrefix(got, "a."), ".b")
		if err != nil || strings.Trim(middle, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || middle == "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestBracesInAValueAreText(t *testing.T) {
	for _, value := range []string{"{user}", "{org}", "{claim:c}", "}{", "${user}x", "%s", `\u002e`, "&gt;", "'\"`"} {
		got, err := rendered(t, "a.{username}.b", &values{user: "4711", org: "99", username: value})
		if err != nil || got != "a."+value+".b" {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
}

func TestTrimRefusesAValueWithoutItsPrefix(t *testing.T) {
	for value, want := range map[string]Reason{
		"device-7": "", "device-": ReasonUnsafeValue, "Device-7": ReasonUnsafeValue, "7": ReasonUnsafeValue,
		"xdevice-7": ReasonUnsafeValue, "device-a.b": ReasonUnsafeValue, "device->": ReasonUnsafeValue,
	} {
		_, err := rendered(t, "a.{username:trim=device-}", &values{username: value})
		if got := reasonOf(t, err); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestAValueNeverMakesAReservedFirstToken(t *testing.T) {
	for _, tt := range []struct {
		template, value string
		want            Reason
	}{
		{"{username}.>", "ann", ""},
		{"{username}.>", "_ann", ""},
		{"{username}.>", "$JS", ReasonUnsafeValue},
		{"{username}.>", "$SYS", ReasonUnsafeValue},
		{"{username}.>", "$KV", ReasonUnsafeValue},
		{"{username}", "$anything", ReasonUnsafeValue},
		{"{username}.>", "_INBOX", ReasonUnsafeValue},
		{"{username}.>", "_INBOX_4711", ReasonUnsafeValue}, // another user's replies
		{"{username}.>", "_R_", ReasonUnsafeValue},
		{"{username}.>", "_GR_", ReasonUnsafeValue},
		{"_{username}.>", "INBOX", ReasonUnsafeValue},
		{"_{username}.>", "INBOX_4711", ReasonUnsafeValue},
		{"_{username}.>", "ann", ""},
		{"_INBOX_{username}.>", "ann", ""},
		{"_INBOX_{username}.>", "$JS", ""}, // within a token it means nothing
		{"a.{username}.>", "$JS", ""},
		{"a.{username}.>", "_INBOX", ""},
	} {
		got, err := rendered(t, tt.template, &values{username: tt.value})
		if reasonOf(t, err) != tt.want {
			t.Errorf("%s with %q: %q, %v", tt.template, tt.value, got, err)
		}
	}
}

func TestASubjectIsAtMostAKilobyte(t *testing.T) {
	v := &values{user: strings.Repeat("u", maxValue)}
	if _, err := rendered(t, "{user}.{user}.{user}", v); err != nil {
		t.Error(err)
	}
	if _, err := rendered(t, "{user}.{user}.{user}.{user}", v); reasonOf(t, err) != ReasonUnsafeValue {
		t.Errorf("longer: %v", err)
	}
}

func TestTemplatesThatCouldMeanSomethingElseDoNotCompile(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                           "",
		"an empty token":                    "a..b",
		"a dot at the end":                  "a.",
		"a dot at the start":                ".a",
		"> before the end":                  "a.>.b",
		"a wildcard within a token":         "a.b*",
		"a wildcard beside a placeholder":   "a.{user}*",
		"> beside a placeholder":            "a.{user}>",
		"an unknown placeholder":            "a.{name}",
		"an empty placeholder":              "a.{}",
		"a claim without a name":            "a.{claim:}",
		"a claim with only a modifier":      "a.{claim::b32}",
		"an unknown modifier":               "a.{user:upper}",
		"a trim of nothing":                 "a.{user:trim=}",
		"a colon at the end":                "a.{user:}",
		"a brace that is not closed":        "a.{user",
		"a brace that is not opened":        "a.user}",
		"braces within braces":              "a.{{user}}",
		"a placeholder behind $":            "${user}.a",
		"a placeholder in a $ token":        "$JS{user}.a",
		"a tab":                             "a\tb",
		"a line feed":                       "a\nb",
		"NUL, which stands for a value":     "a.\x00",
		"bytes that are not UTF-8":          "a.\xff",
		"a queue group of nothing":          "a ",
		"a queue group of two words":        "a b c",
		"a queue group with a placeholder":  "a {user}",
		"a space before the subject":        " a",
		"more than a kilobyte":              strings.Repeat("a", maxSubject+1),
		"a placeholder named in capitals":   "a.{User}",
		"white space within a placeholder":  "a.{ user }",
		"a trim whose prefix holds a colon": "a.{user:trim=a:b}",
	} {
		if tpl, err := compileTemplate(text, true); err == nil {
			t.Errorf("%s: %q compiles to %+v", name, text, tpl)
		}
	}
	if _, err := compileTemplate("a b", false); err == nil {
		t.Error("a publish subject has no queue group")
	}
}
