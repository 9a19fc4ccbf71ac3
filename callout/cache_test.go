package callout

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func hashOf(i int) tokenHash { return hashToken([]byte(strconv.Itoa(i))) }

func TestACacheNeverHoldsMoreThanItsLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 63, 64, 65, 100, 1000} {
		c := newCache[int](limit)
		for i := range 5 * limit {
			h := hashOf(i)
			c.put(&h, i, testNow.Add(time.Hour))
			if got, ok := c.get(&h, testNow); !ok || got != i {
				t.Fatalf("limit %d: what was put last is %d, %v", limit, got, ok)
			}
			if n := c.len(); n > limit {
				t.Fatalf("limit %d: %d entries", limit, n)
			}
		}
		if n := c.len(); limit > 64 && n < limit/2 {
			t.Errorf("limit %d: only %d entries of many are kept", limit, n)
		}
	}
}

func TestTheLeastRecentlyUsedLeavesFirst(t *testing.T) {
	c := newCache[int](1)
	c.shards[0].limit = 3
	put := func(i int) { h := hashOf(i); c.put(&h, i, testNow.Add(time.Hour)) }
	has := func(i int) bool { h := hashOf(i); _, ok := c.get(&h, testNow); return ok }
	put(1)
	put(2)
	put(3)
	if !has(1) { // used again
		t.Fatal("1 has gone")
	}
	put(4)
	if has(2) || !has(1) || !has(3) || !has(4) {
		t.Errorf("kept: 1 %v, 2 %v, 3 %v, 4 %v; want all but 2", has(1), has(2), has(3), has(4))
	}
}

func TestAnEntryEndsAtItsTime(t *testing.T) {
	c := newCache[string](8)
	h := hashOf(1)
	until := testNow.Add(time.Minute)
	c.put(&h, "a", until)
	if _, ok := c.get(&h, until.Add(-1)); !ok {
		t.Error("gone before its time")
	}
	if _, ok := c.get(&h, until); ok {
		t.Error("there at its end")
	}
	if c.len() != 0 {
		t.Error("what has ended takes a place")
	}
}

func TestWhatIsPutAgainReplacesAndWhatIsDroppedHasGone(t *testing.T) {
	c := newCache[string](8)
	h, other := hashOf(1), hashOf(2)
	c.put(&other, "other", testNow.Add(time.Hour))
	c.put(&h, "a", testNow.Add(time.Hour))
	c.put(&h, "b", testNow.Add(time.Hour))
	if got, _ := c.get(&h, testNow); got != "b" || c.len() != 2 {
		t.Errorf("%q of %d entries", got, c.len())
	}
	c.drop(&h)
	c.drop(&h)
	if _, ok := c.get(&h, testNow); ok || c.len() != 1 {
		t.Errorf("dropped, but %d entries", c.len())
	}
	c.clear()
	if _, ok := c.get(&other, testNow); ok || c.len() != 0 {
		t.Errorf("cleared, but %d entries", c.len())
	}
	c.put(&h, "c", testNow.Add(time.Hour)) // it works on after clear
	if got, _ := c.get(&h, testNow); got != "c" {
		t.Errorf("after clear: %q", got)
	}
}

func TestACacheIsSafeForManyAtOnce(t *testing.T) {
	c := newCache[int](50)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 2000 {
				n := (i*7 + worker) % 200
				h := hashOf(n)
				switch {
				case i%501 == 500:
					c.clear()
				case i%11 == 0:
					c.drop(&h)
				case i%3 == 0:
					c.put(&h, n, testNow.Add(time.Duration(n)*time.Second))
				default:
					if got, ok := c.get(&h, testNow); ok && got != n {
						t.Errorf("%d is found under %d", got, n)
					}
				}
			}
		})
	}
	all.Wait()
	if n := c.len(); n > 50 {
		t.Errorf("%d entries", n)
	}
}
