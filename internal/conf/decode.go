package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest file, in bytes, that is read.
const MaxSize = 1 << 20

// Defaulter is a struct behind a pointer, in a list or with a short form that has defaults
// of its own, which hold once the file names it.
type Defaulter interface{ SetDefaults() }

// Decode reads the YAML document data over the struct that into points to. The file's name
// is used in messages, and its directory for relative paths; the file itself is not opened.
//
// The error is [Problems]. When the Document is nil the data could not be read as YAML at
// all and into is untouched; otherwise everything without a problem has been set.
func Decode(file string, data []byte, into any) (*Document, error) {
	root, problem := parse(data)
	if problem != nil {
		problem.File = file
		return nil, Problems{*problem}
	}
	d := decoder{
		doc: &Document{file: file, lines: map[string]int{}, variables: map[string]string{}},
		dir: filepath.Dir(file),
	}
	if root != nil {
		d.value("", root, target(into), false)
	}
	return d.doc, d.problems.Err()
}

// target is the struct that a caller's pointer points to.
func target(into any) reflect.Value {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("conf: cannot decode into %T: need a pointer to a struct", into))
	}
	return v.Elem()
}

// parse returns the root node of the only document, nil when there is nothing in it.
func parse(data []byte) (*yaml.Node, *Problem) {
	if len(data) > MaxSize {
		return nil, &Problem{Message: fmt.Sprintf("larger than %s", Size(MaxSize))}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxProblem(err)
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, &Problem{Line: second.Line, Message: "a second YAML document begins here", Hint: "keep one document in the file"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxProblem(err)
	}
	return doc.Content[0], nil
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

func syntaxProblem(err error) *Problem {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return &Problem{Message: "not valid YAML"}
	}
	line, _ := strconv.Atoi(m[1]) // no number: no line known
	return &Problem{Line: line, Message: "not valid YAML: " + m[2]}
}

// decoder walks nodes and values side by side.
type decoder struct {
	doc      *Document
	variable string // the environment variable that the nodes come from, if not from the file
	dir      string // what relative paths start from
	problems Problems
}

func (d *decoder) fail(path string, n *yaml.Node, message, hint string) {
	p := Problem{File: d.variable, Path: path, Message: message, Hint: hint}
	if d.variable == "" {
		p.File, p.Line = d.doc.file, n.Line
	}
	d.problems = append(d.problems, p)
}

// value decodes one node into v; isPath says that its strings are paths.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value, isPath bool) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fail(path, n, "YAML aliases are not accepted", "write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(path, n, "YAML tags are not accepted", "leave out the word that begins with !")
	case isNull(n):
	case hasShortForm(v.Type()) && n.Kind == yaml.MappingNode:
		v.Set(fresh(v.Type()).Elem())
		d.structure(path, n, v)
	case isScalar(v.Type()):
		d.scalar(path, n, v, isPath)
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(fresh(v.Type().Elem()))
		}
		d.value(path, n, v.Elem(), isPath)
	case v.Kind() == reflect.Struct:
		d.structure(path, n, v)
	case v.Kind() == reflect.Map:
		d.mapping(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v, isPath)
	case v.Type() == anyType:
		d.free(path, n, v)
	default:
		panic(fmt.Sprintf("conf: %s: type %s is not supported", path, v.Type()))
	}
}

func (d *decoder) structure(path string, n *yaml.Node, v reflect.Value) {
	byName := map[string]field{}
	var names []string
	for _, f := range fields(v.Type()) {
		byName[f.name] = f
		names = append(names, f.name)
	}
	d.pairs(path, n, func(key string, keyNode, value *yaml.Node) {
		at := child(path, key)
		f, ok := byName[key]
		if !ok {
			d.fail(at, keyNode, UnknownKey, Suggest(key, names))
			return
		}
		d.value(at, value, v.Field(f.index), f.isPath)
	})
}

func (d *decoder) mapping(path string, n *yaml.Node, v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	ok := d.pairs(path, n, func(key string, _, value *yaml.Node) {
		elem := fresh(v.Type().Elem()).Elem()
		d.value(child(path, key), value, elem, false)
		m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
	})
	if ok {
		v.Set(m)
	}
}

// pairs calls each for every key of a mapping node, once per key. It reports whether the
// node is a mapping.
func (d *decoder) pairs(path string, n *yaml.Node, each func(key string, keyNode, value *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		d.fail(path, n, "must be a mapping of keys to values, not "+describe(n), "")
		return false
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.fail(path, key, "a key must be a plain word", "")
			continue
		}
		at := child(path, key.Value)
		if line, ok := first[key.Value]; ok {
			d.fail(at, key, fmt.Sprintf("named twice, first in line %d", line), "")
			continue
		}
		first[key.Value] = key.Line
		d.doc.lines[at] = key.Line
		each(key.Value, key, value)
	}
	return true
}

func (d *decoder) list(path string, n *yaml.Node, v reflect.Value, isPath bool) {
	if n.Kind != yaml.SequenceNode {
		d.fail(path, n, "must be a list, not "+describe(n), "write [a, b], or one item per line after a dash")
		return
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if d.variable == "" {
			d.doc.lines[at] = item.Line
		}
		if isNull(item) {
			d.fail(at, item, "must not be empty", "")
			continue
		}
		items.Index(i).Set(fresh(v.Type().Elem()).Elem())
		d.value(at, item, items.Index(i), isPath)
	}
	v.Set(items)
}

// fresh makes a pointer to a new value of the type, with its own defaults.
func fresh(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	if d, ok := p.Interface().(Defaulter); ok {
		d.SetDefaults()
	}
	return p
}

// isNull reports whether the file names a key and gives it no value.
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// field is a struct field that takes part in a configuration.
type field struct {
	name   string
	index  int
	isPath bool
}

func fields(t reflect.Type) []field {
	var fs []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		isPath := f.Tag.Get("path") == "true" || strings.HasSuffix(name, "File") || strings.HasSuffix(name, "Files")
		fs = append(fs, field{name: name, index: i, isPath: isPath})
	}
	return fs
}
