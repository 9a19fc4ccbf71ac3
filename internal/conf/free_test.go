package conf

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// lamp may be written as true, as false or as a mapping.
type lamp struct {
	On     bool   `yaml:"-"`
	Colour string `yaml:"colour"`
	Watts  int    `yaml:"watts"`
}

func (l *lamp) SetDefaults() { *l = lamp{On: true, Watts: 5} }

func (l *lamp) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true":
		*l = lamp{On: true}
	case "false":
		*l = lamp{}
	default:
		return errors.New("must be true, false or a mapping")
	}
	return nil
}

type hall struct {
	Lamp  lamp           `yaml:"lamp"`
	Notes map[string]any `yaml:"notes"`
}

func TestAStructWithAShortFormIsWrittenEitherWay(t *testing.T) {
	tests := []struct {
		name, yaml string
		want       lamp
		problem    string
	}{
		{"left out", "", lamp{}, ""},
		{"a word", "lamp: true", lamp{On: true}, ""},
		{"the other word", "lamp: false", lamp{}, ""},
		{"a mapping, with its defaults", "lamp: {colour: red}", lamp{On: true, Colour: "red", Watts: 5}, ""},
		{"an empty mapping", "lamp: {}", lamp{On: true, Watts: 5}, ""},
		{"another word", "lamp: maybe", lamp{}, "house.yaml:1: lamp: must be true, false or a mapping"},
		{"an unknown key", "lamp: {color: red}", lamp{On: true, Watts: 5}, "house.yaml:1: lamp.color: unknown key"},
		{"a list", "lamp: [true]", lamp{}, "house.yaml:1: lamp: must be a single value, not a list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h hall
			_, err := Decode("house.yaml", []byte(tt.yaml), &h)
			if h.Lamp != tt.want {
				t.Errorf("got %+v, want %+v", h.Lamp, tt.want)
			}
			if (err != nil) != (tt.problem != "") || err != nil && !strings.HasPrefix(err.Error(), tt.problem) {
				t.Errorf("error %v, want %q", err, tt.problem)
			}
		})
	}
}

func TestTheEnvironmentSetsAStructWithAShortFormEitherWay(t *testing.T) {
	var h hall
	if _, err := Overlay("HALL_", []string{"HALL_LAMP=true", "HALL_LAMP_COLOUR=red"}, &h, nil); err != nil {
		t.Fatal(err)
	}
	if want := (lamp{On: true, Colour: "red"}); h.Lamp != want {
		t.Errorf("got %+v, want %+v", h.Lamp, want)
	}
}

func TestAFieldOfTypeAnyTakesWhateverYAMLSays(t *testing.T) {
	const text = `
notes:
  a: {b: [1, two, true, 1.5, null, {c: d}], day: 2026-01-02}
  empty: {}
  gone: null
  list: []
`
	want := map[string]any{
		"a":     map[string]any{"b": []any{1, "two", true, 1.5, nil, map[string]any{"c": "d"}}, "day": "2026-01-02"},
		"empty": map[string]any{}, "gone": nil, "list": []any{},
	}
	var h hall
	if _, err := Decode("house.yaml", []byte(text), &h); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(h.Notes, want) {
		t.Errorf("got %#v, want %#v", h.Notes, want)
	}
	for yaml, problem := range map[string]string{
		"notes: {a: {b: 1, b: 2}}": "house.yaml:1: notes.a.b: named twice",
		"notes: {a: &x 1, b: *x}":  "house.yaml:1: notes.b: YAML aliases are not accepted",
		"notes: {a: [!!str 1]}":    "house.yaml:1: notes.a[0]: YAML tags are not accepted",
	} {
		if _, err := Decode("house.yaml", []byte(yaml), &hall{}); err == nil || !strings.HasPrefix(err.Error(), problem) {
			t.Errorf("%s: error %v, want %q", yaml, err, problem)
		}
	}
}
