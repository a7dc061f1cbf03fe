package watch

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/demo/apiserver"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

func vaultOperator(c *cluster) {
	for kind, plural := range map[string]string{"VaultDynamicSecret": dynamicName, "VaultPKISecret": pkiName} {
		c.Register(apiserver.Resource{Group: "secrets.hashicorp.com", Version: "v1beta1", Kind: kind, Plural: plural, Status: true})
	}
}

func dynamicSecret(namespace, target string, renewed time.Time) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "secrets.hashicorp.com/v1beta1", "kind": "VaultDynamicSecret",
		"spec":   map[string]any{"mount": "database", "path": "creds/app", "destination": map[string]any{"name": target}},
		"status": map[string]any{"lastRenewalTime": renewed.Unix(), "secretLease": map[string]any{"id": "database/creds/app/tail", "duration": int64(3600)}},
	}}
	u.SetNamespace(namespace)
	u.SetName("db")
	return u
}

// takes lets a Deployment of the cluster read a Secret.
func takes(t *testing.T, c *cluster, namespace, name, secret string) {
	t.Helper()
	o, ok := c.Store().Get(groupResource("deployments"), namespace, name)
	d, isDeployment := o.(*appsv1.Deployment)
	if !ok || !isDeployment {
		t.Fatalf("no Deployment %s/%s", namespace, name)
	}
	ref := &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}
	d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: ref}}
	put(t, c, d)
}

// TestCredentialsThatEndAreOnTheBoard judges the takers of a Secret, and only
// those, when what an operator holds changes.
func TestCredentialsThatEndAreOnTheBoard(t *testing.T) {
	c := newCluster(t)
	vaultOperator(c)
	for _, name := range []string{"api", "mail"} {
		service(t, c, "shop", name, 3, 3)
	}
	service(t, c, "team-01", "api", 3, 3)
	takes(t, c, "shop", "api", "db")
	takes(t, c, "team-01", "api", "db") // of the same name, in another namespace
	put(t, c, dynamicSecret("shop", "db", time.Now()))
	poked := make(chan struct{}, 64)
	s := Start(t.Context(), Options{Cluster: c, Clock: &clock{}, OnHeld: func() {
		select {
		case poked <- struct{}{}:
		default:
		}
	}, Endings: func(taker *Taker, now time.Time) ([]k8s.Ending, time.Time) {
		var list []k8s.Ending
		for _, h := range taker.Held {
			list = append(list, k8s.Ending{Secret: h.Target, Ends: h.Ends, Severity: live.Warn, Message: foreign.Clean("credentials in Secret " + h.Target + " end"), Since: now, Evidence: "exact"})
		}
		return list, time.Time{}
	}})
	defer s.Close()
	b, _, err := s.Once(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	first := b.Workloads[0]
	if first.Key() != "shop/Deployment/api" || first.Verdict.Severity != live.Warn || first.Verdict.Reason != k8s.ReasonEnds || first.Verdict.Message != "credentials in Secret db end" || len(first.Endings) != 1 {
		t.Errorf("first is %s: %+v", first.Key(), first.Verdict)
	}
	for _, w := range b.Workloads[1:] {
		if w.Verdict.Severity != live.OK || len(w.Endings) != 0 {
			t.Errorf("%s: %+v", w.Key(), w.Verdict)
		}
	}
	if len(poked) == 0 || len(s.Held()) != 1 || s.Held()[0].Lease != "database/creds/app/tail" {
		t.Errorf("held: %+v, told %d times", s.Held(), len(poked))
	}
	for _, taker := range s.Takers() {
		if want := taker.Name == "api"; taker.Takes.Takes("db") != want || len(taker.Pods) != 3 {
			t.Errorf("%s takes %+v, pods %v", taker.Key(), taker.Takes, taker.Pods)
		}
	}
}

func TestAnEndingDoesNotHideWorseTrouble(t *testing.T) {
	row := func(sev live.Severity, phase k8s.Phase, message foreign.Text) *k8s.Workload {
		return &k8s.Workload{Verdict: k8s.Verdict{Severity: sev, Phase: phase, Message: message}}
	}
	for _, c := range []struct {
		row    *k8s.Workload
		ending live.Severity
		want   string
		sev    live.Severity
	}{
		{row(live.OK, k8s.PhaseDone, "all is well"), live.Warn, "it ends", live.Warn},
		{row(live.Info, k8s.PhaseProgressing, "rolling out"), live.Warn, "it ends; rolling out", live.Warn},
		{row(live.Warn, k8s.PhaseStalling, "stuck"), live.Warn, "stuck; it ends", live.Warn},
		{row(live.Warn, k8s.PhaseStalling, "stuck"), live.Fail, "it ends; stuck", live.Fail},
		{row(live.Fail, k8s.PhaseFailed, "failed"), live.Fail, "failed; it ends", live.Fail},
		{row(live.Unknown, k8s.PhaseUnknown, ""), live.Warn, "it ends", live.Warn},
	} {
		was := c.row.Verdict.Severity
		tellEndings(c.row, []k8s.Ending{{Severity: c.ending, Message: "it ends"}}, 0)
		if v := c.row.Verdict; v.Message.String() != c.want || v.Severity != c.sev || len(v.Evidence) != 1 {
			t.Errorf("%s and %s: %s: %s", was, c.ending, v.Severity, strings.TrimSpace(v.Message.String()))
		}
	}
}
