package callout

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Marshal writes a configuration as a file that [Load] reads back as the same: only what
// differs from [DefaultConfig], so that a person sees what was decided.
func Marshal(cfg *Config) ([]byte, error) {
	var have, plain yaml.Node
	if err := have.Encode(cfg); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	if err := plain.Encode(DefaultConfig()); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	leaveOut(&have, &plain)
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := enc.Encode(&have); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return text.Bytes(), enc.Close()
}

// leaveOut removes from a mapping what is as it would be anyway: equal to the default, or,
// within lists, where there are no defaults, zero.
func leaveOut(node, plain *yaml.Node) {
	if node.Kind == yaml.SequenceNode {
		for _, item := range node.Content {
			leaveOut(item, nil)
		}
		return
	}
	if node.Kind != yaml.MappingNode {
		return
	}
	kept := node.Content[:0]
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		def := member(plain, name.Value)
		leaveOut(value, def)
		if def != nil && same(value, def) || def == nil && isZero(name.Value, value) || value.Kind == yaml.MappingNode && len(value.Content) == 0 {
			continue
		}
		kept = append(kept, name, value)
	}
	node.Content = kept
}

func member(node *yaml.Node, name string) *yaml.Node {
	if node == nil {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

func same(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

func isZero(name string, node *yaml.Node) bool {
	switch {
	case node.Kind != yaml.ScalarNode:
		return len(node.Content) == 0
	case node.Value == "", node.Value == "0s" && name == "maxTTL":
		return true
	case node.ShortTag() == "!!str":
		return false
	}
	return node.Value == "0" || node.Value == "false" || node.Value == "null"
}
