package controllers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/demo/apiserver"
)

func kindExternalSecrets() groupResource {
	return groupResource{Group: "external-secrets.io", Resource: "externalsecrets"}
}

// esoSource is how the operator appears in events.
const esoSource = "external-secrets"

// esoRetry is when a sync that failed is tried again; the real operator backs
// off up to about a quarter of an hour.
const esoRetry = 4 * time.Minute

// SyncFunc answers for the store behind an ExternalSecret: "" when it gave the
// values, else what the provider said.
type SyncFunc func(es *unstructured.Unstructured) (problem string)

// syncExternalSecret refreshes one ExternalSecret when its interval has passed
// or its generation or an annotation changed, as the External Secrets Operator
// does. The values of its Secret never change by it.
func (m *Manager) syncExternalSecret(it item) time.Time {
	es, ok := get[*unstructured.Unstructured](m, kindExternalSecrets(), it.namespace, it.name)
	if !ok || m.cfg.Sync == nil {
		return time.Time{}
	}
	if m.coarse {
		return m.now.Add(coarseSync)
	}
	every := refreshInterval(es)
	seen := fmt.Sprintf("%d-%x", es.GetGeneration(), hashOf(fmt.Sprint(es.GetAnnotations()), fmt.Sprint(es.GetLabels())))
	last, _, _ := unstructured.NestedString(es.Object, "status", "syncedResourceVersion")
	refreshed, _ := time.Parse(time.RFC3339, nested(es, "status", "refreshTime"))
	if due := refreshed.Add(every); last == seen && !refreshed.IsZero() && due.After(m.now) {
		return due
	}
	if problem := m.cfg.Sync(es); problem != "" {
		m.warn(es, esoSource, "UpdateFailed", "%s", problem)
		m.setExternalSecret(es, "False", "SecretSyncedError", "could not get secret data from provider", "", refreshed)
		return m.now.Add(esoRetry)
	}
	m.setExternalSecret(es, "True", "SecretSynced", "secret synced", seen, m.now)
	if every <= 0 {
		return time.Time{}
	}
	return m.now.Add(every)
}

func refreshInterval(es *unstructured.Unstructured) time.Duration {
	d, err := time.ParseDuration(nested(es, "spec", "refreshInterval"))
	if err != nil {
		return time.Hour
	}
	return d
}

func nested(u *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}

// setExternalSecret writes the status; refreshTime moves on success only.
func (m *Manager) setExternalSecret(es *unstructured.Unstructured, status, reason, message, seen string, refreshed time.Time) {
	since := m.stamp().Format(time.RFC3339)
	if old := readyCondition(es); old != nil && old["status"] == status && old["reason"] == reason {
		since, _ = old["lastTransitionTime"].(string)
	}
	body := map[string]any{
		"binding":    map[string]any{"name": nested(es, "spec", "target", "name")},
		"conditions": []any{map[string]any{"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": since}},
	}
	if !refreshed.IsZero() {
		body["refreshTime"] = refreshed.UTC().Format(time.RFC3339)
	}
	if seen != "" {
		body["syncedResourceVersion"] = seen
	}
	key := apiserver.Key{Resource: kindExternalSecrets(), Namespace: es.GetNamespace(), Name: es.GetName()}
	// A lost race with a client wakes the operator again.
	_, _ = m.store.Modify(key, apiserver.WriteOptions{Manager: esoSource, Subresource: "status"}, func(o apiserver.Object) (apiserver.Object, error) {
		o.(*unstructured.Unstructured).Object["status"] = body
		return o, nil
	})
}

func readyCondition(es *unstructured.Unstructured) map[string]any {
	list, _, _ := unstructured.NestedSlice(es.Object, "status", "conditions")
	for _, c := range list {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" {
			return m
		}
	}
	return nil
}
