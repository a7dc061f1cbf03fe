package secrets

import (
	"strings"
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

const providerClass = `
kind: SecretProviderClass
metadata: {name: ledger, namespace: shop}
spec:
  provider: vault
  parameters:
    roleName: ledger
    objects: |
      - {objectName: url, secretPath: secret/data/services/ledger, secretKey: url}
      - {objectName: user, secretPath: database/creds/ledger, secretKey: username}
      - {objectName: key, secretPath: secret/data/services/ledger, secretKey: key}
`

func podStatus(pod, mounted, version string) string {
	return `
kind: SecretProviderClassPodStatus
metadata: {name: ` + pod + `-shop-ledger, namespace: shop}
status:
  podName: ` + pod + `
  secretProviderClassName: ledger
  mounted: ` + mounted + `
  objects: [{id: user, version: "1"}, {id: url, version: "` + version + `"}]
`
}

func csiInput(t *testing.T, statuses ...string) Input {
	t.Helper()
	class := FromSecretProviderClass(object(t, providerClass))
	in := Input{
		Workload: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "ledger"}, Now: now,
		Uses:    []Use{{How: HowCSI, Secret: "ledger", Container: "api", As: "/secrets"}},
		Classes: map[string]*Class{"ledger": &class},
		Runs:    []ContainerRun{{Pod: "ledger-1", Container: "api", Started: ago(time.Hour)}, {Pod: "ledger-2", Container: "api", Started: ago(time.Minute)}},
	}
	for _, s := range statuses {
		in.Mounts = append(in.Mounts, FromPodStatus(object(t, s)))
	}
	return in
}

func TestAClassNamesRoleAndPaths(t *testing.T) {
	c := FromSecretProviderClass(object(t, providerClass))
	if c.Provider != "vault" || c.Role != "ledger" || len(c.Paths) != 2 || c.Paths[0] != "database/creds/ledger" {
		t.Errorf("%+v", c)
	}
	for name, objects := range map[string]string{"no list": "x: [", "numbers": "- 1\n- 2", "an alias bomb": "a: &a [x]\nb: [*a,*a]"} {
		broken := object(t, providerClass)
		spec, _ := broken.Object["spec"].(map[string]any)
		spec["parameters"] = map[string]any{"objects": objects}
		if c := FromSecretProviderClass(broken); len(c.Paths) != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestWhichVersionsPodsHaveMounted(t *testing.T) {
	for name, c := range map[string]struct {
		in       Input
		state    string
		severity live.Severity
		says     string
		holders  int
	}{
		"all the same":    {csiInput(t, podStatus("ledger-1", "true", "a"), podStatus("ledger-2", "true", "a")), "mounted", live.OK, "2 of 2 pods have mounted 2 objects", 0},
		"the old one has": {csiInput(t, podStatus("ledger-1", "true", "a"), podStatus("ledger-2", "true", "b")), "differs", live.Warn, "1/2 pods have mounted another version than the pod that started last", 1},
		"one has not":     {csiInput(t, podStatus("ledger-1", "true", "a"), podStatus("ledger-2", "false", "a")), "unmounted", live.Warn, "not mounted in ledger-2", 0},
		"a pod that left": {csiInput(t, podStatus("ledger-9", "true", "a")), "csi", live.Unknown, "not recorded", 0},
		"nothing is said": {csiInput(t), "csi", live.Unknown, "not recorded", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := Assess(c.in)[0]
			if r.State != c.state || r.Severity != c.severity || !strings.Contains(r.Message.String(), c.says) || len(r.Holders) != c.holders {
				t.Errorf("%s, %s: %s (%d holders)", r.State, r.Severity, r.Message, len(r.Holders))
			}
			if len(r.StalePods) != 0 {
				t.Error("a version that differs is no proof")
			}
		})
	}
	in := csiInput(t)
	in.MountErr = "forbidden: list secretproviderclasspodstatuses in shop"
	if r := Assess(in)[0]; r.Message != in.MountErr || r.Severity != live.Unknown {
		t.Errorf("forbidden: %+v", r)
	}
	in.ClassMissing = map[string]bool{"ledger": true}
	if r := Assess(in)[0]; r.State != "missing" || r.Severity != live.Fail {
		t.Errorf("missing: %+v", r)
	}
}

func TestWhatAPodTemplateTakes(t *testing.T) {
	spec := podSpec(t, `
imagePullSecrets: [{name: registry}]
containers:
- name: api
  envFrom: [{secretRef: {name: b}}]
  env: [{name: X, valueFrom: {secretKeyRef: {name: a, key: x}}}, {name: Y, valueFrom: {secretKeyRef: {name: b, key: y}}}]
`)
	takes := TakesOf(spec, map[string]string{injectOn: "true", injectSecret + "db": "database/creds/app", injectRole: "app", injectOnce: "true"}, nil)
	if strings.Join(takes.Secrets, " ") != "a b" || !takes.Once || takes.Role != "app" || !takes.Reads("database/creds/app") || takes.Takes("registry") || !takes.Takes("b") {
		t.Errorf("%+v", takes)
	}
	var none *Takes
	if none.Takes("a") || none.Reads("x") {
		t.Error("nothing takes something")
	}
}

func TestWhatAnOperatorsObjectHolds(t *testing.T) {
	h := HeldBy(object(t, `
kind: VaultDynamicSecret
metadata: {name: db, namespace: shop}
spec: {mount: database, path: creds/shop, renewalPercent: 50, vaultAuthRef: vso, destination: {name: db-creds}}
status: {lastRenewalTime: 1764000000, secretLease: {id: "database/creds/shop/abc", duration: 3600}, vaultClientMeta: {id: cafe}, conditions: [{type: Ready, status: "False", message: "denied \u001b[2J"}]}
`))
	at := time.Unix(1764000000, 0).UTC()
	if h.Target != "db-creds" || h.Path != "database/creds/shop" || !h.Ends.Equal(at.Add(time.Hour)) || !h.Due.Equal(at.Add(30*time.Minute)) || !h.Late.Equal(at.Add(36*time.Minute+renewSlack)) || h.Auth != "vso" || h.Client != "cafe" {
		t.Errorf("%+v", h)
	}
	if h.Problem == "" || strings.ContainsRune(h.Problem.String(), 0x1b) {
		t.Errorf("problem %q", h.Problem)
	}
	if s := h.Shifted(time.Minute); !s.Ends.Equal(h.Ends.Add(time.Minute)) || !s.Due.Equal(h.Due.Add(time.Minute)) || s.Lease != h.Lease {
		t.Errorf("by another clock: %+v", s)
	}
	pki := HeldBy(object(t, `
kind: VaultPKISecret
metadata: {name: tls, namespace: shop}
spec: {mount: pki, role: web, expiryOffset: 10m, destination: {name: tls}}
status: {expiration: 1764000000, lastRotation: 1763990000}
`))
	if !pki.Ends.Equal(at) || !pki.Due.Equal(at.Add(-10*time.Minute)) || pki.Lease != "" || pki.Path != "pki/issue/web" {
		t.Errorf("%+v", pki)
	}
	for name, text := range map[string]string{
		"a static secret's":  "kind: VaultDynamicSecret\nspec: {path: static-creds/x}\nstatus: {lastRenewalTime: 1}",
		"nothing yet":        "kind: VaultPKISecret",
		"of the wrong types": "kind: VaultDynamicSecret\nstatus: {lastRenewalTime: soon, secretLease: [1]}",
	} {
		if h := HeldBy(object(t, text)); h != nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
	auth := FromVaultAuth(object(t, "metadata: {name: vso, namespace: shop}\nspec: {kubernetes: {role: shop, serviceAccount: shop-vso}}"))
	if a := AuthOf(h, []Auth{{Namespace: "other", Name: "vso", Account: "x"}, auth}); a == nil || a.Account != "shop-vso" {
		t.Errorf("logs in by %+v", a)
	}
	if a := AuthOf(&Held{Namespace: "shop", Auth: foreign.Text("none").String()}, []Auth{auth}); a != nil {
		t.Errorf("logs in by %+v", a)
	}
}
