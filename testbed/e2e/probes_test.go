//go:build !scale

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"k8s.io/client-go/tools/clientcmd"

	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/k8s/probe/read"
	"midwatch/k8s/probe/try"
	"midwatch/live"
)

// probed is a Deployment with a container for every answer a probe can get.
// Behind its ports are servers of this process, reached through the API server
// and kwok.
const probed = `
apiVersion: v1
kind: Namespace
metadata: {name: probed}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata: {name: probed}
spec:
  selector: {matchNamespaces: [probed]}
  forwards:
%s
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: probed, namespace: probed}
spec:
  replicas: 1
  selector: {matchLabels: {app: probed}}
  template:
    metadata: {labels: {app: probed}}
    spec:
      containers:
      - {name: well, image: x/y:v1, readinessProbe: {httpGet: {path: /readyz, port: 18001}}}
      - {name: ill, image: x/y:v1, readinessProbe: {httpGet: {path: /broken, port: 18001}}}
      - {name: slow, image: x/y:v1, readinessProbe: {httpGet: {path: /slow, port: 18001}}}
      - {name: refused, image: x/y:v1, readinessProbe: {httpGet: {path: /, port: 18002}}}
      - {name: secure, image: x/y:v1, readinessProbe: {httpGet: {path: /readyz, port: 18003, scheme: HTTPS}}}
      - {name: tcp, image: x/y:v1, readinessProbe: {tcpSocket: {port: 18001}}}
      - {name: tcp-refused, image: x/y:v1, readinessProbe: {tcpSocket: {port: 18002}}}
      - {name: grpc, image: x/y:v1, readinessProbe: {grpc: {port: 18004}}}
      - {name: grpc-ill, image: x/y:v1, readinessProbe: {grpc: {port: 18004, service: db}}}
      - {name: grpc-unknown, image: x/y:v1, readinessProbe: {grpc: {port: 18004, service: nobody}}}
      - {name: grpc-http, image: x/y:v1, readinessProbe: {grpc: {port: 18001}}}
`

func serveProbed(t *testing.T) (forwards string) {
	t.Helper()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/broken":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, "payments: connection refused")
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(1500 * time.Millisecond): // longer than the probe's timeout of a second
			}
		default:
			fmt.Fprintln(w, "ok")
		}
	})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, state := grpc.NewServer(), health.NewServer()
	state.SetServingStatus("db", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(server, state)
	go func() { _ = server.Serve(l) }() // ends with Stop
	t.Cleanup(server.Stop)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close() // nobody listens there any more
	for port, a := range map[int]net.Addr{18001: plain.Listener.Addr(), 18002: closed.Addr(), 18003: secure.Listener.Addr(), 18004: l.Addr()} {
		forwards += fmt.Sprintf("  - {ports: [%d], target: {address: 127.0.0.1, port: %d}}\n", port, a.(*net.TCPAddr).Port)
	}
	return strings.TrimRight(forwards, "\n")
}

// open connects to the bed as midwatch does.
func open(t *testing.T, identity string) *connect.Cluster {
	t.Helper()
	raw, err := clientcmd.LoadFromFile(shared.bed.Kubeconfig(identity))
	if err != nil {
		t.Fatal(err)
	}
	c, err := connect.FromRaw(*raw, nil).Open(t.Context(), connect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestProbesAreTriedThroughTheAPIServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	doc := fmt.Sprintf(probed, serveProbed(t))
	if err := shared.bed.Apply(ctx, doc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shared.bed.Delete(context.Background(), doc) })
	if err := shared.bed.WaitRollout(ctx, "probed", "probed"); err != nil {
		t.Fatal(err)
	}
	c := open(t, "admin")
	w := k8s.Ref{Kind: k8s.Deployment, Namespace: "probed", Name: "probed"}
	a, err := read.Workload(ctx, c.Typed(), read.Query{Workload: w, Selector: "app=probed"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	report := a.Assess(time.Now(), nil, nil)[0]
	want := map[string]struct {
		outcome try.Outcome
		says    string
	}{
		"well": {try.Passed, "200 OK"}, "ill": {try.Failed, "503 Service Unavailable"}, "slow": {try.Passed, "200 OK"}, "refused": {try.Refused, "nothing listens on port 18002"},
		"secure": {try.Passed, "200 OK"}, "tcp": {try.Passed, "accepts connections"}, "tcp-refused": {try.Refused, "nothing listens"},
		"grpc": {try.Passed, "SERVING"}, "grpc-ill": {try.Failed, "NOT_SERVING"}, "grpc-unknown": {try.Failed, `knows no service "nobody"`}, "grpc-http": {try.Failed, "does not speak gRPC"},
	}
	for _, p := range report.All() {
		r, err := try.Into(c, report.Pod, live.SystemClock{}).Run(ctx, p.Spec, report.IP)
		if err != nil {
			t.Errorf("%s: %v", p.Container, err)
			continue
		}
		if w := want[p.Container]; r.Outcome != w.outcome || !strings.Contains(r.Answer.String()+r.Err.String(), w.says) {
			t.Errorf("%s: %s %q %q, want %s %q", p.Container, r.Outcome, r.Answer, r.Err, w.outcome, w.says)
		}
		if p.Container == "slow" && (!r.Late() || r.Took < 1500*time.Millisecond) {
			t.Errorf("slow answered after %s", r.Took)
		}
		if p.Container == "ill" && r.Line != "payments: connection refused" {
			t.Errorf("ill says %q", r.Line)
		}
		delete(want, p.Container)
	}
	if len(want) > 0 {
		t.Errorf("not tried: %v", want)
	}
	gone := report.Pod
	gone.Name = "probed-nonesuch"
	if r, err := try.Into(c, gone, live.SystemClock{}).Run(ctx, report.All()[0].Spec, report.IP); err != nil || r.Outcome != try.Gone {
		t.Errorf("a pod that is gone: %+v, %v", r, err)
	}
	viewer := open(t, "viewer")
	if r, err := try.Into(viewer, report.Pod, live.SystemClock{}).Run(ctx, report.All()[0].Spec, report.IP); err != nil || r.Outcome != try.Forbidden || !strings.Contains(r.Err.String(), "pods/portforward") {
		t.Errorf("as a viewer: %+v, %v", r, err)
	}
	tryFromTheConsole(t)
}

// tryFromTheConsole is the same with the keys of the probes pane.
func tryFromTheConsole(t *testing.T) {
	t.Helper()
	c := openConsole(t, "admin", 160, 48, "-n", "probed")
	c.see(30*time.Second, "deploy/probed")
	c.send("5", "GET :18001/broken")
	c.send("]t", "midwatch's own try", "503 Service Unavailable", "payments: connection refused")
	c.quit()
}

// hanging is a Deployment of which everything it hangs on is wrong.
const hanging = `
apiVersion: v1
kind: Namespace
metadata: {name: hanging}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: api-config, namespace: hanging}
data: {LOG_LEVEL: INFO}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: hanging}
spec: {hard: {requests.cpu: 500m}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: hanging}
spec: {selector: {app: apl}, ports: [{port: 80, targetPort: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: hanging}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: api
        image: x/y:v1
        env: [{name: RETRY_MAX, valueFrom: {configMapKeyRef: {name: api-config, key: RETRY_MAX, optional: false}}}]
        resources: {requests: {cpu: 250m}}
`

func TestWhatAWorkloadHangsOn(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := shared.bed.Apply(ctx, hanging); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shared.bed.Delete(context.Background(), hanging) })
	c := openConsole(t, "admin", 160, 48, "-n", "hanging")
	c.see(30*time.Second, "deploy/api")
	c.send("7z", "it matches no pod at all", "has no key RETRY_MAX, which api needs", "room for 0 pods more")
	c.quit()
}
