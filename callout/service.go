package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// drainTimeout bounds how long a service that is being stopped answers what it has: no
// server waits longer than 2 s for an answer.
const drainTimeout = 2 * time.Second

// Service is the running callout: connections to NATS, the queue, the workers and the
// issuer's keys.
type Service struct {
	cfg     Config
	logger  *slog.Logger
	keySet  *KeySet
	handler *Handler
	queue   *queue
	metrics *metrics
	options []nats.Option
	listen  net.Listener // of the HTTP server; nil: none

	registry *prometheus.Registry

	mu       sync.Mutex
	links    []*link
	draining atomic.Bool
	drops    dropLog
}

// New prepares a service: it reads seeds and certificates, compiles the policy and opens
// the HTTP listener. It makes no other connection; that is what [Service.Run] does. cfg
// must have been validated, as [Load] does. A nil logger discards.
func New(cfg *Config, logger *slog.Logger) (*Service, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: *cfg, logger: logger, registry: prometheus.NewRegistry()}
	s.drops.logger = logger
	policy, err := NewPolicy(cfg)
	if err != nil {
		return nil, err
	}
	var seeds seedReader
	keys, err := seeds.keyring(&cfg.Keys)
	if err != nil {
		return nil, err
	}
	if s.options, err = natsOptions(&cfg.NATS, &seeds, logger); err != nil {
		return nil, err
	}
	for _, w := range seeds.warnings {
		logger.Warn(w)
	}
	if s.keySet, err = newIssuerKeys(cfg, logger, func(result string) {
		s.metrics.fetches[result].Inc()
	}); err != nil {
		return nil, err
	}
	s.metrics, err = newMetrics(s.registry, func() bool { return s.Readiness().Ready }, func() time.Duration {
		status := s.keySet.Status()
		if status.FetchedAt.IsZero() {
			return -1
		}
		return status.Age
	})
	if err == nil {
		err = errors.Join(s.registry.Register(collectors.NewGoCollector()),
			s.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})))
	}
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	s.handler = &Handler{
		decider: newDecider(newVerifier(cfg, s.keySet), policy, cfg.Zitadel.Credentials, cfg.Cache),
		keys:    keys,
		now:     time.Now,
	}
	s.queue = newQueue(cfg.Admission.Queue, cfg.Admission.MaxAge, s.lost)
	if cfg.HTTP.Listen != "" {
		if s.listen, err = net.Listen("tcp", cfg.HTTP.Listen); err != nil {
			return nil, fmt.Errorf("http.listen: %w", err)
		}
	}
	return s, nil
}

// newIssuerKeys makes the key set of the configured issuer.
func newIssuerKeys(cfg *Config, logger *slog.Logger, onFetch func(string)) (*KeySet, error) {
	client, err := NewIssuerClient(IssuerClientConfig{
		Issuer:      cfg.Zitadel.Issuer,
		DialAddress: cfg.Zitadel.DialAddress,
		CAFile:      cfg.Zitadel.CAFile,
	})
	if err != nil {
		return nil, fmt.Errorf("zitadel: %w", err)
	}
	keys, err := NewKeySet(KeySetConfig{
		Issuer: cfg.Zitadel.Issuer, Client: client,
		MinRefetch: cfg.Zitadel.JWKS.MinRefetch, Outage: cfg.Zitadel.JWKS.Outage,
		Algorithms: cfg.Zitadel.Algorithms, Logger: logger, OnFetch: onFetch,
	})
	if err != nil {
		return nil, fmt.Errorf("zitadel: %w", err)
	}
	return keys, nil
}

func newVerifier(cfg *Config, keys *KeySet) *Verifier {
	return &Verifier{
		Issuer: cfg.Zitadel.Issuer, ProjectID: cfg.Zitadel.ProjectID,
		Algorithms: cfg.Zitadel.Algorithms, Leeway: cfg.Zitadel.Leeway, Keys: keys,
	}
}

// Run serves until ctx ends; then it stops taking requests, answers those it has and
// returns. It returns an error only for what cannot heal by itself.
func (s *Service) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { _ = s.keySet.Run(background) })
	running.Go(func() { s.drops.run(background) })
	if s.listen != nil {
		running.Go(func() { s.serveHTTP(background) })
	}
	pool := newPool(s.handler, s.keySet, s.queue, runtime.GOMAXPROCS(0), s.decided)
	links := make([]*link, s.cfg.NATS.Connections)
	failed := make(chan error, len(links))
	for i := range links {
		links[i] = s.newLink(i)
		go func() {
			if err := links[i].run(background); err != nil {
				failed <- err
			}
		}()
	}
	s.mu.Lock()
	s.links = links
	s.mu.Unlock()
	s.logger.Info("serving", "issuer", s.cfg.Zitadel.Issuer, "project", s.cfg.Zitadel.ProjectID,
		"account_key", s.handler.keys.accounts(), "sealed", len(s.handler.keys.xkeys) > 0)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.drain(context.WithoutCancel(ctx), pool)
	return err
}

// drain stops taking requests, answers those that are here, and closes the connections.
func (s *Service) drain(ctx context.Context, pool *pool) {
	s.draining.Store(true)
	s.logger.Info("draining")
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, l := range s.links {
		all.Go(func() { l.unsubscribe(ctx) })
	}
	all.Wait()
	pool.drain(ctx)
	for _, l := range s.links {
		all.Go(l.close)
	}
	all.Wait()
	s.logger.Info("stopped")
}

// lost counts requests that get no answer.
func (s *Service) lost(cause dropCause, n int) {
	s.metrics.dropped[cause].Add(float64(n))
	s.drops.add(n)
}

// decided is told of each decision by the pool.
func (s *Service) decided(d *Decision, took, waited time.Duration) {
	s.metrics.decided(d, took, waited)
	d.log(s.logger)
}
