// Package object reads one object when someone opens it: its YAML, and the
// events about it. Nothing here is kept or watched, and values of Secrets do
// not leave it.
package object

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/rollout"
)

// Cluster is the connection; [midwatch/k8s/connect.Cluster] is one.
type Cluster interface {
	Typed() kubernetes.Interface
	Dynamic() dynamic.Interface
	Discovery() discovery.CachedDiscoveryInterface
}

const (
	readWithin = 15 * time.Second
	// maxYAML bounds what is shown of one object, in bytes; etcd's own limit
	// is 1.5 MiB.
	maxYAML = 2 << 20
	// maxEvents bounds the events read about one object.
	maxEvents = 500
)

// YAML reads an object of any kind the server has. managedFields are left out;
// of a Secret only the sizes of its values are shown.
func YAML(ctx context.Context, c Cluster, ref k8s.Ref) (foreign.Text, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	resource, namespaced, err := resourceOf(c, ref.Kind)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	var objects dynamic.ResourceInterface = c.Dynamic().Resource(resource)
	if namespaced {
		objects = c.Dynamic().Resource(resource).Namespace(ref.Namespace)
	}
	u, err := objects.Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	hide(u)
	raw, err := yaml.Marshal(u.Object)
	if err != nil {
		return "", fmt.Errorf("write %s as YAML: %w", ref, err)
	}
	return foreign.CleanBlock(strings.TrimRight(string(raw), "\n"), maxYAML), nil
}

// hide takes out what nobody reads and what nobody should.
func hide(u *unstructured.Unstructured) {
	u.SetManagedFields(nil)
	if u.GetKind() != "Secret" {
		return
	}
	// kubectl apply keeps a copy of the whole manifest in an annotation.
	if a := u.GetAnnotations(); a[corev1.LastAppliedConfigAnnotation] != "" {
		a[corev1.LastAppliedConfigAnnotation] = "<hidden>"
		u.SetAnnotations(a)
	}
	for _, field := range []string{"data", "stringData"} {
		values, ok := u.Object[field].(map[string]any)
		if !ok {
			continue
		}
		for key, v := range values {
			text, _ := v.(string)
			n := len(text)
			if raw, err := base64.StdEncoding.DecodeString(text); err == nil && field == "data" {
				n = len(raw)
			}
			values[key] = fmt.Sprintf("<%d bytes>", n)
		}
	}
}

// resourceOf finds where objects of a kind are served. The kinds midwatch
// shows itself are known; for others the server is asked, once.
func resourceOf(c Cluster, kind string) (resource schema.GroupVersionResource, namespaced bool, err error) {
	for _, k := range known() {
		if k.kind == kind {
			return schema.GroupVersionResource{Group: k.group, Version: k.version, Resource: k.resource}, k.namespaced, nil
		}
	}
	groups, err := restmapper.GetAPIGroupResources(c.Discovery())
	if err != nil {
		return resource, false, fmt.Errorf("ask for the server's kinds: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for _, g := range groups {
		mapping, err := mapper.RESTMapping(schema.GroupKind{Group: g.Group.Name, Kind: kind})
		if err == nil {
			return mapping.Resource, mapping.Scope.Name() == meta.RESTScopeNameNamespace, nil
		}
	}
	return resource, false, fmt.Errorf("the server has no kind %s", kind)
}

type knownKind struct {
	kind, group, version, resource string
	namespaced                     bool
}

func known() []knownKind {
	return []knownKind{
		{"Pod", "", "v1", "pods", true},
		{"Deployment", "apps", "v1", "deployments", true},
		{"ReplicaSet", "apps", "v1", "replicasets", true},
		{"StatefulSet", "apps", "v1", "statefulsets", true},
		{"DaemonSet", "apps", "v1", "daemonsets", true},
		{"ControllerRevision", "apps", "v1", "controllerrevisions", true},
		{"Rollout", "argoproj.io", "v1alpha1", "rollouts", true},
		{"HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers", true},
		{"Event", "", "v1", "events", true},
		{"ConfigMap", "", "v1", "configmaps", true},
		{"Secret", "", "v1", "secrets", true},
		{"Service", "", "v1", "services", true},
		{"Namespace", "", "v1", "namespaces", false},
		{"Node", "", "v1", "nodes", false},
	}
}

// Events reads the events about one object, of every type, the newest first;
// more says that there are older ones that were not read.
func Events(ctx context.Context, c Cluster, ref k8s.Ref) (events []*k8s.Event, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	about := fields.Set{"involvedObject.kind": ref.Kind, "involvedObject.name": ref.Name}
	if ref.UID != "" {
		about = fields.Set{"involvedObject.uid": ref.UID}
	}
	list, err := c.Typed().CoreV1().Events(ref.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: about.AsSelector().String(), Limit: maxEvents,
	})
	if err != nil {
		return nil, false, fmt.Errorf("read the events of %s: %w", ref, err)
	}
	for i := range list.Items {
		events = append(events, rollout.FromEvent(&list.Items[i], nil))
	}
	slices.SortStableFunc(events, func(a, b *k8s.Event) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason))
	})
	return events, list.Continue != "", nil
}
