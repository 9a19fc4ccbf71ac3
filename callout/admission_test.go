package callout

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// drops counts what a queue dropped.
type drops struct {
	mu sync.Mutex
	n  map[dropCause]int
}

func (d *drops) add(cause dropCause, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n == nil {
		d.n = make(map[dropCause]int)
	}
	d.n[cause] += n
}

func (d *drops) of(cause dropCause) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n[cause]
}

func jobOf(data string) *job {
	return &job{Request: Request{Data: []byte(data), Received: time.Now()}}
}

// takeAll pops what the queue holds, in order, as if each were answered at once.
func takeAll(q *queue) []string {
	q.close()
	var list []string
	for j := q.pop(); j != nil; j = q.pop() {
		list = append(list, string(j.Data))
		q.finish(j)
	}
	return list
}

func TestTheNewestRequestComesOutFirst(t *testing.T) {
	var d drops
	q := newQueue(8, time.Minute, d.add)
	for i := range 5 {
		q.push(jobOf(fmt.Sprint(i)))
	}
	first := q.pop()
	if string(first.Data) != "4" {
		t.Fatalf("first out is %s, want 4", first.Data)
	}
	q.finish(first)
	q.push(jobOf("5"))
	if got, want := takeAll(q), []string{"5", "3", "2", "1", "0"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if !q.idle() {
		t.Error("not idle when all is answered")
	}
}

func TestAFullQueueDropsTheOldest(t *testing.T) {
	var d drops
	q := newQueue(3, time.Minute, d.add)
	for i := range 10 { // goes round the ring three times
		q.push(jobOf(fmt.Sprint(i)))
	}
	if n := d.of(dropFull); n != 7 {
		t.Errorf("%d dropped, want 7", n)
	}
	if got, want := takeAll(q), []string{"9", "8", "7"}; !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	if !q.idle() || q.bytes != 0 {
		t.Errorf("idle %v, %d bytes; what was dropped must not be waited for", q.idle(), q.bytes)
	}
}

func TestTheQueueIsBoundedInBytes(t *testing.T) {
	var d drops
	q := newQueue(1000, time.Minute, d.add)
	big := make([]byte, maxQueuedBytes/4)
	for range 6 {
		q.push(&job{Request: Request{Data: big, Received: time.Now()}})
	}
	if q.count != 4 || q.bytes != maxQueuedBytes || d.of(dropFull) != 2 {
		t.Errorf("%d requests of %d bytes, %d dropped; want 4 of %d, 2 dropped", q.count, q.bytes, d.of(dropFull), maxQueuedBytes)
	}
	// What is being worked on counts until it is finished, and cannot be dropped.
	var working []*job
	for range 4 {
		working = append(working, q.pop())
	}
	q.push(&job{Request: Request{Data: big, Received: time.Now()}})
	if q.count != 0 || d.of(dropFull) != 3 {
		t.Errorf("%d requests, %d dropped; want none and 3", q.count, d.of(dropFull))
	}
	for _, j := range working {
		q.finish(j)
	}
	q.push(&job{Request: Request{Data: big, Received: time.Now()}})
	if q.count != 1 || d.of(dropFull) != 3 {
		t.Errorf("%d requests, %d dropped; want 1 and 3", q.count, d.of(dropFull))
	}
	takeAll(q)
	if !q.idle() || q.bytes != 0 {
		t.Errorf("idle %v, %d bytes", q.idle(), q.bytes)
	}
}

func TestARequestThatWaitedTooLongIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drops
		q := newQueue(8, 100*time.Millisecond, d.add)
		q.push(jobOf("old"))
		q.push(jobOf("also old"))
		time.Sleep(100 * time.Millisecond)
		q.push(jobOf("on the edge is not too old"))
		time.Sleep(time.Millisecond)
		if got, want := takeAll(q), []string{"on the edge is not too old"}; !slices.Equal(got, want) {
			t.Errorf("left %v, want %v", got, want)
		}
		if d.of(dropStale) != 2 || !q.idle() {
			t.Errorf("%d dropped, idle %v; want 2 and true", d.of(dropStale), q.idle())
		}
	})
}

func TestARequestThatComesAgainIsAnsweredAfterItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drops
		q := newQueue(8, 100*time.Millisecond, d.add)
		q.push(jobOf("waits for a key"))
		waiting := q.pop()
		q.push(jobOf("stays too long"))
		time.Sleep(requestDeadline)
		q.again(waiting)
		if q.idle() {
			t.Error("idle while a request came again")
		}
		if got, want := takeAll(q), []string{"waits for a key"}; !slices.Equal(got, want) {
			t.Errorf("left %v, want %v", got, want)
		}
		if d.of(dropStale) != 1 || !q.idle() {
			t.Errorf("%d dropped, idle %v; want 1 and true", d.of(dropStale), q.idle())
		}
	})
}

func TestAStaleRequestBehindOneThatCameAgainIsDroppedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drops
		q := newQueue(8, 100*time.Millisecond, d.add)
		q.push(jobOf("came again"))
		again := q.pop()
		q.again(again) // at the head, fresh for longer than what comes behind it
		q.push(jobOf("stale"))
		time.Sleep(200 * time.Millisecond)
		if got, want := takeAll(q), []string{"came again"}; !slices.Equal(got, want) {
			t.Errorf("left %v, want %v", got, want)
		}
		if d.of(dropStale) != 1 || !q.idle() {
			t.Errorf("%d dropped, idle %v; want 1 and true", d.of(dropStale), q.idle())
		}
	})
}

func TestAClosedQueueGivesOutWhatItHasAndTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(8, time.Minute, new(drops).add)
		ended := false
		go func() {
			for j := q.pop(); j != nil; j = q.pop() {
				q.finish(j)
			}
			ended = true
		}()
		synctest.Wait() // the worker waits
		q.push(jobOf("before"))
		q.close()
		q.push(jobOf("after"))
		synctest.Wait()
		if !ended || !q.idle() {
			t.Errorf("worker ended: %v, idle: %v", ended, q.idle())
		}
		lost := jobOf("was waiting when the queue closed")
		q.push(lost)
		if j := q.pop(); j != nil || !q.idle() {
			t.Errorf("popped %v, idle %v; want nothing and true", j, q.idle())
		}
	})
}

func TestNoRequestIsLostOrAnsweredTwiceUnderLoad(t *testing.T) {
	const producers, each, workers = 8, 2000, 4
	var d drops
	q := newQueue(64, time.Minute, d.add)
	var answered, repeated atomic.Int64
	var seen [producers * each]atomic.Bool
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for j := q.pop(); j != nil; j = q.pop() {
				if j.awaited == nil && j.Data[0] == 'w' { // one in ten has to wait once
					j.awaited = ErrUnknownKey
					repeated.Add(1)
					go q.again(j)
					continue
				}
				var n int
				if _, err := fmt.Sscanf(string(j.Data[1:]), "%d", &n); err != nil {
					t.Error(err)
				}
				if seen[n].Swap(true) {
					t.Errorf("request %d is answered twice", n)
				}
				answered.Add(1)
				q.finish(j)
			}
		})
	}
	var pushing sync.WaitGroup
	for p := range producers {
		pushing.Go(func() {
			for i := range each {
				kind := "n"
				if i%10 == 0 {
					kind = "w"
				}
				q.push(jobOf(fmt.Sprint(kind, p*each+i)))
			}
		})
	}
	pushing.Wait()
	for !q.idle() {
		time.Sleep(time.Millisecond)
	}
	q.close()
	running.Wait()
	if total := answered.Load() + int64(d.of(dropFull)); total != producers*each {
		t.Errorf("%d answered + %d dropped of %d", answered.Load(), d.of(dropFull), producers*each)
	}
	if repeated.Load() == 0 {
		t.Error("nothing came again: the test does not test it")
	}
}
