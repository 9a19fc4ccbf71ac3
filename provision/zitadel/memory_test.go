package zitadel

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// memoryNotes and memoryKeys outlive a process that is killed. What files do is tested where
// they are written, and would make hundreds of runs wait for the disk.
type memoryNotes struct {
	mu    sync.Mutex
	notes map[string]map[string]provision.Record
}

func newNotes() *memoryNotes { return &memoryNotes{notes: map[string]map[string]provision.Record{}} }

func (n *memoryNotes) Note(kind, name string) (provision.Record, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.notes[kind][name]
	return r, ok
}

func (n *memoryNotes) SetNote(kind, name string, r provision.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes[kind] == nil {
		n.notes[kind] = map[string]provision.Record{}
	}
	r.At = time.Now()
	n.notes[kind][name] = r
	return nil
}

func (n *memoryNotes) DropNote(kind, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.notes[kind], name)
	return nil
}

func (n *memoryNotes) Noted(kind string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.notes[kind]))
}

type memoryKeys struct {
	mu   sync.Mutex
	keys map[string]secret.Text
}

var _ provision.KeyStore = (*memoryKeys)(nil)

func newKeys() *memoryKeys { return &memoryKeys{keys: map[string]secret.Text{}} }

func (k *memoryKeys) Get(_ context.Context, name string) (secret.Text, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text, ok := k.keys[name]
	if !ok {
		return secret.Text{}, provision.ErrNoKey
	}
	return text, nil
}

func (k *memoryKeys) Create(_ context.Context, name string, key secret.Text) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, taken := k.keys[name]; taken {
		return provision.ErrKeyExists
	}
	k.keys[name] = key
	return nil
}

func (k *memoryKeys) Replace(_ context.Context, name string, key secret.Text) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[name] = key
	return nil
}

func (k *memoryKeys) Delete(_ context.Context, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, name)
	return nil
}

func (k *memoryKeys) List(_ context.Context, prefix string) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	for name := range k.keys {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (*memoryKeys) Location(name string) string { return "memory " + name }
