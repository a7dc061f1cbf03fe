//go:build !scale

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// setImage rolls a Deployment to an image, as `kubectl set image` does.
func setImage(t *testing.T, namespace, name, container, image string) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":%q,"image":%q}]}}}}`, container, image)
	_, err := shared.bed.Client().AppsV1().Deployments(namespace).Patch(t.Context(), name,
		types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatalf("set image of %s/%s: %v", namespace, name, err)
	}
}

// The plain options of requests the tests make.
var (
	getOptions   = metav1.GetOptions{}
	patchOptions = metav1.PatchOptions{}
)

const (
	mergePatch = types.MergePatchType

	goodImage = "registry.example.com/fastapi-service:v1.2.3"
	badImage  = "registry.example.com/fastapi-service:v1.2.4-bad"
)

func TestStuckRolloutIsCalledBeforeItsDeadline(t *testing.T) {
	bed := shared.bed
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := bed.WaitRollout(ctx, "shop", "fastapi-service"); err != nil {
		t.Fatal(err)
	}
	setImage(t, "shop", "fastapi-service", "api", badImage)
	t.Cleanup(func() { healSampleService(t) })
	var w workload
	bed.Eventually(t, time.Minute, func(context.Context) error {
		b, r := status(t, "admin", "-n", "shop", "deploy/fastapi-service")
		var err error
		if w, err = b.workload("Deployment", "shop", "fastapi-service"); err != nil {
			return err
		}
		if w.Phase != "Stalling" {
			return fmt.Errorf("phase %s: %s", w.Phase, w.Message)
		}
		if r.code != 1 {
			t.Errorf("exit %d, want 1: something is in trouble", r.code)
		}
		return nil
	})
	if len(w.Rollout.BlockedBy) != 1 || !strings.HasPrefix(w.Rollout.BlockedBy[0], "fastapi-service-") {
		t.Errorf("blocked by %v, want the one new pod by name", w.Rollout.BlockedBy)
	}
	if !strings.HasPrefix(w.Message, "1/1 new pod: cannot pull fastapi-service:v1.2.4-bad: no such image since ") {
		t.Errorf("the sentence does not say why: %q", w.Message)
	}
	if left := time.Until(w.Rollout.Deadline); left < time.Minute {
		t.Errorf("called only %s before the deadline", left)
	}
	if r := w.Rollout; r.Desired != 3 || r.Updated != 1 || r.Available != 0 || r.Surge != 1 || r.Unavailable != 0 {
		t.Errorf("counts: %+v", r)
	}
}

// healSampleService brings the sample service back for the tests that follow.
func healSampleService(t *testing.T) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"api","image":%q}]}}}}`, goodImage)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := shared.bed.Client().AppsV1().Deployments("shop").Patch(ctx, "fastapi-service", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err == nil {
		err = shared.bed.WaitRollout(ctx, "shop", "fastapi-service")
	}
	if err != nil {
		t.Errorf("heal the sample service: %v", err)
	}
}

func TestEveryScenarioIsNamed(t *testing.T) {
	for _, tc := range []struct{ kind, namespace, name, severity, words string }{
		{"StatefulSet", "shop", "redis", "ok", ""},
		{"DaemonSet", "platform", "log-shipper", "ok", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shared.bed.Eventually(t, time.Minute, func(context.Context) error {
				b, _ := status(t, "viewer", "-A")
				w, err := b.workload(tc.kind, tc.namespace, tc.name)
				if err != nil {
					return err
				}
				if w.Severity != tc.severity || !strings.Contains(w.Message, tc.words) {
					return fmt.Errorf("%s %s: %s", w.Severity, w.Phase, w.Message)
				}
				return nil
			})
		})
	}
}

func TestNamespacedUserGetsAWorkingBoard(t *testing.T) {
	b, r := status(t, "shop-dev", "-n", "shop")
	if r.code == 2 {
		t.Errorf("exit 2: the namespace can be judged\n%s%s", r.out, r.err)
	}
	for _, want := range []struct{ kind, name string }{{"Deployment", "fastapi-service"}, {"StatefulSet", "redis"}} {
		if _, err := b.workload(want.kind, "shop", want.name); err != nil {
			t.Error(err)
		}
	}
	if got := b.source("deployments"); !strings.HasPrefix(got, "ok") {
		t.Errorf("deployments: %s", got)
	}
}

func TestWhatIsForbiddenIsNamed(t *testing.T) {
	b, r := status(t, "no-events", "-n", "shop")
	if r.code == 2 {
		t.Errorf("exit 2 although only events and HPAs are forbidden: %s", r.err)
	}
	for _, source := range []string{"events", "horizontalpodautoscalers"} {
		if got := b.source(source); !strings.HasPrefix(got, "forbidden: forbidden: list ") || !strings.Contains(got, "shop") {
			t.Errorf("%s: %s", source, got)
		}
	}
	r = midwatch(t, "nobody", "status", "-A", "-o", "json")
	first, _, _ := strings.Cut(r.err, "\n")
	if r.code != 2 || r.out != "" || !strings.Contains(first, "forbidden: list deployments in all namespaces") {
		t.Errorf("exit %d, %q, standard output %q", r.code, first, r.out)
	}
}

func TestBadConnectionsEndInOneClearLine(t *testing.T) {
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><html><body><h1>Welcome to the corporate proxy</h1></body></html>")
	}))
	defer html.Close()
	admin := shared.bed.Kubeconfig("admin")
	badToken := kubeconfigWith(t, admin, "token:", "    token: expired-long-ago")
	noPlugin := kubeconfigWith(t, admin, "token:", "    exec: {apiVersion: client.authentication.k8s.io/v1, command: midwatch-no-such-plugin, interactiveMode: Never}")
	for _, tc := range []struct {
		name       string
		kubeconfig string
		args       []string
		words      []string
	}{
		{"no kubeconfig", filepath.Join(t.TempDir(), "none"), nil, []string{"kubeconfig"}},
		{"wrong context", admin, []string{"--context", "nowhere"}, []string{`"nowhere"`}},
		{"unreachable server", admin, []string{"--server", "https://127.0.0.1:1"}, []string{"127.0.0.1:1", "refused"}},
		{"expired token", badToken, nil, []string{"401"}},
		{"missing plugin", noPlugin, nil, []string{"midwatch-no-such-plugin"}},
		{"answers HTML", admin, []string{"--server", html.URL}, []string{"not a Kubernetes API server", "web page"}},
		{"no such host", admin, []string{"--server", "https://midwatch.invalid"}, []string{"midwatch.invalid"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := command(t, environment(t, tc.kubeconfig), append([]string{"status"}, tc.args...)...)
			first, _, _ := strings.Cut(r.err, "\n")
			if r.code != 2 {
				t.Errorf("exit %d, want 2\n%s%s", r.code, r.out, r.err)
			}
			if !strings.HasPrefix(first, "midwatch: ") {
				t.Errorf("the first line is %q", first)
			}
			for _, w := range tc.words {
				if !strings.Contains(r.err, w) {
					t.Errorf("no %q in %q", w, r.err)
				}
			}
			if strings.Contains(r.err, "<html") || strings.Contains(r.err, "goroutine ") || r.out != "" {
				t.Errorf("raw output: %q %q", r.out, r.err)
			}
			if r.took > 8*time.Second {
				t.Errorf("took %s", r.took)
			}
		})
	}
}

// kubeconfigWith copies a kubeconfig with the line that starts with prefix
// replaced.
func kubeconfigWith(t *testing.T, path, prefix, line string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, found := strings.Split(string(raw), "\n"), false
	for i := range lines {
		if strings.HasPrefix(strings.TrimSpace(lines[i]), prefix) {
			lines[i], found = line, true
		}
	}
	if !found {
		t.Fatalf("no line %q in %s", prefix, path)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
