package demo

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/demo/apiserver"
)

const esoVersion = "external-secrets.io/v1"

// withSecrets adds the External Secrets Operator: its kinds, one store, and
// what it keeps in step. Its stories: fastapi-service runs on variables from
// before a rotation, and the store refuses checkout's path.
func withSecrets(kinds []apiserver.Resource, beats []beat) ([]apiserver.Resource, []beat) {
	for _, k := range []apiserver.Resource{
		{Kind: "ExternalSecret", Plural: "externalsecrets", Short: []string{"es"}},
		{Kind: "SecretStore", Plural: "secretstores", Short: []string{"ss"}},
		{Kind: "ClusterSecretStore", Plural: "clustersecretstores", Short: []string{"css"}, Cluster: true},
	} {
		k.Group, k.Version, k.Status, k.Generation = "external-secrets.io", "v1", true, true
		kinds = append(kinds, k)
	}
	return kinds, append(beats,
		beat{39 * day, func(c *cluster) { c.create("helm", secretStore()) }},
		beat{34*day - time.Minute, func(c *cluster) {
			c.create("helm", externalSecret("shop", "fastapi-secrets", "services/fastapi", "database-url", "jwt-secret"))
		}},
		beat{30 * day, func(c *cluster) {
			c.create("helm", externalSecret("payments", "payments-secrets", "services/payments", "stripe-api-key", "database-url"))
			c.create("helm", externalSecret("shop", "checkout-secrets", "services/checkout", "database-url"))
		}},
		beat{70 * time.Minute, rotated("shop", "fastapi-secrets", "jwt-secret")},
	)
}

// syncSecret answers for the store: it refuses one path.
func syncSecret(es *unstructured.Unstructured) string {
	if es.GetNamespace() == "shop" && es.GetName() == "checkout-secrets" {
		return "error processing spec.data[0] (key: services/checkout), err: cannot read secret data from Vault: Error making API request.\n\n" +
			"URL: GET https://vault.example.com/v1/kv/data/services/checkout\nCode: 403. Errors:\n\n* 1 error occurred:\n\t* permission denied\n\n"
	}
	return ""
}

func secretStore() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": esoVersion, "kind": "ClusterSecretStore",
		"spec": map[string]any{"provider": map[string]any{"vault": map[string]any{
			"server": "https://vault.example.com", "path": "kv", "version": "v2",
			"auth": map[string]any{"kubernetes": map[string]any{"mountPath": "kubernetes", "role": "external-secrets"}},
		}}},
		"status": map[string]any{"capabilities": "ReadWrite", "conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Valid", "message": "store validated", "lastTransitionTime": "2026-10-16T09:00:00Z",
		}}},
	}}
	u.SetName("vault-backend")
	return u
}

// externalSecret keeps the keys of a Secret in step with one path.
func externalSecret(namespace, name, path string, keys ...string) *unstructured.Unstructured {
	var data []any
	for _, k := range keys {
		data = append(data, map[string]any{"secretKey": k, "remoteRef": map[string]any{"key": path, "property": k}})
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": esoVersion, "kind": "ExternalSecret",
		"spec": map[string]any{
			"refreshInterval": "1h", "data": data,
			"secretStoreRef": map[string]any{"name": "vault-backend", "kind": "ClusterSecretStore"},
			"target":         map[string]any{"name": name},
		},
	}}
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// rotated is the operator writing a new value into a Secret.
func rotated(namespace, name, key string) func(*cluster) {
	return func(c *cluster) {
		change(c, "externalsecrets.external-secrets.io/"+name, schema.GroupResource{Resource: "secrets"}, namespace, name, func(s *corev1.Secret) {
			s.Data[key] = []byte("demo-value-after-the-rotation-of-" + key)
		})
	}
}
