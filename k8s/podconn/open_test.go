package podconn

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/streaming/pkg/httpstream"

	"midwatch/k8s"
)

// resetting is a kubelet's end that resets the data stream before it has
// accepted it; said is what it writes to the error stream.
type resetting struct {
	httpstream.Connection
	said    string
	created int
}

type heard struct {
	httpstream.Stream
	io.Reader
}

func (h heard) Read(p []byte) (int, error) { return h.Reader.Read(p) }
func (heard) Close() error                 { return nil }

var errReset = errors.New("Stream reset") //nolint:staticcheck // spdystream's words

func (r *resetting) CreateStream(http.Header) (httpstream.Stream, error) {
	if r.created++; r.created > 1 {
		return nil, errReset
	}
	return heard{Reader: strings.NewReader(r.said)}, nil
}

func TestWhyAStreamWasResetBeforeItWasAccepted(t *testing.T) {
	where := target{pod: k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "api-1"}, port: 9}
	began := time.Now()
	_, err := open(&resetting{said: "error forwarding port 9 to pod 1, uid : failed to connect to localhost:9 inside namespace \"x\": dial tcp4 127.0.0.1:9: connect: connection refused"}, where)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "nothing listens on port 9") {
		t.Errorf("got %v, want that nothing listens", err)
	}
	_, err = open(&resetting{}, where)
	if !errors.Is(err, errReset) {
		t.Errorf("with nothing said: got %v, want that it was reset", err)
	}
	if took := time.Since(began); took > errorWithin {
		t.Errorf("waited %v for an error stream that had ended", took)
	}
}
