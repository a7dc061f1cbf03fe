package try

import (
	"fmt"
	"strings"
	"time"

	"midwatch/k8s/probe"
)

// Explain says what a try proves beside what the kubelet is known to have
// found. Each line is a sentence; the first is the conclusion.
func Explain(r *Result, p *probe.Probe) []string {
	switch r.Outcome {
	case Forbidden, Gone, Broken:
		return []string{"The process was not asked: this proves nothing about it."}
	}
	failing := p.State == probe.Failing || p.State == probe.Starting && p.Failures > 0
	switch {
	case r.Outcome == Passed && failing:
		return passesHere(r, p)
	case r.Outcome == Passed && p.State == probe.Passing:
		return withLate(r, "Both agree: it passes.")
	case r.Outcome == Passed:
		return withLate(r, "It passes now; the kubelet has not decided, or does not run this probe.")
	case failing:
		return failsBoth(r)
	case p.State == probe.Passing:
		return []string{
			"It fails here and counts as passing for the kubelet.",
			fmt.Sprintf("It may have broken just now (the kubelet acts after %s in a row), fail now and then, or listen on the pod's address and not on its localhost, which is where this came in.", times(p.Spec.Failure, "failure")),
		}
	}
	return []string{"It fails; the kubelet does not run this probe now, or has not decided."}
}

func withLate(r *Result, first string) []string {
	if !r.Late() {
		return []string{first}
	}
	return []string{first, lateWords(r)}
}

func lateWords(r *Result) string {
	return fmt.Sprintf("But it answered after %dms, with the way through the API server in it; the kubelet waits %s and would count a failure.", r.Took.Milliseconds(), r.Spec.Timeout)
}

// passesHere is the case that proves most.
func passesHere(r *Result, p *probe.Probe) []string {
	out := []string{"It passes here and fails for the kubelet: the process answers on its own localhost."}
	if r.Late() {
		return append(out, lateWords(r))
	}
	message := p.LastMessage.String()
	switch {
	case strings.Contains(message, "connection refused"):
		out = append(out, "The kubelet was refused: it listens on 127.0.0.1 only, or has begun to listen since.")
	case strings.Contains(message, "deadline exceeded"), strings.Contains(message, "timeout"):
		out = append(out, "The kubelet got no answer in time: a NetworkPolicy or a mesh between the node and the pod's address, or it was slow then.")
	case strings.Contains(message, "statuscode"):
		out = append(out, "The kubelet got an answer it did not like: it has recovered since, or answers differently by Host header, client address or moment.")
	default:
		out = append(out, "Between them are the node's network, a NetworkPolicy, a mesh, and the address it listens on (127.0.0.1 only?).")
	}
	return append(out, fmt.Sprintf("If it has just recovered, the kubelet follows within %s.", p.Spec.Period*time.Duration(p.Spec.Success)+p.Spec.Timeout))
}

func failsBoth(r *Result) []string {
	out := []string{"Both agree: it fails, and it is the process itself that says so."}
	if r.Outcome == Refused {
		out[0] = "Both agree: it fails. Nothing listens on the port."
	}
	if r.Outcome == Slow {
		out[0] = "Both agree: it fails. It accepts connections and does not answer."
	}
	return out
}

func times(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
