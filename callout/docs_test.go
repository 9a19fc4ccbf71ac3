package callout_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"harmony-callout/callout"
	"harmony-callout/provision"
)

// documents are what users read.
var documents = []string{
	"README.md", "docs/configuration.md", "docs/how-it-works.md", "docs/performance.md", "docs/provision.md",
	"docs/quickstart-callout.md", "docs/security.md", "docs/troubleshooting.md",
}

func readDoc(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheConfigurationReferenceHasEveryKey(t *testing.T) {
	doc := readDoc(t, "docs/configuration.md")
	var documented []string
	for _, found := range regexp.MustCompile("`([A-Za-z\\[\\].]+)`").FindAllStringSubmatch(doc, -1) {
		documented = append(documented, found[1])
	}
	// Below these a table row tells of several keys at once.
	inProse := regexp.MustCompile(`^(keys\.operator\.accounts|roles\[\]\.(kv|streams))\.`)
	for _, key := range yamlKeys(reflect.TypeFor[callout.Config](), "") {
		if inProse.MatchString(key) {
			key = key[strings.LastIndexByte(key, '.')+1:]
		}
		if !slices.Contains(documented, key) {
			t.Errorf("%s is not in docs/configuration.md", key)
		}
	}
}

// yamlKeys lists the paths of all leaves of a struct type; a list of structs is name[].
func yamlKeys(t reflect.Type, prefix string) []string {
	var keys []string
	for i := range t.NumField() {
		f := t.Field(i)
		path, typ := prefix+f.Tag.Get("yaml"), f.Type
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			if typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct && prefix == "" {
				path += "[]"
			}
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Struct {
			keys = append(keys, yamlKeys(typ, path+".")...)
			continue
		}
		keys = append(keys, path)
	}
	return keys
}

func TestTheExamplesInTheDocumentationAreValid(t *testing.T) {
	// What an example about roles leaves out.
	const rest = `
nats: {servers: [nats://127.0.0.1:4222], nkeySeedFile: keys/service.nk}
keys: {accountSeedFile: keys/account.nk, xkeySeedFile: keys/xkey.nk}
zitadel: {issuer: https://sso.example.com, projectID: "42"}
`
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	examples := map[string]string{"examples/quickstart/callout.yaml": readDoc(t, "examples/quickstart/callout.yaml")}
	for _, path := range documents {
		for _, found := range fence.FindAllStringSubmatch(readDoc(t, path), -1) {
			text := found[1]
			if strings.HasPrefix(text, "roles:") {
				text += rest
			}
			examples[path+": "+found[1]] = text
		}
	}
	if len(examples) < 6 {
		t.Fatalf("only %d examples found", len(examples))
	}
	for name, text := range examples {
		_, warnings, err := callout.Parse("callout.yaml", []byte(text), nil)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s\nerror %v, warnings %q", name, err, warnings)
		}
	}
}

func TestTheTroubleshootingHasEveryReason(t *testing.T) {
	doc := readDoc(t, "docs/troubleshooting.md")
	source := readDoc(t, "callout/reject.go")
	reasons := regexp.MustCompile(`\bReason = "([a-z_]+)"`).FindAllStringSubmatch(source, -1)
	if len(reasons) < 25 {
		t.Fatalf("only %d reasons found in reject.go", len(reasons))
	}
	for _, reason := range reasons {
		if !strings.Contains(doc, "\n| `"+reason[1]+"` |") {
			t.Errorf("reason %s is not in docs/troubleshooting.md", reason[1])
		}
	}
}

func TestTheMetricsTableHasEveryMetric(t *testing.T) {
	doc := readDoc(t, "docs/how-it-works.md")
	names := regexp.MustCompile(`"(callout_[a-z_]+)"`).FindAllStringSubmatch(readDoc(t, "callout/metrics.go"), -1)
	if len(names) < 8 {
		t.Fatalf("only %d metrics found in metrics.go", len(names))
	}
	for _, name := range names {
		if !strings.Contains(doc, "\n| `"+name[1]+"` |") {
			t.Errorf("metric %s is not in docs/how-it-works.md", name[1])
		}
	}
}

func TestTheDocumentationHasEveryWarningAndEveryReadiness(t *testing.T) {
	troubleshooting, howItWorks := readDoc(t, "docs/troubleshooting.md"), readDoc(t, "docs/how-it-works.md")
	warning := regexp.MustCompile(`[lL]ogger\.(?:Warn|Error)\("([^"]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	warnings := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range warning.FindAllStringSubmatch(readDoc(t, "callout/"+file), -1) {
			warnings++
			if !strings.Contains(troubleshooting, "`"+found[1]+"`") {
				t.Errorf("%s logs %q, which is not in docs/troubleshooting.md", file, found[1])
			}
		}
	}
	texts := regexp.MustCompile(`Text: (?:fmt\.Sprintf\()?"([^"%]+)`).FindAllStringSubmatch(readDoc(t, "callout/http.go"), -1)
	if warnings < 5 || len(texts) < 6 {
		t.Fatalf("only %d warnings and %d texts of /readyz found", warnings, len(texts))
	}
	for _, found := range texts {
		if !strings.Contains(howItWorks, "| `"+found[1]) {
			t.Errorf("/readyz says %q, which is not in docs/how-it-works.md", found[1])
		}
	}
}

// TestLinksBetweenDocumentsLead checks links to files and to headings.
func TestLinksBetweenDocumentsLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):# ]*)(#[^) ]*)?\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	for _, path := range documents {
		for _, found := range link.FindAllStringSubmatch(readDoc(t, path), -1) {
			target := path
			if found[1] != "" {
				dir := path[:strings.LastIndexByte(path, '/')+1]
				target = strings.TrimPrefix(dir+found[1], "docs/../")
			}
			if _, err := os.Stat("../" + target); err != nil {
				t.Errorf("%s links to %s: %v", path, found[0], err)
				continue
			}
			if found[2] == "" {
				continue
			}
			var anchors []string
			for _, h := range heading.FindAllStringSubmatch(readDoc(t, target), -1) {
				anchors = append(anchors, "#"+anchor(h[1]))
			}
			if !slices.Contains(anchors, found[2]) {
				t.Errorf("%s links to %s: no such heading among %v", path, found[0], anchors)
			}
		}
	}
}

// anchor is how GitHub names a heading in links.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestTheTablesOfRolesAreThoseOfTheExamples(t *testing.T) {
	alone, _, err := callout.Parse("callout.yaml", []byte(readDoc(t, "examples/quickstart/callout.yaml")), nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, _, err := provision.ParseConfig(provision.ExampleName, provision.Example, nil)
	if err != nil {
		t.Fatal(err)
	}
	quote := func(subjects []string) string { return "`" + strings.Join(subjects, "`, `") + "`" }
	for path, roles := range map[string][]callout.RoleConfig{"docs/quickstart-callout.md": alone.Roles, "README.md": whole.Callout.Roles} {
		doc := readDoc(t, path)
		for _, r := range roles {
			publish := quote(r.Publish.Allow)
			if len(r.Publish.Deny) > 0 {
				publish += " but not " + quote(r.Publish.Deny)
			}
			row := "\n| `" + r.Role + "` | `" + r.Account + "` | " + publish + " | " + quote(r.Subscribe.Allow) + " |"
			if !strings.Contains(doc, row) {
				t.Errorf("%s has no row %s", path, row)
			}
		}
	}
}

func TestTheDocumentationOfTheProvisionerHasEveryKey(t *testing.T) {
	words := regexp.MustCompile(`[A-Za-z-]+`)
	known := words.FindAllString(readDoc(t, "docs/provision.md")+string(provision.Example), -1)
	for _, path := range yamlKeys(reflect.TypeFor[provision.Config](), "") {
		if strings.HasPrefix(path, "callout.roles") {
			continue // the callout's own: see docs/configuration.md
		}
		for _, key := range words.FindAllString(path, -1) {
			if !slices.Contains(known, key) {
				t.Errorf("%s is neither in docs/provision.md nor in the built-in example: %s", path, key)
			}
		}
	}
}

func TestTheDocumentationOfTheProvisionerHasEveryKindOfEvent(t *testing.T) {
	doc := readDoc(t, "docs/provision.md")
	kinds := regexp.MustCompile(`EventKind = "([a-z]+)"`).FindAllStringSubmatch(readDoc(t, "provision/event.go"), -1)
	if len(kinds) < 8 {
		t.Fatalf("only %d kinds of events found in event.go", len(kinds))
	}
	for _, kind := range kinds {
		if !regexp.MustCompile("(?m)^\\| `([a-z]+`, `)*" + kind[1] + "`").MatchString(doc) {
			t.Errorf("the event %s is not in docs/provision.md", kind[1])
		}
	}
}
