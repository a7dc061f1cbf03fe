package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"

	"k8s.io/client-go/rest"
)

// listener hands both ends of in-memory pipes to the HTTP server and its clients. No socket exists.
type listener struct {
	addr  pipeAddr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

func newListener(host string) *listener {
	return &listener{addr: pipeAddr(host), conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	client, server := newPipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, refused(l.addr)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s: %w", l.addr, ctx.Err())
	}
}

func refused(addr net.Addr) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: syscall.ECONNREFUSED}
}

// Dial opens an in-memory connection. Network and address are ignored. While the server is stopped it fails as a closed port does.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.connMu.Lock()
	l := s.listener
	s.connMu.Unlock()
	if l == nil {
		return nil, refused(pipeAddr(s.host))
	}
	return l.dial(ctx)
}

// RESTConfig returns a client configuration that reaches the server through memory. Every call returns a new one.
func (s *Server) RESTConfig() *rest.Config {
	return &rest.Config{Host: "http://" + s.host, Dial: s.Dial, QPS: -1}
}

// Start accepts connections again after Stop. A new server is started already.
func (s *Server) Start() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	if s.listener != nil || s.closed {
		return
	}
	s.listener = newListener(s.host)
	s.http = &http.Server{Handler: s}
	s.serving.Add(1)
	go func(srv *http.Server, l *listener) {
		defer s.serving.Done()
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("apiserver: serve: %v", err)) // an in-memory listener cannot fail otherwise
		}
	}(s.http, s.listener)
}

// Stop cuts every connection, watches included, and refuses new ones until Start. The objects stay.
func (s *Server) Stop() {
	s.connMu.Lock()
	srv, l := s.http, s.listener
	s.http, s.listener = nil, nil
	upgraded := slices.Collect(maps.Keys(s.upgraded))
	s.connMu.Unlock()
	if srv == nil {
		return
	}
	for _, c := range upgraded {
		_ = c.Close() // its handler sees it and returns
	}
	_ = srv.Close() // first: it tells Serve that the end of the listener is wanted
	_ = l.Close()
}

// hijacked keeps a connection that the HTTP server gave up, to be cut by Stop.
func (s *Server) hijacked(c io.Closer) (forget func()) {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	if s.listener == nil {
		_ = c.Close() // stopped meanwhile
	}
	s.upgraded[c] = true
	return func() {
		s.connMu.Lock()
		defer s.connMu.Unlock()
		delete(s.upgraded, c)
	}
}

// Close stops the server for good and waits until every handler has returned.
func (s *Server) Close() {
	s.connMu.Lock()
	s.closed = true
	s.connMu.Unlock()
	s.Stop()
	s.serving.Wait()
}
