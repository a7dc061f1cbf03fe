//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"midwatch/testbed"
	"midwatch/testbed/ptydrive"
)

const leasedWorld = `
apiVersion: v1
kind: Namespace
metadata: {name: leased}
---
apiVersion: v1
kind: Secret
metadata: {name: ledger-db, namespace: leased}
stringData: {username: canary-user, password: canary-password}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ledger-api, namespace: leased}
spec:
  replicas: 2
  selector: {matchLabels: {app: ledger-api}}
  template:
    metadata: {labels: {app: ledger-api}}
    spec:
      containers:
      - name: api
        image: registry.example.com/ledger-api:v2.0.1
        envFrom: [{secretRef: {name: ledger-db}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ledger-web, namespace: leased}
spec:
  replicas: 1
  selector: {matchLabels: {app: ledger-web}}
  template:
    metadata: {labels: {app: ledger-web}}
    spec: {containers: [{name: web, image: "registry.example.com/ledger-web:v1.0.0"}]}
`

const leasedObjects = `
apiVersion: secrets.hashicorp.com/v1beta1
kind: VaultAuth
metadata: {name: default, namespace: leased}
spec: {method: kubernetes, mount: kubernetes, kubernetes: {role: ledger, serviceAccount: default}}
---
apiVersion: secrets.hashicorp.com/v1beta1
kind: VaultDynamicSecret
metadata: {name: ledger-db, namespace: leased}
spec: {mount: leased, path: ledger, destination: {name: ledger-db}}
`

// leasedEnding is the part of midwatch.status/v1 about credentials.
type leasedEnding struct {
	Severity, Reason, Message string
	Endings                   []struct {
		Lease, Secret, Renewer, Evidence, Severity, Message string
		Ends                                                time.Time
	}
}

// operated lets a Vault Secrets Operator that the test plays hold a lease of
// the real Vault.
type operated struct {
	t     *testing.T
	vault *testbed.Vault
	lease string
	env   []string
}

func operate(t *testing.T) *operated {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	docs := []string{leasedWorld}
	for kind, plural := range map[string]string{
		"VaultAuth": "vaultauths", "VaultDynamicSecret": "vaultdynamicsecrets", "VaultStaticSecret": "vaultstaticsecrets", "VaultPKISecret": "vaultpkisecrets",
	} {
		docs = append([]string{crd("secrets.hashicorp.com", "v1beta1", kind, plural, "Namespaced")}, docs...)
	}
	if err := shared.bed.Apply(ctx, append(docs, leasedObjects)...); err != nil {
		t.Fatal(err)
	}
	if err := shared.bed.WaitRollout(ctx, "leased", "ledger-api"); err != nil {
		t.Fatal(err)
	}
	o := &operated{t: t, vault: openVault(t)}
	var answer struct {
		LeaseID string `json:"lease_id"`
	}
	if err := o.vault.Write(ctx, "leased/ledger", map[string]string{"ttl": "10m", "value": vaultCanary}); err != nil {
		t.Fatal(err)
	}
	if err := o.vault.Do(ctx, o.vault.Root, http.MethodGet, "/v1/leased/ledger", nil, &answer); err != nil || answer.LeaseID == "" {
		t.Fatalf("issue a lease: %v", err)
	}
	o.lease = answer.LeaseID
	token, err := o.vault.Token(ctx, time.Hour, "oncall")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.retire)
	o.env = []string{"VAULT_ADDR=" + o.vault.Addr, "VAULT_TOKEN=" + token}
	return o
}

// objects are the VaultDynamicSecrets of the namespace.
func (o *operated) objects() dynamic.ResourceInterface {
	o.t.Helper()
	dyn, err := dynamic.NewForConfig(shared.bed.RESTConfig("admin"))
	if err != nil {
		o.t.Fatal(err)
	}
	return dyn.Resource(schema.GroupVersionResource{Group: "secrets.hashicorp.com", Version: "v1beta1", Resource: "vaultdynamicsecrets"}).Namespace("leased")
}

// retire takes the object away: credentials that end would be on the board of
// tests that come later.
func (o *operated) retire() {
	if err := o.objects().Delete(context.WithoutCancel(o.t.Context()), "ledger-db", metav1.DeleteOptions{}); err != nil {
		o.t.Error(err)
	}
}

// says writes the status that the operator would write.
func (o *operated) says(renewed time.Time, life time.Duration, ready, message string) {
	o.t.Helper()
	said, err := json.Marshal(message)
	if err != nil {
		o.t.Fatal(err)
	}
	body := fmt.Sprintf(`{"status":{"lastRenewalTime":%d,"secretLease":{"id":%q,"duration":%d,"renewable":true,"requestID":"x"},
  "vaultClientMeta":{"id":"","cacheKey":"x"},"conditions":[{"type":"Ready","status":%q,"reason":"SecretLeaseRenewal","message":%s,"lastTransitionTime":%q}]}}`,
		renewed.Unix(), o.lease, int(life.Seconds()), ready, said, time.Now().UTC().Format(time.RFC3339))
	if _, err := o.objects().Patch(o.t.Context(), "ledger-db", types.MergePatchType, []byte(body), metav1.PatchOptions{}, "status"); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operated) run(args ...string) result {
	o.t.Helper()
	r := command(o.t, append(environment(o.t, shared.bed.Kubeconfig("admin")), o.env...), args...)
	if strings.Contains(r.out+r.err, "canary-") || strings.Contains(r.out+r.err, vaultCanary) {
		o.t.Errorf("midwatch %v prints a value:\n%s%s", args, r.out, r.err)
	}
	return r
}

func (o *operated) status(name string) (leasedEnding, result) {
	o.t.Helper()
	r := o.run("status", "-n", "leased", "-o", "json", name)
	var doc struct{ Workloads []leasedEnding }
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Workloads) != 1 {
		o.t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
	return doc.Workloads[0], r
}

// TestWhatAnOperatorHoldsIsJoinedWithItsHolders drives the status of a
// VaultDynamicSecret that holds a lease of a real Vault.
func TestWhatAnOperatorHoldsIsJoinedWithItsHolders(t *testing.T) {
	o := operate(t)
	o.says(time.Now(), 10*time.Minute, "True", "lease renewed")
	if w, r := o.status("ledger-api"); r.code != 0 || len(w.Endings) != 0 {
		t.Errorf("renewed in time: exit %d, %+v", r.code, w)
	}

	// Nobody renews: the operator lost its right.
	o.says(time.Now(), 10*time.Minute, "False", "permission denied \x1b[2J")
	w, r := o.status("ledger-api")
	if r.code != 1 || w.Severity != "warn" || w.Reason != "CredentialsEnd" || len(w.Endings) != 1 {
		t.Fatalf("ending: exit %d, %+v", r.code, w)
	}
	if e := w.Endings[0]; e.Lease != o.lease || e.Secret != "ledger-db" || e.Renewer != "VaultDynamicSecret leased/ledger-db" || e.Evidence != "exact" || time.Until(e.Ends) > 10*time.Minute {
		t.Errorf("ending %+v", e)
	}
	if !strings.Contains(w.Message, "cannot renew them: permission denied") || strings.ContainsRune(w.Message, 0x1b) {
		t.Errorf("says %q", w.Message)
	}
	if w, r := o.status("ledger-web"); r.code != 0 || len(w.Endings) != 0 {
		t.Errorf("a workload that does not take the Secret: exit %d, %+v", r.code, w)
	}

	r = o.run("secrets", "leases", "-n", "leased", "-o", "json", o.lease)
	var doc struct {
		Leases []struct {
			ID, Holder, By, Evidence string
			Workloads                []string
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Leases) != 1 || doc.Leases[0].Holder != "Deployment leased/ledger-api" || doc.Leases[0].Evidence != "exact" || doc.Leases[0].By != "VaultDynamicSecret leased/ledger-db" {
		t.Errorf("secrets leases: exit %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	if r := o.run("secrets", "who", "ledger-db", "-n", "leased"); !strings.Contains(r.out, "Deployment leased/ledger-api") || !strings.Contains(r.out, "permission denied") || strings.Contains(r.out, "ledger-web") {
		t.Errorf("secrets who: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := o.run("secrets", "list", "-n", "leased", "-o", "json", "ledger-api"); !strings.Contains(r.out, `"state": "healthy"`) || !strings.Contains(r.out, o.lease) || !strings.Contains(r.out, `"asked": "`) {
		t.Errorf("secrets list: exit %d\n%s%s", r.code, r.out, r.err)
	}

	// Vault revokes it under the operator, which says that all is well.
	if err := o.vault.Write(t.Context(), "sys/leases/revoke", map[string]any{"lease_id": o.lease, "sync": true}); err != nil {
		t.Fatal(err)
	}
	o.says(time.Now().Add(-time.Minute), 10*time.Minute, "True", "lease renewed")
	if w, r := o.status("ledger-api"); r.code != 1 || w.Severity != "fail" || !strings.Contains(w.Message, "Vault does not know their lease") {
		t.Errorf("revoked: exit %d, %+v", r.code, w)
	}
	for _, e := range mustAudit(t, o.vault) {
		if e.Who == "token-test" && (e.Operation == "list" || strings.HasPrefix(e.Path, "leased/") || strings.HasPrefix(e.Path, "secret/data/")) {
			t.Errorf("nobody asked for %s %s", e.Operation, e.Path)
		}
	}
}

func mustAudit(t *testing.T, v *testbed.Vault) []testbed.AuditEntry {
	t.Helper()
	entries, err := v.Audit()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestAnOperatorsLeaseInTheConsole watches the board warn when the operator's
// status changes, and looks at the secret behind it.
func TestAnOperatorsLeaseInTheConsole(t *testing.T) {
	o := operate(t)
	o.says(time.Now(), 10*time.Minute, "True", "lease renewed")
	env := append(environment(t, shared.bed.Kubeconfig("admin")), o.env...)
	s, err := ptydrive.Start(ptydrive.Options{Command: []string{shared.binary, "-n", "leased"}, Env: env, Cols: 160, Rows: 48})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &console{s, t}
	c.see(30*time.Second, "ledger-api", "ledger-web", "all 2 pods are up to date")
	o.says(time.Now(), 10*time.Minute, "False", "permission denied")
	c.see(30*time.Second, "1 warning", "credentials end at")
	c.send("/ledger-api"+enter, "1 of 2 shown")
	c.send("9", "filled by", "VaultDynamicSecret/ledger-db", "ends in ", "evidence: exact", o.lease)
	c.send(":leases"+enter, "Vault "+testbed.VaultVersion)
	c.send("a", "leased/ledger/", "ledger-api")
	c.quit()
	if raw := string(s.Raw(0)); strings.Contains(raw, vaultCanary) || strings.Contains(raw, "canary-") {
		t.Error("a value went to the terminal")
	}
}

// TestTheDefaultPolicyInTheConsole has a token without any right to list: what
// the cluster names is looked up all the same, and the missing line is said.
func TestTheDefaultPolicyInTheConsole(t *testing.T) {
	o := operate(t)
	o.says(time.Now(), 10*time.Minute, "False", "permission denied")
	token, err := o.vault.Token(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	o.env[1] = "VAULT_TOKEN=" + token
	env := append(environment(t, shared.bed.Kubeconfig("admin")), o.env...)
	s, err := ptydrive.Start(ptydrive.Options{Command: []string{shared.binary, "-n", "leased", "--write"}, Env: env, Cols: 160, Rows: 48})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &console{s, t}
	c.see(30*time.Second, "credentials end at")
	c.send("/ledger-api"+enter, "1 of 2 shown")
	c.send("9", "VaultDynamicSecret/ledger-db", "evidence: exact", o.lease)
	c.send(":leases"+enter, "leased/ledger/", "path \"sys/leases\"")
	c.send("m", "Lines of policy the token does not have:", "sys/leases/lookup/*")
	c.leave("Lines of policy")
	c.send("r", "Renew the lease")
	c.send(enter, "it ends at")
	c.quit()
	if r := o.run("secrets", "leases", "-n", "leased"); !strings.Contains(r.out, "Deployment leased/ledger-api") || !strings.Contains(r.out, "sys/leases") {
		t.Errorf("secrets leases: exit %d\n%s%s", r.code, r.out, r.err)
	}
	for _, e := range mustAudit(t, o.vault) {
		if e.Who == "token-test" && e.Operation == "list" {
			t.Errorf("nobody asked for %s %s", e.Operation, e.Path)
		}
	}
}

// firstScreen is how long the first screen of a workload's secrets may take,
// from the key to the frame, with a look-up in Vault.
const firstScreen = 300 * time.Millisecond

// TestTheFirstScreenOfAWorkloadsSecrets opens it in consoles that have read
// nothing of it yet. The best of them is what the program takes; the others
// are what else runs on the machine.
func TestTheFirstScreenOfAWorkloadsSecrets(t *testing.T) {
	o := operate(t)
	o.says(time.Now(), 10*time.Minute, "True", "lease renewed")
	best := time.Hour
	for range 5 {
		env := append(environment(t, shared.bed.Kubeconfig("admin")), o.env...)
		s, err := ptydrive.Start(ptydrive.Options{Command: []string{shared.binary, "-n", "leased"}, Env: env, Cols: 160, Rows: 48})
		if err != nil {
			t.Fatal(err)
		}
		c := &console{s, t}
		c.see(30*time.Second, "ledger-api", "ledger-web", "pods ✓")
		c.send("/ledger-api"+enter, "1 of 2 shown")
		begun := time.Now()
		c.send("9", "VaultDynamicSecret/ledger-db", "evidence: exact", o.lease)
		took := time.Since(begun)
		t.Logf("from the key to the frame: %v", took.Round(time.Millisecond))
		best = min(best, took)
		c.quit()
		s.Close()
	}
	if best > firstScreen {
		t.Errorf("the first screen takes %v, want at most %v", best, firstScreen)
	}
}

// TestAWorkloadsSecretsInTheConsole opens what an ExternalSecret fills.
func TestAWorkloadsSecretsInTheConsole(t *testing.T) {
	vaultedWorld(t)
	c := openConsole(t, "admin", 160, 48, "-n", "vaulted")
	c.see(30*time.Second, "fastapi-service")
	c.send("9", "fastapi-secrets", "ExternalSecret/fastapi-secrets", "services/fastapi", "metadata only")
	c.quit()
	if raw := string(c.Raw(0)); strings.Contains(raw, "canary-") {
		t.Error("a value went to the terminal")
	}
}
