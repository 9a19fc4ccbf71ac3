package callouttest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"time"
)

// MachineUser is a user who gets tokens by proving a key (RFC 7523).
type MachineUser struct {
	ID       string // user id; empty means that of the user with this name, else a new one
	Username string
	Roles    []string            // in the issuer's organisation
	Grants   map[string][]string // role key to ids of other organisations
}

// machineKey is the JSON that Zitadel hands out once for a new key.
type machineKey struct {
	Type           string    `json:"type"`
	KeyID          string    `json:"keyId"`
	Key            string    `json:"key"` // PEM of PKCS #1
	ExpirationDate time.Time `json:"expirationDate"`
	UserID         string    `json:"userId"`
}

// userTable is who may use the token endpoint, by user id, and their keys by key id.
type userTable struct {
	mu     sync.RWMutex
	users  map[string]MachineUser
	keys   map[string]userKey
	leased []*rsa.PrivateKey
}

type userKey struct {
	userID string
	public *rsa.PublicKey
}

// AddMachineUser registers a user and returns a new key of theirs in Zitadel's form,
// {"type":"serviceaccount","keyId","key","expirationDate","userId"}. Adding a user again
// replaces name and grants; former keys stay.
func (i *Issuer) AddMachineUser(u MachineUser) (keyJSON []byte) {
	t := &i.users
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users == nil {
		t.users, t.keys = map[string]MachineUser{}, map[string]userKey{}
	}
	if u.ID == "" {
		u.ID = t.idOf(u.Username)
	}
	t.users[u.ID] = u

	private := leaseRSA()
	t.leased = append(t.leased, private)
	key := machineKey{
		Type:  "serviceaccount",
		KeyID: nextID(),
		Key: string(pem.EncodeToMemory(&pem.Block{
			Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private),
		})),
		ExpirationDate: time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second),
		UserID:         u.ID,
	}
	t.keys[key.KeyID] = userKey{userID: u.ID, public: &private.PublicKey}
	return mustJSON(key)
}

// RemoveMachineUser forgets a user and their keys. Their tokens stay as they are.
func (i *Issuer) RemoveMachineUser(id string) {
	t := &i.users
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.users, id)
	for kid, key := range t.keys {
		if key.userID == id {
			delete(t.keys, kid)
		}
	}
}

// idOf finds a user by name or makes a new id; t.mu is held.
func (t *userTable) idOf(username string) string {
	for id, u := range t.users {
		if u.Username == username {
			return id
		}
	}
	return nextID()
}

// find returns the user who owns a key.
func (t *userTable) find(userID, keyID string) (MachineUser, *rsa.PublicKey, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	user, known := t.users[userID]
	key, has := t.keys[keyID]
	if !known || !has || key.userID != userID {
		return MachineUser{}, nil, false
	}
	return user, key.public, true
}

func (t *userTable) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	releaseRSA(t.leased)
	t.leased = nil
}
