package callout_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"harmony-callout/callout"
	"harmony-callout/callout/callouttest"
)

// probe runs CheckOnline and returns what it found, one line each.
func (h *harness) probe(text string) (good, bad []string) {
	h.t.Helper()
	cfg := h.load(text)
	if _, err := callout.CheckKeys(cfg); err != nil {
		h.t.Fatal(err)
	}
	for p := range callout.CheckOnline(h.t.Context(), cfg) {
		line := p.Name + ": " + p.Text()
		if p.Err != nil {
			bad = append(bad, line)
		} else {
			good = append(good, line)
		}
	}
	return good, bad
}

func TestCheckOnlineNamesWhatDoesNotFit(t *testing.T) {
	foreign := callouttest.NewSeeds()
	replace := func(old, with string) func(string) string {
		return func(conf string) string { return strings.Replace(conf, old, with, 1) }
	}
	tests := map[string]struct {
		unsealed bool
		seeds    map[string][]byte                      // files of other seeds
		conf     func(h *harness) func(string) string   // changes the server
		text     func(h *harness, config string) string // changes callout.yaml
		says     []string                               // of the one thing that is wrong; none: nothing
	}{
		"everything fits":              {},
		"everything fits without xkey": {unsealed: true},
		"another account seed": {
			seeds: map[string][]byte{"account.nk": foreign.Account},
			says:  []string{"auth_callout", "keys.accountSeedFile", foreign.IssuerKey()},
		},
		"another xkey": {
			seeds: map[string][]byte{"xkey.nk": foreign.XKey},
			says:  []string{"keys.xkeySeedFile", foreign.XKeyPublic(), "auth_callout.xkey"},
		},
		"another service user": {
			seeds: map[string][]byte{"service.nk": foreign.Service},
			says:  []string{"nats.nkeySeedFile", "auth_callout.auth_users"},
		},
		"a server without xkey": {
			conf: func(h *harness) func(string) string {
				return replace("xkey: "+h.nats.Seeds().XKeyPublic(), "")
			},
			says: []string{"the server has no auth_callout.xkey, but keys.xkeySeedFile is set"},
		},
		"a callout without xkey": {
			text: func(_ *harness, config string) string {
				return strings.Replace(config, "xkeySeedFile: xkey.nk", "", 1)
			},
			says: []string{"keys.xkeySeedFile is not set, but the server has auth_callout.xkey"},
		},
		"a service user of another account": {
			conf: func(h *harness) func(string) string {
				key := h.nats.Seeds().ServiceKey()
				return func(conf string) string {
					conf = strings.Replace(conf, "AUTH { users: [ { nkey: "+key+" } ] }", "AUTH {}\n  STRAY { users: [ { nkey: "+key+" } ] }", 1)
					return conf
				}
			},
			says: []string{"auth_callout.account is not STRAY"},
		},
		"a server without auth_callout": {
			conf: func(*harness) func(string) string {
				return func(conf string) string { return conf[:strings.Index(conf, "authorization {")] }
			},
			says: []string{"has no auth_callout block"},
		},
		"another issuer at that address": {
			text: func(h *harness, config string) string {
				return strings.Replace(config, h.issuer.URL()+`"`, `http://sso.example.test"`+"\n  dialAddress: "+h.issuer.Addr(), 1) + "insecure: true\n"
			},
			says: []string{"issuer http://sso.example.test", "404"},
		},
		"an issuer that calls itself otherwise": {
			conf: func(h *harness) func(string) string {
				h.issuer.LieInDiscovery(func(doc map[string]any) { doc["issuer"] = h.issuer.URL() + "/" })
				return func(conf string) string { return conf }
			},
			says: []string{"the issuer calls itself", "zitadel.issuer"},
		},
		"an issuer without keys": {
			conf: func(h *harness) func(string) string {
				h.issuer.Lie(callouttest.JWKSPath, callouttest.EmptyKeySet())
				return func(conf string) string { return conf }
			},
			says: []string{"publishes no usable key"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Nobody answers the probe's client: a server that waits for less ends it sooner.
			h := newHarness(t, callouttest.NATSConfig{XKey: !tt.unsealed, AuthTimeout: 500 * time.Millisecond}, callouttest.IssuerConfig{})
			text := h.config(defaultRoles)
			for file, seed := range tt.seeds {
				writeFile(t, filepath.Join(h.dir, file), string(seed))
			}
			if tt.conf != nil {
				text = strings.Replace(text, h.nats.URL(), h.serve(tt.conf(h)), 1)
			}
			if tt.text != nil {
				text = tt.text(h, text)
			}
			good, bad := h.probe(text)
			if len(tt.says) == 0 {
				if len(bad) > 0 || len(good) != 3 {
					t.Errorf("good %q, bad %q; want issuer, login and auth_callout to be good", good, bad)
				}
				return
			}
			if len(bad) != 1 {
				t.Fatalf("bad %q, want one; good %q", bad, good)
			}
			for _, part := range tt.says {
				if !strings.Contains(bad[0], part) {
					t.Errorf("%q, want %q in it", bad[0], part)
				}
			}
			if strings.Contains(bad[0], "\nS") || strings.Contains(strings.Join(good, " "), "SA") {
				t.Error("a seed is printed")
			}
		})
	}
}

func TestCheckOnlineDisturbsNoCalloutThatServes(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	h.start(h.config(defaultRoles))
	l := h.connectInLoops(2)
	for range 3 {
		if good, bad := h.probe(h.config(defaultRoles)); len(bad) > 0 || len(good) != 3 {
			t.Errorf("good %q, bad %q", good, bad)
		}
	}
	l.end()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d connects failed", n)
	}
}
