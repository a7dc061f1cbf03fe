package rollout

import (
	"fmt"
	"strings"

	"midwatch/k8s"
)

// The functions here make the few words of a message that say why, out of the
// kubelet's and the scheduler's sentences. The sentences stay as evidence.

// exitWords says how the last container of a crashing pod ended.
func exitWords(p *k8s.PodRow) string {
	var words string
	switch p.ExitReason {
	case "":
		return p.Message.String()
	case "Error", "Completed":
		words = fmt.Sprintf("exit %d", p.ExitCode)
	case "OOMKilled":
		words = p.ExitReason
	default:
		words = fmt.Sprintf("%s, exit %d", p.ExitReason, p.ExitCode)
	}
	if m := p.Message.String(); m != "" && !strings.HasPrefix(m, "back-off ") && p.Reason != reasonUnready {
		words += ": " + m
	}
	return words
}

// imageWords names the image that cannot be had; the reason says the rest.
func imageWords(reason, s string) string {
	if !strings.Contains(reason, "Image") {
		return s
	}
	if _, rest, ok := strings.Cut(s, "image \""); ok {
		if image, _, ok := strings.Cut(rest, "\""); ok {
			return image
		}
	}
	return s
}

// gateWords names the readiness gate that is not open (kubelet
// status/generate.go: the status of pod readiness gate "x" is not "True").
func gateWords(s string) string {
	if _, rest, ok := strings.Cut(s, "readiness gate \""); ok {
		if gate, _, ok := strings.Cut(rest, "\""); ok {
			return "gate " + gate
		}
	}
	return s
}

// volumeWords is the cause behind the kubelet's `MountVolume.SetUp failed for
// volume "config" : configmap "api" not found`.
func volumeWords(s string) string {
	if _, cause, ok := strings.Cut(s, "\" : "); ok && cause != "" {
		return cause
	}
	return s
}

// probeWords shortens what the kubelet says of a probe: "Readiness probe
// failed: HTTP probe failed with statuscode: 503" is "readiness probe: HTTP
// 503" (pkg/probe/http, pkg/probe/tcp).
func probeWords(s string) string {
	kind, cause, ok := strings.Cut(s, " probe failed: ")
	if !ok {
		return s
	}
	kind = strings.ToLower(kind) + " probe"
	if code, ok := strings.CutPrefix(cause, "HTTP probe failed with statuscode: "); ok {
		return kind + ": HTTP " + code
	}
	for _, known := range []struct{ says, means string }{
		{"context deadline exceeded", "timeout"}, {"Client.Timeout", "timeout"}, {"i/o timeout", "timeout"},
		{"connection refused", "connection refused"}, {"no route to host", "no route to host"}, {"connection reset", "connection reset"},
	} {
		if strings.Contains(cause, known.says) {
			return kind + ": " + known.means
		}
	}
	return kind + ": " + cause
}

// schedulingWords leaves out what the scheduler says about preemption: it
// repeats the counts.
func schedulingWords(s string) string {
	before, _, _ := strings.Cut(s, " preemption: ")
	return strings.TrimSuffix(before, ".")
}
