package rollout

import (
	"strings"

	"midwatch/k8s"
)

// said of a probe: which, and what it got for an answer.
type probeAnswer struct {
	probe, answer string
	// combined is true when the kubelet could not run the probe: nothing was
	// learnt about the container then.
	errored bool
}

// parseProbe reads the kubelet's "Readiness probe failed: HTTP probe failed
// with statuscode: 503" (prober/prober.go, pkg/probe/http, tcp, grpc, exec).
func parseProbe(said string) (probeAnswer, bool) {
	kind, rest, ok := strings.Cut(said, " probe ")
	if !ok {
		return probeAnswer{}, false
	}
	a := probeAnswer{probe: strings.ToLower(kind)}
	cause, failed := strings.CutPrefix(rest, "failed: ")
	if !failed {
		cause, a.errored = strings.CutPrefix(rest, "errored: ")
		if !a.errored {
			_, cause, a.errored = strings.Cut(rest, "state: ") // "errored and resulted in unknown state: …"
		}
		if !a.errored {
			return probeAnswer{}, false
		}
		a.answer = "cannot be run: " + cause
		return a, true
	}
	a.answer = probeCause(cause)
	return a, true
}

func probeCause(cause string) string {
	if code, ok := strings.CutPrefix(cause, "HTTP probe failed with statuscode: "); ok {
		return "answers " + code
	}
	if _, status, ok := strings.Cut(cause, "service unhealthy (responded with \""); ok {
		return "answers " + strings.TrimRight(status, "\")")
	}
	for _, known := range []struct{ says, means string }{
		{"context deadline exceeded", "times out"}, {"Client.Timeout", "times out"}, {"i/o timeout", "times out"}, {"timed out", "times out"},
		{"connection refused", "refuses the connection"}, {"no route to host", "has no route"}, {"connection reset", "resets the connection"},
		{"server gave HTTP response to HTTPS client", "speaks HTTP where HTTPS is asked"}, {"malformed HTTP", "does not speak HTTP"},
		{"failed to connect service", "cannot be connected to"}, {"does not implement the grpc health protocol", "has no gRPC health service"},
		{"no such host", "has no address"},
	} {
		if strings.Contains(cause, known.says) {
			return known.means
		}
	}
	return "fails: " + strings.TrimSpace(cause)
}

// probeText is "readiness GET :8000/readyz answers 503".
func probeText(probe, endpoint, answer string) string {
	what := probe + " probe"
	if endpoint != "" {
		what = probe + " " + shorten(endpoint, 48)
	}
	return what + " " + answer
}

// containerOfEvent is the container an event's field path names:
// spec.containers{api}, spec.initContainers{migrate}.
func containerOfEvent(e *k8s.Event) string {
	if _, rest, ok := strings.Cut(e.FieldPath, "{"); ok {
		return strings.TrimSuffix(rest, "}")
	}
	return ""
}
