package read

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/depend"
	"midwatch/k8s/rollout"
)

var secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// objects reads what the template and the Ingresses name.
func (r *reader) objects(ctx context.Context) {
	r.in.ConfigMaps, r.in.Secrets, r.in.Claims = map[string]depend.Object{}, map[string]depend.Object{}, map[string]depend.Claim{}
	seen, objects := map[string]bool{}, 0
	once := func(kind, name string) bool {
		if name == "" || seen[kind+"/"+name] || objects >= mostObjects {
			return false
		}
		seen[kind+"/"+name] = true
		objects++
		return true
	}
	for _, ref := range depend.References(r.in.Template) {
		switch {
		case ref.Kind == "PersistentVolumeClaim":
			r.claim(ctx, ref.Name)
		case !once(ref.Kind, ref.Name):
		case ref.Kind == "ConfigMap":
			r.task(func() { r.configMap(ctx, ref.Name) })
		default:
			r.task(func() { r.secret(ctx, ref.Name) })
		}
	}
	for _, ing := range r.in.Ingresses.Items {
		for _, t := range ing.Spec.TLS {
			if once("Secret", t.SecretName) {
				r.task(func() { r.secret(ctx, t.SecretName) })
			}
		}
	}
	for _, name := range r.templateClaims() {
		r.claim(ctx, name)
	}
	r.task(func() { r.account(ctx) })
	r.task(func() { r.events(ctx) })
}

func (r *reader) configMap(ctx context.Context, name string) {
	m, err := r.cluster.Typed().CoreV1().ConfigMaps(r.ns).Get(ctx, name, metav1.GetOptions{})
	var o depend.Object
	if o.State, o.Err = fate(err, "get", "configmaps", r.ns); err == nil {
		o.KeysKnown, o.Immutable, o.Changed = true, m.Immutable != nil && *m.Immutable, depend.ContentChanged(m.ObjectMeta)
		for k := range m.Data {
			o.Keys = append(o.Keys, foreign.CleanN(k, 253).String())
		}
		for k := range m.BinaryData {
			o.Keys = append(o.Keys, foreign.CleanN(k, 253).String())
		}
		slices.Sort(o.Keys)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.ConfigMaps[name] = o
}

// secret asks for metadata only: the answer has no values in it.
func (r *reader) secret(ctx context.Context, name string) {
	m, err := r.cluster.Metadata().Resource(secrets).Namespace(r.ns).Get(ctx, name, metav1.GetOptions{})
	var o depend.Object
	if o.State, o.Err = fate(err, "get", "secrets", r.ns); err == nil {
		o.Changed = depend.ContentChanged(m.ObjectMeta)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.Secrets[name] = o
}

// templateClaims are the claims a StatefulSet makes for its pods:
// <template>-<pod> (stateful_set_utils.go getPersistentVolumeClaimName).
func (r *reader) templateClaims() []string {
	var out []string
	for _, t := range r.in.ClaimTemplates {
		for i := range min(r.query.Desired, mostClaims) {
			out = append(out, fmt.Sprintf("%s-%s-%d", t, r.query.Workload.Name, i))
		}
	}
	return out
}

func (r *reader) claim(ctx context.Context, name string) {
	r.mu.Lock()
	_, known := r.in.Claims[name]
	full := len(r.in.Claims) >= mostClaims
	if !known && !full {
		r.in.Claims[name] = depend.Claim{}
	}
	r.mu.Unlock()
	if known || full {
		return
	}
	r.task(func() {
		c, err := r.cluster.Typed().CoreV1().PersistentVolumeClaims(r.ns).Get(ctx, name, metav1.GetOptions{})
		var out depend.Claim
		if out.State, out.Err = fate(err, "get", "persistentvolumeclaims", r.ns); err == nil {
			out.Phase = foreign.CleanN(string(c.Status.Phase), 64).String()
			size := c.Status.Capacity[corev1.ResourceStorage]
			out.Size = size.String()
			if c.Spec.StorageClassName != nil {
				out.Class = foreign.CleanN(*c.Spec.StorageClassName, 253).String()
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.in.Claims[name] = out
	})
}

func (r *reader) account(ctx context.Context) {
	name := r.in.Template.Spec.ServiceAccountName
	if name == "" {
		name = "default"
	}
	_, err := r.cluster.Typed().CoreV1().ServiceAccounts(r.ns).Get(ctx, name, metav1.GetOptions{})
	r.in.Account.State, r.in.Account.Err = fate(err, "get", "serviceaccounts", r.ns)
}

// events reads the Warnings in which a kubelet names a key it did not find:
// of a Secret nothing else tells. That they may not be read changes nothing.
func (r *reader) events(ctx context.Context) {
	var out []*k8s.Event
	for _, reason := range []string{"Failed", "FailedMount"} {
		l, err := r.cluster.Typed().CoreV1().Events(r.ns).List(ctx, metav1.ListOptions{
			FieldSelector: fields.Set{"involvedObject.kind": "Pod", "reason": reason}.AsSelector().String(), Limit: most,
		})
		if err != nil {
			return
		}
		for i := range l.Items {
			out = append(out, rollout.FromEvent(&l.Items[i], nil))
		}
	}
	r.in.Events = slices.DeleteFunc(out, func(e *k8s.Event) bool {
		return !slices.ContainsFunc(r.in.Pods, func(p *corev1.Pod) bool { return p.Name == e.Involved.Name })
	})
}
