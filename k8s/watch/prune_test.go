package watch

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/k8s/rollout"
)

// filler fills API objects with random content, every field with a chance to
// be set, so that a filter that drops something a row is made from is found.
type filler struct{ *rand.Rand }

// words are values rows look for; other strings come from them too.
func (f filler) word() string {
	words := []string{
		"", "api", "CrashLoopBackOff", "Running", "Pending", "Failed", "Ready", "PodScheduled", "True", "False", "Always", "ReplicaSet",
		"StatefulSet", "web-3", "Unschedulable", "OOMKilled", "7d4b9c", "Warning", "spec.containers{api}", "\x1b[31m", "grün", "Progressing",
	}
	return words[f.IntN(len(words))]
}

func (f filler) fill(v reflect.Value, depth int) {
	switch v.Interface().(type) {
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.Unix(f.Int64N(2e9), 0)))
		return
	case metav1.MicroTime:
		v.Set(reflect.ValueOf(metav1.NewMicroTime(time.Unix(f.Int64N(2e9), 0))))
		return
	case quantity.Quantity:
		v.Set(reflect.ValueOf(*quantity.NewMilliQuantity(f.Int64N(1e6), quantity.DecimalSI)))
		return
	case intstr.IntOrString:
		v.Set(reflect.ValueOf(intstr.FromString("25%")))
		return
	case metav1.FieldsV1, metav1.TypeMeta:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && f.IntN(4) > 0 {
				f.fill(v.Field(i), depth+1)
			}
		}
	case reflect.Pointer:
		if depth < 9 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if depth >= 9 {
			return
		}
		n := f.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		f.fillMap(v, depth)
	case reflect.String:
		v.SetString(f.word())
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(f.Int64N(200))
	case reflect.Uint8:
		v.SetUint(uint64(f.IntN(256)))
	}
}

func (f filler) fillMap(v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	keys := []string{"pod-template-hash", "controller-revision-hash", "rollouts-pod-template-hash", "deployment.kubernetes.io/revision", "kubernetes.io/change-cause", "app"}
	for range f.IntN(4) {
		key := reflect.New(v.Type().Key()).Elem()
		key.SetString(keys[f.IntN(len(keys))])
		value := reflect.New(v.Type().Elem()).Elem()
		f.fill(value, depth+1)
		v.SetMapIndex(key, value)
	}
}

// marshaler is a typed API object that writes its own protobuf encoding.
type marshaler interface {
	message
	Marshal() ([]byte, error)
}

// samePruned checks that an object decoded after the filter gives the row it
// gives when decoded whole, and returns both sizes.
func samePruned(t *testing.T, o marshaler, fresh func() message, f *filter, row func(message) any) (before, after int) {
	t.Helper()
	raw, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	whole, pruned := fresh(), fresh()
	if err := whole.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	short := f.prune(nil, raw)
	if err := pruned.Unmarshal(short); err != nil {
		t.Fatalf("the pruned message does not decode: %v", err)
	}
	if diff := cmp.Diff(row(whole), row(pruned), cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Fatalf("the filter changes the row (-whole +pruned):\n%s", diff)
	}
	return len(raw), len(short)
}

func TestFiltersDropNothingARowIsMadeFrom(t *testing.T) {
	tests := []struct {
		name   string
		fresh  func() message
		filter *filter
		row    func(message) any
	}{
		{"pods", func() message { return &corev1.Pod{} }, podFilter(), func(m message) any { return rollout.FromPod(m.(*corev1.Pod), nil) }},
		{"events", func() message { return &corev1.Event{} }, eventFilter(), func(m message) any { return rollout.FromEvent(m.(*corev1.Event), nil) }},
		{"deployments", func() message { return &appsv1.Deployment{} }, objectFilter(), func(m message) any { return rollout.FromDeployment(m.(*appsv1.Deployment), nil) }},
		{"statefulsets", func() message { return &appsv1.StatefulSet{} }, objectFilter(), func(m message) any { return rollout.FromStatefulSet(m.(*appsv1.StatefulSet), nil) }},
		{"daemonsets", func() message { return &appsv1.DaemonSet{} }, objectFilter(), func(m message) any { return rollout.FromDaemonSet(m.(*appsv1.DaemonSet), nil) }},
		{"replicasets", func() message { return &appsv1.ReplicaSet{} }, objectFilter(), func(m message) any { return rollout.FromReplicaSet(m.(*appsv1.ReplicaSet), nil) }},
		{"revisions", func() message { return &appsv1.ControllerRevision{} }, revisionFilter(), func(m message) any { return rollout.FromControllerRevision(m.(*appsv1.ControllerRevision), nil) }},
		{"scalers", func() message { return &autoscalingv2.HorizontalPodAutoscaler{} }, objectFilter(), func(m message) any {
			return rollout.FromHPA(m.(*autoscalingv2.HorizontalPodAutoscaler), nil)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(200) {
				o := test.fresh()
				filler{rand.New(rand.NewPCG(seed, 7))}.fill(reflect.ValueOf(o).Elem(), 0)
				samePruned(t, o.(marshaler), test.fresh, test.filter, test.row)
			}
		})
	}
}

func TestPodFilterDropsTheBulk(t *testing.T) {
	p := bulkyPod("shop", "api", 1)
	before, after := samePruned(t, p, func() message { return &corev1.Pod{} }, podFilter(), func(m message) any { return rollout.FromPod(m.(*corev1.Pod), nil) })
	if after*3 > before {
		t.Errorf("%d bytes of %d are left, want less than a third", after, before)
	}
}

// FuzzPruneEqualsWhole lets the fuzzer write the pod. What it writes is encoded
// again first, as an API server would: the generated decoder lets the entries
// of a map reach behind their own end, into what the filter may have dropped.
func FuzzPruneEqualsWhole(f *testing.F) {
	for seed := range uint64(5) {
		var p corev1.Pod
		filler{rand.New(rand.NewPCG(seed, 3))}.fill(reflect.ValueOf(&p).Elem(), 0)
		raw, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	filter := podFilter()
	f.Fuzz(func(t *testing.T, raw []byte) {
		filter.prune(nil, raw) // must not panic, whatever it is
		var whole, pruned corev1.Pod
		if whole.Unmarshal(raw) != nil {
			return
		}
		canonical, err := whole.Marshal()
		if err != nil {
			return
		}
		whole = corev1.Pod{}
		if err := whole.Unmarshal(canonical); err != nil {
			return
		}
		if err := pruned.Unmarshal(filter.prune(nil, canonical)); err != nil {
			t.Fatalf("decodes whole, but not pruned: %v", err)
		}
		if diff := cmp.Diff(rollout.FromPod(&whole, nil), rollout.FromPod(&pruned, nil)); diff != "" {
			t.Fatalf("the filter changes the row (-whole +pruned):\n%s", diff)
		}
	})
}
