package conf

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Overlay lays the environment over the struct that into points to. With the prefix
// CALLOUT_, the variable CALLOUT_ZITADEL_PROJECT_ID sets zitadel.projectID: keys are joined
// by underscores and camel case becomes underscores, which do not count in the comparison.
// An empty variable counts as not set.
//
// Scalars are set, and lists of scalars, written as [a, b] or separated by commas; lists of
// structs and maps are for the file alone. Relative paths are left to the working directory.
//
// The names in ignore (without the prefix) are not settings but the program's own. A
// variable that sets nothing gives a warning, not an error, since whoever starts us may
// have reasons of their own for it; those that Kubernetes puts into every pod for a Service
// of the prefix's name are passed over in silence. The error is [Problems], each with the
// variable in place of the file.
func Overlay(prefix string, environ []string, into any, doc *Document, ignore ...string) (warnings []string, err error) {
	root := target(into)
	known := settings(root.Type(), prefix)
	var problems Problems
	setBy := map[string]string{} // path → variable
	for _, entry := range environ {
		variable, value, _ := strings.Cut(entry, "=")
		name, ok := strings.CutPrefix(variable, prefix)
		if !ok || value == "" || slices.Contains(ignore, name) {
			continue
		}
		s, ok := find(known, variable)
		switch {
		case !ok && kubernetesService.MatchString(name):
		case !ok:
			warnings = append(warnings, unknownVariable(variable, known))
		case !s.settable():
			warnings = append(warnings, fmt.Sprintf("%s: %s can be set only in the file", variable, s.path))
		case setBy[s.path] == variable: // as getenv, which finds the first
		case setBy[s.path] != "":
			problems = append(problems, Problem{File: variable, Path: s.path, Message: "is also set by " + setBy[s.path], Hint: "keep one of them"})
		default:
			setBy[s.path] = variable
			doc.override(s.path, variable)
			problems = append(problems, s.set(root, variable, value)...)
		}
	}
	slices.Sort(warnings)
	return warnings, problems.Err()
}

// kubernetesService matches, after the prefix, the variables that the kubelet sets for
// Services named like the prefix: CALLOUT_SERVICE_HOST, CALLOUT_PORT_8081_TCP_ADDR,
// CALLOUT_METRICS_SERVICE_PORT_HTTP.
var kubernetesService = regexp.MustCompile(`^(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$`)

// setting is a field that a variable may set.
type setting struct {
	path     string // zitadel.projectID
	variable string // CALLOUT_ZITADEL_PROJECT_ID
	index    []int  // of the field at each level, from the root
	typ      reflect.Type
}

// settings lists the leaves of a struct type. Two leaves with the same variable would make
// one of them unreachable, which is a mistake in the program and panics.
func settings(t reflect.Type, prefix string) []setting {
	all := appendSettings(nil, t, setting{variable: strings.TrimSuffix(prefix, "_")})
	seen := map[string]string{}
	for _, s := range all {
		if other, ok := seen[squeeze(s.variable)]; ok {
			panic(fmt.Sprintf("conf: %s and %s have the same environment variable", other, s.path))
		}
		seen[squeeze(s.variable)] = s.path
	}
	return all
}

func appendSettings(all []setting, t reflect.Type, parent setting) []setting {
	for _, f := range fields(t) {
		s := setting{
			path:     child(parent.path, f.name),
			variable: parent.variable + "_" + underscored(f.name),
			index:    append(slices.Clone(parent.index), f.index),
			typ:      t.Field(f.index).Type,
		}
		inner := s.typ
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		isStruct := inner.Kind() == reflect.Struct
		if isStruct && (!isScalar(inner) || hasShortForm(inner)) {
			all = appendSettings(all, inner, s)
		}
		if !isStruct || isScalar(inner) {
			all = append(all, s)
		}
	}
	return all
}

func find(known []setting, variable string) (setting, bool) {
	i := slices.IndexFunc(known, func(s setting) bool { return squeeze(s.variable) == squeeze(variable) })
	if i < 0 {
		return setting{}, false
	}
	return known[i], true
}

func (s setting) settable() bool {
	return isScalar(s.typ) || s.typ.Kind() == reflect.Slice && isScalar(s.typ.Elem())
}

// set decodes the variable's value into its field, making the structs on the way there.
func (s setting) set(root reflect.Value, variable, value string) Problems {
	v := root
	for _, i := range s.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(fresh(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	d := decoder{variable: variable}
	if isScalar(s.typ) {
		d.value(s.path, word(value, s.typ), v, false)
		return d.problems
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if strings.HasPrefix(strings.TrimSpace(value), "[") {
		var problem *Problem
		if n, problem = parse([]byte(value)); problem != nil {
			return Problems{{File: variable, Path: s.path, Message: problem.Message, Hint: "separate the items by commas"}}
		}
	} else {
		for item := range strings.SplitSeq(value, ",") {
			n.Content = append(n.Content, word(strings.TrimSpace(item), s.typ.Elem()))
		}
	}
	d.value(s.path, n, v, false)
	return d.problems
}

// word makes a node of a variable's text. A string is taken literally, were it "null".
func word(text string, t reflect.Type) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if t.Kind() == reflect.String && text != "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func unknownVariable(variable string, known []setting) string {
	var names []string
	for _, s := range known {
		if s.settable() {
			names = append(names, s.variable)
		}
	}
	warning := Problem{File: variable, Message: "sets nothing that we know", Hint: Suggest(variable, names)}
	return warning.Error()
}

// underscored turns camel case into the words of a variable's name: caFile into CA_FILE,
// projectID into PROJECT_ID.
func underscored(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if lower && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

func squeeze(variable string) string { return strings.ReplaceAll(variable, "_", "") }
