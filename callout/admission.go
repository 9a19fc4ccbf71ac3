package callout

import (
	"errors"
	"sync"
	"time"
)

// errOverloaded is why a request was not admitted to a bounded queue.
var errOverloaded = errors.New("the queue is full")

// maxQueuedBytes bounds what the queue, the workers and the waiters hold together, whatever
// the size of the requests: at the default length it allows every request to carry a token
// of 4 KiB.
const maxQueuedBytes = 64 << 20

// job is one request on its way through the queues.
type job struct {
	Request
	reply   func(answer []byte) // sends the answer; valid as long as the connection is
	awaited error               // how waiting for a key ended, once it did
	stale   time.Time           // when answering it has no use any more
	waited  time.Duration       // for a worker, until the first had it
}

// queue is a bounded stack: the newest request comes out first. When more arrive than can
// be answered, a queue in order of arrival makes every answer late, and a late answer is
// work for a client that has left; newest first keeps most answers in time. The oldest
// leave when it is full, and when they have waited too long.
type queue struct {
	maxAge  time.Duration
	limit   int
	dropped func(cause dropCause, n int)

	mu     sync.Mutex
	filled sync.Cond
	jobs   []*job // a ring: the oldest at head
	head   int
	count  int
	bytes  int // of everything unfinished
	closed bool
	// unfinished counts what was admitted and is neither answered nor dropped.
	unfinished int
}

// dropCause is the metric label `cause` of requests that were dropped unanswered.
type dropCause string

const (
	dropFull  dropCause = "queue_full" // newer requests took its place
	dropStale dropCause = "too_old"    // waited longer than admission.maxAge
	dropStuck dropCause = "not_sent"   // decided, but the connection takes no more answers
)

func newQueue(limit int, maxAge time.Duration, dropped func(dropCause, int)) *queue {
	q := &queue{maxAge: maxAge, limit: limit, dropped: dropped, jobs: make([]*job, limit)}
	q.filled.L = &q.mu
	return q
}

// push admits a request, at the cost of the oldest ones where there is no room.
func (q *queue) push(j *job) {
	j.stale = j.Received.Add(q.maxAge)
	q.add(j, 1)
}

// again takes back a request that was waiting for something else and may now go on. Its
// wait was bounded by requestDeadline, and it is to be answered even if that has passed.
func (q *queue) again(j *job) {
	j.stale = j.Received.Add(requestDeadline + 100*time.Millisecond)
	q.add(j, 0)
}

func (q *queue) add(j *job, admitted int) {
	lost := q.put(j, admitted)
	q.filled.Signal()
	if lost > 0 {
		q.dropped(dropFull, lost)
	}
}

// put returns how many requests had to go for it: itself too, where all the room is taken
// by what is being worked on.
func (q *queue) put(j *job, admitted int) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unfinished += admitted
	q.bytes += admitted * len(j.Data)
	if q.closed {
		q.forget(j)
		return 0
	}
	for q.count > 0 && (q.count == q.limit || q.bytes > maxQueuedBytes) {
		q.dropOldest()
		lost++
	}
	if q.bytes > maxQueuedBytes {
		q.forget(j)
		return lost + 1
	}
	q.jobs[(q.head+q.count)%q.limit] = j
	q.count++
	return lost
}

// pop waits for a request and takes the newest; nil when the queue is closed and empty.
// Whoever takes it calls finish when it is answered.
func (q *queue) pop() *job {
	for {
		j, lost, open := q.take()
		if lost > 0 {
			q.dropped(dropStale, lost)
		}
		if j != nil || !open {
			return j
		}
	}
}

func (q *queue) take() (j *job, lost int, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.count == 0 && !q.closed {
		q.filled.Wait()
	}
	// What is too old lies at the other end, except for what came again.
	now := time.Now()
	for q.count > 0 && now.After(q.jobs[q.head].stale) {
		q.dropOldest()
		lost++
	}
	if q.count == 0 {
		return nil, lost, !q.closed
	}
	q.count--
	last := (q.head + q.count) % q.limit
	j, q.jobs[last] = q.jobs[last], nil
	if now.After(j.stale) {
		q.forget(j)
		return nil, lost + 1, true
	}
	return j, lost, true
}

func (q *queue) dropOldest() {
	q.forget(q.jobs[q.head])
	q.jobs[q.head] = nil
	q.head = (q.head + 1) % q.limit
	q.count--
}

// forget takes a request out of the books.
func (q *queue) forget(j *job) {
	q.bytes -= len(j.Data)
	q.unfinished--
}

// finish notes that a request which pop returned has been answered.
func (q *queue) finish(j *job) {
	q.mu.Lock()
	q.forget(j)
	q.mu.Unlock()
}

// idle tells whether nothing waits and nothing is being worked on.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.unfinished <= 0
}

// close lets pop return nil once the queue is empty. What is pushed later is ignored.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.filled.Broadcast()
}
