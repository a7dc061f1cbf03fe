package read

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/foreign"
	"midwatch/secrets"
)

// errAbsent says that the server does not serve a group.
var errAbsent = errors.New("not served")

const (
	esoGroup = "external-secrets.io"
	vsoGroup = "secrets.hashicorp.com"
	csiGroup = "secrets-store.csi.x-k8s.io"
)

// origins reads the operators' objects of the namespace that fill a Secret.
func (r *reading) origins(ctx context.Context) {
	groups, err := r.c.Discovery().ServerGroups()
	if err != nil {
		r.say("externalsecrets", err, "discover API groups")
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { r.externalSecrets(ctx, served(groups, esoGroup, "v1", "v1beta1")) })
	wg.Go(func() { r.vso(ctx, served(groups, vsoGroup, "v1beta1")) })
	wg.Go(func() { r.csi(ctx, served(groups, csiGroup, "v1", "v1alpha1")) })
	wg.Wait()
}

// served is the first of the versions that the server serves; "" for none. The
// External Secrets Operator no longer serves v1beta1 by default, older clusters
// serve nothing else.
func served(groups *metav1.APIGroupList, group string, versions ...string) string {
	for _, g := range groups.Groups {
		if g.Name != group {
			continue
		}
		for _, want := range versions {
			for _, v := range g.Versions {
				if v.Version == want {
					return want
				}
			}
		}
	}
	return ""
}

func (r *reading) externalSecrets(ctx context.Context, version string) {
	if version == "" {
		r.say("externalsecrets", errAbsent, "")
		return
	}
	items, err := r.list(ctx, esoGroup, version, "externalsecrets", r.ref.Namespace)
	r.say("externalsecrets", err, "list externalsecrets")
	if err != nil {
		return
	}
	failed := false
	r.mu.Lock()
	for i := range items {
		o := secrets.FromExternalSecret(&items[i], r.now)
		r.addOrigin(&o)
		failed = failed || o.State == secrets.SyncFailed
	}
	r.mu.Unlock()
	stores, err := r.stores(ctx, version)
	r.say("stores", err, "list secretstores")
	r.mu.Lock()
	r.in.Stores = stores
	r.mu.Unlock()
	if failed {
		r.failures(ctx)
	}
}

// stores reads the namespace's stores and the cluster's.
func (r *reading) stores(ctx context.Context, version string) ([]secrets.Store, error) {
	var all []secrets.Store
	own, err := r.list(ctx, esoGroup, version, "secretstores", r.ref.Namespace)
	shared, err2 := r.list(ctx, esoGroup, version, "clustersecretstores", "")
	for i := range own {
		all = append(all, secrets.FromSecretStore(&own[i]))
	}
	for i := range shared {
		all = append(all, secrets.FromSecretStore(&shared[i]))
	}
	return all, errors.Join(err, err2)
}

func (r *reading) vso(ctx context.Context, version string) {
	if version == "" {
		r.say("vso", errAbsent, "")
		return
	}
	var failed error
	for _, plural := range []string{"vaultstaticsecrets", "vaultdynamicsecrets", "vaultpkisecrets"} {
		items, err := r.list(ctx, vsoGroup, version, plural, r.ref.Namespace)
		if err != nil {
			failed = err
			continue
		}
		r.mu.Lock()
		for i := range items {
			o := secrets.FromVSO(&items[i], r.now)
			r.addOrigin(&o)
		}
		r.mu.Unlock()
	}
	r.say("vso", failed, "list "+vsoGroup)
}

// csi reads what the pods have mounted of the CSI driver's classes, where the
// template mounts any.
func (r *reading) csi(ctx context.Context, version string) {
	var classes []string
	for _, u := range r.in.Uses {
		if u.How == secrets.HowCSI && !slices.Contains(classes, u.Secret) {
			classes = append(classes, u.Secret)
		}
	}
	if len(classes) == 0 {
		return
	}
	if version == "" {
		r.say("csi", errAbsent, "")
		return
	}
	found, missing := map[string]*secrets.Class{}, map[string]bool{}
	items, err := r.list(ctx, csiGroup, version, "secretproviderclasspodstatuses", r.ref.Namespace)
	for _, name := range classes[:min(len(classes), maxSecrets)] {
		o, failed := r.c.Dynamic().Resource(schema.GroupVersionResource{Group: csiGroup, Version: version, Resource: "secretproviderclasses"}).
			Namespace(r.ref.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(failed):
			missing[name] = true
		case failed != nil:
			err = errors.Join(err, failed)
		default:
			c := secrets.FromSecretProviderClass(o)
			found[name] = &c
		}
	}
	why := r.say("csi", err, "list secretproviderclasspodstatuses")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.Classes, r.in.ClassMissing, r.in.MountErr = found, missing, why
	for i := range items {
		r.in.Mounts = append(r.in.Mounts, secrets.FromPodStatus(&items[i]))
	}
}

// addOrigin keeps the origin of a Secret. Of several that write the same one,
// the worse is kept: they overwrite each other.
func (r *reading) addOrigin(o *secrets.Origin) {
	if r.in.Origins == nil {
		r.in.Origins = map[string]*secrets.Origin{}
	}
	if old := r.in.Origins[o.Target]; old != nil && old.State.Severity().Rank() <= o.State.Severity().Rank() {
		return
	}
	r.in.Origins[o.Target] = o
}

// failures reads what the provider said: the operator's condition has only a
// general word, its event has the real one.
func (r *reading) failures(ctx context.Context) {
	list, err := r.c.Typed().CoreV1().Events(r.ref.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.kind=ExternalSecret,reason=UpdateFailed", Limit: maxFailures,
	})
	if err != nil {
		return // the condition's word remains
	}
	newest := map[string]metav1.Time{}
	words := map[string]foreign.Text{}
	for i := range list.Items {
		e := &list.Items[i]
		at := e.LastTimestamp
		if at.IsZero() {
			at = metav1.NewTime(e.EventTime.Time)
		}
		name := e.InvolvedObject.Name
		if old := newest[name]; words[name] == "" || old.Before(&at) {
			newest[name], words[name] = at, foreign.Clean(e.Message)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.Failures = words
}

// list reads all objects of a kind in a namespace, "" for a cluster's.
func (r *reading) list(ctx context.Context, group, version, plural, namespace string) ([]unstructured.Unstructured, error) {
	list, err := r.c.Dynamic().Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: plural}).Namespace(namespace).
		List(ctx, metav1.ListOptions{Limit: maxObjects, ResourceVersion: "0"})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", plural, err)
	}
	return list.Items, nil
}

// Auths reads the VaultAuths of namespaces.
func Auths(ctx context.Context, c Cluster, namespaces []string) ([]secrets.Auth, error) {
	var all []secrets.Auth
	for _, ns := range namespaces {
		r := &reading{c: c}
		items, err := r.list(ctx, vsoGroup, "v1beta1", "vaultauths", ns)
		if err != nil {
			return nil, err
		}
		for i := range items {
			all = append(all, secrets.FromVaultAuth(&items[i]))
		}
	}
	return all, nil
}
