package change

import (
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/action"
)

func TestShellTakesApartWhatWasJoined(t *testing.T) {
	args := []string{"plain", "", "two words", "it's", `a"b`, "$HOME", "`id`", "*", "a\nb", "arn:aws:eks:eu-west-1:1:cluster/prod", "-n", "ü", `back\slash`, "!x", "~"}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '%s\\0' "+shell(args...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), strings.Join(args, "\x00")+"\x00"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := shell("rollout", "restart", "deployment/api", "--to-revision=3"); got != "rollout restart deployment/api --to-revision=3" {
		t.Errorf("quoted without need: %s", got)
	}
}

func TestCommandsReachTheSameCluster(t *testing.T) {
	for name, c := range map[string]struct {
		client        Client
		kubectl, argo string
	}{
		"a context":        {Client{Context: "prod eu"}, "kubectl --context 'prod eu' -n shop get pods", "kubectl argo rollouts restart web --context 'prod eu' -n shop"},
		"inside a pod":     {Client{Context: "in-cluster", Kubectl: []string{}}, "kubectl -n shop get pods", "kubectl argo rollouts restart web -n shop"},
		"flags alone":      {Client{Context: "https://10.0.0.1", Kubectl: []string{"--server", "https://10.0.0.1"}}, "kubectl --server https://10.0.0.1 -n shop get pods", "kubectl argo rollouts restart web --server https://10.0.0.1 -n shop"},
		"nothing is known": {Client{}, "kubectl -n shop get pods", "kubectl argo rollouts restart web -n shop"},
	} {
		t.Run(name, func(t *testing.T) {
			p := New(c.client, nil)
			if got := p.kubectl("shop", "get", "pods"); got != c.kubectl {
				t.Errorf("got  %s\nwant %s", got, c.kubectl)
			}
			if got := p.argoRollouts("shop", "restart", "web"); got != c.argo {
				t.Errorf("got  %s\nwant %s", got, c.argo)
			}
		})
	}
}

func TestWhoPutsAFieldBack(t *testing.T) {
	fields := func(manager, subresource, json string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(json)}
	}
	const replicas = `{"f:spec":{"f:replicas":{}}}`
	for name, c := range map[string]struct {
		meta metav1.ObjectMeta
		path []string
		want string
	}{
		"nobody":                     {metav1.ObjectMeta{}, []string{"spec", "replicas"}, ""},
		"Argo CD owns it":            {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{fields("argocd-controller", "", replicas)}}, []string{"spec", "replicas"}, "Argo CD (argocd-controller) owns spec.replicas and will put it back at its next sync"},
		"Flux owns something below":  {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{fields("kustomize-controller", "", `{"f:spec":{"f:template":{"f:spec":{}}}}`)}}, []string{"spec", "template"}, "Flux (kustomize-controller) owns spec.template and will put it back at its next reconciliation"},
		"Argo CD owns another field": {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{fields("argocd-controller", "", `{"f:spec":{"f:template":{}}}`)}, Labels: map[string]string{"argocd.argoproj.io/instance": "x"}}, []string{"spec", "replicas"}, ""},
		"known by a label alone":     {metav1.ObjectMeta{Labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "x"}}, []string{"spec", "replicas"}, "Flux manages this object and may put spec.replicas back at its next reconciliation"},
		"known by an annotation":     {metav1.ObjectMeta{Annotations: map[string]string{"meta.helm.sh/release-name": "x"}}, []string{"spec", "replicas"}, "Helm manages this object and may put spec.replicas back at the next upgrade"},
		"through a subresource":      {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{fields("kubectl", "scale", replicas)}}, []string{"spec", "replicas"}, ""},
		"a person's edit":            {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{fields("kubectl-edit", "", replicas)}}, []string{"spec", "replicas"}, ""},
		"a versioned manager":        {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{fields("pulumi-kubernetes-1a2b", "", replicas)}}, []string{"spec", "replicas"}, "Pulumi (pulumi-kubernetes-1a2b) owns spec.replicas and will put it back at the next update"},
		"fields that are no JSON":    {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{fields("argocd-controller", "", `{`)}}, []string{"spec", "replicas"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(reverters(&c.meta, c.path...), "; "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestValidationErrorsDoNotQuoteLongValues(t *testing.T) {
	long := strings.Repeat("s3cr3t", 20)
	for message, want := range map[string]string{
		"Invalid value: -1: must be greater than or equal to 0": "Invalid value: -1: must be greater than or equal to 0",
		"Invalid value: " + long + ": is not right":             "Invalid value: (not shown): is not right",
		"Invalid value: " + long:                                "Invalid value: (not shown)",
		"Required value":                                        "Required value",
	} {
		if got := withoutValue(message); got != want {
			t.Errorf("%q became %q, want %q", message, got, want)
		}
	}
}

func TestDifferencesOfSpecs(t *testing.T) {
	for name, c := range map[string]struct {
		before, now map[string]any
		want        string
	}{
		"a number":           {map[string]any{"replicas": int64(3)}, map[string]any{"replicas": int64(5)}, "spec.replicas is 5, was 3"},
		"set and removed":    {map[string]any{"a": "x"}, map[string]any{"b": true}, `spec.a is not set, was "x", spec.b is true, was not set`},
		"something large":    {map[string]any{"template": map[string]any{"x": "y"}}, map[string]any{"template": map[string]any{}}, "spec.template differs"},
		"nothing to be seen": {map[string]any{"a": "x"}, map[string]any{"a": "x"}, "it was changed and changed back"},
		"no spec":            {nil, nil, "it was changed and changed back"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := differences(c.before, c.now); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRollingUpdateInWords(t *testing.T) {
	for name, c := range map[string]struct {
		n, surge, unavailable int
		want                  string
		danger                action.Danger
	}{
		"surge alone":        {5, 2, 0, "All 5 pods are replaced, up to 2 more at a time; none may be missing.", action.DangerEnter},
		"in place":           {5, 0, 1, "All 5 pods are replaced in place, one at a time.", action.DangerEnter},
		"both":               {10, 3, 2, "All 10 pods are replaced, up to 3 more and 2 fewer at a time.", action.DangerEnter},
		"one pod, surging":   {1, 1, 0, "Its only pod is replaced, up to 1 more at a time; none may be missing.", action.DangerEnter},
		"one pod, in place":  {1, 0, 1, "Its only pod is replaced, up to 0 more at a time; all may be missing at once.", action.DangerName},
		"everything at once": {2, 0, 2, "Both pods are replaced, up to 0 more at a time; all may be missing at once.", action.DangerName},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rolling(c.n, c.surge, c.unavailable); got.text != c.want || got.danger != c.danger {
				t.Errorf("got %q, %v", got.text, got.danger)
			}
		})
	}
}

func TestLimitsRoundAsTheControllersRound(t *testing.T) {
	for _, c := range []struct {
		value string
		n     int
		up    bool
		want  int
	}{{"25%", 10, true, 3}, {"25%", 10, false, 2}, {"25%", 1, true, 1}, {"25%", 1, false, 0}, {"3", 10, false, 3}, {"nonsense", 10, true, 0}} {
		if got := scaled(intstr.Parse(c.value), c.n, c.up); got != c.want {
			t.Errorf("%s of %d, up %v: %d, want %d", c.value, c.n, c.up, got, c.want)
		}
	}
}

func TestPointersEscape(t *testing.T) {
	if got, want := pointer("metadata", "annotations", "a/b~c"), "/metadata/annotations/a~1b~0c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
