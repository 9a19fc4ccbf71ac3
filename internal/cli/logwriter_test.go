package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestLogWriterNeverWaitsForItsReader(t *testing.T) {
	r, stuck := io.Pipe()
	w := newLogWriter(stuck)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range logQueue + 10 { // the pipe takes none
			fmt.Fprintf(w, "record %d\n", i)
		}
	}()
	select {
	case <-written:
	case <-time.After(20 * time.Second):
		t.Fatal("waits for a reader that does not read")
	}
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(r)
		text <- string(all)
	}()
	w.flush()
	_ = stuck.Close()
	if got := <-text; !strings.HasPrefix(got, "record 0\n") || !strings.Contains(got, "log records were dropped") {
		t.Errorf("once it is read: %.60q…", got)
	}
}

func TestLogWriterWritesEverythingBeforeTheEnd(t *testing.T) {
	var out bytes.Buffer
	w := newLogWriter(&out)
	for i := range 100 {
		fmt.Fprintf(w, "record %d\n", i)
	}
	w.flush()
	w.flush()
	fmt.Fprintln(w, "after the end")
	if got := strings.Count(out.String(), "\n"); got != 100 {
		t.Errorf("%d records, want 100", got)
	}
}
