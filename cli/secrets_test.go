package cli

import (
	"strings"
	"testing"
)

func TestSecretsOfTheDemo(t *testing.T) {
	r := run(t, "secrets", "list", "--demo", "-n", "shop", "-o", "json")
	var doc struct {
		Secrets []struct {
			Workload, Name, State, Reason string
			StaleHolders                  []struct{ Pod, Container, How string }
		}
	}
	valid(t, r, "secrets.v1.json", &doc)
	want := map[string]string{"checkout-secrets": "failed", "fastapi-secrets": "stale"}
	for _, s := range doc.Secrets {
		if state, ok := want[s.Name]; ok && s.State != state {
			t.Errorf("%s is %s: %s", s.Name, s.State, s.Reason)
		}
		if s.Name == "fastapi-secrets" && (len(s.StaleHolders) != 3 || s.StaleHolders[0].How != "env") {
			t.Errorf("stale holders %+v", s.StaleHolders)
		}
		delete(want, s.Name)
	}
	for name := range want {
		t.Errorf("%s is not listed", name)
	}
	if strings.Contains(r.out, "demo-value") {
		t.Error("a value is printed")
	}
}

func TestWhoUsesASecret(t *testing.T) {
	r := run(t, "secrets", "who", "fastapi-secrets", "--demo", "-n", "shop")
	if r.code != 0 || !strings.Contains(r.out, "Deployment shop/fastapi-service") || !strings.Contains(r.out, "3/3 pods run env from before the change") || strings.Contains(r.out, "checkout-secrets") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := run(t, "secrets", "who", "nonesuch", "--demo", "-n", "shop"); r.code != 0 || !strings.HasPrefix(r.out, "no workload of the scope uses such a secret") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := run(t, "secrets", "who", "--demo"); r.code != 2 || !strings.Contains(r.err, "want one SECRET") {
		t.Errorf("exit %d %s", r.code, r.err)
	}
}

func TestStatusTellsTheSecretsOfOneWorkload(t *testing.T) {
	r := run(t, "status", "--demo", "-n", "shop", "-o", "json", "deploy/fastapi-service")
	var doc struct{}
	valid(t, r, "status.v1.json", &doc)
	if !strings.Contains(r.out, `"state": "stale"`) || !strings.Contains(r.out, `"source": "ExternalSecret shop/fastapi-secrets"`) {
		t.Errorf("exit %d\n%s", r.code, r.out)
	}
}
