package rollout

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"midwatch/k8s"
)

func read[T any](t *testing.T, text string) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFromEventReadsTimesAndCounts(t *testing.T) {
	for _, tc := range []struct {
		name, event       string
		first, last       string
		count             int
		source, reference string
	}{
		{"of the old API", `
firstTimestamp: "2026-11-24T10:00:00Z"
lastTimestamp: "2026-11-24T10:05:00Z"
count: 9
source: {component: kubelet}`, "10:00:00", "10:05:00", 9, "kubelet", "Pod shop/x"},
		{"of a series", `
eventTime: "2026-11-24T10:00:00.000000Z"
series: {count: 4, lastObservedTime: "2026-11-24T10:07:00.000000Z"}
reportingComponent: default-scheduler`, "10:00:00", "10:07:00", 4, "default-scheduler", "Pod shop/x"},
		{"of the new API, once", `
eventTime: "2026-11-24T10:02:00.000000Z"
reportingComponent: kubelet`, "10:02:00", "10:02:00", 1, "kubelet", "Pod shop/x"},
		{"with nothing but its creation", `
metadata: {creationTimestamp: "2026-11-24T10:03:00Z"}`, "10:03:00", "10:03:00", 1, "", "Pod shop/x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := FromEvent(read[corev1.Event](t, tc.event+"\ninvolvedObject: {kind: Pod, namespace: shop, name: x}\n"), nil)
			got := []any{e.First.UTC().Format(time.TimeOnly), e.Last.UTC().Format(time.TimeOnly), e.Count, e.Source, e.Involved.String()}
			if diff := cmp.Diff([]any{tc.first, tc.last, tc.count, tc.source, tc.reference}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzFromEvent(f *testing.F) {
	for _, s := range []string{"plain", "a\x1b[2Jb", "x\u202ey", "\xff", "line\nline"} {
		raw, _ := (&corev1.Event{Reason: s, Message: s, Type: s, InvolvedObject: corev1.ObjectReference{Kind: s, Name: s, Namespace: s, UID: "u", FieldPath: s}}).Marshal()
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := &corev1.Event{}
		if e.Unmarshal(raw) != nil {
			return
		}
		row := FromEvent(e, nil)
		mustBeClean(t, reflect.ValueOf(*row))
		if row.Count < 1 {
			t.Errorf("count %d", row.Count)
		}
	})
}

func TestFromHPASaysWhatKeepsItFromWorking(t *testing.T) {
	for _, tc := range []struct {
		name, conditions string
		want             k8s.HPAStatus
	}{
		{"works", `[{type: AbleToScale, status: "True", reason: ReadyForNewScale}, {type: ScalingActive, status: "True", reason: ValidMetricFound}, {type: ScalingLimited, status: "False", reason: DesiredWithinRange}]`,
			k8s.HPAStatus{}},
		{"at its maximum", `[{type: ScalingActive, status: "True", reason: ValidMetricFound}, {type: ScalingLimited, status: "True", reason: TooManyReplicas, message: the desired replica count is more than the maximum replica count}]`,
			k8s.HPAStatus{AtMax: true, Message: "the desired replica count is more than the maximum replica count"}},
		{"at its minimum, which is no news", `[{type: ScalingLimited, status: "True", reason: TooFewReplicas, message: less than the minimum}]`, k8s.HPAStatus{}},
		{"no metrics", `[{type: ScalingActive, status: "False", reason: FailedGetResourceMetric, message: no metrics returned}, {type: ScalingLimited, status: "True", reason: TooManyReplicas}]`,
			k8s.HPAStatus{AtMax: true, Problem: "FailedGetResourceMetric", Message: "no metrics returned"}},
		{"no scale comes before no metrics", `[{type: ScalingActive, status: "False", reason: FailedGetResourceMetric, message: b}, {type: AbleToScale, status: "False", reason: FailedGetScale, message: a}]`,
			k8s.HPAStatus{Problem: "FailedGetScale", Message: "a"}},
		{"off, as the target is scaled to zero", `[{type: ScalingActive, status: "False", reason: ScalingDisabled, message: scaling is disabled since the replica count of the target is zero}]`,
			k8s.HPAStatus{Message: "scaling is disabled since the replica count of the target is zero"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := FromHPA(read[autoscalingv2.HorizontalPodAutoscaler](t, `
metadata: {name: api, namespace: shop}
spec: {minReplicas: 2, maxReplicas: 10, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}}
status: {currentReplicas: 7, desiredReplicas: 9, lastScaleTime: "2026-11-24T10:00:00Z", conditions: `+tc.conditions+`}`), nil)
			tc.want.Name, tc.want.Min, tc.want.Max, tc.want.Current, tc.want.Desired = "api", 2, 10, 7, 9
			if diff := cmp.Diff(tc.want, h.Status); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if h.Target.Key() != "shop/Deployment/api" || h.Scaled.IsZero() {
				t.Errorf("target %s, scaled %s", h.Target.Key(), h.Scaled)
			}
		})
	}
}

func TestFromDeploymentKnowsItsDeadline(t *testing.T) {
	for _, tc := range []struct {
		name, spec string
		want       time.Duration
	}{
		{"set", "{progressDeadlineSeconds: 120}", 2 * time.Minute},
		{"absent", "{}", 0},
		{"never", "{progressDeadlineSeconds: 2147483647}", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := FromDeployment(read[appsv1.Deployment](t, "spec: "+tc.spec), nil).Deadline; got != tc.want {
				t.Errorf("deadline %s, want %s", got, tc.want)
			}
		})
	}
}

func TestProbeBudgetIsWhatTheTemplateAllows(t *testing.T) {
	for _, tc := range []struct {
		name, container string
		want            time.Duration
	}{
		{"no probes", "{name: app}", time.Minute},
		{"a quick readiness probe", "{name: app, readinessProbe: {periodSeconds: 5, failureThreshold: 1}}", time.Minute},
		{"a slow readiness probe", "{name: app, readinessProbe: {initialDelaySeconds: 60, periodSeconds: 10, failureThreshold: 6, timeoutSeconds: 5}}", 135 * time.Second},
		{"startup, then readiness", "{name: app, startupProbe: {periodSeconds: 10, failureThreshold: 30}, readinessProbe: {periodSeconds: 10, failureThreshold: 3}}", 311*time.Second + 41*time.Second},
		{"a probe of another shape with the defaults", "{name: app, startupProbe: {}}", 41*time.Second + 30*time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := read[appsv1.Deployment](t, "spec: {template: {spec: {containers: ["+tc.container+"]}}}")
			if got := FromDeployment(d, nil).ProbeBudget(); got != tc.want {
				t.Errorf("budget %s, want %s", got, tc.want)
			}
		})
	}
}

func TestChangedLeavesOutStatusWrites(t *testing.T) {
	d := read[appsv1.Deployment](t, `
metadata:
  managedFields:
  - {manager: kubectl, operation: Update, time: "2026-11-24T10:00:00Z"}
  - {manager: hpa, operation: Update, subresource: scale, time: "2026-11-24T10:03:00Z"}
  - {manager: kube-controller-manager, operation: Update, subresource: status, time: "2026-11-24T10:09:00Z"}`)
	if got := FromDeployment(d, nil).Changed.UTC().Format(time.TimeOnly); got != "10:03:00" {
		t.Errorf("changed at %s, want 10:03:00", got)
	}
}

// A custom resource is anybody's: fields of a wrong type must not stop it.
func TestFromArgoRolloutSurvivesStrangeObjects(t *testing.T) {
	for _, tc := range []struct {
		name, object string
		fails        bool
	}{
		{"empty", `{}`, false},
		{"numbers as text", `{spec: {replicas: "3", minReadySeconds: x}, status: {replicas: "3", currentStepIndex: first}}`, false},
		{"lists where objects belong", `{spec: {strategy: []}, status: {canary: [], conditions: {}, pauseConditions: 7}}`, false},
		{"an unreadable selector", `{metadata: {name: cart, namespace: shop}, spec: {selector: {matchExpressions: wrong}}}`, true},
		{"an unreadable template", `{metadata: {name: cart, namespace: shop}, spec: {template: {spec: {containers: wrong}}}}`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(tc.object), &u.Object); err != nil {
				t.Fatal(err)
			}
			o, err := FromArgoRollout(u, nil)
			if (err != nil) != tc.fails {
				t.Fatalf("error %v, want one: %v", err, tc.fails)
			}
			v, _ := Assess(Input{Object: o, Now: time.Unix(1e9, 0)})
			if v.Phase == "" || v.Message == "" {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

func TestStringsAreInternedAtIngress(t *testing.T) {
	seen := map[string]int{}
	in := Intern(func(s string) string { seen[s]++; return s })
	p := podOf(t, `
metadata: {name: api-6d5c-x, namespace: shop, uid: u, labels: {pod-template-hash: 6d5c}, ownerReferences: [{apiVersion: v1, kind: ReplicaSet, name: api-6d5c, uid: r, controller: true}]}
spec: {nodeName: node-1, containers: [{name: app}]}
status: {phase: Running}`)
	FromPod(p, in)
	for _, s := range []string{"shop", "node-1", "Running", "ReplicaSet", "api-6d5c", "r", "6d5c"} {
		if seen[s] == 0 {
			t.Errorf("%q repeats in thousands of pods and is not interned", s)
		}
	}
	for _, s := range []string{"api-6d5c-x", "u"} {
		if seen[s] > 0 {
			t.Errorf("%q is this pod's own and would fill the table", s)
		}
	}
}
