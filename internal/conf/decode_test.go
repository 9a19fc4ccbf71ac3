package conf

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

type door struct {
	Width int  `yaml:"width"`
	Bell  bool `yaml:"bell"`
}

func (d *door) SetDefaults() { d.Width = 90 }

type room struct {
	Name    string   `yaml:"name"`
	Windows []string `yaml:"windows"`
	Door    *door    `yaml:"door"`
}

type house struct {
	Name    string          `yaml:"name"`
	OwnerID string          `yaml:"ownerID"`
	Heat    time.Duration   `yaml:"heat"`
	Cellar  Size            `yaml:"cellar"`
	Slope   float64         `yaml:"slope"`
	Floors  int8            `yaml:"floors"`
	Lit     bool            `yaml:"lit"`
	Colours []string        `yaml:"colours"`
	Rooms   []room          `yaml:"rooms"`
	Wings   map[string]room `yaml:"wings"`
	Garage  *room           `yaml:"garage"`
	Garden  struct {
		Trees int `yaml:"trees"`
	} `yaml:"garden"`
	PlanFile  string   `yaml:"planFile"`
	KeyFiles  []string `yaml:"keyFiles"`
	Attic     string   `yaml:"attic" path:"true"`
	Unrelated string
}

func defaultHouse() house {
	h := house{Name: "default", Floors: 2, Heat: time.Hour, Colours: []string{"white", "grey"}, Wings: map[string]room{"north": {}}}
	h.Garden.Trees = 3
	return h
}

func TestDecodeLaysTheFileOverTheDefaults(t *testing.T) {
	tests := []struct {
		name, yaml string
		want       func(*house)
	}{
		{"an empty file changes nothing", "", func(*house) {}},
		{"a file of comments changes nothing", "# nothing\n", func(*house) {}},
		{"an empty document changes nothing", "---\n", func(*house) {}},
		{"a key without a value changes nothing", "name:\ngarden:\ncolours:\ngarage: null\nheat: ~\n", func(*house) {}},
		{"a section keeps the defaults of what it leaves out", "garden: {}", func(*house) {}},
		{"a list replaces the default", "colours: [red]", func(h *house) { h.Colours = []string{"red"} }},
		{"an empty list replaces the default", "colours: []", func(h *house) { h.Colours = []string{} }},
		{"a map replaces the default", "wings: {south: {name: S}}", func(h *house) { h.Wings = map[string]room{"south": {Name: "S"}} }},
		{"scalars of every type are read", "name: a\nheat: 90s\ncellar: 64KiB\nslope: 0.5\nfloors: -3\nlit: true", func(h *house) {
			h.Name, h.Heat, h.Cellar, h.Slope, h.Floors, h.Lit = "a", 90*time.Second, 64<<10, 0.5, -3, true
		}},
		{"a whole number is a float, too", "slope: 2", func(h *house) { h.Slope = 2 }},
		{"an unquoted id of digits stays as written", "ownerID: 400888114106661377", func(h *house) { h.OwnerID = "400888114106661377" }},
		{"words that YAML takes for something else stay as written", "name: yes\nownerID: 007\nattic: ''", func(h *house) { h.Name, h.OwnerID = "yes", "007" }},
		{"a pointer is made with its own defaults", "garage: {door: {bell: true}}", func(h *house) { h.Garage = &room{Door: &door{Width: 90, Bell: true}} }},
		{"an empty mapping makes a pointer", "garage: {}", func(h *house) { h.Garage = &room{} }},
		{"lists of structs are read", "rooms:\n- name: a\n- windows: [w]", func(h *house) { h.Rooms = []room{{Name: "a"}, {Windows: []string{"w"}}} }},
		{"relative paths start at the file's directory", "planFile: p/q\nkeyFiles: [../k, /abs, '']\nattic: a", func(h *house) {
			h.PlanFile, h.KeyFiles, h.Attic = "/etc/house/p/q", []string{"/etc/k", "/abs", ""}, "/etc/house/a"
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, want := defaultHouse(), defaultHouse()
			test.want(&want)
			if _, err := Decode("/etc/house/house.yaml", []byte(test.yaml), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestDecodeNamesEveryProblem(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"an unknown key with the nearest known one", "nmae: a", `house.yaml:1: nmae: unknown key (did you mean "name"?)`},
		{"an unknown key that differs in case", "garden:\n  TREES: 1", `house.yaml:2: garden.TREES: unknown key (did you mean "trees"?)`},
		{"an unknown key that is like none", "swimmingpool: 1", `house.yaml:1: swimmingpool: unknown key`},
		{"a field that has no name for files", "Unrelated: a", `house.yaml:1: Unrelated: unknown key`},
		{"a key that would break the path", "\"a.b\\n\": 1", `house.yaml:1: ["a.b\n"]: unknown key`},
		{"a merge key", "garden: {<<: {trees: 1}}", `house.yaml:1: garden["<<"]: unknown key`},
		{"a duplicate key, of which the first holds", "name: a\nlit: true\nname: b", `house.yaml:3: name: named twice, first in line 1`},
		{"a duplicate key of a map", "wings:\n  a: {}\n  a: {}", `house.yaml:3: wings.a: named twice, first in line 2`},
		{"a key that is a list", "? [a]\n: b", `house.yaml:1: a key must be a plain word`},
		{"a scalar for the whole", "hello", `house.yaml:1: must be a mapping of keys to values, not "hello"`},
		{"a list for a section", "garden: [1]", `house.yaml:1: garden: must be a mapping of keys to values, not a list`},
		{"a scalar for a list", "colours: red", `house.yaml:1: colours: must be a list, not "red" (write [a, b], or one item per line after a dash)`},
		{"a mapping for a string", "name: {a: b}", `house.yaml:1: name: must be a string, not a mapping`},
		{"a list for a number", "floors: [1]", `house.yaml:1: floors: must be a whole number, not a list`},
		{"a list for a size", "cellar: [1]", `house.yaml:1: cellar: must be a single value, not a list`},
		{"a word for a number", "floors: many", `house.yaml:1: floors: must be a whole number, not "many"`},
		{"a number in quotes", `floors: "4"`, `house.yaml:1: floors: must be a whole number, not "4" (take the quotes off)`},
		{"a number that is too large", "floors: 300", `house.yaml:1: floors: must be a whole number, not "300"`},
		{"a fraction for a whole number", "floors: 1.5", `house.yaml:1: floors: must be a whole number, not "1.5"`},
		{"a float that is no number", "slope: .nan", `house.yaml:1: slope: must be a number, not ".nan"`},
		{"a word for a boolean", "lit: on", `house.yaml:1: lit: must be true or false, not "on"`},
		{"a duration without unit", "heat: 30", `house.yaml:1: heat: must be a duration, not "30" (it has no unit: write 30s, 5m or 1h)`},
		{"a duration that is none", "heat: soon", `house.yaml:1: heat: must be a duration, not "soon" (write it like 500ms, 30s, 5m or 1h)`},
		{"a size in decimal units", "cellar: 64KB", `house.yaml:1: cellar: must be a size like 64KiB, 10MiB, 1GiB or plain bytes, not "64KB"`},
		{"an item without a value", "colours:\n- red\n-\n", `house.yaml:3: colours[1]: must not be empty`},
		{"an item within an item", "rooms:\n- name: a\n- windows:\n  - {}", `house.yaml:4: rooms[1].windows[0]: must be a string, not a mapping`},
		{"an alias", "name: &n a\nownerID: *n", `house.yaml:2: ownerID: YAML aliases are not accepted (write the value out)`},
		{"an alias that holds itself", "colours: &c [*c]", `house.yaml:1: colours[0]: YAML aliases are not accepted (write the value out)`},
		{"a tag", "name: !!binary aGk=", `house.yaml:1: name: YAML tags are not accepted (leave out the word that begins with !)`},
		{"a second document", "name: a\n---\nname: b", `house.yaml:2: a second YAML document begins here (keep one document in the file)`},
		{"what is not YAML", "name: a\nlit", `house.yaml:2: not valid YAML: could not find expected ':'`},
		{"what is not text", "\x00", `house.yaml: not valid YAML: control characters are not allowed`},
		{"a second document that is not YAML", "name: a\n---\n\tb: [", `house.yaml:3: not valid YAML: found character that cannot start any token`},
		{"a file that is too large", strings.Repeat("#", MaxSize+1), `house.yaml: larger than 1MiB`},
		{"a long value, cut", "floors: " + strings.Repeat("x", 100), `house.yaml:1: floors: must be a whole number, not "` + strings.Repeat("x", 64) + `…"`},
		{"all at once in order of lines", "rooms: [{nme: a}]\nheat: 5\n\nlit: no\n",
			"house.yaml:1: rooms[0].nme: unknown key (did you mean \"name\"?)\n" +
				"house.yaml:2: heat: must be a duration, not \"5\" (it has no unit: write 30s, 5m or 1h)\n" +
				"house.yaml:4: lit: must be true or false, not \"no\""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := defaultHouse()
			_, err := Decode("house.yaml", []byte(test.yaml), &h)
			if err == nil || err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
			if h.Floors != 2 || h.Heat != time.Hour {
				t.Errorf("a value with a problem was set: %+v", h)
			}
		})
	}
}

func TestDocumentKnowsLines(t *testing.T) {
	h := defaultHouse()
	doc, err := Decode("house.yaml", []byte("name: a\nrooms:\n- name: b\n  windows:\n  - w\n  - x\nwings:\n  a.b:\n    name: c\n"), &h)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"name":                1,
		"rooms":               2,
		"rooms[0]":            3,
		"rooms[0].windows[1]": 6,
		"rooms[0].door.width": 3, // the nearest parent that is there
		"rooms[7].name":       2,
		`wings["a.b"].name`:   9,
		`wings["a.b"].door`:   8,
		"garden.trees":        0,
		"":                    0,
	} {
		if got := doc.Line(path); got != want {
			t.Errorf("line of %q: got %d, want %d", path, got, want)
		}
	}
	if got, want := doc.Problem("rooms[0].name", "bad", "mend it").Error(), "house.yaml:3: rooms[0].name: bad (mend it)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (*Document)(nil).Problem("name", "bad", "").Error(), "name: bad"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProblemsCoverWhatFollowsFromThem(t *testing.T) {
	ps := Problems{{Path: "a.b"}, {Path: "c[1]"}}
	for path, want := range map[string]bool{"a.b": true, "a.b.c": true, "a.b[0]": true, "a": false, "a.bc": false, "c[1].d": true, "c[10]": false, "": false} {
		if got := ps.Cover(path); got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}
	if !(Problems{{Path: ""}}).Cover("a.b") {
		t.Error("a problem of the whole does not cover a key")
	}
	if err := (Problems{}).Err(); err != nil {
		t.Errorf("no problems are the error %v", err)
	}
}

func TestProblemsStayInOneLine(t *testing.T) {
	p := Problem{File: "f", Path: "p", Message: "a\nb\x1b[31mc"}
	if got, want := p.Error(), "f: p: a\uFFFDb\uFFFD[31mc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUnsupportedTargetsPanic(t *testing.T) {
	for name, into := range map[string]any{
		"a struct that is no pointer": house{},
		"a nil pointer":               (*house)(nil),
		"a field of an unsigned type": &struct {
			A uint `yaml:"a"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = Decode("f", []byte("a: 1"), into)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("rooms: [{name: a, door: {width: 1}}]\nwings: {a: {}}\nheat: 5s\ncellar: 1MiB"))
	f.Add([]byte("a: &a [*a]\n---\nb: !!x 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := defaultHouse()
		doc, err := Decode("house.yaml", data, &h)
		var problems Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("the error %v holds no problems", err)
		}
		if strings.Count(problems.Error(), "\n")+1 > max(len(problems), 1) {
			t.Fatalf("a problem has several lines: %q", problems)
		}
		if err == nil && doc == nil {
			t.Fatal("no document and no error")
		}
	})
}
