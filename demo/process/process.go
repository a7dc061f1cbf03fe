// Package process runs what the demo's pods would: real work, in this process, that can be profiled like a pod of its own.
//
// A Go process can be CPU-profiled once at a time, and the profile is of all of it. So work runs in goroutines with a profiler
// label that names the pod, one profile is taken for everybody who asks, and each pod is served the samples with its label. What
// it shows is real: samples of the work that this process did for the pod. Work is done only while a profile is taken, and for
// part of the time, so that an idle demo stays idle.
package process

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"
)

// Work is what a process does.
type Work interface {
	// Serve handles one request, for some tens of microseconds.
	Serve(n int)
}

// label is the profiler label that names the pod.
const label = "midwatch-demo-pod"

// Machine runs the processes of all pods of one cluster.
type Machine struct {
	ctx context.Context //nolint:containedctx // the machine's own life
	end context.CancelFunc

	mu      sync.Mutex
	running sync.WaitGroup
	started map[string]Work
	cpu     recorder
}

// New makes a machine.
func New() *Machine {
	m := &Machine{started: map[string]Work{}}
	m.ctx, m.end = context.WithCancel(context.Background())
	m.cpu.wake = make(chan struct{})
	return m
}

// Context ends with the machine.
func (m *Machine) Context() context.Context { return m.ctx }

// Close ends every process and waits for it.
func (m *Machine) Close() {
	m.mu.Lock()
	m.end()
	m.mu.Unlock()
	m.running.Wait()
	for _, w := range m.started {
		if waits, ok := w.(interface{ Wait() }); ok {
			waits.Wait()
		}
	}
}

// work is the process of a pod, started when it is first asked for.
func (m *Machine) work(pod string, start func() Work) Work {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.started[pod]
	if w == nil {
		pprof.Do(m.ctx, pprof.Labels(label, pod), func(context.Context) { w = start() })
		m.started[pod] = w
	}
	return w
}

// Handler serves net/http/pprof for one pod. own is the import path of the packages whose heap it is said to be: allocations carry
// no labels.
func (m *Machine) Handler(pod, own string, start func() Work) http.Handler {
	mux := http.NewServeMux()
	p := &process{machine: m, pod: pod, own: own, work: func() Work { return m.work(pod, start) }}
	mux.HandleFunc("GET /debug/pprof/{$}", p.index)
	mux.HandleFunc("GET /debug/pprof/profile", p.profile)
	for _, name := range names {
		mux.HandleFunc("GET /debug/pprof/"+name, func(w http.ResponseWriter, r *http.Request) { p.lookup(w, r, name) })
	}
	return mux
}

var names = []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"}

type process struct {
	machine  *Machine
	pod, own string
	work     func() Work
}

// index is net/http/pprof's page, with the pod's own goroutines counted.
func (p *process) index(w http.ResponseWriter, _ *http.Request) {
	p.work()
	var b strings.Builder
	b.WriteString("<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n/debug/pprof/\n<br>\nTypes of profiles available:\n<table>\n<thead><td>Count</td><td>Profile</td></thead>\n")
	for _, name := range names {
		n := pprof.Lookup(name).Count()
		if name == "goroutine" {
			if of, err := p.of(name); err == nil {
				n = 0
				for _, s := range of.Sample {
					n += int(s.Value[0])
				}
			}
		}
		fmt.Fprintf(&b, "<tr><td>%d</td><td><a href='%s?debug=1'>%s</a></td></tr>\n", n, name, name)
	}
	b.WriteString("<tr><td>0</td><td><a href='profile'>profile</a></td></tr>\n</table>\n</body>\n</html>\n")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // the client may be gone
}

// profile works for a while and serves where the time went.
func (p *process) profile(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.Atoi(r.FormValue("seconds"))
	if err != nil || seconds <= 0 {
		seconds = 30
	}
	ctx, stop := context.WithTimeout(r.Context(), time.Duration(seconds)*time.Second)
	defer stop()
	prof, err := p.machine.cpuProfile(ctx, p)
	switch {
	case r.Context().Err() != nil:
		return
	case err != nil:
		w.Header().Set("X-Go-Pprof", "1")
		http.Error(w, "Could not enable CPU profiling: "+err.Error(), http.StatusInternalServerError)
		return
	}
	prof.DurationNanos = int64(seconds) * int64(time.Second)
	p.send(w, prof)
}

func (p *process) send(w http.ResponseWriter, prof *profile.Profile) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_ = prof.Write(w) // the client may be gone
}

// lookup serves one of the runtime's profiles, as far as it is the pod's.
func (p *process) lookup(w http.ResponseWriter, r *http.Request, name string) {
	p.work()
	if r.FormValue("gc") == "1" && name == "heap" {
		runtime.GC()
	}
	if s := r.FormValue("seconds"); s != "" {
		http.Error(w, "the demo's processes serve no deltas", http.StatusBadRequest)
		return
	}
	p.exercise()
	prof, err := p.of(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.send(w, prof)
}

// exercise does enough for a profile to have something to say.
func (p *process) exercise() {
	w := p.work()
	pprof.Do(p.machine.ctx, pprof.Labels(label, p.pod), func(context.Context) {
		for n := range 2000 {
			w.Serve(n)
		}
	})
}

// of takes the pod's part out of one of the runtime's profiles.
func (p *process) of(name string) (*profile.Profile, error) {
	var buf bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&buf, 0); err != nil {
		return nil, fmt.Errorf("take a %s profile: %w", name, err)
	}
	prof, err := profile.ParseData(buf.Bytes())
	if err != nil {
		return nil, fmt.Errorf("read a %s profile: %w", name, err)
	}
	keep(prof, func(s *profile.Sample) bool {
		if name == "goroutine" {
			return labelled(s, p.pod)
		}
		return through(s, p.own)
	})
	return prof.Compact(), nil
}

func keep(prof *profile.Profile, want func(*profile.Sample) bool) {
	kept := prof.Sample[:0]
	for _, s := range prof.Sample {
		if want(s) {
			delete(s.Label, label)
			kept = append(kept, s)
		}
	}
	prof.Sample = kept
}

func labelled(s *profile.Sample, pod string) bool {
	v := s.Label[label]
	return len(v) == 1 && v[0] == pod
}

// through reports a stack that passes through a package.
func through(s *profile.Sample, own string) bool {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function != nil && strings.HasPrefix(line.Function.Name, own) {
				return true
			}
		}
	}
	return false
}
