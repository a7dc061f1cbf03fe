package change

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/foreign"
)

// tool is something that writes objects from a source of its own and puts
// back what others change.
type tool struct {
	name string
	// managers are the field managers it appears as; a trailing "*" stands
	// for the rest.
	managers []string
	// labels and annotations mark the objects it has written.
	labels, annotations []string
	// when says when it puts a field back.
	when string
}

func tools() []tool {
	return []tool{
		{
			name: "Argo CD", managers: []string{"argocd-controller", "argocd-application-controller", "argocd"},
			labels: []string{"argocd.argoproj.io/instance"}, annotations: []string{"argocd.argoproj.io/tracking-id"},
			when: "at its next sync",
		},
		{
			name: "Flux", managers: []string{"kustomize-controller", "helm-controller"},
			labels: []string{"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"}, when: "at its next reconciliation",
		},
		{name: "Helm", managers: []string{"helm", "Helm"}, annotations: []string{"meta.helm.sh/release-name"}, when: "at the next upgrade"},
		{name: "kubectl apply", managers: []string{"kubectl-client-side-apply", "kubectl"}, when: "when the manifest is applied again"},
		{name: "Terraform", managers: []string{"Terraform", "terraform*", "HashiCorp"}, when: "at the next apply"},
		{name: "Pulumi", managers: []string{"pulumi*"}, when: "at the next update"},
		{name: "Rancher Fleet", managers: []string{"fleetagent", "fleet*"}, labels: []string{"objectset.rio.cattle.io/hash"}, when: "when it corrects drift"},
		{name: "kapp", managers: []string{"kapp*"}, labels: []string{"kapp.k14s.io/app"}, when: "at the next deploy"},
		{name: "KEDA", managers: []string{"keda*"}, labels: []string{"scaledobject.keda.sh/name"}, when: "within seconds"},
	}
}

// reverters warns of everything that will put a field back. path is the
// field's below the object ("spec", "replicas"); a field counts as owned when
// it, or anything below it, stands in an entry of managedFields.
//
// A tool that is known from a label or annotation alone, because it left no
// managedFields, is named too, but not as certain.
func reverters(obj metav1.Object, path ...string) []string {
	field := strings.Join(path, ".")
	var out []string
	for _, t := range tools() {
		owner, present := t.owns(obj.GetManagedFields(), path)
		switch {
		case owner != "":
			out = append(out, fmt.Sprintf("%s (%s) owns %s and will put it back %s", t.name, foreign.CleanN(owner, 64), field, t.when))
		case !present && t.marked(obj):
			out = append(out, fmt.Sprintf("%s manages this object and may put %s back %s", t.name, field, t.when))
		}
	}
	return out
}

// owns returns the manager of the tool that owns the field, and whether the
// tool manages any field at all.
func (t tool) owns(entries []metav1.ManagedFieldsEntry, path []string) (manager string, present bool) {
	for _, e := range entries {
		if e.Subresource != "" || !t.is(e.Manager) {
			continue
		}
		present = true
		if e.FieldsV1 != nil && hasField(e.FieldsV1.GetRawBytes(), path) {
			return e.Manager, true
		}
	}
	return "", present
}

func (t tool) is(manager string) bool {
	return slices.ContainsFunc(t.managers, func(m string) bool {
		if prefix, ok := strings.CutSuffix(m, "*"); ok {
			return strings.HasPrefix(manager, prefix)
		}
		return manager == m
	})
}

func (t tool) marked(obj metav1.Object) bool {
	for _, l := range t.labels {
		if obj.GetLabels()[l] != "" {
			return true
		}
	}
	for _, a := range t.annotations {
		if obj.GetAnnotations()[a] != "" {
			return true
		}
	}
	return false
}

// hasField looks a path up in a FieldsV1 set, where a field stands as
// "f:<name>" (sigs.k8s.io/structured-merge-diff fieldpath).
func hasField(fields []byte, path []string) bool {
	var set map[string]json.RawMessage
	for _, name := range path {
		set = nil
		if err := json.Unmarshal(fields, &set); err != nil {
			return false
		}
		below, ok := set["f:"+name]
		if !ok {
			return false
		}
		fields = below
	}
	return true
}
