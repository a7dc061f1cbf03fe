package demo

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/demo/apiserver"
)

const vsoVersion = "secrets.hashicorp.com/v1beta1"

// dynamicSecret is one object of the Vault Secrets Operator and whose Secret it
// fills with the credentials of a role.
type dynamicSecret struct {
	namespace, name, target, role string
	// stuck is what its operator says instead of renewing.
	stuck string
}

// dynamicSecrets are those of the demo: one that is renewed in time, and one
// whose operator lost its right, so that its credentials end while pods use
// them.
func dynamicSecrets() []dynamicSecret {
	return []dynamicSecret{
		{namespace: "shop", name: "fastapi-db", target: "fastapi-db", role: "fastapi"},
		{
			namespace: "payments", name: "fraud-db", target: "fraud-db", role: "reports",
			stuck: "Failed to renew the lease: Error making API request. Code: 403. Errors: permission denied",
		},
	}
}

// withDynamicSecrets adds the Vault Secrets Operator: its kinds and its
// objects. What their statuses say is Vault's to say: see follow.
func withDynamicSecrets(kinds []apiserver.Resource, beats []beat) ([]apiserver.Resource, []beat) {
	for _, k := range []apiserver.Resource{
		{Kind: "VaultDynamicSecret", Plural: "vaultdynamicsecrets"}, {Kind: "VaultStaticSecret", Plural: "vaultstaticsecrets"},
		{Kind: "VaultPKISecret", Plural: "vaultpkisecrets"}, {Kind: "VaultAuth", Plural: "vaultauths"},
	} {
		k.Group, k.Version, k.Status, k.Generation = "secrets.hashicorp.com", "v1beta1", true, true
		kinds = append(kinds, k)
	}
	for _, d := range dynamicSecrets() {
		beats = append(beats, beat{35 * day, func(c *cluster) {
			c.create("helm", d.object())
			c.create("vault-secrets-operator", secret(d.namespace, d.target, "username", "password"))
		}})
	}
	return kinds, beats
}

func (d dynamicSecret) object() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": vsoVersion, "kind": "VaultDynamicSecret",
		"spec": map[string]any{
			"mount": "database", "path": "creds/" + d.role, "vaultAuthRef": "vault-auth", "renewalPercent": int64(67),
			"destination":           map[string]any{"name": d.target, "create": true},
			"rolloutRestartTargets": []any{},
		},
	}}
	u.SetNamespace(d.namespace)
	u.SetName(d.name)
	return u
}

// follow writes into the statuses what the operator would: which lease it
// holds and when that was renewed last. It returns when that may change.
func (w *World) follow(now time.Time) {
	if now.Before(w.followed.Add(followEvery)) && !w.followed.IsZero() {
		return
	}
	w.followed = now
	for _, d := range dynamicSecrets() {
		l, ok := w.vault.Newest("database", d.role)
		if !ok {
			continue
		}
		renewed := l.Issued
		if l.Renewed.After(renewed) {
			renewed = l.Renewed
		}
		ready := condition("True", "SecretSynced", "Secret synced, lease renewed", renewed)
		if d.stuck != "" {
			ready = condition("False", "SecretLeaseRenewalError", d.stuck, renewed.Add(l.Expires.Sub(renewed)*2/3))
		}
		w.clusters[0].setStatus(d, map[string]any{
			"lastRenewalTime": renewed.Unix(),
			"secretLease": map[string]any{
				"id": l.ID, "duration": int64(l.Expires.Sub(renewed).Seconds()), "renewable": l.Renewable, "requestID": "demo",
			},
			"vaultClientMeta": map[string]any{"cacheKey": "kubernetes-demo", "id": ""},
			"conditions":      []any{ready},
		})
	}
}

// followEvery is how often the demo's operator looks whether Vault renewed.
const followEvery = 10 * time.Second

func condition(status, reason, message string, since time.Time) map[string]any {
	return map[string]any{"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": since.UTC().Format(time.RFC3339)}
}

// setStatus writes a status that differs from the one there is.
func (c *cluster) setStatus(d dynamicSecret, status map[string]any) {
	key := apiserver.Key{Resource: schema.GroupResource{Group: "secrets.hashicorp.com", Resource: "vaultdynamicsecrets"}, Namespace: d.namespace, Name: d.name}
	_, err := c.store.Modify(key, apiserver.WriteOptions{Manager: "vault-secrets-operator", Subresource: "status"}, func(o apiserver.Object) (apiserver.Object, error) {
		u, _ := o.(*unstructured.Unstructured)
		u.Object["status"] = status
		return u, nil
	})
	if err != nil {
		c.errs = append(c.errs, err)
	}
}
