package rollout

import (
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"midwatch/foreign"
	"midwatch/k8s"
)

func podOf(t *testing.T, status string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(status), p); err != nil {
		t.Fatal(err)
	}
	if len(p.Spec.Containers) == 0 {
		p.Spec.Containers = []corev1.Container{{Name: "app"}}
	}
	return p
}

func TestFromPodClimbsTheEvidenceLadder(t *testing.T) {
	type said struct{ Reason, Message, Container string }
	for _, tc := range []struct {
		name, pod string
		want      said
		state     k8s.PodState
	}{
		{"healthy", `
status: {phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: app, ready: true, state: {running: {}}}]}`,
			said{}, k8s.PodAvailable},
		{"succeeded", `
status: {phase: Succeeded, containerStatuses: [{name: app, state: {terminated: {exitCode: 0, reason: Completed}}}]}`,
			said{}, k8s.PodSucceeded},
		{"evicted", `
status: {phase: Failed, reason: Evicted, message: low on memory, containerStatuses: [{name: app, state: {terminated: {exitCode: 137}}}]}`,
			said{"Evicted", "low on memory", ""}, k8s.PodFailed},
		{"failed because it was disrupted", `
status: {phase: Failed, conditions: [{type: DisruptionTarget, status: "True", reason: DeletionByTaintManager, message: taint manager}]}`,
			said{"DeletionByTaintManager", "taint manager", ""}, k8s.PodFailed},
		{"failed because its container did", `
status: {phase: Failed, containerStatuses: [{name: app, state: {terminated: {exitCode: 3, message: no config}}}]}`,
			said{"Error", "no config", "app"}, k8s.PodFailed},
		{"unschedulable", `
status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/3 nodes are available}]}`,
			said{"Unschedulable", "0/3 nodes are available", ""}, k8s.PodPending},
		{"preempting", `
status: {phase: Pending, nominatedNodeName: node-4, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/3 nodes}]}`,
			said{"Unschedulable", "preempting pods on node-4; 0/3 nodes", ""}, k8s.PodPending},
		{"no sandbox", `
status:
  phase: Pending
  conditions: [{type: PodScheduled, status: "True"}, {type: PodReadyToStartContainers, status: "False"}, {type: Ready, status: "False", reason: ContainersNotReady}]
  containerStatuses: [{name: app, state: {waiting: {reason: ContainerCreating}}}]`,
			said{"PodReadyToStartContainers", "no network sandbox yet", ""}, k8s.PodPending},
		{"creating", `
status: {phase: Pending, conditions: [{type: PodReadyToStartContainers, status: "True"}], containerStatuses: [{name: app, state: {waiting: {reason: ContainerCreating}}}]}`,
			said{"ContainerCreating", "", "app"}, k8s.PodPending},
		{"first init container runs", `
spec: {initContainers: [{name: wait}, {name: migrate}]}
status:
  phase: Pending
  initContainerStatuses: [{name: wait, state: {running: {}}}, {name: migrate, state: {waiting: {reason: PodInitializing}}}]
  containerStatuses: [{name: app, state: {waiting: {reason: PodInitializing}}}]`,
			said{"PodInitializing", "init container wait is running", "wait"}, k8s.PodPending},
		{"second init container crashes", `
spec: {initContainers: [{name: wait}, {name: migrate}]}
status:
  phase: Pending
  initContainerStatuses:
  - {name: wait, ready: true, state: {terminated: {exitCode: 0, reason: Completed}}}
  - {name: migrate, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff, message: back-off 40s}}, lastState: {terminated: {exitCode: 2, message: no such column}}}
  containerStatuses: [{name: app, state: {waiting: {reason: PodInitializing}}}]`,
			said{"CrashLoopBackOff", "no such column", "migrate"}, k8s.PodCrashing},
		{"sidecar has not started", `
spec: {initContainers: [{name: proxy, restartPolicy: Always}]}
status:
  phase: Pending
  initContainerStatuses: [{name: proxy, started: false, state: {running: {}}}]
  containerStatuses: [{name: app, state: {waiting: {reason: PodInitializing}}}]`,
			said{"PodInitializing", "sidecar proxy has not started", "proxy"}, k8s.PodPending},
		{"sidecar is not ready", `
spec: {initContainers: [{name: proxy, restartPolicy: Always}]}
status:
  phase: Running
  conditions: [{type: Ready, status: "False", reason: ContainersNotReady, message: "containers with unready status: [proxy]"}]
  initContainerStatuses: [{name: proxy, started: true, state: {running: {}}}]
  containerStatuses: [{name: app, ready: true, started: true, state: {running: {}}}]`,
			said{"ContainersNotReady", "containers with unready status: [proxy]", "proxy"}, k8s.PodUnready},
		{"image cannot be pulled", `
status: {phase: Pending, containerStatuses: [{name: app, state: {waiting: {reason: ErrImagePull, message: not found}}}]}`,
			said{"ErrImagePull", "not found", "app"}, k8s.PodWaiting},
		{"the sickest container speaks", `
spec: {containers: [{name: app}, {name: log}]}
status:
  phase: Running
  conditions: [{type: Ready, status: "False", reason: ContainersNotReady}]
  containerStatuses:
  - {name: app, state: {waiting: {reason: CreateContainerConfigError, message: secret "x" not found}}}
  - {name: log, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff, message: back-off 5m0s}}, lastState: {terminated: {exitCode: 1}}}`,
			said{"CrashLoopBackOff", "back-off 5m0s", "log"}, k8s.PodCrashing},
		{"a traceback says why in its last line", `
status:
  phase: Running
  conditions: [{type: Ready, status: "False", reason: ContainersNotReady}]
  containerStatuses: [{name: app, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, message: "Traceback (most recent call last):\n  File main.py, line 1\nKeyError: 'DB_URL'\n\n"}}}]`,
			said{"CrashLoopBackOff", "KeyError: 'DB_URL'", "app"}, k8s.PodCrashing},
		{"a panic says why in its first line", `
status:
  phase: Running
  conditions: [{type: Ready, status: "False", reason: ContainersNotReady}]
  containerStatuses: [{name: app, state: {terminated: {exitCode: 2, message: "starting\npanic: nil map\n\ngoroutine 1 [running]:\nmain.main()"}}}]`,
			said{"Error", "panic: nil map", "app"}, k8s.PodCrashing},
		{"ended with success and will be restarted", `
status:
  phase: Running
  conditions: [{type: Ready, status: "False", reason: ContainersNotReady}]
  containerStatuses: [{name: app, state: {terminated: {exitCode: 0, reason: Completed}}}]`,
			said{"Completed", "", "app"}, k8s.PodCrashing},
		{"a readiness gate is closed", `
status:
  phase: Running
  conditions: [{type: Ready, status: "False", reason: ReadinessGatesNotReady, message: gate}]
  containerStatuses: [{name: app, ready: true, state: {running: {}}}]`,
			said{"ReadinessGatesNotReady", "gate", ""}, k8s.PodUnready},
		{"its node was lost", `
status:
  phase: Running
  conditions: [{type: Ready, status: "False"}]
  containerStatuses: [{name: app, ready: true, state: {running: {}}}]`,
			said{"NodeNotReady", "its node was lost; the containers were ready", ""}, k8s.PodUnready},
		{"the kubelet has not acted", `
spec: {nodeName: node-1, containers: [{name: app}]}
status: {phase: Pending, conditions: [{type: PodScheduled, status: "True"}]}`,
			said{}, k8s.PodPending},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := FromPod(podOf(t, tc.pod), nil)
			if diff := cmp.Diff(tc.want, said{row.Reason, row.Message.String(), row.Container}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := row.State(0, time.Unix(1e9, 0)); got != tc.state {
				t.Errorf("state %s, want %s", got, tc.state)
			}
		})
	}
}

func TestFromPodCounts(t *testing.T) {
	row := FromPod(podOf(t, `
metadata:
  name: web-11
  namespace: shop
  uid: u1
  resourceVersion: "77"
  creationTimestamp: "2026-11-24T10:00:00Z"
  labels: {controller-revision-hash: web-b2, apps.kubernetes.io/pod-index: "11", pod-template-hash: other}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: s1, controller: true}]
spec:
  nodeName: node-1
  initContainers: [{name: prepare}, {name: proxy, restartPolicy: Always}]
  containers: [{name: app}, {name: log}]
status:
  phase: Running
  startTime: "2026-11-24T10:00:01Z"
  conditions: [{type: Ready, status: "False", reason: ContainersNotReady, message: "containers with unready status: [app]", lastTransitionTime: "2026-11-24T10:05:00Z"}]
  initContainerStatuses:
  - {name: prepare, ready: true, restartCount: 1, state: {terminated: {exitCode: 0, finishedAt: "2026-11-24T10:09:00Z"}}}
  - {name: proxy, ready: true, started: true, restartCount: 0, state: {running: {startedAt: "2026-11-24T10:00:03Z"}}}
  containerStatuses:
  - {name: app, ready: false, started: false, restartCount: 2, state: {running: {startedAt: "2026-11-24T10:06:00Z"}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, finishedAt: "2026-11-24T10:05:00Z"}}}
  - {name: log, ready: true, started: true, restartCount: 1, state: {running: {startedAt: "2026-11-24T10:00:05Z"}}, lastState: {terminated: {exitCode: 1, finishedAt: "2026-11-24T10:00:04Z"}}}`), nil)
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339, "2026-11-24T"+s+"Z"); return v }
	want := &k8s.PodRow{
		UID: "u1", Namespace: "shop", Name: "web-11", Node: "node-1", Version: "77", OwnerKind: "StatefulSet", OwnerName: "web", OwnerUID: "s1",
		Revision: "web-b2", Phase: "Running", Created: at("10:00:00"), Started: at("10:00:01"), ReadySince: at("10:05:00"), RunningSince: at("10:06:00"),
		Starting: true, ContainersReady: 2, Containers: 3, Restarts: 4, LastRestart: at("10:05:00"), Container: "app",
		Reason: "ContainersNotReady", Message: "containers with unready status: [app]", ExitReason: "OOMKilled", ExitCode: 137, Ordinal: 11,
		Trouble: &k8s.PodTrouble{ExitContainer: "app", ExitAt: at("10:05:00")},
	}
	for _, p := range []*time.Time{&row.Created, &row.Started, &row.ReadySince, &row.RunningSince, &row.LastRestart, &row.Trouble.ExitAt} {
		*p = p.UTC()
	}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPodRevisionGoesByItsOwner(t *testing.T) {
	for _, tc := range []struct{ name, owner, labels, want string }{
		{"of a Deployment", "ReplicaSet", `{pod-template-hash: a}`, "a"},
		{"of an Argo Rollout", "ReplicaSet", `{rollouts-pod-template-hash: b}`, "b"},
		{"of a DaemonSet", "DaemonSet", `{controller-revision-hash: c, pod-template-hash: x}`, "c"},
		{"of a Job, which has none", "Job", `{pod-template-hash: x}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := podOf(t, "metadata: {name: p, labels: "+tc.labels+", ownerReferences: [{apiVersion: v1, kind: "+tc.owner+", name: o, uid: o, controller: true}]}")
			if got := FromPod(p, nil).Revision; got != tc.want {
				t.Errorf("revision %q, want %q", got, tc.want)
			}
		})
	}
}

// A row must stay within its budget: see the design's memory line.
func TestPodRowIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(k8s.PodRow{}); size > 416 {
		t.Errorf("a pod's row takes %d bytes, want at most 416", size)
	}
}

func FuzzFromPod(f *testing.F) {
	seed, _ := (&corev1.Pod{Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Name: "i"}}, Containers: []corev1.Container{{Name: "c"}}}}).Marshal()
	f.Add(seed)
	for _, text := range []string{"a\x1b[2Jb", "x\u202ey", "\xff\xfe", "tab\tline\n"} {
		f.Add(nasty(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := &corev1.Pod{}
		if p.Unmarshal(raw) != nil {
			return
		}
		interned := 0
		row := FromPod(p, func(s string) string { interned++; return s })
		mustBeClean(t, reflect.ValueOf(*row))
		if len(row.Message) > maxPodMessage*8 {
			t.Errorf("message of %d bytes", len(row.Message))
		}
		_ = row.State(0, time.Unix(0, 0)).String()
		Assess(Input{Object: &Object{Ref: k8s.Ref{Kind: k8s.Deployment}, Replicas: 1}, Pods: []*k8s.PodRow{row}, PodsKnown: true, Now: time.Unix(1e9, 0)})
	})
}

// nasty is a pod whose every text holds s.
func nasty(s string) []byte {
	p := &corev1.Pod{}
	p.Name, p.Labels = s, map[string]string{"pod-template-hash": s}
	p.Spec.NodeName = s
	p.Spec.Containers = []corev1.Container{{Name: s}}
	p.Status = corev1.PodStatus{
		Phase: corev1.PodPhase(s), Reason: s, Message: s, NominatedNodeName: s,
		Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: s, Message: s}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: s, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: s, Message: s}}}},
	}
	raw, _ := p.Marshal()
	return raw
}

// mustBeClean fails for any text of the value that the sanitiser would change.
func mustBeClean(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); foreign.CleanN(s, 0).String() != s {
			t.Errorf("text is not clean: %q", s)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeOf(time.Time{}) {
			return
		}
		for i := range v.NumField() {
			mustBeClean(t, v.Field(i))
		}
	}
}
