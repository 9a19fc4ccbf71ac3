package conf

import (
	"encoding"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	durationType        = reflect.TypeFor[time.Duration]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isScalar reports whether values of the type are written as one word.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return true
	}
	return reflect.PointerTo(t).Implements(textUnmarshalerType)
}

// hasShortForm reports whether a struct may be written as one word too: tls: true.
func hasShortForm(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && isScalar(t) && len(fields(t)) > 0
}

func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value, isPath bool) {
	message, hint := setScalar(n, v)
	if message != "" {
		d.fail(path, n, message, hint)
		return
	}
	if isPath && v.Kind() == reflect.String && v.String() != "" && !filepath.IsAbs(v.String()) {
		v.SetString(filepath.Join(d.dir, v.String()))
	}
}

// setScalar sets v, or says what is wrong with the node.
func setScalar(n *yaml.Node, v reflect.Value) (message, hint string) {
	if n.Kind != yaml.ScalarNode {
		return "must be " + want(v) + ", not " + describe(n), ""
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(n.Value)); err != nil {
			return err.Error(), ""
		}
		return "", ""
	}
	tag := n.ShortTag()
	switch {
	case v.Type() == durationType:
		return setDuration(n.Value, v)
	case v.Kind() == reflect.String:
		// Literally, whatever YAML makes of it: an unquoted id of digits stays an id.
		v.SetString(n.Value)
		return "", ""
	case v.Kind() == reflect.Bool && tag == "!!bool":
		b, err := strconv.ParseBool(n.Value)
		if err == nil {
			v.SetBool(b)
			return "", ""
		}
	case v.CanInt() && tag == "!!int":
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if err == nil {
			v.SetInt(i)
			return "", ""
		}
	case v.CanFloat() && (tag == "!!float" || tag == "!!int"):
		f, err := strconv.ParseFloat(n.Value, v.Type().Bits())
		if err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			v.SetFloat(f)
			return "", ""
		}
	}
	message = fmt.Sprintf("must be %s, not %s", want(v), Quote(n.Value))
	plain := &yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && plain.ShortTag() != "!!str" {
		return message, "take the quotes off"
	}
	return message, ""
}

func setDuration(text string, v reflect.Value) (message, hint string) {
	d, err := time.ParseDuration(text)
	if err == nil {
		v.SetInt(int64(d))
		return "", ""
	}
	message = fmt.Sprintf("must be a duration, not %s", Quote(text))
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return message, "it has no unit: write 30s, 5m or 1h"
	}
	return message, "write it like 500ms, 30s, 5m or 1h"
}

// want names what a field takes.
func want(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return "a duration"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt() && !v.Addr().Type().Implements(textUnmarshalerType):
		return "a whole number"
	case v.CanFloat():
		return "a number"
	case v.Kind() == reflect.String:
		return "a string"
	default:
		return "a single value"
	}
}

// describe names what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return Quote(n.Value)
	}
}
