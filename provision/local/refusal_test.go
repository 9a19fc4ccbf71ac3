package local

import (
	"errors"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/nats"
)

// try connects with a token.
func (p *process) try(t *testing.T, token secret.Text) error {
	t.Helper()
	return (&nats.Client{URL: p.natsURL(), Token: token}).Try(t.Context(), nil)
}

func refused(err error) bool { return errors.Is(err, natsgo.ErrAuthorization) }

func TestTheServerRefusesWhomTheRolesDoNotLetIn(t *testing.T) {
	s := newSite(t)
	s.Text = strings.Replace(s.Text, "machineUsers: [", "machineUsers: [{username: nobody}, ", 1)
	other := newSite(t)
	other.Text = strings.Replace(other.Text, "project: nats", "project: other", 1)
	p, _, _ := mustUp(t, s, nil)
	stranger, _, _ := mustUp(t, other, nil)

	foreign, err := stranger.Token(t.Context(), "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.conv.Key(t.Context(), "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := p.client.MintToken(t.Context(), key, "1")
	if err != nil {
		t.Fatal(err)
	}
	ungranted, err := p.Token(t.Context(), "nobody")
	if err != nil {
		t.Fatal(err)
	}
	good, err := p.Token(t.Context(), "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	text := good.Reveal()
	for name, token := range map[string]secret.Text{
		"no token":                  {},
		"no token at all":           secret.New("guess"),
		"a token of another issuer": foreign,
		"a token for another project of the same issuer": elsewhere.Access,
		"a user without a grant":                         ungranted,
		"a token that was tampered with":                 secret.New(text[:len(text)-8] + "AAAAAAAA"),
	} {
		if err := p.try(t, token); !refused(err) {
			t.Errorf("%s is answered with %v", name, err)
		}
	}
	if err := p.try(t, good); err != nil {
		t.Errorf("the good token: %v", err)
	}
}

func TestVerifyProvesWhatEachUserMayDo(t *testing.T) {
	s := newSite(t)
	s.Text = strings.Replace(s.Text, "machineUsers: [", "machineUsers: [{username: nobody}, ", 1)
	p, _, _ := mustUp(t, s, nil)
	got := map[string]bool{}
	err := p.Verify(t.Context(), func(proof provision.Proof) {
		if !proof.OK() {
			t.Errorf("%+v", proof)
		}
		subject := proof.Subject
		for _, user := range []string{"sensor-1", "operator-1"} {
			key, err := p.conv.Key(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			subject = strings.ReplaceAll(subject, key.UserID, user)
		}
		got[strings.TrimSpace(proof.User+" "+proof.Action+" "+subject)] = proof.Got
	})
	if err != nil {
		t.Fatal(err)
	}
	for proof, want := range map[string]bool{
		"nobody connect":                             false,
		"sensor-1 connect":                           true,
		"operator-1 connect":                         true,
		"sensor-1 subscribe commands.sensor-1.>":     true,
		"operator-1 subscribe commands.operator-1.>": true,
		"sensor-1 subscribe telemetry.>":             false,
		"operator-1 subscribe telemetry.>":           true,
		"sensor-1 subscribe >":                       false,
		"operator-1 subscribe >":                     false,
		"sensor-1 subscribe commands.operator-1.>":   false,
		"operator-1 subscribe commands.sensor-1.>":   false,
	} {
		if allowed, tried := got[proof]; !tried || allowed != want {
			t.Errorf("%s: allowed %v, tried %v, want %v", proof, allowed, tried, want)
		}
	}
}
