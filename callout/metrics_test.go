package callout

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gather returns the label sets of every time series, by metric name.
func gather(t *testing.T, registry *prometheus.Registry) map[string][]map[string]string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string][]map[string]string)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := make(map[string]string)
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			series[family.GetName()] = append(series[family.GetName()], labels)
		}
	}
	return series
}

func newTestMetrics(t *testing.T) (*metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry, func() bool { return true }, func() time.Duration { return -1 })
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	_, registry := newTestMetrics(t)
	labels := map[string][]string{
		"callout_decisions_total":           {"credential", "reason", "result"},
		"callout_decision_duration_seconds": nil,
		"callout_request_age_seconds":       nil,
		"callout_dropped_total":             {"cause"},
		"callout_token_cache_total":         {"result"},
		"callout_jwks_age_seconds":          nil,
		"callout_jwks_fetches_total":        {"result"},
		"callout_exchanges_total":           {"result"},
		"callout_introspections_total":      {"result"},
		"callout_ready":                     nil,
	}
	series := gather(t, registry)
	for name, want := range labels {
		if len(series[name]) == 0 {
			t.Errorf("%s is not there", name)
		}
		for _, have := range series[name] {
			if names := slices.Sorted(maps.Keys(have)); !slices.Equal(names, want) {
				t.Errorf("%s has the labels %v, want %v", name, names, want)
			}
		}
	}
	for name := range series {
		if _, named := labels[name]; !named {
			t.Errorf("%s is nowhere described", name)
		}
	}
	// Each reason for each kind of credential, and one series of each kind for those let in.
	if got, want := len(series["callout_decisions_total"]), (len(reasons)+1)*len(credentialKinds); got != want {
		t.Errorf("%d series of decisions, want %d", got, want)
	}
}

func TestNothingThatAStrangerSendsMakesASeries(t *testing.T) {
	m, registry := newTestMetrics(t)
	before := gather(t, registry)
	who := &Principal{Subject: "4711", Username: "sensor-1", TokenID: "V2_1", Grants: map[string][]string{"sensor": {"1"}}}
	for _, d := range []Decision{
		{Allowed: true, Credential: CredentialJWT, Principal: who, Account: "APP", Roles: []string{"sensor"}, CacheHit: true, Server: Server{ID: "NABC", Name: "n1"}},
		{Reason: ReasonUnknownKey, Err: reject(ReasonUnknownKey, `no key "kid-7"`), Credential: CredentialJWT, Unverified: Unverified{Issuer: "x", Subject: "y"}},
		{Reason: ReasonMalformedRequest, Err: reject(ReasonMalformedRequest, "x"), Credential: CredentialNone},
	} {
		m.decided(&d, time.Millisecond, time.Microsecond)
	}
	after := gather(t, registry)
	for name := range after {
		if len(after[name]) != len(before[name]) {
			t.Errorf("%s had %d series, has %d", name, len(before[name]), len(after[name]))
		}
		for _, labels := range after[name] {
			for _, value := range labels {
				if strings.ContainsAny(value, "0123456789.-") || value == "APP" || value == "sensor" {
					t.Errorf("%s has the label value %q", name, value)
				}
			}
		}
	}
}

func TestEveryReasonAndCredentialCanBeCounted(t *testing.T) {
	m, _ := newTestMetrics(t)
	for _, credential := range credentialKinds {
		m.decided(&Decision{Allowed: true, Credential: credential}, 0, 0)
		for _, reason := range reasons {
			m.decided(&Decision{Reason: reason, Credential: credential}, 0, 0)
		}
	}
}
