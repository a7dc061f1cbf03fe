package rollout

import (
	"fmt"
	"strconv"
	"strings"

	"midwatch/foreign"
	"midwatch/k8s"
)

// exitOf is how the container of a crashing pod ended, and the kind of cause
// that is. limit is the container's memory limit in bytes, 0 if not known.
func exitOf(p *k8s.PodRow, limit int64) (*k8s.Exit, k8s.CauseKind) {
	if p.ExitReason == "" {
		return nil, k8s.CauseCrash
	}
	ail := p.Ail()
	e := &k8s.Exit{Code: p.ExitCode, Reason: p.ExitReason, Said: ail.ExitSaid, At: ail.ExitAt}
	if !ail.ExitStarted.IsZero() && ail.ExitAt.After(ail.ExitStarted) {
		e.Ran = ail.ExitAt.Sub(ail.ExitStarted)
	}
	var kind k8s.CauseKind
	e.Words, kind = exitWords(p.ExitReason, p.ExitCode)
	if kind == k8s.CauseOOM {
		e.MemoryLimit = limit
	}
	return e, kind
}

// exitWords says what a termination means: the runtime's reason where it is
// one, else the code, by the shell's conventions.
func exitWords(reason string, code int32) (string, k8s.CauseKind) {
	switch reason {
	case "OOMKilled":
		return "OOMKilled", k8s.CauseOOM
	case "ContainerStatusUnknown":
		return "its node lost track of it", k8s.CauseLost
	case "StartError", "ContainerCannotRun":
		return "its command cannot be started", k8s.CauseCannotRun
	case "DeadlineExceeded":
		return "its active deadline passed", k8s.CausePodDeadline
	}
	switch code {
	case 0:
		return "exits 0, but should keep running", k8s.CauseCompleted
	case 126:
		return "command not executable (exit 126)", k8s.CauseCannotRun
	case 127:
		return "command not found (exit 127)", k8s.CauseCannotRun
	}
	if name := signalName(code - 128); name != "" {
		switch name {
		case "SIGKILL":
			return "killed (SIGKILL, exit 137)", k8s.CauseKilled
		case "SIGTERM":
			return "ended by SIGTERM (exit 143)", k8s.CauseKilled
		}
		return fmt.Sprintf("crashes with %s (exit %d)", name, code), k8s.CauseCrash
	}
	if reason != "Error" && reason != "Completed" {
		return fmt.Sprintf("%s, exit %d", reason, code), k8s.CauseCrash
	}
	return fmt.Sprintf("exits %d", code), k8s.CauseCrash
}

// signalName names the signals containers die of (128 + n as exit code).
func signalName(n int32) string {
	return map[int32]string{
		2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
		11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM", 31: "SIGSYS",
	}[n]
}

// crashText is the end in a few words with what the container said.
func crashText(e *k8s.Exit, kind k8s.CauseKind) string {
	text := e.Words
	switch {
	case kind == k8s.CauseOOM && e.MemoryLimit > 0:
		text = "OOMKilled at its " + Bytes(e.MemoryLimit) + " limit"
	}
	switch said := e.Said.String(); {
	case said == "" || kind == k8s.CauseOOM || kind == k8s.CauseLost:
	case kind == k8s.CauseCannotRun:
		text += ": " + trailing(said)
	default:
		text += ": " + said
	}
	return text
}

// Bytes writes a size as manifests do: 512Mi, 2Gi, 1500Mi.
func Bytes(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 40, "Ti"}, {1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	if n > 1<<20 {
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + "Mi"
	}
	return strconv.FormatInt(n, 10) + "B"
}

// quoted is what stands between the first pair of double quotes after a mark;
// empty if nothing does.
func quoted(s, mark string) string {
	if _, rest, ok := strings.Cut(s, mark+"\""); ok {
		if word, _, ok := strings.Cut(rest, "\""); ok {
			return word
		}
	}
	return ""
}

// combined takes the recorder's note off a message that stands for several
// (client-go tools/record/events_cache.go).
func combined(s foreign.Text) string {
	return strings.TrimPrefix(s.String(), "(combined from similar events): ")
}
