package testbed

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// sslRequest is the first message of a client that asks for TLS (PostgreSQL
// frontend/backend protocol, SSLRequest); a server answers one byte, S or N.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// answers reports whether a PostgreSQL server is behind the address.
func answers(t *testing.T, addr string) bool {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(sslRequest); err != nil {
		return false
	}
	b := make([]byte, 1)
	_, err = io.ReadFull(conn, b)
	return err == nil && (b[0] == 'N' || b[0] == 'S')
}

func TestPostgresStartsStopsAndComesBack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	p, err := StartPostgres(ctx, PostgresOptions{Databases: []string{"flags"}})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			_ = p.Close()
		}
	}()
	if !answers(t, p.Addr) {
		t.Error("nothing answers although it was said to be ready")
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if answers(t, p.Addr) {
		t.Error("it answers after Stop")
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if !answers(t, p.Addr) {
		t.Error("nothing answers after the second start")
	}
	dir := p.dir
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	closed = true
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is left behind: %v", err)
	}
}
