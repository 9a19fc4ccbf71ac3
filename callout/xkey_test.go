package callout

import (
	"bytes"
	"testing"

	"github.com/nats-io/nkeys"
)

// curve makes an xkey: as nkeys knows it, and as we do.
func curve(t testing.TB) (nkeys.KeyPair, string, *xkey) {
	t.Helper()
	kp, err := nkeys.CreateCurveKeys()
	if err != nil {
		t.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	x, err := newXKey(NewSecret(string(seed)))
	if err != nil {
		t.Fatal(err)
	}
	if x.public != public {
		t.Fatalf("public key %s, nkeys says %s", x.public, public)
	}
	return kp, public, x
}

func TestWhatNkeysSealsIsOpenedAndTheOtherWayRound(t *testing.T) {
	server, serverPublic, _ := curve(t)
	_, ourPublic, ours := curve(t)
	keys := &keyring{xkeys: []*xkey{ours}}
	var secrets sharedSecrets
	for _, message := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("long "), 20_000)} {
		sealed, err := server.Seal(message, ourPublic)
		if err != nil {
			t.Fatal(err)
		}
		opened, secret, err := secrets.open(keys, serverPublic, []byte("before:"), sealed)
		if err != nil || !bytes.Equal(opened, append([]byte("before:"), message...)) {
			t.Fatalf("opened %d bytes of %d, %v", len(opened), len(message), err)
		}
		secrets.remember(serverPublic, secret)
		answer, err := secret.seal(nil, message)
		if err != nil {
			t.Fatal(err)
		}
		again, err := secret.seal(nil, message)
		if err != nil || bytes.Equal(answer, again) {
			t.Fatalf("two seals of one message are alike: a nonce was used twice, %v", err)
		}
		if back, err := server.Open(answer, ourPublic); err != nil || !bytes.Equal(back, message) {
			t.Fatalf("the server opens %d bytes, %v", len(back), err)
		}
	}
}

func TestABoxThatWasTouchedIsNotOpened(t *testing.T) {
	server, serverPublic, _ := curve(t)
	_, strangerPublic, _ := curve(t)
	_, ourPublic, ours := curve(t)
	keys := &keyring{xkeys: []*xkey{ours}}
	sealed, err := server.Seal([]byte("message"), ourPublic)
	if err != nil {
		t.Fatal(err)
	}
	var secrets sharedSecrets
	refuse := func(what, header string, box []byte) {
		t.Helper()
		if out, secret, err := secrets.open(keys, header, nil, box); err == nil || secret != nil || len(out) != 0 {
			t.Errorf("%s: opened %q", what, out)
		}
	}
	for i := range sealed {
		touched := bytes.Clone(sealed)
		touched[i] ^= 1
		refuse("a flipped bit", serverPublic, touched)
		refuse("cut short", serverPublic, sealed[:i])
	}
	refuse("longer", serverPublic, append(bytes.Clone(sealed), 0))
	refuse("another server's key in the header", strangerPublic, sealed)
	refuse("our own key in the header", ourPublic, sealed)
	refuse("a header that is no key", "XABC", sealed)
	refuse("a header that is an account's key", newTestSigner(t).public, sealed)
	refuse("nothing", serverPublic, nil)
}

func TestDuringARotationEitherXKeyOpens(t *testing.T) {
	server, serverPublic, _ := curve(t)
	_, oldPublic, old := curve(t)
	_, nextPublic, next := curve(t)
	_, gonePublic, _ := curve(t)
	keys := &keyring{xkeys: []*xkey{old, next}}
	var secrets sharedSecrets
	for _, public := range []string{oldPublic, nextPublic, oldPublic, nextPublic} {
		sealed, err := server.Seal([]byte("m"), public)
		if err != nil {
			t.Fatal(err)
		}
		out, secret, err := secrets.open(keys, serverPublic, nil, sealed)
		if err != nil || string(out) != "m" {
			t.Fatalf("sealed for %s: %q, %v", public, out, err)
		}
		secrets.remember(serverPublic, secret)
	}
	sealed, err := server.Seal([]byte("m"), gonePublic)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := secrets.open(keys, serverPublic, nil, sealed); err == nil {
		t.Error("a box for a key that has gone was opened")
	}
}

func TestRememberedSecretsAreBounded(t *testing.T) {
	var secrets sharedSecrets
	for i := range maxServers + 10 {
		secrets.remember(string(rune('a'+i%26))+string(rune(i)), new(sharedSecret))
		if len(secrets.known) > maxServers {
			t.Fatalf("%d secrets", len(secrets.known))
		}
	}
}

func TestOnlySeedsOfTheRightKindMakeKeys(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	accountSeed, err := account.Seed()
	if err != nil {
		t.Fatal(err)
	}
	kp, _, _ := curve(t)
	curveSeed, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, seed := range map[string]string{"nothing": "", "no seed": "hunter2", "a public key": newTestSigner(t).public} {
		if _, err := newXKey(NewSecret(seed)); err == nil {
			t.Errorf("%s makes an xkey", name)
		}
		if _, err := newSigner(NewSecret(seed)); err == nil {
			t.Errorf("%s makes a signer", name)
		}
	}
	if _, err := newXKey(NewSecret(string(accountSeed))); err == nil {
		t.Error("an account seed makes an xkey")
	}
	if _, err := newSigner(NewSecret(string(curveSeed))); err == nil {
		t.Error("an xkey seed makes a signer")
	}
}
