package change_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/demo/controllers"
	"midwatch/k8s"
)

// store is what the operator reaches; problem is what it answers instead.
type store struct{ problem string }

// withOperator adds an External Secrets Operator and one ExternalSecret that
// has synced.
func withOperator(f *fixture, interval string) (k8s.Ref, *store) {
	s := &store{}
	f.Register(apiserver.Resource{Group: "external-secrets.io", Version: "v1", Kind: "ExternalSecret", Plural: "externalsecrets", Status: true, Generation: true})
	f.manager = controllers.New(controllers.Config{Store: f.Store(), Seed: 7, Sync: func(*unstructured.Unstructured) string { return s.problem }})
	es := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
		"spec": map[string]any{"refreshInterval": interval, "secretStoreRef": map[string]any{"name": "vault-backend", "kind": "ClusterSecretStore"}, "target": map[string]any{"name": "api-secrets"}},
	}}
	es.SetNamespace("shop")
	es.SetName("api-secrets")
	if _, err := f.Store().Create(es, apiserver.WriteOptions{}); err != nil {
		f.t.Fatal(err)
	}
	f.settle(time.Minute)
	return k8s.Ref{Kind: "ExternalSecret", Namespace: "shop", Name: "api-secrets"}, s
}

func TestForceSync(t *testing.T) {
	f := start(t)
	ref, s := withOperator(f, "1h")
	p := must(f.planner.PlanForceSync(f.ctx(), ref))
	if p.Danger != action.DangerEnter || !strings.Contains(p.Equivalent, "annotate externalsecret/api-secrets force-sync=") || !strings.Contains(p.Blast, "keep the old values until they are restarted") {
		t.Errorf("plan %+v", p)
	}
	out := f.mustRun(p, nil)
	text, err := f.verify(out, func() { f.settle(time.Second) })
	if err != nil || !strings.HasPrefix(text, "synced at 03:") {
		t.Errorf("verified %q, %v", text, err)
	}
	s.problem = "Code: 403. permission denied"
	f.settle(2 * time.Second)
	out = f.mustRun(must(f.planner.PlanForceSync(f.ctx(), ref)), nil)
	text, err = f.verify(out, func() { f.settle(time.Second) })
	if err != nil || !strings.HasPrefix(text, "the sync failed: could not get secret data") {
		t.Errorf("verified %q, %v", text, err)
	}
}

func TestForceSyncRefusesWhereItDoesNothing(t *testing.T) {
	f := start(t)
	ref, _ := withOperator(f, "0")
	if _, err := f.planner.PlanForceSync(f.ctx(), ref); err == nil || !strings.Contains(err.Error(), "it would do nothing: its refreshInterval is 0") {
		t.Errorf("got %v", err)
	}
	ref.Name = "nonesuch"
	if _, err := f.planner.PlanForceSync(f.ctx(), ref); err == nil || !strings.Contains(err.Error(), `"nonesuch" not found`) {
		t.Errorf("got %v", err)
	}
	if _, err := f.planner.PlanForceSync(f.ctx(), k8s.Ref{Kind: "Secret", Namespace: "shop", Name: "x"}); err == nil || !strings.Contains(err.Error(), "only an ExternalSecret") {
		t.Errorf("got %v", err)
	}
}
