package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const plaintext = "SAAthesecretitself"

// holder has a secret in every position that printing treats differently.
type holder struct {
	Exported   Text
	unexported Text
	Pointer    *Text
	List       []Text
	hidden     []Text
	Map        map[string]Text
	hiddenMap  map[string]Text
	Any        any
}

func newHolder() holder {
	s := New(plaintext)
	return holder{s, s, &s, []Text{s}, []Text{s}, map[string]Text{"k": s}, map[string]Text{"k": s}, s}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s := New(plaintext)
	h := newHolder()
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%c", "%10.3s"} {
		for _, value := range []any{s, &s, h, &h, []Text{s}, struct{ inner holder }{h}} {
			out = append(out, fmt.Sprintf(verb, value))
		}
	}
	out = append(out, fmt.Sprint(s), fmt.Sprintln(h), s.String(), s.GoString(), fmt.Errorf("with %v", s).Error())

	for _, value := range []any{s, &s, h, &h} {
		var text, asJSON bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "value", value)
		slog.New(slog.NewJSONHandler(&asJSON, nil)).Info("m", "value", value, slog.Group("g", "value", value))
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		inYAML, err := yaml.Marshal(struct{ V any }{value})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text.String(), asJSON.String(), string(encoded), string(inYAML))
	}

	hex := fmt.Sprintf("%x", plaintext)
	numbers := strings.Trim(fmt.Sprint([]byte(plaintext)), "[]")
	for _, printed := range out {
		for _, leak := range []string{plaintext, plaintext[:3], hex, strings.ToUpper(hex), numbers} {
			if strings.Contains(printed, leak) {
				t.Errorf("the secret shows in %q", printed)
			}
		}
	}
	for _, want := range []string{fmt.Sprintf("%d", s), s.String(), s.GoString(), s.LogValue().String()} {
		if want != "[redacted]" {
			t.Errorf("got %q, want [redacted]", want)
		}
	}
}

func TestOnlyRevealGivesTheSecret(t *testing.T) {
	if got := New(plaintext).Reveal(); got != plaintext {
		t.Errorf("got %q, want %q", got, plaintext)
	}
	if got := (Text{}).Reveal(); got != "" {
		t.Errorf("the zero secret holds %q", got)
	}
}
