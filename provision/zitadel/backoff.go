package zitadel

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// backoff is how long to wait between attempts: twice as long each time, never in step with
// others.
type backoff struct{ first, most time.Duration }

// wait waits after an attempt, counted from 0. It returns the reason where the context ends.
func (b backoff) wait(ctx context.Context, attempt int) error {
	d := b.most
	if attempt < 16 {
		d = min(b.first<<attempt, b.most)
	}
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errUnseen: something did not show in time.
var errUnseen = errors.New("not listed in time")

// until asks until the answer is true or an error ends it, and no more once within is over:
// then the error is errUnseen. It asks at least once, and gives each question its time.
func (b backoff) until(ctx context.Context, within time.Duration, ask func(context.Context) (bool, error)) error {
	began := time.Now()
	for attempt := 0; ; attempt++ {
		if ok, err := ask(ctx); ok || err != nil {
			return err
		}
		if time.Since(began) >= within {
			return errUnseen
		}
		if err := b.wait(ctx, attempt); err != nil {
			return err
		}
	}
}
