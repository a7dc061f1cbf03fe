package read

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/secrets"
)

// Cluster is the connection; [midwatch/k8s/connect.Cluster] is one.
type Cluster interface {
	Typed() kubernetes.Interface
	Dynamic() dynamic.Interface
	Metadata() metadata.Interface
	Discovery() discovery.CachedDiscoveryInterface
}

const (
	within      = 10 * time.Second
	sideBySide  = 4    // metadata reads in flight
	maxSecrets  = 64   // of one workload
	maxPods     = 500  // whose container start times are looked at
	maxObjects  = 1000 // operators' objects of one kind in a namespace
	maxFailures = 200  // UpdateFailed events of a namespace
)

// Report is what was read of one workload's secrets, judged.
type Report struct {
	Workload k8s.Ref
	At       time.Time
	Rows     []secrets.Row
	// Sources say what could be read: secrets, pods, externalsecrets, …
	Sources []live.Source
	// Truncated is true when the workload names more Secrets or has more pods
	// than are looked at.
	Truncated bool
	// Recheck is when a row changes by itself; zero for never.
	Recheck time.Time
}

// Severity is that of the worst row.
func (r *Report) Severity() live.Severity {
	if len(r.Rows) == 0 {
		return live.OK
	}
	return r.Rows[0].Severity
}

// Workload reads and judges the secrets of one workload. An error means that
// the workload itself could not be read.
func Workload(ctx context.Context, c Cluster, ref k8s.Ref, now time.Time) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	template, selector, err := templateOf(ctx, c, ref)
	if err != nil {
		return nil, fmt.Errorf("read the secrets of %s: %w", ref, err)
	}
	r := &reading{c: c, ref: ref, now: now}
	r.in = secrets.Input{Workload: ref, Now: now, Annotations: template.Annotations, Uses: secrets.Uses(&template.Spec, template.Annotations)}
	var wg sync.WaitGroup
	wg.Go(func() { r.metas(ctx) })
	wg.Go(func() { r.pods(ctx, selector) })
	wg.Go(func() { r.origins(ctx) })
	wg.Wait()
	report := &Report{Workload: ref, At: now, Rows: secrets.Assess(r.in), Sources: r.sources, Truncated: r.truncated}
	slices.SortFunc(report.Sources, func(a, b live.Source) int { return order(a) - order(b) })
	for i := range report.Rows {
		if at := report.Rows[i].Recheck; !at.IsZero() && (report.Recheck.IsZero() || at.Before(report.Recheck)) {
			report.Recheck = at
		}
	}
	return report, nil
}

// order is how sources are listed.
func order(s live.Source) int {
	return slices.Index([]string{"secrets", "pods", "externalsecrets", "stores", "vso", "csi"}, s.Name)
}

// reading is the work on one workload.
type reading struct {
	c   Cluster
	ref k8s.Ref
	now time.Time

	mu        sync.Mutex // guards what follows
	in        secrets.Input
	sources   []live.Source
	truncated bool
}

// say records how a source stands, and returns what is wrong with it.
func (r *reading) say(name string, err error, verb string) foreign.Text {
	s := live.Source{Name: name, State: live.Ready, Since: r.now, Heard: r.now}
	switch {
	case err == nil:
	case errors.Is(err, errAbsent):
		s.State = live.Absent
	case apierrors.IsForbidden(err):
		s.State, s.Err = live.Forbidden, foreign.Clean(fmt.Sprintf("forbidden: %s in %s", verb, r.ref.Namespace))
	default:
		s.State, s.Err = live.Unreachable, foreign.Clean(err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = append(r.sources, s)
	return s.Err
}

// metas reads the metadata of every Secret the template names, four at a time.
func (r *reading) metas(ctx context.Context) {
	names := secretNames(r.in.Uses)
	if len(names) > maxSecrets {
		names, r.truncated = names[:maxSecrets], true
	}
	found, missing := map[string]*secrets.Meta{}, map[string]bool{}
	var mu sync.Mutex
	var failed error
	gate := make(chan struct{}, sideBySide)
	var wg sync.WaitGroup
	for _, name := range names {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			o, err := r.c.Metadata().Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(r.ref.Namespace).Get(ctx, name, metav1.GetOptions{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case apierrors.IsNotFound(err):
				missing[name] = true
			case err != nil:
				failed = err
			default:
				found[name] = metaOf(&o.ObjectMeta)
			}
		})
	}
	wg.Wait()
	why := r.say("secrets", failed, "get secrets")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.Metas, r.in.Missing, r.in.MetaErr = found, missing, why
}

func metaOf(o *metav1.ObjectMeta) *secrets.Meta {
	m := &secrets.Meta{Name: o.Name, Labels: o.Labels, Annotations: o.Annotations}
	m.Changed, m.By = secrets.ChangedAt(o)
	return m
}

// secretNames are the Secrets among the uses, each once, sorted.
func secretNames(uses []secrets.Use) []string {
	var names []string
	for _, u := range uses {
		if u.Secret != "" && u.How != secrets.HowCSI && u.How != secrets.HowInjected {
			names = append(names, u.Secret)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// pods reads when the containers of the workload's pods started.
func (r *reading) pods(ctx context.Context, selector string) {
	list, err := r.c.Typed().CoreV1().Pods(r.ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: maxPods, ResourceVersion: "0"})
	r.say("pods", err, "list pods")
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.truncated = r.truncated || list.Continue != ""
	for i := range list.Items {
		r.in.Runs = append(r.in.Runs, secrets.Runs(&list.Items[i])...)
	}
}

// templateOf reads a workload's pod template and the selector of its pods.
func templateOf(ctx context.Context, c Cluster, ref k8s.Ref) (*corev1.PodTemplateSpec, string, error) {
	resource, err := resourceOf(ref.Kind)
	if err != nil {
		return nil, "", err
	}
	o, err := c.Dynamic().Resource(resource).Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, "", err
	}
	var selector metav1.LabelSelector
	if m, ok, _ := unstructured.NestedMap(o.Object, "spec", "selector"); ok {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, &selector); err != nil {
			return nil, "", fmt.Errorf("its selector: %w", err)
		}
	}
	labels, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil {
		return nil, "", fmt.Errorf("its selector: %w", err)
	}
	m, ok, _ := unstructured.NestedMap(o.Object, "spec", "template")
	if !ok {
		return nil, "", errors.New("its pod template belongs to another workload")
	}
	template := &corev1.PodTemplateSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, template); err != nil {
		return nil, "", fmt.Errorf("its pod template: %w", err)
	}
	return template, labels.String(), nil
}

func resourceOf(kind string) (schema.GroupVersionResource, error) {
	switch kind {
	case k8s.Deployment:
		return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, nil
	case k8s.StatefulSet:
		return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}, nil
	case k8s.DaemonSet:
		return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}, nil
	case k8s.Rollout:
		return schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}, nil
	}
	return schema.GroupVersionResource{}, fmt.Errorf("a %s has no pod template", kind)
}
