package callout

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// Probe is one thing that [CheckOnline] tried.
type Probe struct {
	Name   string
	Detail string // what was found
	Err    error  // what is wrong, and with which setting
}

// Text is the detail or the error.
func (p Probe) Text() string {
	if p.Err != nil {
		return p.Err.Error()
	}
	return p.Detail
}

// onlineTimeout bounds each probe. A server without an answer to its callout refuses after
// 2 s.
const onlineTimeout = 5 * time.Second

// CheckKeys reads the seeds and certificates that a configuration names, as [New] does.
func CheckKeys(cfg *Config) (warnings []string, err error) {
	var seeds seedReader
	_, keysErr := seeds.keyring(&cfg.Keys)
	_, natsErr := natsOptions(&cfg.NATS, &seeds, slog.New(slog.DiscardHandler))
	_, issuerErr := newIssuerKeys(cfg, slog.New(slog.DiscardHandler), nil)
	return seeds.warnings, errors.Join(keysErr, natsErr, issuerErr)
}

// CheckOnline asks the issuer and every NATS server whether the configuration fits them,
// and yields what it finds as it finds it. cfg must have passed [CheckKeys].
func CheckOnline(ctx context.Context, cfg *Config) iter.Seq[Probe] {
	return func(yield func(Probe) bool) {
		if !yield(checkIssuer(ctx, cfg)) {
			return
		}
		keys, err := new(seedReader).keyring(&cfg.Keys)
		if err != nil {
			yield(Probe{Name: "keys", Err: err})
			return
		}
		for _, server := range cfg.NATS.Servers {
			probe := serverProbe{cfg: cfg, keys: keys, server: server}
			if !probe.run(ctx, yield) {
				return
			}
		}
	}
}

func checkIssuer(ctx context.Context, cfg *Config) Probe {
	p := Probe{Name: "issuer " + cfg.Zitadel.Issuer}
	keys, err := newIssuerKeys(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		p.Err = err
		return p
	}
	defer keys.stop()
	ctx, cancel := context.WithTimeout(ctx, onlineTimeout)
	defer cancel()
	// A key id that no issuer has makes the set fetch its keys.
	_, err = keys.Await(ctx, []byte("callout-check"))
	status := keys.Status()
	switch {
	case !errors.Is(err, ErrUnknownKey):
		p.Err = err
	case !status.Usable:
		p.Err = fmt.Errorf("it publishes no usable key for %v", cfg.Zitadel.Algorithms)
	default:
		p.Detail = fmt.Sprintf("discovery names this very issuer, %d usable keys", status.Keys)
	}
	return p
}
