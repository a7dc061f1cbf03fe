package rolloutpane_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func (c *cluster) PlanDeletePod(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	c.bench.OffUI("planning")
	return &action.Plan{Verb: "delete", Title: "Delete " + ref.String() + "?"}, nil
}

// trapped is a StatefulSet whose controller waits for a pod it will not
// replace.
func trapped() *watch.Detail {
	d := panetest.CheckoutDetail()
	w, pod := *d.Workload, d.Pods[0]
	w.Verdict = k8s.Verdict{
		Severity: live.Fail, Phase: k8s.PhaseBlocked, Reason: "OrderedReady", Since: panetest.Ago(time.Hour),
		Message: "OrderedReady never replaces " + "checkout-6d5c9b7f4-x2x9v",
		Causes: []k8s.Cause{{
			Kind: k8s.CauseOrdered, Text: "OrderedReady never replaces a pod that is not ready on an older revision", Fatal: true, Count: 1, Of: 3,
			Pods: []string{pod.Name}, Since: panetest.Ago(time.Hour), Next: "Delete the pod (D).",
		}},
		Delete: []k8s.Ref{pod.Ref()},
	}
	d.Workload = &w
	return d
}

func TestAStuckPodIsOfferedForDeletion(t *testing.T) {
	want := "Delete Pod shop/checkout-6d5c9b7f4-x2x9v?"
	b, _ := open(t)
	b.Frame(160, 60)
	b.Feed(snapshot(trapped()))
	if got := panetest.Last[pane.ConfirmMsg](b.Press("D")).Plan.Title; got != want {
		t.Errorf("D at the top asks %q, want %q", got, want)
	}
	b.Sent = nil
	to(t, b, "OrderedReady never replaces a pod")
	if got := panetest.Last[pane.ConfirmMsg](b.Press("enter")).Plan.Title; got != want {
		t.Errorf("enter on the cause asks %q, want %q", got, want)
	}
}

func TestTheNextStartIsCountedDown(t *testing.T) {
	b, _ := open(t)
	b.Feed(snapshot(panetest.CheckoutDetail()))
	for after, want := range map[time.Duration]string{0: "next start in 2m", 90 * time.Second: "next start in 30s", 3 * time.Minute: "next start is due"} {
		b.Env.Now = panetest.Now().Add(after)
		if frame := b.Plain(160, 60); !strings.Contains(frame, want) {
			t.Errorf("after %s there is no %q in\n%s", after, want, frame)
		}
	}
}

func TestCausesOfPodsThatFailAlike(t *testing.T) {
	d := panetest.CheckoutDetail()
	w := *d.Workload
	w.Verdict.Causes = []k8s.Cause{{Kind: k8s.CauseReadiness, Text: "readiness GET :8000/readyz answers 503", Fatal: true, Count: 2, Of: 2, Which: "new", OldToo: 2}}
	d.Workload = &w
	b, _ := open(t)
	frame := b.Feed(snapshot(d)).Plain(120, 40)
	for _, want := range []string{"2/2 new pods  readiness GET :8000/readyz answers 503", "old pods fail the same way: not this rollout"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
}
