package watch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"midwatch/foreign"
)

// explain says in a few words why a request failed, for a source's line in
// the header. The connection's own page says it at length.
func explain(err error) foreign.Text {
	var dns *net.DNSError
	var status apierrors.APIStatus
	switch {
	case apierrors.IsUnauthorized(err):
		return "login failed: the server does not accept the credentials (401)"
	case apierrors.IsTooManyRequests(err):
		return "the server is throttling (429)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection lost"
	case errors.As(err, &dns):
		return foreign.Clean("cannot resolve " + dns.Name)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return "no answer in time"
	case errors.As(err, &status):
		return foreign.CleanN(status.Status().Message, 160)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the whole URL in front
	}
	return foreign.CleanN(err.Error(), 160)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
