package demo

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/demo/apiserver"
	"midwatch/demo/controllers"
)

const day = 24 * time.Hour

// script is a cluster's story.
type script struct {
	name       string
	namespaces []string
	nodes      []node
	kinds      []apiserver.Resource
	beats      []beat
}

// beat is something somebody did some time before now.
type beat struct {
	ago time.Duration
	do  func(*cluster)
}

// cluster is one API server with its controllers and its clock.
type cluster struct {
	name, host string
	server     *apiserver.Server
	store      *apiserver.Store
	manager    *controllers.Manager
	clock      *worldClock
	lived      time.Time // up to when everything due has happened
	errs       []error   // of the script
	ports      *ports
}

// worldClock is the past while the script is replayed, then the world's clock.
type worldClock struct {
	mu   sync.Mutex
	past time.Time
	now  func() time.Time
}

func (c *worldClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.past.IsZero() {
		return c.past
	}
	return c.now()
}

func (c *worldClock) set(past time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = past
}

const (
	firstDay = 41 * day
	// How long before now autoscalers begin to look as often as real ones, and events to be recorded: they are kept for an hour.
	fineSince   = 25 * time.Minute
	eventsSince = time.Hour
)

func openCluster(s script, o Options) (*cluster, error) {
	end := o.Now()
	clock := &worldClock{now: o.Now, past: end.Add(-firstDay)}
	c := &cluster{name: s.name, host: s.name + ".midwatch.invalid", clock: clock}
	c.server = apiserver.New(apiserver.Options{
		Seed: o.Seed + int64(len(s.name)), Now: clock.Now, Host: c.host, FirstVersion: 48_120_331, Namespaces: s.namespaces, History: 2000,
	})
	c.store = c.server.Store()
	for _, k := range s.kinds {
		c.server.Register(k)
	}
	c.server.SetLogs(logs{})
	c.ports = newPorts(o.Seed)
	c.server.SetPorts(c.ports)
	c.server.SetExec(commands{o.Seed})
	c.serveMetrics()
	c.manager = controllers.New(controllers.Config{Store: c.store, Seed: o.Seed, Behave: behave, Measure: measure, Sync: syncSecret})
	for _, n := range s.nodes {
		c.put(n.object())
	}
	c.replay(s.beats, end)
	c.lived = end
	clock.set(time.Time{})
	if err := errors.Join(c.errs...); err != nil {
		c.server.Close()
		c.ports.shut()
		return nil, err
	}
	return c, nil
}

// replay does what happened, in order, letting the controllers act in between, up to end.
func (c *cluster) replay(beats []beat, end time.Time) {
	beats = append(slices.Clone(beats), beat{ago: fineSince, do: func(c *cluster) { c.manager.SetCoarse(false) }})
	beats = append(beats, beat{ago: eventsSince, do: func(c *cluster) { c.manager.SetQuiet(false) }})
	c.manager.SetCoarse(true)
	c.manager.SetQuiet(true)
	slices.SortStableFunc(beats, func(a, b beat) int { return cmp.Compare(b.ago, a.ago) })
	for _, b := range beats {
		at := end.Add(-b.ago)
		c.runUntil(at, math.MaxInt)
		c.clock.set(at)
		b.do(c)
	}
	c.runUntil(end, math.MaxInt)
}

// runUntil jumps from one due moment to the next, up to end. It reports false when it gave up because too much was due.
func (c *cluster) runUntil(end time.Time, most int) bool {
	now := c.clock.Now()
	for range most {
		next, ok := c.manager.Next()
		if !ok || next.After(end) {
			return true
		}
		if next.After(now) {
			now = next
		}
		c.clock.set(now)
		c.manager.Step(now)
	}
	return false
}

// A world that was not looked at for long, on a laptop that slept, need not live through every moment of it.
const mostCatchUp = 20_000

// catchUp lives through what became due since the last step, each thing at its time, so that a step of minutes and many small ones
// lead to the same world.
func (c *cluster) catchUp(now time.Time) {
	if next, ok := c.manager.Next(); !ok || next.After(now) {
		return
	}
	c.clock.set(c.lived)
	if !c.runUntil(now, mostCatchUp) {
		c.manager.Step(now)
	}
	c.lived = now
	c.clock.set(time.Time{})
}

// create stores a new object as a client with that field manager would.
func (c *cluster) create(manager string, objs ...apiserver.Object) {
	for _, o := range objs {
		if _, err := c.store.Create(o, apiserver.WriteOptions{Manager: manager}); err != nil {
			c.errs = append(c.errs, fmt.Errorf("create %s: %w", o.GetName(), err))
		}
	}
}

func (c *cluster) put(o apiserver.Object) {
	if _, err := c.store.Put(o); err != nil {
		c.errs = append(c.errs, fmt.Errorf("put %s: %w", o.GetName(), err))
	}
}

// change edits a stored object as a client with that field manager would.
func change[T apiserver.Object](c *cluster, manager string, gr schema.GroupResource, namespace, name string, edit func(T)) {
	key := apiserver.Key{Resource: gr, Namespace: namespace, Name: name}
	_, err := c.store.Modify(key, apiserver.WriteOptions{Manager: manager}, func(o apiserver.Object) (apiserver.Object, error) {
		edit(o.(T))
		return o, nil
	})
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("change %s: %w", key, err))
	}
}

func appsKind(resource string) schema.GroupResource {
	return schema.GroupResource{Group: "apps", Resource: resource}
}

// note records an event some component of its own left, outside the controllers.
func (c *cluster) note(about apiserver.Object, component, typ, reason, message string) {
	gvk := about.GetObjectKind().GroupVersionKind()
	at := metav1.NewTime(c.clock.Now().UTC()).Rfc3339Copy()
	c.create(component, &corev1.Event{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{Namespace: about.GetNamespace(), Name: fmt.Sprintf("%s.%x", about.GetName(), at.UnixNano())},
		InvolvedObject: corev1.ObjectReference{Kind: gvk.Kind, APIVersion: gvk.GroupVersion().String(), Namespace: about.GetNamespace(),
			Name: about.GetName(), UID: about.GetUID(), ResourceVersion: about.GetResourceVersion()},
		Type: typ, Reason: reason, Message: message, Count: 1, FirstTimestamp: at, LastTimestamp: at,
		Source: corev1.EventSource{Component: component}, ReportingController: component,
	})
}
