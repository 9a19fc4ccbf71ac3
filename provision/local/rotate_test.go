package local

import (
	"testing"

	"harmony-callout/provision"
)

func TestBothKeysAreGoodWhileARotationOverlaps(t *testing.T) {
	s := newSite(t)
	serving, _, _ := mustUp(t, s, nil)
	old, err := serving.conv.Key(t.Context(), "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	project, err := serving.conv.ProjectID(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// Another process of the same machine would find the lock of serving held, as it is here.
	p, err := s.open(t.Context(), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.remote = true
	steps, err := p.Rotation("machine-key", "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := (&provision.Runner{Steps: steps}).Up(t.Context()); err != nil || sum.Changes != 1 {
		t.Fatalf("rotate: %+v, %v", sum, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}

	fresh, err := serving.conv.Key(t.Context(), "sensor-1")
	if err != nil {
		t.Fatal(err)
	}
	if fresh.KeyID == old.KeyID || fresh.Key.Equal(old.Key) {
		t.Error("the key is the same")
	}
	for _, key := range []string{"old", "new"} {
		file := fresh
		if key == "old" {
			file = old
		}
		token, err := serving.client.MintToken(t.Context(), file, project)
		if err != nil {
			t.Fatalf("the %s key: %v", key, err)
		}
		if err := serving.try(t, token.Access); err != nil {
			t.Errorf("a token of the %s key: %v", key, err)
		}
	}
}

func TestOnlyMachineKeysAreRotated(t *testing.T) {
	s := newSite(t)
	p, err := s.open(t.Context(), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Rotation("xkey", ""); err == nil {
		t.Error("an xkey is rotated")
	}
	if _, err := p.Rotation("machine-key", "sensor-1"); err == nil || provision.HintOf(err) != upAgain {
		t.Errorf("what does not run is rotated: %v", err)
	}
}
