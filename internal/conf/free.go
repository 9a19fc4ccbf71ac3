package conf

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
)

var anyType = reflect.TypeFor[any]()

// free reads what is only passed on, such as a chart's values: maps with string keys, lists,
// strings, booleans, numbers and nulls. Aliases, tags and keys named twice are refused here
// as everywhere.
func (d *decoder) free(path string, n *yaml.Node, v reflect.Value) {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		d.mapping(path, n, reflect.ValueOf(&m).Elem())
		v.Set(reflect.ValueOf(m))
	case yaml.SequenceNode:
		items := make([]any, len(n.Content))
		for i, item := range n.Content {
			d.value(fmt.Sprintf("%s[%d]", path, i), item, reflect.ValueOf(&items[i]).Elem(), false)
		}
		v.Set(reflect.ValueOf(items))
	default:
		if n.ShortTag() == "!!timestamp" { // YAML's idea of a date is nobody else's
			v.Set(reflect.ValueOf(n.Value))
			return
		}
		var value any
		if err := n.Decode(&value); err != nil {
			d.fail(path, n, "not a value: "+Quote(n.Value), "")
			return
		}
		v.Set(reflect.ValueOf(value))
	}
}
