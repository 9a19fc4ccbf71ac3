package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// logQueue bounds the log records that wait to be written.
	logQueue = 4096
	// logFlush is how long the end of the program waits for them.
	logFlush = time.Second
)

// logWriter writes log records in a goroutine of its own, so that a reader of stderr that
// has stopped reading stops no work: a terminal on hold, a full pipe, a log collector that
// hangs. Records for which there is no room are dropped and counted.
type logWriter struct {
	to      io.Writer
	records chan []byte
	done    chan struct{}

	mu     sync.Mutex
	closed bool
	lost   int
}

func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{to: to, records: make(chan []byte, logQueue), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *logWriter) run() {
	defer close(w.done)
	for record := range w.records {
		_, _ = w.to.Write(record)
		w.mu.Lock()
		lost := w.lost
		w.lost = 0
		w.mu.Unlock()
		if lost > 0 {
			_, _ = fmt.Fprintf(w.to, "%d log records were dropped: stderr was not read\n", lost)
		}
	}
}

// Write takes one record. It never waits and never fails.
func (w *logWriter) Write(record []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(record), nil
	}
	select {
	case w.records <- append([]byte(nil), record...):
	default:
		w.lost++
	}
	return len(record), nil
}

// flush writes what is left, for logFlush at most, and takes no more.
func (w *logWriter) flush() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.records)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-time.After(logFlush):
	}
}
