package callouttest

import (
	"crypto/rand"
	"crypto/rsa"
	"strconv"
	"sync"
	"time"
)

// rsaPool keeps RSA keys for the next issuer of the process: making one takes 0.1 s, far
// longer under the race detector. A key is leased, so two issuers that live at the same time
// never share one, and a token of one never verifies at the other.
var rsaPool struct {
	mu   sync.Mutex
	free []*rsa.PrivateKey
}

// LeaseRSA is a 2048-bit key that nobody else in this process uses, for servers built on this
// package. What is given back with [ReleaseRSA] is given out again.
func LeaseRSA() *rsa.PrivateKey { return leaseRSA() }

// ReleaseRSA takes leased keys back once nothing trusts them any more.
func ReleaseRSA(keys []*rsa.PrivateKey) { releaseRSA(keys) }

func leaseRSA() *rsa.PrivateKey {
	rsaPool.mu.Lock()
	if n := len(rsaPool.free); n > 0 {
		key := rsaPool.free[n-1]
		rsaPool.free = rsaPool.free[:n-1]
		rsaPool.mu.Unlock()
		return key
	}
	rsaPool.mu.Unlock()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("callouttest: make RSA key: " + err.Error())
	}
	return key
}

func releaseRSA(keys []*rsa.PrivateKey) {
	rsaPool.mu.Lock()
	defer rsaPool.mu.Unlock()
	rsaPool.free = append(rsaPool.free, keys...)
}

var lastID struct {
	sync.Mutex
	n int64
}

// nextID is a number as Zitadel gives to everything: rising, and never the same twice, not
// even after a restart, so that no cache takes a new key for an old one.
func nextID() string {
	lastID.Lock()
	defer lastID.Unlock()
	lastID.n = max(lastID.n+1, time.Now().UnixNano())
	return strconv.FormatInt(lastID.n, 10)
}
