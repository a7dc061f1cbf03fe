package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"midwatch/k8s"
	"midwatch/profiles"
	"midwatch/profiles/capture"
	"midwatch/profiles/diff"
	"midwatch/ui/app"
)

// captureProfiles takes a profile of a running target: of the pod that is
// named, or of one of the workload's.
func (a *invocation) captureProfiles(ctx context.Context, target string, o *profileOptions) (diff.Side, error) {
	req := capture.Request{Kind: capture.Kind(o.kind), Seconds: o.seconds, Container: o.container, PID: o.pid}
	if _, err := strconv.ParseFloat(o.perRequest, 64); err != nil {
		req.Metric = o.perRequest
	}
	if req.Kind == "" {
		req.Kind = capture.CPU
	}
	spec, ok := capture.Of(req.Kind)
	switch {
	case !ok:
		return diff.Side{}, fmt.Errorf("--type %q: want one of %s", o.kind, strings.Join(kindsOfProfile(), ", "))
	case o.seconds < 1 || o.seconds > capture.MaxSeconds:
		return diff.Side{}, fmt.Errorf("--seconds %d: want 1 to %d", o.seconds, capture.MaxSeconds)
	case o.delta && !spec.Delta:
		return diff.Side{}, fmt.Errorf("--delta: %s has none", req.Kind)
	case !spec.Timed && !o.delta:
		req.Seconds = 0
	}
	settings, err := a.settings()
	if err != nil {
		return diff.Side{}, err
	}
	w, err := a.open(settings, nil)
	if err != nil {
		return diff.Side{}, err
	}
	defer w.close()
	ctx, cancel := context.WithTimeout(ctx, req.Lasts()+2*time.Minute)
	defer cancel()
	// An interrupt ends the profiler in the pod before the program ends.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	profiler, err := w.Profiler(ctx, a.where())
	if err != nil {
		return diff.Side{}, err
	}
	defer profiler.Close()
	subject, err := subjectNamed(ctx, profiler.Taker, target, profiler.Namespace)
	if err != nil {
		return diff.Side{}, err
	}
	take := profiler.Take
	if spec.Exec {
		take = (&execProfile{invocation: a, profiler: profiler, o: o}).take
	}
	p, err := take(ctx, subject.Pods[0].Target, req, nil)
	if err != nil {
		return diff.Side{}, err
	}
	if p.Requests.Why != "" && o.perRequest != "" {
		fmt.Fprintf(a.err, "requests are not known: %s\n", p.Requests.Why)
	}
	return diff.Side{Profiles: []*profiles.Profile{p.Profile}, Requests: p.Requests.Count}, nil
}

func kindsOfProfile() []string {
	var names []string
	for _, s := range capture.Specs() {
		names = append(names, string(s.Kind))
	}
	return names
}

// where is what the flags say of context and namespace.
func (a *invocation) where() app.Where {
	var where app.Where
	if ns := a.flags.Namespace; ns != nil && *ns != "" {
		where.Namespaces = []string{*ns}
	}
	if c := a.flags.Context; c != nil {
		where.Context = *c
	}
	return where
}

// subjectNamed finds what TARGET names: pod/NAME, KIND/NAME as kubectl writes
// it, or NAME of a workload, else of a pod.
func subjectNamed(ctx context.Context, taker *capture.Taker, target, namespace string) (*capture.Subject, error) {
	kind, name, found := strings.Cut(target, "/")
	if found {
		full, ok := kindNames(strings.ToLower(kind))
		if k := strings.ToLower(kind); k == "pod" || k == "pods" || k == "po" {
			full, ok = "Pod", true
		}
		if !ok {
			return nil, fmt.Errorf("no file %q, and no kind %q: want pod, deployment, statefulset, daemonset or rollout", target, kind)
		}
		return taker.Subject(ctx, k8s.Ref{Kind: full, Namespace: namespace, Name: name})
	}
	var last error
	for _, kind := range []string{k8s.Deployment, k8s.StatefulSet, k8s.DaemonSet, "Pod"} {
		s, err := taker.Subject(ctx, k8s.Ref{Kind: kind, Namespace: namespace, Name: target})
		if err == nil {
			return s, nil
		}
		if !strings.Contains(err.Error(), "not found") {
			last = err
		}
	}
	if last != nil {
		return nil, last
	}
	return nil, fmt.Errorf("no file %q, and no workload or pod of that name in namespace %s", target, namespace)
}
