package watch

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	krt "k8s.io/apimachinery/pkg/runtime"

	"midwatch/k8s/rollout"
	"midwatch/live"
)

// fleet fills a world with n Deployments of pods pods each.
func fleet(tb testing.TB, n, pods int) *world {
	tb.Helper()
	w := newWorld()
	c := newCluster(tb)
	service(tb, c, "shop", "service", 0, 0)
	d := c.Store().List(groupResource("deployments"), "shop")[0]
	s := c.Store().List(groupResource("replicasets"), "shop")[0]
	add := func(t target, o krt.Object) {
		if _, err := t.put(o); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range n {
		name := fmt.Sprintf("service-%03d", i)
		add(w.deployments, renamed(d, name, "d-shop-"+name, ""))
		add(w.sets, renamed(s, name+"-6d5c", "rs-shop-"+name, "d-shop-"+name))
		for j := range pods {
			p := bulkyPod("shop", name, i*pods+j)
			p.Name = fmt.Sprintf("%s-6d5c-%05d", name, j)
			add(w.podTable, p)
		}
	}
	return w
}

func BenchmarkBoard(b *testing.B) {
	w := fleet(b, 500, 20)
	s := &Session{opts: Options{Clock: live.SystemClock{}, assess: rollout.Assess}, denials: map[right]struct{}{}}
	r := &run{session: s, world: w, feeds: map[string][]*running{}}
	r.prober, r.clues = newProber(r), newDetective(r)
	r.boardNow()
	b.Run("500 workloads, nothing changed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.boardNow()
		}
	})
	b.Run("500 workloads, one pod of 10000 changed", func(b *testing.B) {
		b.ReportAllocs()
		p := bulkyPod("shop", "service-007", 7*20)
		version := 0
		for b.Loop() {
			version++
			p.ResourceVersion = fmt.Sprint("x", version)
			if _, err := w.podTable.put(p); err != nil {
				b.Fatal(err)
			}
			r.boardNow()
		}
	})
	b.Run("500 workloads, all judged anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.touchAll()
			r.boardNow()
		}
	})
	b.Run("list of 10000 pods, one changed", func(b *testing.B) {
		b.ReportAllocs()
		p := bulkyPod("shop", "service-007", 7*20)
		version := 0
		for b.Loop() {
			version++
			p.ResourceVersion = fmt.Sprint("y", version)
			if _, err := w.podTable.put(p); err != nil {
				b.Fatal(err)
			}
			w.mu.Lock()
			w.pods.all()
			w.mu.Unlock()
		}
	})
}

// BenchmarkPodIngress is the way of one pod from the wire to its row.
func BenchmarkPodIngress(b *testing.B) {
	raw, err := bulkyPod("shop", "api", 1).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	in := newInterner()
	b.Run("decoded whole", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			var p corev1.Pod
			if err := p.Unmarshal(raw); err != nil {
				b.Fatal(err)
			}
			rollout.FromPod(&p, in.intern)
		}
	})
	b.Run("filtered first", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		f := podFilter()
		var short []byte
		for b.Loop() {
			short = f.prune(short[:0], raw)
			var p corev1.Pod
			if err := p.Unmarshal(short); err != nil {
				b.Fatal(err)
			}
			rollout.FromPod(&p, in.intern)
		}
	})
}

// BenchmarkList is a LIST of 2,000 pods from its bytes into the world, and
// what a row then costs.
func BenchmarkList(b *testing.B) {
	list := podList()
	for i := range 2000 {
		list.Items = append(list.Items, *bulkyPod("shop", fmt.Sprintf("service-%03d", i/20), i))
	}
	body := encoded(b, list)
	l := &typedLister{fresh: func() message { return &corev1.Pod{} }, filter: podFilter()}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var before, after runtime.MemStats
	var keep *world
	for b.Loop() {
		if keep != nil {
			clear(keep.podTable.rows) // the heap before is one without rows
		}
		keep = newWorld()
		runtime.GC()
		runtime.ReadMemStats(&before)
		if _, err := l.read(bytes.NewReader(body), func(o krt.Object) error {
			_, err := keep.podTable.put(o)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/2000, "B/pod")
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/2000/float64(time.Microsecond), "µs/pod")
	runtime.KeepAlive(keep)
	runtime.KeepAlive(body)
}
