package vault

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// MaxInFlight is how many requests are on their way to a server at most. An
// answer counts until its last byte was read.
const MaxInFlight = 4

// maxErrorBody is how much of an answer is read that is not a success: a
// proxy's page may be of any length.
const maxErrorBody = 16 << 10

// courteous is a round tripper that keeps to the limits.
type courteous struct {
	next  http.RoundTripper
	slots chan struct{}
	now   atomic.Int64
	peak  atomic.Int64
	sent  atomic.Int64
}

func newCourteous(next http.RoundTripper) *courteous {
	return &courteous{next: next, slots: make(chan struct{}, MaxInFlight)}
}

// RoundTrip waits for a slot, sends, and frees the slot with the body's end.
func (c *courteous) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := c.enter(req.Context()); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // the contract of RoundTripper
		}
		return nil, err
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		c.leave()
		return nil, err
	}
	body := &slotBody{ReadCloser: resp.Body, leave: c.leave, left: -1}
	if resp.StatusCode >= 300 {
		body.left = maxErrorBody
	}
	resp.Body = body
	return resp, nil
}

func (c *courteous) enter(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.sent.Add(1)
	n := c.now.Add(1)
	for {
		peak := c.peak.Load()
		if n <= peak || c.peak.CompareAndSwap(peak, n) {
			return nil
		}
	}
}

func (c *courteous) leave() {
	c.now.Add(-1)
	<-c.slots
}

// CloseIdleConnections passes on what [http.Client.CloseIdleConnections] asks.
func (c *courteous) CloseIdleConnections() {
	if n, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		n.CloseIdleConnections()
	}
}

// slotBody frees its slot once, and ends early where a limit was set.
type slotBody struct {
	io.ReadCloser
	leave func()
	once  sync.Once
	left  int // bytes that may still be read; -1 without a limit
}

func (b *slotBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.left > 0 && len(p) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		b.left -= n
	}
	if err != nil {
		b.once.Do(b.leave)
	}
	return n, err
}

func (b *slotBody) Close() error {
	b.once.Do(b.leave)
	return b.ReadCloser.Close()
}
