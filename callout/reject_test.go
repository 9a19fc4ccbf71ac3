package callout

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAStrangersTextIsMadeFitForALogLine(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "device-7", "device-7"},
		{"nothing", "", ""},
		{"umlauts", "gerät", "gerät"},
		{"a line break", "a\nb", "a?b"},
		{"an escape sequence", "\x1b[31mred", "?[31mred"},
		{"a right-to-left override", "a\u202eb", "a?b"},
		{"bytes that are not UTF-8", "a\xffb", "a?b"},
		{"at the limit", strings.Repeat("a", quoteMax), strings.Repeat("a", quoteMax)},
		{"above the limit", strings.Repeat("a", quoteMax+1), strings.Repeat("a", quoteMax) + "…"},
	} {
		if got := printable([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for cut := range 8 {
		got := printable([]byte(strings.Repeat("a", quoteMax-cut) + strings.Repeat("€", 10)))
		if !utf8.ValidString(got) || len(got) > quoteMax+2*len("…") {
			t.Errorf("cut within a rune: %q", got)
		}
	}
	list := make([]string, 1000)
	if got := printableList(list); len(got) > 100 || !strings.HasSuffix(got, "…]") {
		t.Errorf("a long list: %q", got)
	}
}

func TestARefusalSaysReasonAndCause(t *testing.T) {
	cause := errors.New("cause")
	for want, err := range map[string]*RejectError{
		"expired":                 {Reason: ReasonExpired},
		"expired: detail":         {Reason: ReasonExpired, Detail: "detail"},
		"internal: cause":         {Reason: ReasonInternal, Err: cause},
		"internal: detail: cause": {Reason: ReasonInternal, Detail: "detail", Err: cause},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err.Error(), want)
		}
		if err.Err != nil && !errors.Is(err, cause) {
			t.Errorf("%q does not unwrap", want)
		}
	}
}

func TestEveryReasonIsListedOnceForTheMetrics(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range reasons {
		if seen[r] || r == "" || strings.Trim(string(r), "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("reason %q", r)
		}
		seen[r] = true
	}
	if len(seen) != 25 {
		t.Errorf("%d reasons; 25 are documented", len(seen))
	}
}
