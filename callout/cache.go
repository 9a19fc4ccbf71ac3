package callout

import (
	"crypto/sha256"
	"sync"
	"time"
)

// tokenHash names a token in the caches. The token itself is not kept.
type tokenHash [sha256.Size]byte

func hashToken(token []byte) tokenHash { return sha256.Sum256(token) }

// cache is a bounded map from tokens to decisions, the least recently used leaving first.
// It is cut into shards, each with its own lock, so that workers rarely meet.
type cache[V any] struct {
	shards []cacheShard[V]
}

type cacheShard[V any] struct {
	mu      sync.Mutex
	entries map[tokenHash]*cacheEntry[V]
	limit   int
	// root closes the ring of entries: root.next is the most, root.prev the least recently used.
	root cacheEntry[V]
}

type cacheEntry[V any] struct {
	prev, next *cacheEntry[V]
	hash       tokenHash
	until      time.Time
	value      V
}

// cacheShards is a power of two well above the number of workers.
const cacheShards = 64

// newCache makes a cache of at most limit entries.
func newCache[V any](limit int) *cache[V] {
	n := min(cacheShards, limit)
	c := &cache[V]{shards: make([]cacheShard[V], n)}
	for i := range c.shards {
		s := &c.shards[i]
		s.entries = make(map[tokenHash]*cacheEntry[V])
		s.limit = (limit + i) / n
		s.root.prev, s.root.next = &s.root, &s.root
	}
	return c
}

func (c *cache[V]) shard(h *tokenHash) *cacheShard[V] {
	return &c.shards[int(h[0])%len(c.shards)]
}

// get returns the value of a token unless its time is over.
func (c *cache[V]) get(h *tokenHash, now time.Time) (V, bool) {
	s := c.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[*h]
	if e == nil {
		var none V
		return none, false
	}
	if !now.Before(e.until) {
		s.remove(e)
		var none V
		return none, false
	}
	e.unlink()
	s.front(e)
	return e.value, true
}

// put keeps the value of a token until a time.
func (c *cache[V]) put(h *tokenHash, value V, until time.Time) {
	s := c.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[*h]; e != nil {
		s.remove(e)
	}
	if len(s.entries) >= s.limit {
		s.remove(s.root.prev)
	}
	e := &cacheEntry[V]{hash: *h, value: value, until: until}
	s.entries[*h] = e
	s.front(e)
}

// drop forgets a token.
func (c *cache[V]) drop(h *tokenHash) {
	s := c.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[*h]; e != nil {
		s.remove(e)
	}
}

// clear forgets all tokens.
func (c *cache[V]) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.entries)
		s.root.prev, s.root.next = &s.root, &s.root
		s.mu.Unlock()
	}
}

// len counts the entries, those whose time is over included.
func (c *cache[V]) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}

func (s *cacheShard[V]) remove(e *cacheEntry[V]) {
	e.unlink()
	delete(s.entries, e.hash)
}

func (s *cacheShard[V]) front(e *cacheEntry[V]) {
	e.prev, e.next = &s.root, s.root.next
	e.prev.next, e.next.prev = e, e
}

func (e *cacheEntry[V]) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
}
