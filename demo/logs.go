package demo

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/demo/apiserver"
)

// logs invents what containers write: uvicorn's and structlog's lines of a FastAPI service, plain ones for the rest. A line
// depends on nothing but the container and its place in the log.
type logs struct{}

// mostLines bounds what is made up for one request; a real node keeps 10 MiB.
const mostLines = 5000

// life is one run of a container.
type life struct {
	pod        *corev1.Pod
	name       string
	start, end time.Time // end is zero while it runs
	exit       *corev1.ContainerStateTerminated
}

// Lines implements apiserver.LogSource.
func (logs) Lines(pod *corev1.Pod, container string, previous bool, after, until time.Time) []apiserver.LogLine {
	l, ok := lifeOf(pod, container, previous)
	if !ok {
		return nil
	}
	if !l.end.IsZero() && until.After(l.end) {
		until = l.end
	}
	boot := l.boot()
	var out []apiserver.LogLine
	for _, line := range boot {
		if line.At.After(after) && !line.At.After(until) {
			out = append(out, line)
		}
	}
	out = append(out, l.running(boot[len(boot)-1].At, after, until)...)
	if l.exit != nil {
		for _, text := range strings.Split(l.exit.Message, "\n") {
			if text != "" && l.end.After(after) {
				out = append(out, apiserver.LogLine{At: l.end, Text: text})
			}
		}
	}
	return out
}

// lifeOf finds the run a client asks for. While a container is down, the kubelet serves its last run as the current one.
func lifeOf(pod *corev1.Pod, container string, previous bool) (life, bool) {
	for _, st := range pod.Status.ContainerStatuses {
		if st.Name != container {
			continue
		}
		l := life{pod: pod, name: container}
		ended := st.State.Terminated
		if ended == nil {
			ended = st.LastTerminationState.Terminated
		}
		switch {
		case st.State.Running != nil && !previous:
			l.start = st.State.Running.StartedAt.Time
		case ended != nil:
			l.start, l.end, l.exit = ended.StartedAt.Time, ended.FinishedAt.Time, ended
		default:
			return life{}, false
		}
		return l, true
	}
	return life{}, false
}

func (l life) hash(i int64, salt string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %d %d %s", l.pod.UID, l.name, l.start.Unix(), i, salt)
	v := h.Sum64()
	v ^= v >> 31
	return v * 0x9e3779b97f4a7c15 >> 16
}

func (l life) boot() []apiserver.LogLine {
	lines := []string{"starting " + l.name, "configuration loaded"}
	if l.name == "api" {
		lines = []string{
			"INFO:     Started server process [1]",
			"INFO:     Waiting for application startup.",
			l.json(l.start.Add(700*time.Millisecond), "info", "settings.loaded", `"environment": "production", "workers": 2`),
			l.json(l.start.Add(1100*time.Millisecond), "info", "db.pool.opened", `"size": 10, "max_overflow": 5`),
		}
	}
	if l.exit == nil || l.exit.Message == "" {
		lines = append(lines, map[bool]string{true: "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", false: "ready"}[l.name == "api"])
	}
	out := make([]apiserver.LogLine, len(lines))
	for i, text := range lines {
		out[i] = apiserver.LogLine{At: l.start.Add(time.Duration(i+1) * 350 * time.Millisecond), Text: text}
	}
	return out
}

// running makes the lines of a span without making those before it: line i comes at a fixed beat with a little jitter.
func (l life) running(from, after, until time.Time) []apiserver.LogLine {
	beat := 900 * time.Millisecond
	if l.name != "api" {
		beat = 4 * time.Second
	}
	first := int64(1)
	if after.After(from) {
		first = max(first, int64(after.Sub(from)/beat))
	}
	if last := int64(until.Sub(from) / beat); last-first > mostLines {
		first = last - mostLines
	}
	var out []apiserver.LogLine
	for i := first; ; i++ {
		at := from.Add(time.Duration(i)*beat + time.Duration(l.hash(i, "at")%uint64(beat/2)))
		if at.After(until) {
			return out
		}
		if at.After(after) {
			out = append(out, apiserver.LogLine{At: at, Text: l.line(i, at)})
		}
	}
}

func (l life) line(i int64, at time.Time) string {
	if l.name != "api" {
		return fmt.Sprintf("%s info %s checkpoint %d done in %d ms", at.UTC().Format("2006-01-02 15:04:05.000"), l.name, i, 3+l.hash(i, "ms")%40)
	}
	paths := []string{"/api/items", "/api/items/{id}", "/api/cart", "/api/orders", "/api/search", "/healthz", "/metrics"}
	path := paths[l.hash(i, "path")%uint64(len(paths))]
	ms := 4 + l.hash(i, "ms")%90
	if l.failing() {
		return l.json(at, "warning", "readiness.failed", `"check": "express-pay", "url": "http://payments-api-v2.payments.svc/healthz", "error": "[Errno -2] Name or service not known"`)
	}
	if text, ok := l.exposure(i, at); ok {
		return text
	}
	if l.hash(i, "slow")%97 == 0 {
		return l.json(at, "warning", "request.slow", fmt.Sprintf(`"method": "GET", "path": %q, "status": 200, "duration_ms": %d, "request_id": "%012x"`, path, 900+ms*13, l.hash(i, "id")&0xffffffffffff))
	}
	return l.json(at, "info", "request.finished", fmt.Sprintf(`"method": "GET", "path": %q, "status": 200, "duration_ms": %d, "request_id": "%012x"`, path, ms, l.hash(i, "id")&0xffffffffffff))
}

// failing reports that the container is the one whose readiness check fails.
func (l life) failing() bool {
	for i := range l.pod.Spec.Containers {
		if c := &l.pod.Spec.Containers[i]; c.Name == l.name {
			return l.name == "api" && behave(l.pod, c).NotReady != ""
		}
	}
	return false
}

// json is a line as structlog's JSONRenderer writes it.
func (l life) json(at time.Time, level, event, rest string) string {
	return fmt.Sprintf(`{"timestamp": %q, "level": %q, "event": %q, "logger": "app", %s}`, at.UTC().Format("2006-01-02T15:04:05.000Z"), level, event, rest)
}
