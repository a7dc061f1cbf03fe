package panetest

import (
	"fmt"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
)

// Ago is a time before [Now].
func Ago(d time.Duration) time.Time { return Now().Add(-d) }

// The revisions of [Checkout], by the hash its pods carry.
const (
	NewHash = "6d5c9b7f4"
	OldHash = "7f9f8d6c5"
)

// Checkout is a Deployment in the middle of a rollout that does not get on:
// its new pods crash, an event and a condition say so, the old ones serve.
func Checkout() *k8s.Workload {
	image := func(tag string) []k8s.Image {
		return []k8s.Image{{Container: "api", Image: foreign.Text("registry.shop.example/checkout:" + tag)}, {Container: "proxy", Image: "envoyproxy/envoy:v1.38"}}
	}
	now := k8s.Revision{
		Number: 12, Name: "checkout-" + NewHash, UID: "rs-12", Hash: NewHash, Created: Ago(6 * time.Minute), Images: image("2.14.0"),
		Cause: "deploy 2.14.0 by ci", Desired: 2, Current: 2, New: true,
	}
	old := k8s.Revision{
		Number: 11, Name: "checkout-" + OldHash, UID: "rs-11", Hash: OldHash, Created: Ago(49 * time.Hour), Images: image("2.13.4"),
		Cause: "deploy 2.13.4 by ci", Desired: 2, Current: 2, Ready: 2, Available: 2,
	}
	older := k8s.Revision{Number: 9, Name: "checkout-5b6d7c8f9", UID: "rs-9", Hash: "5b6d7c8f9", Created: Ago(9 * 24 * time.Hour), Images: image("2.13.1")}
	return &k8s.Workload{
		Ref: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "checkout", UID: "uid-checkout"},
		Verdict: k8s.Verdict{
			Severity: live.Fail, Phase: k8s.PhaseStalling, Reason: "CrashLoopBackOff", Since: Ago(4*time.Minute + 10*time.Second),
			Message: "stuck: 2 of 3 updated, checkout-6d5c9b7f4-x2x9v is crashing (CrashLoopBackOff, exit 1)",
			Causes: []k8s.Cause{
				{
					Kind: k8s.CauseCrash, Step: 7, Text: "api: exits 1: cannot connect to postgres:5432", Fatal: true, Reason: "CrashLoopBackOff", Count: 1, Of: 2, Which: "new",
					Pods: []string{"checkout-6d5c9b7f4-x2x9v"}, Container: "api", Restarts: 6, Since: Ago(4*time.Minute + 10*time.Second), NextStart: Now().Add(2 * time.Minute),
					Exit: &k8s.Exit{Code: 1, Reason: "Error", Words: "exits 1", At: Ago(40 * time.Second), Ran: 3 * time.Second},
					Next: "Read the logs from before the restart (L); undo if it came with this rollout.",
				},
				{
					Kind: k8s.CauseUnschedulable, Step: 2, Text: "none of 6 nodes fits: 6 too little cpu", Fatal: true, Reason: "Unschedulable", Count: 1, Of: 2, Which: "new",
					Pods: []string{"checkout-6d5c9b7f4-7hq2k"}, Since: Ago(5 * time.Minute), Times: 3, Next: "Give the cluster room or the pod less to ask for.",
				},
			},
			Evidence: []live.Evidence{
				{Kind: "condition", Ref: "Deployment shop/checkout", At: Ago(6 * time.Minute), Text: "Progressing True ReplicaSetUpdated: ReplicaSet \"checkout-6d5c9b7f4\" is progressing."},
				{Kind: "condition", Ref: "Deployment shop/checkout", At: Ago(5 * time.Minute), Text: "Available True MinimumReplicasAvailable"},
				{Kind: "pod", Ref: "Pod shop/checkout-6d5c9b7f4-x2x9v", At: Ago(4 * time.Minute), Text: "container api: CrashLoopBackOff, last exit 1 (Error)"},
				{Kind: "event", Ref: "Pod shop/checkout-6d5c9b7f4-x2x9v", At: Ago(30 * time.Second), Count: 12, Text: "BackOff: Back-off restarting failed container api"},
			},
		},
		Rollout: k8s.RolloutStatus{
			Revision: now, PreviousRevision: old, Desired: 3, Updated: 2, Ready: 0, Available: 0, Total: 4, OldReplicas: 2, TotalReady: 2, TotalAvailable: 2,
			Surge: 1, Unavailable: 1, Strategy: "RollingUpdate", Deadline: Now().Add(4*time.Minute + 2*time.Second),
			BlockedBy: []string{"checkout-6d5c9b7f4-x2x9v"}, MinReady: 10 * time.Second, Revisions: []k8s.Revision{now, old, older},
		},
		HPA:       &k8s.HPAStatus{Name: "checkout", Min: 2, Max: 10, Current: 3, Desired: 3},
		Selector:  "app=checkout",
		Created:   Ago(200 * 24 * time.Hour),
		Changed:   Ago(6 * time.Minute),
		Restarts:  6,
		PodsKnown: true,
	}
}

// Pod makes a running, available pod of [Checkout].
func Pod(name, hash string, age time.Duration) *k8s.PodRow {
	return &k8s.PodRow{
		UID: "uid-" + name, Namespace: "shop", Name: name, Node: "node-a-1", OwnerKind: "ReplicaSet", OwnerName: "checkout-" + hash, Revision: hash,
		Phase: "Running", Created: Ago(age), Started: Ago(age), Ready: true, ReadySince: Ago(age - 5*time.Second), ContainersReady: 2, Containers: 2, Ordinal: -1,
	}
}

// CheckoutPods are the pods of [Checkout]: one in every state.
func CheckoutPods() []*k8s.PodRow {
	crashing := Pod("checkout-6d5c9b7f4-x2x9v", NewHash, 6*time.Minute)
	crashing.Ready, crashing.ContainersReady, crashing.Restarts, crashing.LastRestart = false, 1, 6, Ago(40*time.Second)
	crashing.Container, crashing.Reason, crashing.Message = "api", "CrashLoopBackOff", "back-off 2m40s restarting failed container=api"
	crashing.ExitReason, crashing.ExitCode = "Error", 1
	pending := Pod("checkout-6d5c9b7f4-7hq2k", NewHash, 5*time.Minute)
	pending.Ready, pending.ContainersReady, pending.Node, pending.Phase = false, 0, "", "Pending"
	pending.Reason, pending.Message = "Unschedulable", "0/6 nodes are available: 6 Insufficient cpu."
	old := Pod("checkout-7f9f8d6c5-m8d4z", OldHash, 49*time.Hour)
	leaving := Pod("checkout-7f9f8d6c5-q9k7t", OldHash, 49*time.Hour)
	leaving.Deleted, leaving.Node = Ago(10*time.Second), "node-b-2"
	return []*k8s.PodRow{crashing, pending, old, leaving}
}

// CheckoutEvents are Warning events about [Checkout], the newest first.
func CheckoutEvents() []*k8s.Event {
	pod := k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "checkout-6d5c9b7f4-x2x9v", UID: "uid-checkout-6d5c9b7f4-x2x9v"}
	return []*k8s.Event{
		{
			UID: "e1", Type: "Warning", Reason: "BackOff", Involved: pod, FieldPath: "spec.containers{api}", Source: "kubelet", First: Ago(5 * time.Minute), Last: Ago(30 * time.Second), Count: 12,
			Message: "Back-off restarting failed container api in pod checkout-6d5c9b7f4-x2x9v_shop(0f3c)",
		},
		{
			UID: "e2", Type: "Warning", Reason: "FailedScheduling", Involved: k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "checkout-6d5c9b7f4-7hq2k"}, Source: "default-scheduler", First: Ago(5 * time.Minute), Last: Ago(3 * time.Minute), Count: 3,
			Message: "0/6 nodes are available: 6 Insufficient cpu. preemption: 0/6 nodes are available: 6 No preemption victims found for incoming pod.",
		},
		{
			UID: "e3", Type: "Warning", Reason: "Unhealthy", Involved: pod, FieldPath: "spec.containers{api}", Source: "kubelet", First: Ago(6 * time.Minute), Last: Ago(6 * time.Minute), Count: 1,
			Message: "Readiness probe failed: Get \"http://10.0.3.17:8080/healthz\": dial tcp 10.0.3.17:8080: connect: connection refused",
		},
	}
}

// CheckoutDetail is [Checkout] with everything that belongs to it.
func CheckoutDetail() *watch.Detail {
	return &watch.Detail{Workload: Checkout(), Pods: CheckoutPods(), Events: CheckoutEvents()}
}

// DetailTopic is the topic of one workload.
func DetailTopic(ref k8s.Ref) live.Topic {
	return live.Topic{Name: watch.TopicWorkload, Key: ref.Key()}
}

// ManyPods are n pods in all states.
func ManyPods(n int) []*k8s.PodRow {
	pods := make([]*k8s.PodRow, n)
	for i := range pods {
		pods[i] = Pod(fmt.Sprintf("service-%03d-6d5c9b7f4-%05d", i%500, i), NewHash, time.Duration(i)*time.Second+time.Minute)
		switch i % 50 {
		case 1:
			pods[i].Ready, pods[i].Reason, pods[i].Restarts = false, "CrashLoopBackOff", i%7
		case 2:
			pods[i].Ready, pods[i].Reason = false, "ContainersNotReady"
		}
	}
	return pods
}
