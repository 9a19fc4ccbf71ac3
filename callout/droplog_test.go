package callout

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDroppedRequestsAreLoggedOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := dropLog{logger: slog.New(slog.NewTextHandler(&out, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		go d.run(ctx)
		for range 3000 { // in 3 s
			d.add(2)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second) // in which nothing happens
		d.add(7)
		cancel()
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 && len(lines) != 5 {
			t.Errorf("%d records for three seconds of drops and one at the end:\n%s", len(lines), &out)
		}
		total := 0
		for _, line := range lines {
			_, text, _ := strings.Cut(line, "dropped=")
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Errorf("record %q: %v", line, err)
			}
			total += n
		}
		if total != 6007 {
			t.Errorf("%d reported, want 6007", total)
		}
	})
}
