package apiserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/ptr"

	"midwatch/demo/apiserver"
)

func addPods(t *testing.T, f *fixture, n int) {
	t.Helper()
	for i := range n {
		if _, err := f.Store().Put(withKind(pod(fmt.Sprintf("p%02d", i), "node-1"))); err != nil {
			t.Fatal(err)
		}
	}
}

func withKind(p *corev1.Pod) *corev1.Pod {
	p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	return p
}

func TestListPagesAreOneSnapshot(t *testing.T) {
	f := start(t)
	addPods(t, f, 7)
	pods := f.client.CoreV1().Pods("shop")
	first := must[*corev1.PodList](t)(pods.List(ctx(t), metav1.ListOptions{Limit: 3}))
	if len(first.Items) != 3 || first.Continue == "" || *first.RemainingItemCount != 4 || first.Items[0].Kind != "" {
		t.Fatalf("first page: %d items, %+v", len(first.Items), first.ListMeta)
	}
	if err := pods.Delete(ctx(t), "p05", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		t.Fatal(err)
	}
	rest := must[*corev1.PodList](t)(pods.List(ctx(t), metav1.ListOptions{Limit: 10, Continue: first.Continue}))
	if len(rest.Items) != 4 || rest.ResourceVersion != first.ResourceVersion {
		t.Errorf("second page: %d items at %s, want 4 at %s", len(rest.Items), rest.ResourceVersion, first.ResourceVersion)
	}
	f.Store().Compact()
	_, err := pods.List(ctx(t), metav1.ListOptions{Limit: 3, Continue: first.Continue})
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsResourceExpired(err) || status.Status().Continue == "" {
		t.Fatalf("page after compaction: %v", err)
	}
	more := must[*corev1.PodList](t)(pods.List(ctx(t), metav1.ListOptions{Continue: status.Status().Continue}))
	if len(more.Items) != 3 {
		t.Errorf("inconsistent rest: %d items, want 3", len(more.Items))
	}
}

func TestSelectors(t *testing.T) {
	f := start(t)
	addPods(t, f, 3)
	other := withKind(pod("other", "node-2"))
	other.Labels = map[string]string{"app": "db"}
	other.Status.Phase = corev1.PodRunning
	if _, err := f.Store().Put(other); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		opts metav1.ListOptions
		want int
	}{
		{metav1.ListOptions{LabelSelector: "app=db"}, 1},
		{metav1.ListOptions{LabelSelector: "app!=db"}, 3},
		{metav1.ListOptions{LabelSelector: "app in (db,web)"}, 4},
		{metav1.ListOptions{FieldSelector: "spec.nodeName=node-2"}, 1},
		{metav1.ListOptions{FieldSelector: "status.phase=Running,metadata.name=other"}, 1},
		{metav1.ListOptions{FieldSelector: "metadata.namespace=shop"}, 4},
	} {
		list := must[*corev1.PodList](t)(f.client.CoreV1().Pods("").List(ctx(t), tt.opts))
		if len(list.Items) != tt.want {
			t.Errorf("%+v: %d pods, want %d", tt.opts, len(list.Items), tt.want)
		}
	}
	if _, err := f.client.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{FieldSelector: "spec.image=x"}); !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "field label not supported: spec.image") {
		t.Errorf("unknown field: %v", err)
	}
}

func TestWatchResumesFiltersAndExpires(t *testing.T) {
	f := start(t)
	addPods(t, f, 1)
	pods := f.client.CoreV1().Pods("shop")
	list := must[*corev1.PodList](t)(pods.List(ctx(t), metav1.ListOptions{}))
	w := must[watch.Interface](t)(pods.Watch(ctx(t), metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: "app=web"}))
	defer w.Stop()
	addPods(t, f, 2) // p00 modified, p01 added
	if _, err := pods.Patch(ctx(t), "p01", types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"gone"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MODIFIED p00", "ADDED p01", "DELETED p01"} {
		ev := <-w.ResultChan()
		if got := fmt.Sprintf("%s %s", ev.Type, ev.Object.(*corev1.Pod).Name); got != want {
			t.Errorf("event %q, want %q", got, want)
		}
	}
	addPods(t, f, 3)
	f.Store().Compact()
	old := must[watch.Interface](t)(pods.Watch(ctx(t), metav1.ListOptions{ResourceVersion: list.ResourceVersion}))
	defer old.Stop()
	ev := <-old.ResultChan()
	if err := apierrors.FromObject(ev.Object); ev.Type != watch.Error || !apierrors.IsResourceExpired(err) || !strings.Contains(err.Error(), "too old resource version") {
		t.Errorf("watch from a forgotten version: %s %v", ev.Type, err)
	}
}

func TestWatchBookmarksAndTimeout(t *testing.T) {
	f := start(t, func(o *apiserver.Options) { o.BookmarkEvery = 10 * time.Millisecond })
	addPods(t, f, 1)
	must[*appsv1.Deployment](t)(f.client.AppsV1().Deployments("shop").Create(ctx(t), deployment("web", 1), metav1.CreateOptions{}))
	w := must[watch.Interface](t)(f.client.CoreV1().Pods("shop").Watch(ctx(t), metav1.ListOptions{
		AllowWatchBookmarks: true, SendInitialEvents: ptr.To(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, TimeoutSeconds: ptr.To[int64](1)}))
	var seen []string
	for ev := range w.ResultChan() {
		p := ev.Object.(*corev1.Pod)
		if ev.Type == watch.Bookmark && len(seen) == 1 && p.Annotations[metav1.InitialEventsAnnotationKey] != "true" {
			t.Error("the first bookmark does not end the initial events")
		}
		if ev.Type == watch.Bookmark && p.ResourceVersion != fmt.Sprint(f.Store().Version()) {
			t.Errorf("bookmark at %s, store at %d", p.ResourceVersion, f.Store().Version())
		}
		seen = append(seen, string(ev.Type))
	}
	if len(seen) < 3 || seen[0] != "ADDED" || seen[1] != "BOOKMARK" || seen[2] != "BOOKMARK" {
		t.Errorf("events %v", seen)
	}
}

// TestInformers runs client-go's own reflectors, typed, dynamic and metadata-only, over both ways of starting.
func TestInformers(t *testing.T) {
	for _, noWatchList := range []bool{false, true} {
		t.Run(fmt.Sprintf("noWatchList=%v", noWatchList), func(t *testing.T) {
			f := start(t, func(o *apiserver.Options) { o.NoWatchList = noWatchList })
			addPods(t, f, 5)
			factory := informers.NewSharedInformerFactory(f.client, 0)
			informer := factory.Core().V1().Pods().Informer()
			seen := newCounter()
			if _, err := informer.AddEventHandler(seen); err != nil {
				t.Fatal(err)
			}
			c, cancel := context.WithCancel(ctx(t))
			factory.Start(c.Done())
			defer factory.Shutdown()
			defer cancel()
			seen.wait(t, "added", 5)
			addPods(t, f, 6)
			seen.wait(t, "added", 6)
			seen.wait(t, "updated", 5)
			f.Stop()
			f.Start()
			if err := f.client.CoreV1().Pods("shop").Delete(ctx(t), "p00", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
				t.Fatal(err)
			}
			seen.wait(t, "deleted", 1)
			lists := f.Count(func(r *apiserver.Request) bool { return r.Verb == "list" && r.Code == 200 })
			if noWatchList != (lists > 0) {
				t.Errorf("%d lists", lists)
			}
		})
	}
}

func TestWatchesOfEveryClient(t *testing.T) {
	f := start(t)
	gvr := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	dyn := must[watch.Interface](t)(dynamic.NewForConfigOrDie(f.RESTConfig()).Resource(gvr).Namespace("shop").Watch(ctx(t), metav1.ListOptions{}))
	defer dyn.Stop()
	meta := must[watch.Interface](t)(metadata.NewForConfigOrDie(f.RESTConfig()).Resource(gvr).Namespace("shop").Watch(ctx(t), metav1.ListOptions{}))
	defer meta.Stop()
	addPods(t, f, 1)
	if u, ok := (<-dyn.ResultChan()).Object.(*unstructured.Unstructured); !ok || u.GetName() != "p00" || u.GetKind() != "Pod" {
		t.Errorf("dynamic: %v", u)
	}
	if p, ok := (<-meta.ResultChan()).Object.(*metav1.PartialObjectMetadata); !ok || p.Name != "p00" {
		t.Errorf("metadata: %v", p)
	}
}

func TestManyConcurrentWatches(t *testing.T) {
	f := start(t)
	var wg sync.WaitGroup
	for range 60 {
		w := must[watch.Interface](t)(f.client.CoreV1().Pods("").Watch(ctx(t), metav1.ListOptions{}))
		wg.Go(func() {
			defer w.Stop()
			for range 20 {
				if ev := <-w.ResultChan(); ev.Type != watch.Added {
					t.Errorf("event %s", ev.Type)
				}
			}
		})
	}
	addPods(t, f, 20)
	wg.Wait()
}

type counter struct {
	mu   sync.Mutex
	cond *sync.Cond
	n    map[string]int
}

func newCounter() *counter {
	c := &counter{n: map[string]int{}}
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *counter) bump(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what]++
	c.cond.Broadcast()
}

func (c *counter) OnAdd(any, bool)   { c.bump("added") }
func (c *counter) OnUpdate(_, _ any) { c.bump("updated") }
func (c *counter) OnDelete(any)      { c.bump("deleted") }

func (c *counter) wait(t *testing.T, what string, n int) {
	t.Helper()
	timeout := time.AfterFunc(20*time.Second, c.cond.Broadcast)
	defer timeout.Stop()
	deadline := time.Now().Add(20 * time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.n[what] < n {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %d %s, have %v", n, what, c.n)
		}
		c.cond.Wait()
	}
}

type fakeLogs struct{}

func (fakeLogs) Lines(p *corev1.Pod, container string, previous bool, after, until time.Time) []apiserver.LogLine {
	start := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	var out []apiserver.LogLine
	for at := start; !at.After(until); at = at.Add(time.Minute) {
		if at.After(after) {
			out = append(out, apiserver.LogLine{At: at, Text: fmt.Sprintf("%s previous=%v %s", container, previous, at.Format("15:04"))})
		}
	}
	return out
}

func TestLogs(t *testing.T) {
	f := start(t)
	f.SetLogs(fakeLogs{})
	p := withKind(pod("web", "node-1"))
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "api", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	if _, err := f.Store().Put(p); err != nil {
		t.Fatal(err)
	}
	logs := func(o corev1.PodLogOptions) (string, error) {
		r, err := f.client.CoreV1().Pods("shop").GetLogs("web", &o).Stream(ctx(t))
		if err != nil {
			return "", err
		}
		defer func() { _ = r.Close() }() // only read from
		b, err := io.ReadAll(r)
		return string(b), err
	}
	if got := must[string](t)(logs(corev1.PodLogOptions{TailLines: ptr.To[int64](2)})); got != "api previous=false 03:11\napi previous=false 03:12\n" {
		t.Errorf("tail: %q", got)
	}
	if got := must[string](t)(logs(corev1.PodLogOptions{SinceSeconds: ptr.To[int64](30), Timestamps: true})); got != "2026-11-24T03:12:00Z api previous=false 03:12\n" {
		t.Errorf("since with timestamps: %q", got)
	}
	if _, err := logs(corev1.PodLogOptions{Previous: true}); !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), `previous terminated container "api" in pod "web" not found`) {
		t.Errorf("previous: %v", err)
	}
	if _, err := logs(corev1.PodLogOptions{Container: "nope"}); !apierrors.IsBadRequest(err) {
		t.Errorf("unknown container: %v", err)
	}
	stream, err := f.client.CoreV1().Pods("shop").GetLogs("web", &corev1.PodLogOptions{Follow: true, TailLines: ptr.To[int64](1)}).Stream(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }() // only read from
	lines := bufio.NewScanner(stream)
	for _, want := range []string{"03:12", "03:13", "03:14"} {
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			t.Fatalf("followed %q, want …%s (%v)", lines.Text(), want, lines.Err())
		}
		f.clock.advance(time.Minute)
	}
	if err := f.client.CoreV1().Pods("shop").Delete(ctx(t), "web", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("the end of a followed log: %v", lines.Err())
	}
}
