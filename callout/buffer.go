package callout

import "sync"

// bufferMax bounds what is kept for reuse: one huge token must not pin its buffer.
const bufferMax = 256 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 8<<10)
	return &b
}}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= bufferMax {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
