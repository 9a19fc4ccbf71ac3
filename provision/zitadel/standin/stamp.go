package standin

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// stamp is a time as protobuf's JSON writes it: UTC, with no, 3, 6 or 9 digits of a second.
type stamp struct{ time.Time }

func (s stamp) MarshalJSON() ([]byte, error) {
	layout := "2006-01-02T15:04:05.000000000Z"
	switch ns := s.Nanosecond(); {
	case ns == 0:
		layout = "2006-01-02T15:04:05Z"
	case ns%1e6 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case ns%1e3 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return json.Marshal(s.UTC().Format(layout))
}

func (s *stamp) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return err
	}
	s.Time = t
	return nil
}

// span is a duration as protobuf's JSON writes it: "900s".
type span time.Duration

func (s span) MarshalJSON() ([]byte, error) {
	return json.Marshal(strconv.FormatFloat(time.Duration(s).Seconds(), 'f', -1, 64) + "s")
}

func (s *span) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil || text == "" || text[len(text)-1] != 's' {
		return fmt.Errorf("duration %q: want seconds, such as \"900s\"", text)
	}
	*s = span(d)
	return nil
}

// clock gives times and ids that only ever rise, also across restarts once it was told of
// those that were given before.
type clock struct {
	mu   sync.Mutex
	time time.Time
	id   int64
}

// now is the time in whole microseconds, as PostgreSQL keeps it, and never the same twice.
func (c *clock) now() stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now().UTC().Truncate(time.Microsecond)
	if !t.After(c.time) {
		t = c.time.Add(time.Microsecond)
	}
	c.time = t
	return stamp{t}
}

// newID is a number of 18 digits, as Zitadel gives to everything.
func (c *clock) newID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = max(c.id+1, time.Now().UnixNano()/10)
	return strconv.FormatInt(c.id, 10)
}

// seen makes sure that neither is given again. Ids that callers chose do not matter.
func (c *clock) seen(t time.Time, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.time) {
		c.time = t
	}
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && len(id) == 18 && n > c.id {
		c.id = n
	}
}
