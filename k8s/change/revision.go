package change

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// revision is one past (or the present) template of a workload.
type revision struct {
	number int64
	name   string
	// raw is the template as the server keeps it, with fields this build may
	// not know; template is the same, typed, for comparing.
	raw      map[string]any
	template *corev1.PodTemplateSpec
	// hash and annotations are a ReplicaSet's.
	hash        string
	annotations map[string]string
}

// revisions lists a workload's templates, the newest number first.
func (p *Planner) revisions(ctx context.Context, s *subject) ([]revision, error) {
	selector, err := s.selector()
	if err != nil {
		return nil, err
	}
	resource, read := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "controllerrevisions"}, ofControllerRevision
	if s.inReplicaSets {
		resource.Resource, read = "replicasets", ofReplicaSet
	}
	list, err := p.cluster.Dynamic.Resource(resource).Namespace(s.ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", s.ref, readable(err))
	}
	var out []revision
	for i := range list.Items {
		item := &list.Items[i]
		if owner := metav1.GetControllerOf(item); owner == nil || string(owner.UID) != s.ref.UID {
			continue
		}
		r, err := read(s.kind, item)
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %s: %w", s.ref, item.GetName(), err)
		}
		if r.template != nil && r.number > 0 {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b revision) int {
		return cmp.Or(cmp.Compare(b.number, a.number), cmp.Compare(a.name, b.name))
	})
	return out, nil
}

// selector is spec.selector as a query. Controllers put it on what they own.
func (s *subject) selector() (string, error) {
	raw, found, err := unstructured.NestedMap(s.obj.Object, "spec", "selector")
	if err != nil || !found {
		return "", fmt.Errorf("%s has no selector", s.ref)
	}
	var sel metav1.LabelSelector
	if err := into(raw, &sel); err != nil {
		return "", err
	}
	q, err := metav1.LabelSelectorAsSelector(&sel)
	if err != nil {
		return "", fmt.Errorf("selector of %s: %w", s.ref, err)
	}
	return q.String(), nil
}

// ofReplicaSet takes the template without the hash label, which the controller
// adds (kubectl pkg/polymorphichelpers/rollback.go).
func ofReplicaSet(k kind, rs *unstructured.Unstructured) (revision, error) {
	raw, found, err := unstructured.NestedMap(rs.Object, "spec", "template")
	if err != nil || !found {
		return revision{}, err
	}
	unstructured.RemoveNestedField(raw, "metadata", "labels", k.hashLabel)
	r := revision{name: rs.GetName(), raw: raw, hash: rs.GetLabels()[k.hashLabel], annotations: rs.GetAnnotations()}
	// A ReplicaSet without a number is one the controller has not adopted yet.
	r.number, _ = strconv.ParseInt(r.annotations[k.numberKey], 10, 64)
	r.template, err = templateOf(raw)
	return r, err
}

// ofControllerRevision takes the template out of data, which is a strategic
// merge patch {"spec":{"template":{…,"$patch":"replace"}}} (k/k
// pkg/controller/{statefulset,daemon} getPatch).
func ofControllerRevision(_ kind, cr *unstructured.Unstructured) (revision, error) {
	raw, found, err := unstructured.NestedMap(cr.Object, "data", "spec", "template")
	if err != nil || !found {
		return revision{}, err
	}
	delete(raw, "$patch")
	r := revision{name: cr.GetName(), raw: raw}
	r.number, _, _ = unstructured.NestedInt64(cr.Object, "revision")
	r.template, err = templateOf(raw)
	return r, err
}

// choose finds the revision to go back to. Number 0 means the previous one:
// the highest number that is not the present one. (The present one is not
// always the highest: going back renumbers.)
func (s *subject) choose(all []revision, number int64) (revision, error) {
	present, known := s.present(all)
	var others []string
	for _, r := range all {
		isPresent := known && r.name == present.name
		switch {
		case number == r.number && isPresent:
			return revision{}, fmt.Errorf("%s runs revision %d already: nothing to undo", s.ref, number)
		case number == r.number, number == 0 && !isPresent:
			return r, nil
		case !isPresent:
			others = append(others, strconv.FormatInt(r.number, 10))
		}
	}
	limit, set, _ := unstructured.NestedInt64(s.obj.Object, "spec", "revisionHistoryLimit")
	switch {
	case set && limit == 0:
		return revision{}, fmt.Errorf("%s keeps no old revisions (revisionHistoryLimit is 0): there is nothing to go back to", s.ref)
	case number == 0 || len(others) == 0:
		return revision{}, fmt.Errorf("%s has no other revision to go back to", s.ref)
	}
	return revision{}, fmt.Errorf("%s has no revision %d: it has %s", s.ref, number, strings.Join(others, ", "))
}

// present is the revision the workload has now: the one with its template. A
// Rollout's template is kept as it was written, a ReplicaSet's is filled with
// defaults, so the two cannot be compared: there the controller says which.
func (s *subject) present(all []revision) (revision, bool) {
	hash, _, _ := unstructured.NestedString(s.obj.Object, "status", "currentPodHash")
	for _, r := range all {
		if s.argo && hash != "" && r.hash == hash || !s.argo && s.sameTemplate(r.template, s.template) {
			return r, true
		}
	}
	return revision{}, false
}

// named finds the revision that was called so, whatever its number has become.
func (s *subject) named(all []revision, name string) (revision, error) {
	for _, r := range all {
		if r.name == name {
			return r, nil
		}
	}
	return revision{}, fmt.Errorf("the revision %s had before (%s) is not in its history any more", s.ref, name)
}
