package zitadel

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// KeyFile is the JSON in which Zitadel hands out keys and which its SDKs read: of a machine
// user (type serviceaccount) or of an application (type application).
type KeyFile struct {
	Type           string
	KeyID          string
	UserID         string // of a machine user
	AppID          string // of an application
	ClientID       string // of an application
	ExpirationDate time.Time
	Key            *rsa.PrivateKey
}

const (
	typeServiceAccount = "serviceaccount"
	typeApplication    = "application"
)

type keyFileJSON struct {
	Type           string     `json:"type"`
	KeyID          string     `json:"keyId"`
	Key            string     `json:"key"`
	ExpirationDate *time.Time `json:"expirationDate,omitempty"`
	UserID         string     `json:"userId,omitempty"`
	AppID          string     `json:"appId,omitempty"`
	ClientID       string     `json:"clientId,omitempty"`
}

// checkStoredKey looks whether what is stored is the key of an id, without the cost of
// reading a private key: a no-op run asks it of every user.
func (c *Convergence) checkStoredKey(ctx context.Context, name, keyID string) error {
	text, err := c.Keys.Get(ctx, name)
	if err != nil {
		return err
	}
	var in keyFileJSON
	if json.Unmarshal([]byte(text.Reveal()), &in) == nil && in.KeyID == keyID && in.Key != "" {
		return nil
	}
	return provision.WithHint(fmt.Errorf("key %s in %s is not key %s any more", name, c.Keys.Location(name), keyID),
		"restore it from a backup, or delete it: then provision up makes a new key in its place")
}

// ReadKeyFile reads a key's JSON.
func ReadKeyFile(text secret.Text) (KeyFile, error) {
	var in keyFileJSON
	// What json says of a syntax error may quote the text, which is secret.
	if json.Unmarshal([]byte(text.Reveal()), &in) != nil {
		return KeyFile{}, errors.New("read key: it is not the JSON of a key")
	}
	f := KeyFile{Type: in.Type, KeyID: in.KeyID, UserID: in.UserID, AppID: in.AppID, ClientID: in.ClientID}
	if in.ExpirationDate != nil {
		f.ExpirationDate = *in.ExpirationDate
	}
	switch {
	case f.Type != typeServiceAccount && f.Type != typeApplication:
		return KeyFile{}, fmt.Errorf("read key: type %q is neither %s nor %s", in.Type, typeServiceAccount, typeApplication)
	case f.KeyID == "", f.Type == typeServiceAccount && f.UserID == "":
		return KeyFile{}, errors.New("read key: keyId or userId is missing")
	}
	var err error
	if f.Key, err = parsePrivateKey(in.Key); err != nil {
		return KeyFile{}, fmt.Errorf("read key %s: %w", in.KeyID, err)
	}
	return f, nil
}

// encode returns the JSON, whose key is in the PEM of PKCS #1 that all SDKs read.
func (f KeyFile) encode() (secret.Text, error) {
	out := keyFileJSON{Type: f.Type, KeyID: f.KeyID, UserID: f.UserID, AppID: f.AppID, ClientID: f.ClientID, Key: privatePEM(f.Key)}
	if !f.ExpirationDate.IsZero() {
		out.ExpirationDate = &f.ExpirationDate
	}
	data, err := json.Marshal(out)
	if err != nil {
		return secret.Text{}, err
	}
	return secret.New(string(data)), nil
}

// keyBits is the size of the keys made here: what Zitadel makes too.
const keyBits = 2048

func generateKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, keyBits) }

func privatePEM(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the private key is not in PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key cannot be parsed")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key is not RSA")
	}
	return key, nil
}

// publicPEM is the public half as it is uploaded, before base64 (#88).
func publicPEM(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// fingerprint names a key by its public half.
func fingerprint(key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:8])
}

// decodeContent takes the JSON of a key that Zitadel made out of its base64.
func decodeContent(content string) (secret.Text, error) {
	data, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		return secret.Text{}, errors.New("the key in the answer is not base64")
	}
	return secret.New(string(data)), nil
}
