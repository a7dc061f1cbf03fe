package apiserver

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// mostBuffered is how much one side of a pipe may be ahead of the other, as a socket's buffer.
const mostBuffered = 64 << 10

// half is one direction of a pipe.
type half struct {
	mu     sync.Mutex
	change *sync.Cond
	data   []byte
	ended  bool // no more will be written; what is there can be read
	broken bool // nobody reads any more
	until  time.Time
	alarm  *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.change = sync.NewCond(&h.mu)
	return h
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(p) > 0 {
		for len(h.data) >= mostBuffered && !h.ended && !h.broken {
			h.change.Wait()
		}
		if h.ended || h.broken {
			return n, io.ErrClosedPipe
		}
		k := min(len(p), mostBuffered-len(h.data))
		h.data = append(h.data, p[:k]...)
		n, p = n+k, p[k:]
		h.change.Broadcast()
	}
	return n, nil
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.data) == 0 {
		switch {
		case h.broken:
			return 0, io.ErrClosedPipe
		case h.ended:
			return 0, io.EOF
		case !h.until.IsZero() && !time.Now().Before(h.until):
			return 0, os.ErrDeadlineExceeded
		}
		h.change.Wait()
	}
	n := copy(p, h.data)
	h.data = h.data[:copy(h.data, h.data[n:])]
	h.change.Broadcast()
	return n, nil
}

func (h *half) set(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
	h.change.Broadcast()
}

func (h *half) deadline(t time.Time) {
	h.set(func() {
		h.until = t
		if h.alarm != nil {
			h.alarm.Stop()
			h.alarm = nil
		}
		if !t.IsZero() {
			h.alarm = time.AfterFunc(time.Until(t), func() { h.set(func() {}) })
		}
	})
}

// pipeEnd is one end of a buffered pipe.
type pipeEnd struct{ in, out *half }

func newPipe() (a, b net.Conn) {
	x, y := newHalf(), newHalf()
	return &pipeEnd{in: x, out: y}, &pipeEnd{in: y, out: x}
}

func (e *pipeEnd) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *pipeEnd) Write(p []byte) (int, error) { return e.out.write(p) }

func (e *pipeEnd) Close() error {
	e.out.set(func() { e.out.ended = true })
	e.in.set(func() { e.in.broken, e.in.data = true, nil })
	e.in.deadline(time.Time{})
	return nil
}

func (e *pipeEnd) LocalAddr() net.Addr               { return pipeAddr("pipe") }
func (e *pipeEnd) RemoteAddr() net.Addr              { return pipeAddr("pipe") }
func (e *pipeEnd) SetReadDeadline(t time.Time) error { e.in.deadline(t); return nil }
func (e *pipeEnd) SetWriteDeadline(time.Time) error  { return nil }
func (e *pipeEnd) SetDeadline(t time.Time) error     { return e.SetReadDeadline(t) }
