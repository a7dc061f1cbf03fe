package secrets

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

var now = time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func podSpec(t *testing.T, text string) *corev1.PodSpec {
	t.Helper()
	var p corev1.PodSpec
	if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

const servicePod = `
imagePullSecrets: [{name: registry}]
initContainers:
- {name: migrate, image: m, envFrom: [{secretRef: {name: fastapi-secrets}, prefix: DB_}]}
containers:
- name: api
  image: registry.example.com/fastapi-service:v1.2.3
  env:
  - {name: ENVIRONMENT, value: production}
  - {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: fastapi-secrets, key: database-url}}}
  - {name: JWT_SECRET, valueFrom: {secretKeyRef: {name: fastapi-secrets, key: jwt-secret, optional: true}}}
  envFrom: [{configMapRef: {name: fastapi-config}}]
  volumeMounts:
  - {name: tls, mountPath: /tls}
  - {name: tls, mountPath: /etc/ca.crt, subPath: ca.crt}
  - {name: all, mountPath: /all}
  - {name: vault, mountPath: /mnt/vault}
volumes:
- {name: tls, secret: {secretName: api-tls}}
- {name: all, projected: {sources: [{secret: {name: api-key}}, {configMap: {name: c}}]}}
- {name: vault, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: shop-db}}}
`

func TestUsesOfAPodTemplate(t *testing.T) {
	got := Uses(podSpec(t, servicePod), map[string]string{
		"vault.hashicorp.com/agent-inject":           "true",
		"vault.hashicorp.com/agent-inject-secret-db": "database/creds/\x1b[31mshop",
	})
	want := []Use{
		{How: HowInjected, As: "/vault/secrets/db", Path: foreign.Clean("database/creds/\x1b[31mshop")},
		{How: HowProjected, Container: "api", Secret: "api-key", As: "/all"},
		{How: HowSubPath, Container: "api", Secret: "api-tls", As: "/etc/ca.crt"},
		{How: HowVolume, Container: "api", Secret: "api-tls", As: "/tls"},
		{How: HowEnv, Container: "api", Secret: "fastapi-secrets", Key: "database-url", As: "DATABASE_URL"},
		{How: HowEnv, Container: "api", Secret: "fastapi-secrets", Key: "jwt-secret", As: "JWT_SECRET", Optional: true},
		{How: HowEnvFrom, Container: "migrate", Secret: "fastapi-secrets", As: "DB_"},
		{How: HowPull, Secret: "registry"},
		{How: HowCSI, Container: "api", Secret: "shop-db", As: "/mnt/vault"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if strings.ContainsRune(string(got[0].Path), 0x1b) {
		t.Error("an escape sequence of an annotation was kept")
	}
}

func TestWithoutTheInjectorItsAnnotationsMeanNothing(t *testing.T) {
	if got := Uses(&corev1.PodSpec{}, map[string]string{"vault.hashicorp.com/agent-inject-secret-db": "database/creds/shop"}); len(got) != 0 {
		t.Errorf("uses %v", got)
	}
}

func TestChangedAtIsWhenAValueChanged(t *testing.T) {
	at := func(d time.Duration) *metav1.Time { v := metav1.NewTime(ago(d)); return &v }
	o := &metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(ago(48 * time.Hour)), ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "externalsecrets.external-secrets.io/fastapi-secrets", Time: at(70 * time.Minute), FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:jwt-secret":{}}}`)},
		{Manager: "kubectl-label", Time: at(time.Minute), FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:x":{}}}}`)},
		{Manager: "broken", Time: at(time.Second), FieldsV1: metav1.NewFieldsV1(`{`)},
	}}
	changed, by := ChangedAt(o)
	if !changed.Equal(ago(70*time.Minute)) || !strings.HasPrefix(by, "externalsecrets") {
		t.Errorf("changed %v by %q: a new label is no new value", changed, by)
	}
	o.ManagedFields = nil
	if changed, _ := ChangedAt(o); !changed.Equal(ago(48 * time.Hour)) {
		t.Errorf("without managed fields: %v", changed)
	}
}

func TestWhoHoldsAnOldVersion(t *testing.T) {
	m := &Meta{Name: "s", Changed: ago(10 * time.Minute)}
	for _, c := range []struct {
		name      string
		how       How
		started   time.Time
		change    func(*Meta)
		stale     bool
		certainty Certainty
		recheck   bool
	}{
		{name: "env from before", how: HowEnv, started: ago(time.Hour), stale: true, certainty: Certain},
		{name: "envFrom from before", how: HowEnvFrom, started: ago(time.Hour), stale: true, certainty: Certain},
		{name: "env restarted in place since", how: HowEnv, started: ago(time.Minute), certainty: Certain},
		{name: "a subPath file", how: HowSubPath, started: ago(time.Hour), stale: true, certainty: Certain},
		{name: "a volume long since refreshed", how: HowVolume, started: ago(time.Hour), certainty: Unknown},
		{name: "a volume not refreshed yet", how: HowVolume, started: ago(time.Hour), change: func(m *Meta) { m.Changed = ago(30 * time.Second) }, stale: true, certainty: Likely, recheck: true},
		{name: "immutable", how: HowEnv, started: ago(time.Hour), change: func(m *Meta) { m.Immutable = true }, certainty: Certain},
		{name: "csi", how: HowCSI, started: ago(time.Hour), certainty: Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := *m
			if c.change != nil {
				c.change(&m)
			}
			uses := []Use{{How: c.how, Container: "api", Secret: "s"}, {How: c.how, Container: "other", Secret: "another"}}
			got, recheck := Holders(&m, uses, []ContainerRun{{"p", "api", c.started}, {"p", "other", c.started}}, now)
			if len(got) != 1 || got[0].Stale != c.stale || got[0].Certainty != c.certainty || recheck.IsZero() == c.recheck {
				t.Errorf("holders %+v, recheck %v", got, recheck)
			}
		})
	}
}

const externalSecret = `
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: fastapi-secrets, namespace: shop}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: vault-backend, kind: ClusterSecretStore}
  target: {name: fastapi-secrets}
  data:
  - {secretKey: database-url, remoteRef: {key: services/fastapi, property: database_url}}
  - {secretKey: jwt-secret, remoteRef: {key: services/fastapi, property: jwt_secret}}
`

func TestWhatAnExternalSecretSays(t *testing.T) {
	status := func(refreshed time.Duration, status, reason, message string) string {
		return "status:\n  refreshTime: " + ago(refreshed).Format(time.RFC3339) + "\n  conditions: [{type: Ready, status: '" + status + "', reason: " + reason + ", message: '" + message + "'}]\n"
	}
	for _, c := range []struct {
		name, spec, status string
		state              SyncState
	}{
		{"synced", "", status(20*time.Minute, "True", "SecretSynced", "secret synced"), SyncOK},
		{"overdue", "", status(62*time.Minute, "True", "SecretSynced", "secret synced"), SyncOverdue},
		{"the provider has nothing", "", status(time.Minute, "True", "SecretSynced", "secret retained due to DeletionPolicy=Retain"), SyncRetained},
		{"nothing to merge into", "", status(time.Minute, "True", "SecretMissing", "secret will not be created due to CreationPolicy=Merge"), SyncMissing},
		{"failed", "", status(3*time.Hour, "False", "SecretSyncedError", "could not get secret data from provider"), SyncFailed},
		{"never looked at", "", "", SyncIgnored},
		{"created once", "  refreshPolicy: CreatedOnce\n", status(90*24*time.Hour, "True", "SecretSynced", "secret synced"), SyncPinned},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := FromExternalSecret(object(t, externalSecret+c.spec+c.status), now)
			if o.State != c.state {
				t.Errorf("state %s (%s), want %s", o.State, o.Message, c.state)
			}
			if o.Store != "ClusterSecretStore vault-backend" || o.Target != "fastapi-secrets" || len(o.Paths) != 1 || o.Paths[0] != "services/fastapi" {
				t.Errorf("read %+v", o)
			}
			if c.state == SyncOK && (o.Recheck.IsZero() || FromExternalSecret(object(t, externalSecret+c.spec+c.status), o.Recheck).State != SyncOverdue) {
				t.Errorf("recheck %v does not lead to overdue", o.Recheck)
			}
		})
	}
}

func TestForceSyncSaysWhereItDoesNothing(t *testing.T) {
	synced := "status: {conditions: [{type: Ready, status: 'True', reason: SecretSynced}]}\n"
	if works, _ := ForceSync(object(t, externalSecret+synced)); !works {
		t.Error("an ordinary one can be synced")
	}
	zero := strings.Replace(externalSecret, "refreshInterval: 1h", `refreshInterval: "0"`, 1)
	if works, instead := ForceSync(object(t, zero+synced)); works || !strings.Contains(instead, "refreshInterval is 0") {
		t.Errorf("interval 0: %v %q", works, instead)
	}
	if works, instead := ForceSync(object(t, strings.Replace(externalSecret, "spec:", "spec:\n  refreshPolicy: CreatedOnce", 1))); works || !strings.Contains(instead, "CreatedOnce") {
		t.Errorf("created once: %v %q", works, instead)
	}
}

func TestADynamicSecretWhoseLeaseIsOver(t *testing.T) {
	text := `
kind: VaultDynamicSecret
metadata: {name: db, namespace: shop}
spec: {mount: database, path: creds/shop, destination: {name: db-creds}, rolloutRestartTargets: [{kind: Deployment, name: cart}]}
status: {lastRenewalTime: %d, secretLease: {id: database/creds/shop/abc, duration: 3600, renewable: true}, conditions: [{type: Ready, status: "True"}]}
`
	at := func(d time.Duration) *unstructured.Unstructured {
		o := object(t, strings.Replace(text, "%d", "1", 1))
		if err := unstructured.SetNestedField(o.Object, ago(d).Unix(), "status", "lastRenewalTime"); err != nil {
			t.Fatal(err)
		}
		return o
	}
	fresh := FromVSO(at(10*time.Minute), now)
	if fresh.State != SyncOK || fresh.Lease != "database/creds/shop/abc" || fresh.Target != "db-creds" || string(fresh.Paths[0]) != "database/creds/shop" {
		t.Errorf("%+v", fresh)
	}
	if want := ago(10 * time.Minute).Add(2412 * time.Second); !fresh.Next.Equal(want) {
		t.Errorf("next renewal %v, want %v (67 %%)", fresh.Next, want)
	}
	if over := FromVSO(at(61*time.Minute), now); over.State != SyncOverdue || over.Reason != "LeaseOver" {
		t.Errorf("%+v", over)
	}
}

func TestAssessAWorkload(t *testing.T) {
	in := Input{
		Workload: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "fastapi-service"},
		Uses:     Uses(podSpec(t, servicePod), nil),
		Metas:    map[string]*Meta{"fastapi-secrets": {Name: "fastapi-secrets", Changed: ago(70 * time.Minute)}, "api-tls": {Name: "api-tls", Changed: ago(900 * time.Hour)}, "registry": {Name: "registry"}},
		Missing:  map[string]bool{"api-key": true},
		Runs: []ContainerRun{
			{"fastapi-1", "api", ago(3 * time.Hour)}, {"fastapi-2", "api", ago(3 * time.Hour)}, {"fastapi-3", "api", ago(time.Hour)},
		},
		Now: now,
	}
	synced := FromExternalSecret(object(t, externalSecret+"status: {refreshTime: '"+ago(10*time.Minute).Format(time.RFC3339)+"', conditions: [{type: Ready, status: 'True', reason: SecretSynced}]}\n"), now)
	in.Origins = map[string]*Origin{"fastapi-secrets": &synced}
	rows := map[string]Row{}
	for _, r := range Assess(in) {
		rows[r.Secret] = r
	}
	stale := rows["fastapi-secrets"]
	if stale.State != "stale" || stale.Severity != live.Warn || string(stale.Message) != "2/3 pods run env from before the change at 02:02 UTC: restart" {
		t.Errorf("%s %s: %s", stale.Severity, stale.State, stale.Message)
	}
	if d := cmp.Diff([]string{"fastapi-1", "fastapi-2"}, stale.StalePods); d != "" {
		t.Error(d)
	}
	if r := rows["api-key"]; r.State != "missing" || r.Severity != live.Fail {
		t.Errorf("%+v", r)
	}
	if r := rows["api-tls"]; r.State != "present" || r.Severity != live.OK || len(r.StalePods) != 0 {
		t.Errorf("%+v", r)
	}
	for i := range in.Runs {
		in.Runs[i].Started = ago(time.Minute)
	}
	if r := Assess(in); slicesHas(r, "stale") {
		t.Error("after a restart nothing is stale")
	}
	in.Annotations = map[string]string{"reloader.stakater.com/auto": "true"}
	in.Runs[0].Started = ago(3 * time.Hour)
	for _, r := range Assess(in) {
		if r.Secret == "fastapi-secrets" && !strings.Contains(string(r.Message), "Reloader restarts them") {
			t.Errorf("with a reloader: %s", r.Message)
		}
	}
}

func slicesHas(rows []Row, state string) bool {
	for _, r := range rows {
		if r.State == state {
			return true
		}
	}
	return false
}

func TestAFailedSyncTellsTheProvidersWords(t *testing.T) {
	failed := FromExternalSecret(object(t, externalSecret+"status: {refreshTime: '"+ago(3*time.Hour).Format(time.RFC3339)+"', conditions: [{type: Ready, status: 'False', reason: SecretSyncedError, message: could not get secret data from provider}]}\n"), now)
	rows := Assess(Input{
		Workload: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "x"}, Now: now,
		Uses:     []Use{{How: HowEnv, Container: "api", Secret: "fastapi-secrets"}},
		Metas:    map[string]*Meta{"fastapi-secrets": {Name: "fastapi-secrets", Changed: ago(time.Hour)}},
		Origins:  map[string]*Origin{"fastapi-secrets": &failed},
		Failures: map[string]foreign.Text{"fastapi-secrets": "error retrieving secret at .data[0]: Code: 403. permission denied"},
		Stores:   []Store{{Kind: "ClusterSecretStore", Name: "vault-backend", Ready: "False", Reason: "InvalidProviderConfig", Message: "unable to create client"}},
	})
	r := rows[0]
	if r.Severity != live.Fail || !strings.Contains(string(r.Message), "permission denied") || !strings.Contains(string(r.Message), "InvalidProviderConfig") {
		t.Errorf("%s: %s", r.Severity, r.Message)
	}
}
