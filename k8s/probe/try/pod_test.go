package try_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"midwatch/demo"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/try"
	"midwatch/live"
)

// TestIntoAPod goes the whole way: API server, port-forward, a server that
// answers as the demo's kubelet is told it does.
func TestIntoAPod(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 30, 0, 0, time.UTC)
	w, err := demo.Open(demo.Options{Seed: 1, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c, err := connect.FromRaw(w.RawConfig(), func(cfg *rest.Config) { w.WrapConfig(cfg) }).Open(t.Context(), connect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	pods, err := c.Typed().CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{LabelSelector: "app=checkout"})
	if err != nil {
		t.Fatal(err)
	}
	outcome := func(ref k8s.Ref, s probe.Spec) *try.Result {
		t.Helper()
		r, err := try.Into(c, ref, live.SystemClock{}).Run(t.Context(), s, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var ref k8s.Ref
	failing := 0
	for i := range pods.Items {
		p := &pods.Items[i]
		ref = k8s.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)}
		judged := probe.Assess(probe.Input{Pod: p, Now: at}).All()[2]
		r := outcome(ref, judged.Spec)
		switch {
		case judged.State == probe.Failing:
			failing++
			if r.Outcome != try.Failed || r.Answer != "503 Service Unavailable" || r.Line == "" {
				t.Errorf("%s: %+v", p.Name, r)
			}
		case r.Outcome != try.Passed || r.Answer != "200 OK":
			t.Errorf("%s: %+v", p.Name, r)
		}
	}
	if failing != 1 {
		t.Errorf("%d of %d pods fail, want the new one", failing, len(pods.Items))
	}
	other := spec(t, httpGet("/readyz"))
	other.Port = 9999
	if r := outcome(ref, other); r.Outcome != try.Refused {
		t.Errorf("a port nobody listens on: %s %q", r.Outcome, r.Err)
	}
	closed := spec(t, corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9999}})
	if r := outcome(ref, closed); r.Outcome != try.Refused {
		t.Errorf("a port nobody listens on, by gRPC: %s %q", r.Outcome, r.Err)
	}
	gone := ref
	gone.Name = "checkout-nonesuch"
	if r := outcome(gone, other); r.Outcome != try.Gone {
		t.Errorf("a pod that is gone: %s %q", r.Outcome, r.Err)
	}
	w.Server(demo.Context).Fail(apiserver.On("create", "pods", "", apiserver.Denied()))
	w.Server(demo.Context).Fail(apiserver.On("get", "pods", "", apiserver.Denied()))
	if r := outcome(ref, other); r.Outcome != try.Forbidden {
		t.Errorf("without the right: %s %q", r.Outcome, r.Err)
	}
}
