package hpawatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/hpa"
	"midwatch/k8s/object"
	"midwatch/live"
)

const (
	// readWithin bounds one look.
	readWithin = 10 * time.Second
	// maxScalers bounds the autoscalers read of a namespace.
	maxScalers = 500
	// maxEvents is how many of an autoscaler's events are kept.
	maxEvents = 30
)

// View is one autoscaler as somebody looked at it. It is immutable.
type View struct {
	// Ref is the autoscaler; the zero Ref when nothing scales the workload.
	Ref k8s.Ref
	// Spec is the autoscaler itself, for plans; nil when there is none.
	Spec *autoscalingv2.HorizontalPodAutoscaler
	// Explanation is nil when there is none.
	Explanation *hpa.Explanation
	// Events about it, the newest first; EventsErr says why they are missing.
	Events    []*k8s.Event
	EventsErr foreign.Text
	// Sizes are the replicas over time, oldest first: from the controller's
	// events, and as seen at every look.
	Sizes []hpa.Point
	// Wanted is what the metrics asked for at every look, oldest first.
	Wanted []hpa.Point
	// Read is when the look began.
	Read time.Time
	// Orphans are autoscalers of the namespace whose target does not exist, as
	// sentences.
	Orphans []foreign.Text
}

// ErrNone says that nothing scales the workload.
var ErrNone = errors.New("no HorizontalPodAutoscaler targets it")

// Reader looks at autoscalers. It is safe for concurrent use.
type Reader struct {
	cluster object.Cluster
	clock   live.Clock
	flags   hpa.Flags
	metrics *metricsAPI
	past    pasts
}

// NewReader makes a reader; flags are the controller's, its defaults where
// they are zero.
func NewReader(cluster object.Cluster, clock live.Clock, flags hpa.Flags) *Reader {
	return &Reader{
		cluster: cluster, clock: clock, flags: flags,
		metrics: &metricsAPI{client: cluster.Typed().CoreV1().RESTClient(), now: clock.Now},
	}
}

// Read looks at the autoscaler of a workload once, and explains it. The error
// is ErrNone (with a view that has the orphans alone), or why the autoscalers
// could not be read; what else could not be read is in the explanation.
func (r *Reader) Read(ctx context.Context, workload k8s.Ref) (*View, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	now := r.clock.Now()
	list, err := r.cluster.Typed().AutoscalingV2().HorizontalPodAutoscalers(workload.Namespace).List(ctx, metav1.ListOptions{Limit: maxScalers})
	if err != nil {
		return nil, fmt.Errorf("read the autoscalers of namespace %s: %w", workload.Namespace, err)
	}
	h, rivals := of(list.Items, workload)
	orphans := orphansOf(list.Items)
	if h == nil {
		return &View{Read: now, Orphans: orphans}, ErrNone
	}
	in := r.Gather(ctx, h)
	in.Rivals, in.Now = rivalsOf(rivals, &in), now
	v := &View{
		Orphans: orphans,
		Ref:     k8s.Ref{Kind: "HorizontalPodAutoscaler", Namespace: h.Namespace, Name: h.Name, UID: string(h.UID)},
		Spec:    h, Read: now,
	}
	var eventsErr error
	if v.Events, _, eventsErr = object.Events(ctx, r.cluster, v.Ref); eventsErr != nil {
		v.EventsErr = plain(eventsErr)
	}
	r.past.look(v, &in)
	v.Explanation = hpa.Explain(in)
	r.past.remember(v)
	if len(v.Events) > maxEvents {
		v.Events = v.Events[:maxEvents]
	}
	return v, nil
}

// of finds the autoscaler of a workload: the first by name, as the board
// shows. Others that target the same are its rivals.
func of(list []autoscalingv2.HorizontalPodAutoscaler, workload k8s.Ref) (h *autoscalingv2.HorizontalPodAutoscaler, rivals []string) {
	var mine []*autoscalingv2.HorizontalPodAutoscaler
	for i := range list {
		if t := list[i].Spec.ScaleTargetRef; t.Kind == workload.Kind && t.Name == workload.Name {
			mine = append(mine, &list[i])
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	slices.SortFunc(mine, func(a, b *autoscalingv2.HorizontalPodAutoscaler) int { return strings.Compare(a.Name, b.Name) })
	for _, other := range mine[1:] {
		rivals = append(rivals, "HorizontalPodAutoscaler "+foreign.CleanN(other.Name, maxText).String())
	}
	h = mine[0]
	if len(rivals) > 0 {
		return h, rivals
	}
	// Autoscalers of other workloads may match the same pods; the controller
	// has looked.
	for _, c := range hpa.Conditions(h) {
		if c.Reason == "AmbiguousSelector" && !c.True {
			rivals = append(rivals, "another autoscaler")
		}
	}
	return h, rivals
}

// orphansOf are the autoscalers the controller finds no target for.
func orphansOf(list []autoscalingv2.HorizontalPodAutoscaler) []foreign.Text {
	var out []foreign.Text
	for i := range list {
		h := &list[i]
		for _, c := range hpa.Conditions(h) {
			if c.Reason == "FailedGetScale" && !c.True {
				t := h.Spec.ScaleTargetRef
				out = append(out, foreign.CleanN(fmt.Sprintf("HorizontalPodAutoscaler %s points at %s %s: %s", h.Name, t.Kind, t.Name, c.Text), maxText))
			}
		}
	}
	return out
}

// Gather reads everything an autoscaler decides by, without its past: the
// target's scale, its pods, and every metric.
func (r *Reader) Gather(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler) hpa.Input {
	in := hpa.Input{HPA: h, Flags: r.flags, Now: r.clock.Now()}
	in.Scale = r.scale(ctx, h.Namespace, h.Spec.ScaleTargetRef)
	if !in.Scale.Known || in.Scale.Selector == "" || in.Scale.Spec == 0 && h.Status.DesiredReplicas == 0 {
		if !in.Scale.Known {
			in.PodsErr = "their selector is not known"
		}
		return in
	}
	in.Pods, in.PodsErr = r.pods(ctx, h.Namespace, in.Scale.Selector)
	var pods *podMetrics
	for i := range h.Spec.Metrics {
		spec := &h.Spec.Metrics[i]
		if pods == nil && (spec.Resource != nil || spec.ContainerResource != nil) {
			pods = r.metrics.podMetrics(ctx, h.Namespace, in.Scale.Selector)
		}
		in.Readings = append(in.Readings, r.metrics.read(ctx, h.Namespace, in.Scale.Selector, spec, pods))
	}
	return in
}

// rivalsOf are the rivals that matter: without a pod there is nothing to
// quarrel about (validateAndParseSelector of horizontal.go).
func rivalsOf(rivals []string, in *hpa.Input) []string {
	if len(in.Pods) == 0 && in.PodsErr == "" {
		return nil
	}
	return rivals
}

// pods are those of the selector, from the server's own cache: an answer a
// moment old costs it the least, and the controller reads from a cache too.
func (r *Reader) pods(ctx context.Context, namespace, selector string) ([]*corev1.Pod, foreign.Text) {
	list, err := r.cluster.Typed().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector, ResourceVersion: "0"})
	if err != nil {
		return nil, plain(err)
	}
	out := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, ""
}

func fromUnstructured(raw map[string]any, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, into); err != nil {
		return fmt.Errorf("read a selector: %w", err)
	}
	return nil
}
