package callout

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
)

// A connection whose server does not read keeps the library's lock for as long as a write
// takes. Answers then wait in the link, and the workers do not.
func TestAnAnswerNeverWaitsForItsConnection(t *testing.T) {
	s := &Service{logger: slog.New(slog.DiscardHandler)}
	m, err := newMetrics(prometheus.NewRegistry(), func() bool { return true }, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.metrics = m
	l := s.newLink(0) // nothing sends: as if the first answer were stuck
	answer := []byte("answer")
	for range maxAnswers + 5 {
		l.answer(nats.NewMsg("request"), answer)
	}
	answer[0] = 'X' // the worker uses its memory again
	if got := string((<-l.answers).answer); got != "answer" {
		t.Errorf("what waits is %q: it must be a copy", got)
	}
	if got := s.drops.n.Load(); got != 5 {
		t.Errorf("%d answers are counted as lost, want 5", got)
	}
}
