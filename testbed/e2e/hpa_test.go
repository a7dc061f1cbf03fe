//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/k8s/change"
	"midwatch/k8s/hpa"
	"midwatch/k8s/hpawatch"
	"midwatch/live"
	"midwatch/testbed"
)

// hpaCluster is what package hpawatch reads from.
type hpaCluster struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
	disco   discovery.CachedDiscoveryInterface
}

func (c *hpaCluster) Typed() kubernetes.Interface                   { return c.typed }
func (c *hpaCluster) Dynamic() dynamic.Interface                    { return c.dynamic }
func (c *hpaCluster) Discovery() discovery.CachedDiscoveryInterface { return c.disco }

func newHPACluster(t *testing.T) *hpaCluster {
	t.Helper()
	cfg := rest.CopyConfig(shared.bed.RESTConfig("admin"))
	cfg.QPS = -1
	typed, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &hpaCluster{typed, dyn, memory.NewMemCacheClient(typed.Discovery())}
}

// TestPredictionsAreTheControllersDecisions explains autoscalers from live
// objects and metrics before they exist, creates them, and holds the
// explanation against what kube-controller-manager does at its first look:
// the size it sets, its conditions, its event.
func TestPredictionsAreTheControllersDecisions(t *testing.T) {
	cases := append(fixedCases(), generatedCases(60)...)
	p := newProof(t, "scaling", cases)
	p.each(cases, p.deploy)
	p.each(cases, p.settle)
	p.wait(3 * time.Second) // readiness has to be older than a metric's window
	decided := p.watch()
	p.each(cases, p.predict)
	p.each(cases, func(ctx context.Context, c *hpaCase) error { return p.compare(ctx, c, decided) })
	p.events(cases)
	t.Logf("%d cases: %v", len(cases), p.outcomes)
}

// proof is one run over many cases at once.
type proof struct {
	t         *testing.T
	c         *hpaCluster
	reader    *hpawatch.Reader
	namespace string

	mu          sync.Mutex
	predictions map[string]*hpa.Explanation
	outcomes    map[string]int
}

// newProof makes a namespace of its own for the cases.
func newProof(t *testing.T, namespace string, cases []hpaCase) *proof {
	c := newHPACluster(t)
	for i := range cases {
		cases[i].namespace = namespace
	}
	_, err := c.typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := &proof{t: t, c: c, namespace: namespace, reader: hpawatch.NewReader(c, live.SystemClock{}, hpa.Flags{}), predictions: map[string]*hpa.Explanation{}, outcomes: map[string]int{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.typed.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return p
}

// each does one thing for every case, sixteen at a time.
func (p *proof) each(cases []hpaCase, do func(ctx context.Context, c *hpaCase) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range cases {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := do(ctx, &cases[i]); err != nil {
				p.t.Errorf("%s: %v", cases[i].name, err)
			}
		})
	}
	wg.Wait()
	if p.t.Failed() {
		p.t.FailNow()
	}
}

func (p *proof) wait(d time.Duration) {
	begun := time.Now()
	shared.bed.Eventually(p.t, d+time.Minute, func(context.Context) error {
		if left := d - time.Since(begun); left > 0 {
			return fmt.Errorf("%s to go", left)
		}
		return nil
	})
}

func (c *hpaCase) labels() map[string]string { return map[string]string{"app": c.name} }

func (c *hpaCase) podSpec() corev1.PodSpec {
	ask := func(cpu, memory int64) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: *resource.NewMilliQuantity(cpu, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(memory, resource.BinarySI)}}
	}
	spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "api", Image: goodImage, Resources: ask(requestCPU, requestMemory)}}}
	if c.sidecar {
		side := corev1.Container{Name: "proxy", Image: goodImage}
		if !c.bare {
			side.Resources = ask(sidecarCPU, sidecarMemory)
		}
		spec.Containers = append(spec.Containers, side)
	}
	return spec
}

// deploy creates the workload, and a pod in another phase that its selector
// matches too.
func (p *proof) deploy(ctx context.Context, c *hpaCase) error {
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: c.labels()}, Spec: c.podSpec()}
	if c.unready > 0 {
		template.Annotations = map[string]string{testbed.ScenarioAnnotation: testbed.ScenarioNeverReady}
	}
	_, err := p.c.typed.AppsV1().Deployments(p.namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: c.name},
		Spec:       appsv1.DeploymentSpec{Replicas: &c.current, Selector: &metav1.LabelSelector{MatchLabels: c.labels()}, Template: template},
	}, metav1.CreateOptions{})
	if err != nil || c.extra == "" {
		return err
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: c.name + "-extra", Labels: c.labels()}, Spec: c.podSpec()}
	pod.Spec.NodeSelector = map[string]string{"no": "such-node"} // stays Pending
	if _, err = p.c.typed.CoreV1().Pods(p.namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil || c.extra == corev1.PodPending {
		return err
	}
	return p.patchStatus(ctx, pod.Name, map[string]any{"phase": c.extra})
}

func (p *proof) patchStatus(ctx context.Context, pod string, status map[string]any) error {
	raw, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = p.c.typed.CoreV1().Pods(p.namespace).Patch(ctx, pod, types.StrategicMergePatchType, raw, metav1.PatchOptions{}, "status")
	return err
}

// settle waits for the workload's pods, makes those ready that should be, and
// sets the load.
func (p *proof) settle(ctx context.Context, c *hpaCase) error {
	pods, err := p.pods(ctx, c, func(pod *corev1.Pod) bool { return c.unready > 0 || ready(pod) })
	if err != nil {
		return err
	}
	if c.unready > 0 {
		now := metav1.Now()
		for _, pod := range pods[:len(pods)-c.unready] {
			conditions := []corev1.PodCondition{}
			for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
				conditions = append(conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now})
			}
			if err := p.patchStatus(ctx, pod.Name, map[string]any{"conditions": conditions}); err != nil {
				return err
			}
		}
	}
	return c.load(shared.bed.Metrics, pods)
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// pods waits until exactly the replicas asked for run, and are so, and returns
// them by name; the workload's status says the same.
func (p *proof) pods(ctx context.Context, c *hpaCase, so func(*corev1.Pod) bool) (pods []*corev1.Pod, err error) {
	err = shared.bed.Wait(ctx, func(ctx context.Context) error {
		d, err := p.c.typed.AppsV1().Deployments(p.namespace).Get(ctx, c.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		list, err := p.c.typed.CoreV1().Pods(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: "pod-template-hash,app=" + c.name})
		if err != nil {
			return err
		}
		pods = nil
		for i := range list.Items {
			if pod := &list.Items[i]; pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil && so(pod) {
				pods = append(pods, pod)
			}
		}
		if n := int(*d.Spec.Replicas); len(pods) != n || len(list.Items) != n || int(d.Status.Replicas) != n {
			return fmt.Errorf("%d of %d pods are there, %d as they should be, status says %d", len(list.Items), n, len(pods), d.Status.Replicas)
		}
		slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	return pods, err
}

// load sets every metric to its multiple of the target. Pods differ by a
// fifth; the first silent ones have nothing.
func (c *hpaCase) load(m *testbed.Metrics, pods []*corev1.Pod) error {
	place := map[string]int{}
	for i, pod := range pods {
		place[pod.Name] = i
	}
	cpu, memory, rps := 1.0, float64(1<<20), -1.0
	requestedCPU, requestedMemory := c.requests()
	var errs []error
	for _, l := range c.loads {
		switch l.kind {
		case cpuPercent:
			cpu = l.ratio * targetCPU / 100 * requestedCPU
		case containerCPU:
			cpu = l.ratio * targetCPU / 100 * requestCPU
		case cpuValue:
			cpu = l.ratio * targetValueCPU
		case memoryPercent:
			memory = l.ratio * targetMemory / 100 * requestedMemory
		case podsMetric:
			if !l.absent {
				rps = l.ratio * targetRPS
			}
		default:
			errs = append(errs, c.loadTotal(m, l))
		}
	}
	for i, share := range []float64{0.8, 1.2} {
		// The last of an odd number has the mean.
		match := func(pod *corev1.Pod) bool {
			at, known := place[pod.Name]
			return pod.Labels["app"] == c.name && known && at%2 == i && (at != len(pods)-1 || len(pods)%2 == 0)
		}
		errs = append(errs, set(m, c.namespace, match, cpu*share, memory*share, rps*share))
	}
	others := func(pod *corev1.Pod) bool {
		at, known := place[pod.Name]
		return pod.Labels["app"] == c.name && (!known || at == len(pods)-1 && len(pods)%2 == 1)
	}
	errs = append(errs, set(m, c.namespace, others, cpu, memory, rps))
	silent := func(pod *corev1.Pod) bool {
		at, known := place[pod.Name]
		return pod.Labels["app"] == c.name && known && at < c.silent
	}
	m.Drop(c.namespace, silent)
	m.DropCustom(c.namespace, silent, rpsMetric)
	return errors.Join(errs...)
}

func set(m *testbed.Metrics, namespace string, match func(*corev1.Pod) bool, cpu, memory, rps float64) error {
	err := m.SetFunc(namespace, match, fmt.Sprintf("%dm", int(cpu)), fmt.Sprint(int(memory)))
	if rps >= 0 {
		err = errors.Join(err, m.SetCustomFunc(namespace, match, rpsMetric, fmt.Sprintf("%dm", int(rps*1000))))
	}
	return err
}

func (c *hpaCase) loadTotal(m *testbed.Metrics, l hpaLoad) error {
	total := map[string]float64{
		objectValue: targetObject, externalValue: targetQueue,
		objectAverage: perPodObject * float64(c.current), externalAverage: perPodQueue * float64(c.current),
	}[l.kind] * l.ratio
	text := fmt.Sprintf("%dm", int(total*1000))
	switch {
	case l.absent:
		return nil
	case l.kind == objectValue || l.kind == objectAverage:
		return m.SetObject(c.namespace, "services/"+c.name, metricName(l.kind), text)
	}
	// Two series; the controller sums them.
	return m.SetExternal(c.namespace, c.name+"-"+metricName(l.kind), fmt.Sprintf("%dm", int(total*400)), fmt.Sprintf("%dm", int(total*1000)-int(total*400)))
}

func (c *hpaCase) autoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: c.name, Namespace: c.namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: c.name},
			MinReplicas:    &c.min, MaxReplicas: c.max, Behavior: c.behaviour,
		},
	}
	for _, l := range c.loads {
		h.Spec.Metrics = append(h.Spec.Metrics, c.metricSpec(l))
	}
	return h
}

// predict explains the autoscaler as the server would store it, and then
// creates it.
func (p *proof) predict(ctx context.Context, c *hpaCase) error {
	scalers := p.c.typed.AutoscalingV2().HorizontalPodAutoscalers(p.namespace)
	stored, err := scalers.Create(ctx, c.autoscaler(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	in := p.reader.Gather(ctx, stored)
	in.History = hpa.History{Since: in.Now}
	e := hpa.Explain(in)
	p.mu.Lock()
	p.predictions[c.name] = e
	p.outcomes[string(e.Outcome)]++
	p.mu.Unlock()
	_, err = scalers.Create(ctx, c.autoscaler(), metav1.CreateOptions{})
	return err
}

// decisions are the first statuses the controller wrote.
type decisions struct {
	mu    sync.Mutex
	first map[string]autoscalingv2.HorizontalPodAutoscalerStatus
}

func (d *decisions) of(name string) (autoscalingv2.HorizontalPodAutoscalerStatus, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.first[name]
	return s, ok
}

// watch notes the first decision on every autoscaler, for as long as the test
// runs.
func (p *proof) watch() *decisions {
	p.t.Helper()
	w, err := p.c.typed.AutoscalingV2().HorizontalPodAutoscalers(p.namespace).Watch(p.t.Context(), metav1.ListOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	d := &decisions{first: map[string]autoscalingv2.HorizontalPodAutoscalerStatus{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range w.ResultChan() {
			h, ok := event.Object.(*autoscalingv2.HorizontalPodAutoscaler)
			if !ok || len(h.Status.Conditions) == 0 {
				continue
			}
			d.mu.Lock()
			if _, known := d.first[h.Name]; !known {
				d.first[h.Name] = h.Status
			}
			d.mu.Unlock()
		}
	}()
	p.t.Cleanup(func() {
		w.Stop()
		<-done
	})
	return d
}

// compare holds the explanation against the controller's first decision.
func (p *proof) compare(ctx context.Context, c *hpaCase, d *decisions) error {
	var got autoscalingv2.HorizontalPodAutoscalerStatus
	err := shared.bed.Wait(ctx, func(context.Context) error {
		var ok bool
		if got, ok = d.of(c.name); !ok {
			return errors.New("the controller has not looked yet")
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	e := p.predictions[c.name]
	p.mu.Unlock()
	if err := agrees(e, &got); err != nil {
		raw, _ := json.Marshal(got)
		return fmt.Errorf("%w\n  said: %s\n  steps: %+v\n  metrics: %+v\n  status: %s", err, e.Summary, e.Steps, e.Metrics, raw)
	}
	return nil
}

// agrees compares the size and the reasons of the conditions.
func agrees(e *hpa.Explanation, got *autoscalingv2.HorizontalPodAutoscalerStatus) error {
	var errs []error
	switch e.Outcome {
	case hpa.Scales, hpa.Stays:
		// A refused scale-down leaves the status at what it was: nothing yet.
		refused := e.Steps[len(e.Steps)-3].Name == hpa.StepInvalid
		if !refused && int(got.DesiredReplicas) != e.Desired {
			errs = append(errs, fmt.Errorf("the controller wants %d, not %d", got.DesiredReplicas, e.Desired))
		}
		if scaled := got.LastScaleTime != nil; scaled != (e.Desired != e.Current) {
			errs = append(errs, fmt.Errorf("scaled: %v", scaled))
		}
	case hpa.Unsure:
		errs = append(errs, errors.New("it could not be predicted"))
	default:
		if got.LastScaleTime != nil {
			errs = append(errs, fmt.Errorf("the controller scaled to %d", got.DesiredReplicas))
		}
	}
	for kind, want := range map[autoscalingv2.HorizontalPodAutoscalerConditionType]string{
		autoscalingv2.AbleToScale: e.Predicted.AbleToScale, autoscalingv2.ScalingActive: e.Predicted.ScalingActive, autoscalingv2.ScalingLimited: e.Predicted.ScalingLimited,
	} {
		reason := ""
		for _, c := range got.Conditions {
			if c.Type == kind {
				reason = c.Reason
			}
		}
		if reason != want {
			errs = append(errs, fmt.Errorf("%s is %q, not %q", kind, reason, want))
		}
	}
	return errors.Join(errs...)
}

// events holds the controller's own words against the predictions.
func (p *proof) events(cases []hpaCase) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	err := shared.bed.Wait(ctx, func(ctx context.Context) error {
		list, err := p.c.typed.CoreV1().Events(p.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=SuccessfulRescale"})
		if err != nil {
			return err
		}
		first := map[string]int{}
		at := map[string]time.Time{}
		for i := range list.Items {
			e := &list.Items[i]
			n, _, ok := hpa.Rescaled(e.Message)
			if !ok {
				return fmt.Errorf("cannot read %q", e.Message)
			}
			name := e.InvolvedObject.Name
			if was, known := at[name]; !known || e.FirstTimestamp.Time.Before(was) {
				first[name], at[name] = n, e.FirstTimestamp.Time
			}
		}
		for i := range cases {
			e := p.predictions[cases[i].name]
			if n, ok := first[cases[i].name]; e.Outcome == hpa.Scales && (!ok || n != e.Desired) {
				return fmt.Errorf("%s: the event says %d (%v), predicted %d", cases[i].name, n, ok, e.Desired)
			}
		}
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
}

// TestAutoscalerWritesAndTheirUndo changes an autoscaler of the real server
// through the gate, and takes it back.
func TestAutoscalerWritesAndTheirUndo(t *testing.T) {
	const namespace = "scaling-writes"
	ctx := t.Context()
	client := shared.bed.Client()
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c := &hpaCase{name: "writes", current: 2, min: 1, max: 4, loads: []hpaLoad{{kind: podsMetric, absent: true}}}
	c.namespace = namespace
	h := c.autoscaler()
	made, err := client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Create(ctx, h, metav1.CreateOptions{FieldManager: "helm"})
	if err != nil {
		t.Fatal(err)
	}
	clock := live.SystemClock{}
	lock := action.NewLock(clock, "bed", "")
	cfg := rest.CopyConfig(shared.bed.RESTConfig("admin"))
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return action.Transport(next, lock, action.Kubernetes())
	})
	typed, dyn := kubernetes.NewForConfigOrDie(cfg), dynamic.NewForConfigOrDie(cfg)
	planner := change.New(change.Client{Typed: typed, Dynamic: dyn, Context: "bed"}, clock)
	gate := action.NewGate(lock, action.NewJournal(filepath.Join(t.TempDir(), "journal.jsonl"), clock), clock, "admin")
	lock.Open()
	ref := k8s.Ref{Kind: "HorizontalPodAutoscaler", Namespace: namespace, Name: "writes", UID: string(made.UID)}
	spec := func() autoscalingv2.HorizontalPodAutoscalerSpec {
		t.Helper()
		now, err := client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, "writes", getOptions)
		if err != nil {
			t.Fatal(err)
		}
		return now.Spec
	}
	run := func(plan *action.Plan, err error) {
		t.Helper()
		if err == nil {
			_, err = gate.Run(ctx, plan, action.Confirmation{Typed: "writes", Reason: "test"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(planner.PlanLimits(ctx, ref, 2, 9))
	if s := spec(); *s.MinReplicas != 2 || s.MaxReplicas != 9 {
		t.Errorf("limits %d-%d", *s.MinReplicas, s.MaxReplicas)
	}
	run(gate.Undo(ctx))
	if s := spec(); *s.MinReplicas != 1 || s.MaxReplicas != 4 {
		t.Errorf("undone to %d-%d", *s.MinReplicas, s.MaxReplicas)
	}
	run(planner.PlanSuspendScaleDown(ctx, ref))
	if b := spec().Behavior; b == nil || *b.ScaleDown.SelectPolicy != autoscalingv2.DisabledPolicySelect {
		t.Errorf("not suspended: %+v", b)
	}
	run(gate.Undo(ctx))
	if b := spec().Behavior; b != nil {
		t.Errorf("undone to %+v, there was none", b)
	}
	// The server guards the old values, not only midwatch.
	stale, err := planner.PlanLimits(ctx, ref, 3, 5)
	if err != nil {
		t.Fatal(err)
	}
	run(planner.PlanLimits(ctx, ref, 2, 6))
	if _, err := gate.Run(ctx, stale, action.Confirmation{}); !errors.Is(err, action.ErrChanged) {
		t.Errorf("a plan for limits that are gone: %v", err)
	}
}
