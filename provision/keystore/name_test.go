package keystore

import "testing"

func TestWordMakesOneWordOfAnyText(t *testing.T) {
	for text, want := range map[string]string{
		"sensor-1":       "sensor-1",
		"a@b.example":    "a@b.example",
		"Sensor 1":       "=53ensor=201",
		"../x":           "=2e.=2fx",
		"a=b":            "a=3db",
		"ä":              "=c3=a4",
		".hidden":        "=2ehidden",
		"a/b":            "a=2fb",
		"with\x00null\n": "with=00null=0a",
	} {
		got := Word(text)
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if err := ValidName("users/" + got + "/key.json"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzWord(f *testing.F) {
	f.Add("sensor-1", "Sensor-1")
	f.Add("a=b", "a=3db")
	f.Add("", "=")
	f.Fuzz(func(t *testing.T, a, b string) {
		if (Word(a) == Word(b)) != (a == b) {
			t.Errorf("%q and %q make %q and %q", a, b, Word(a), Word(b))
		}
		if w := Word(a); a != "" && len(w) <= maxWord {
			if err := ValidName(w); err != nil {
				t.Errorf("%q makes %q: %v", a, w, err)
			}
		}
	})
}
