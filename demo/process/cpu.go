package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/google/pprof/profile"
)

// How work is done: busy for some of every period, so that six pods at a time take about one core.
const (
	period = 40 * time.Millisecond
	busy   = 8 * time.Millisecond
)

// slice is how long one profile of the whole process runs; who asks in the middle of one gets the rest of it.
const slice = time.Second

// recorder takes one CPU profile for everybody who wants one.
type recorder struct {
	mu     sync.Mutex
	active map[*asking]bool
	wake   chan struct{} // closed when the recording goroutine should look again
	alive  bool
}

// asking is one pod that is being profiled.
type asking struct {
	pod    string
	ended  bool
	parts  []*profile.Profile
	failed error
	done   chan struct{} // closed when no more parts come
}

// cpuProfile works for the pod until ctx ends and returns the samples of it.
func (m *Machine) cpuProfile(ctx context.Context, p *process) (*profile.Profile, error) {
	work := p.work()
	a := &asking{pod: p.pod, done: make(chan struct{})}
	if !m.begin(a) {
		return nil, errors.New("the process is ending")
	}
	var worker sync.WaitGroup
	worker.Go(func() { // of its own, so that its stacks do not begin with those of this request
		pprof.Do(ctx, pprof.Labels(label, p.pod), func(ctx context.Context) { serve(ctx, m.ctx, work) })
	})
	worker.Wait()
	m.cpu.mu.Lock()
	a.ended = true
	close(m.cpu.wake)
	m.cpu.wake = make(chan struct{})
	m.cpu.mu.Unlock()
	<-a.done
	if a.failed != nil {
		return nil, a.failed
	}
	prof, err := profile.Merge(a.parts)
	if err != nil {
		return nil, fmt.Errorf("put the parts together: %w", err)
	}
	return prof, nil
}

// serve handles requests for part of the time, under a label for what they ask for.
func serve(ctx, machine context.Context, work Work) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for n := 0; ; {
		for until := time.Now().Add(busy); time.Now().Before(until); n++ {
			work.Serve(n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-machine.Done():
			return
		}
	}
}

// begin joins the recording, or starts one.
func (m *Machine) begin(a *asking) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return false
	}
	r := &m.cpu
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active == nil {
		r.active = map[*asking]bool{}
	}
	r.active[a] = true
	if !r.alive {
		r.alive = true
		m.running.Go(func() { r.record(m.ctx) })
	}
	return true
}

// record takes slices until nobody asks any more.
func (r *recorder) record(ctx context.Context) {
	for {
		var buf bytes.Buffer
		err := pprof.StartCPUProfile(&buf)
		r.slice(ctx)
		if err == nil {
			pprof.StopCPUProfile()
		}
		if !r.share(buf.Bytes(), err) {
			return
		}
	}
}

// slice waits for the end of a slice: its time, or that somebody had enough.
func (r *recorder) slice(ctx context.Context) {
	r.mu.Lock()
	wake := r.wake
	for a := range r.active {
		if a.ended {
			r.mu.Unlock()
			return
		}
	}
	r.mu.Unlock()
	timer := time.NewTimer(slice)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// share hands each pod its part and lets those go that have ended. It reports whether anybody is left.
func (r *recorder) share(raw []byte, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a := range r.active {
		part, failed := part(raw, a.pod)
		if err == nil {
			err = failed
		}
		if err != nil {
			a.failed = err
		} else {
			a.parts = append(a.parts, part)
		}
		if a.ended || err != nil {
			delete(r.active, a)
			close(a.done)
		}
	}
	r.alive = len(r.active) > 0
	return r.alive
}

func part(raw []byte, pod string) (*profile.Profile, error) {
	prof, err := profile.ParseData(raw)
	if err != nil {
		return nil, fmt.Errorf("read a CPU profile: %w", err)
	}
	keep(prof, func(s *profile.Sample) bool { return labelled(s, pod) })
	for _, s := range prof.Sample {
		s.Location = below(s.Location)
	}
	return prof, nil
}

// below cuts what stands above the work: how this process comes to do it is not the pod's.
func below(stack []*profile.Location) []*profile.Location {
	for i, l := range stack {
		if i > 0 && through(&profile.Sample{Location: []*profile.Location{l}}, "midwatch/demo/process.serve") {
			return stack[:i]
		}
	}
	return stack
}
