package callout

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// dropLog reports dropped requests, once a second at most: in a storm there are thousands,
// and a record of each would cost more than the requests.
type dropLog struct {
	logger *slog.Logger
	n      atomic.Int64
}

func (d *dropLog) add(n int) { d.n.Add(int64(n)) }

// run reports until ctx ends, and then what is left.
func (d *dropLog) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer d.report()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.report()
		}
	}
}

func (d *dropLog) report() {
	if n := d.n.Swap(0); n > 0 {
		d.logger.Warn("overloaded: connect requests were dropped unanswered, clients will retry", "dropped", n)
	}
}
