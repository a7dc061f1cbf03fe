package watch

import (
	"context"
	"slices"
	"sync"
	"time"
)

// waveLimit is how long a wave waits for the one before it: one slow answer
// must not keep everything else back.
const waveLimit = 3 * time.Second

// right is what a 403 was about; namespace is empty for all of them.
type right struct{ resource, namespace string }

// running is a feed and how to end it.
type running struct {
	*feed
	end context.CancelFunc
	// instead is true for a feed of one namespace that stands in for the whole
	// cluster because that may not be read.
	instead bool
}

// run is the reading of one scope, from SetScope to the next. It owns the
// goroutines of its feeds; they end with its context.
type run struct {
	session *Session
	scope   Scope
	world   *world
	prober  *prober
	clues   *detective
	waves   [][]*resource
	names   []string        // of the resources, in the order of the waves
	ctx     context.Context //nolint:containedctx // the run's own lifetime, ended by stop
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu    sync.Mutex
	feeds map[string][]*running // by resource name
	// started is true once the last wave was begun.
	started bool
	since   time.Time

	board boardCache
}

func newRun(s *Session, scope Scope) *run {
	r := &run{session: s, scope: scope, world: newWorld(), waves: waves(), since: s.opts.Clock.Now(), feeds: map[string][]*running{}}
	r.names = sourceNames(r.waves)
	r.world.endings = s.opts.Endings
	r.ctx, r.stop = context.WithCancel(s.ctx)
	r.prober, r.clues = newProber(r), newDetective(r)
	r.clues.start()
	r.wg.Go(r.coordinate)
	return r
}

// coordinate starts the waves one after the other.
func (r *run) coordinate() {
	for i, wave := range r.waves {
		for _, res := range wave {
			r.begin(res)
		}
		r.mu.Lock()
		r.started = i == len(r.waves)-1
		r.mu.Unlock()
		r.notable()
		r.await(wave)
		if i == 1 {
			r.session.startNamespaces()
			r.prober.start()
			r.judge()
			r.awaitProbes()
		}
		if r.ctx.Err() != nil {
			return
		}
	}
}

// begin starts the feeds of a resource: one for the whole cluster, or one for
// each namespace of the scope.
func (r *run) begin(res *resource) {
	if r.scope.All() {
		r.feed(res, "", false)
		return
	}
	for _, ns := range r.scope.Namespaces {
		r.feed(res, ns, false)
	}
}

// feed starts reading a resource in a namespace unless that is done already.
func (r *run) feed(res *resource, namespace string, instead bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil || slices.ContainsFunc(r.feeds[res.name], func(f *running) bool { return f.namespace == namespace }) {
		return
	}
	s := r.session
	f := &feed{
		resource: res, namespace: namespace, cluster: s.opts.Cluster, lister: res.open(s.opts.Cluster, namespace),
		rows: res.rows(r.world), clock: s.opts.Clock, health: newHealth(s.opts.Clock.Now()), kick: make(chan struct{}, 1),
		denied:  s.denied(right{res.name, namespace}),
		changed: func() { s.dirty(res.topics...); s.held(res.name) },
	}
	f.notable = r.notable
	f.refused = func(f *feed) { r.refused(res, f) }
	f.loaded = func(f *feed) { r.loaded(res, f); s.held(res.name) }
	ctx, end := context.WithCancel(r.ctx)
	r.feeds[res.name] = append(r.feeds[res.name], &running{feed: f, end: end, instead: instead})
	r.wg.Go(func() { f.run(ctx) })
}

// refused remembers a 403. When the whole cluster may not be read, the
// namespaces that are known are read instead.
func (r *run) refused(res *resource, f *feed) {
	r.session.deny(right{res.name, f.namespace})
	if f.namespace != "" {
		return
	}
	for _, ns := range r.session.knownNamespaces() {
		r.feed(res, ns, true)
	}
}

// loaded ends the feeds that stood in for the whole cluster once it can be
// read after all.
func (r *run) loaded(res *resource, f *feed) {
	if f.namespace != "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.feeds[res.name] = slices.DeleteFunc(r.feeds[res.name], func(x *running) bool {
		if x.instead {
			x.end()
		}
		return x.instead
	})
}

// await returns when every feed of the wave has had its first answer, or
// after the limit.
func (r *run) await(wave []*resource) {
	c, stop := r.session.opts.Clock.After(waveLimit)
	defer stop()
	for {
		changed := r.session.pulse.wait()
		if !slices.ContainsFunc(wave, func(res *resource) bool { return !r.settled(res.name) }) {
			return
		}
		select {
		case <-r.ctx.Done():
			return
		case <-c:
			return
		case <-changed:
		}
	}
}

// settled reports whether every feed of a resource has had a first answer,
// good or bad.
func (r *run) settled(name string) bool {
	list := r.list(name)
	return len(list) > 0 && !slices.ContainsFunc(list, func(f *running) bool { return !f.health.isSettled() })
}

func (r *run) list(name string) []*running {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.feeds[name])
}

// complete reports whether all of a resource in a namespace is in the world.
func (r *run) complete(name, namespace string) bool {
	return slices.ContainsFunc(r.list(name), func(f *running) bool {
		return (f.namespace == "" || f.namespace == namespace) && f.health.complete()
	})
}

// known answers what was read completely, remembering the answers for the
// length of one judgement.
func (r *run) known() knowledge {
	memo := func(name string) func(string) bool {
		answers := map[string]bool{}
		return func(namespace string) bool {
			answer, ok := answers[namespace]
			if !ok {
				answer = r.complete(name, namespace)
				answers[namespace] = answer
			}
			return answer
		}
	}
	return knowledge{sets: memo(setsName), pods: memo(podsName)}
}

// judge re-assesses what changed and asks for the pods of what is in trouble,
// and for what else would tell more.
func (r *run) judge() {
	now := r.session.opts.Clock.Now()
	skew := r.session.skew()
	r.world.judge(now.Add(skew), skew, r.known(), r.session.opts.assess)
	r.prober.consider()
	r.clues.consider(now)
}

func (r *run) notable() {
	r.session.pulse.beat()
	r.session.notable(TopicBoard, TopicWorkload, TopicPods, TopicEvents, TopicSources)
}

// retry ends every pause and asks again what was refused.
func (r *run) retry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range r.feeds {
		for _, f := range list {
			f.retry()
		}
	}
}
