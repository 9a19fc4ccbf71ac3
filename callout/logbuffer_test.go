package callout_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// logBuffer keeps the log of a test's callouts.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Len()
}

func (b *logBuffer) since(n int) string { return b.String()[n:] }

// decisions returns the decision records of a log.
func decisions(log string) []map[string]any {
	var list []map[string]any
	for line := range strings.Lines(log) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == "decision" {
			list = append(list, record)
		}
	}
	return list
}

// reasonIn returns the reason of the only refusal in a log; several are joined.
func reasonIn(log string) string {
	var list []string
	for _, d := range decisions(log) {
		if reason, _ := d["reason"].(string); reason != "" {
			list = append(list, reason)
		}
	}
	return strings.Join(list, " ")
}
