package callout

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the service's own. No label carries a user, account, key id, role or server
// id: a stranger must not be able to make time series.
type metrics struct {
	decisions map[decisionLabels]prometheus.Counter
	duration  prometheus.Histogram
	age       prometheus.Histogram
	dropped   map[dropCause]prometheus.Counter
	cache     map[string]prometheus.Counter
	fetches   map[string]prometheus.Counter
}

type decisionLabels struct {
	reason     Reason // empty: allowed
	credential CredentialKind
}

// decisionBuckets reach from a token seen before to the server's patience, in seconds.
var decisionBuckets = []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 1.5, 2}

// newMetrics registers the service's metrics. Everything that is counted exists from the
// start with the value 0, so that an alert on its rate works the first time it happens.
func newMetrics(registry prometheus.Registerer, ready func() bool, jwksAge func() time.Duration) (*metrics, error) {
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callout_decisions_total",
		Help: "Connect requests decided, by result (allowed, refused), reason of the refusal and kind of credential.",
	}, []string{"result", "reason", "credential"})
	dropped := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callout_dropped_total",
		Help: "Connect requests dropped unanswered, by cause: newer ones took their place, they waited too long, or the answer could not be sent.",
	}, []string{"cause"})
	cache := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callout_token_cache_total",
		Help: "Tokens looked up in the caches of decisions: hit (verified or refused before) or miss.",
	}, []string{"result"})
	exchanges := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callout_exchanges_total",
		Help: "Assertions exchanged at the issuer, by result (ok, error).",
	}, []string{"result"})
	introspections := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callout_introspections_total",
		Help: "Opaque tokens introspected at the issuer, by result (ok, error).",
	}, []string{"result"})
	fetches := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callout_jwks_fetches_total",
		Help: "Fetches of the issuer's keys, by result (ok, error).",
	}, []string{"result"})
	m := &metrics{
		decisions: make(map[decisionLabels]prometheus.Counter),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "callout_decision_duration_seconds",
			Help:    "Time from the arrival of a connect request to its answer.",
			Buckets: decisionBuckets,
		}),
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "callout_request_age_seconds",
			Help:    "Time that a connect request waited for a worker.",
			Buckets: decisionBuckets,
		}),
		dropped: make(map[dropCause]prometheus.Counter),
		cache:   make(map[string]prometheus.Counter),
		fetches: make(map[string]prometheus.Counter),
	}
	for _, credential := range credentialKinds {
		m.decisions[decisionLabels{credential: credential}] = decisions.WithLabelValues("allowed", "", string(credential))
		for _, reason := range reasons {
			m.decisions[decisionLabels{reason, credential}] = decisions.WithLabelValues("refused", string(reason), string(credential))
		}
	}
	for _, cause := range []dropCause{dropFull, dropStale, dropStuck} {
		m.dropped[cause] = dropped.WithLabelValues(string(cause))
	}
	for _, result := range []string{"hit", "miss"} {
		m.cache[result] = cache.WithLabelValues(result)
	}
	for _, result := range []string{"ok", "error"} {
		m.fetches[result] = fetches.WithLabelValues(result)
		// Nothing counts these two yet: dashboards and alerts find them all the same.
		exchanges.WithLabelValues(result)
		introspections.WithLabelValues(result)
	}
	for _, c := range []prometheus.Collector{
		decisions, dropped, cache, fetches, exchanges, introspections, m.duration, m.age,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "callout_ready",
			Help: "1 when connected to NATS and holding usable keys, as /readyz.",
		}, func() float64 {
			if ready() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "callout_jwks_age_seconds",
			Help: "Time since the issuer's keys were last fetched; -1 before the first time.",
		}, func() float64 {
			if age := jwksAge(); age >= 0 {
				return age.Seconds()
			}
			return -1
		}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) decided(d *Decision, took, waited time.Duration) {
	counter, known := m.decisions[decisionLabels{d.Reason, d.Credential}]
	if !known { // a mistake of ours must not end the process at a client's request
		counter = m.decisions[decisionLabels{ReasonInternal, CredentialOther}]
	}
	counter.Inc()
	m.duration.Observe(took.Seconds())
	m.age.Observe(waited.Seconds())
	switch {
	case d.CacheHit:
		m.cache["hit"].Inc()
	case d.Credential == CredentialJWT || d.Credential == CredentialAssertion:
		m.cache["miss"].Inc()
	}
}
