package change

import (
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
)

// remade says of a StatefulSet's pod what its controller makes in its place:
// of which revision, and what stays. Deleting is how a pod gets away from an
// older revision that OrderedReady never replaces; the controller alone decides
// the revision, so nobody reverts it (stateful_set_utils.go
// newVersionedStatefulSetPod).
func (d *podDeletion) remade(set *unstructured.Unstructured) string {
	var text string
	have := d.pod.Labels[appsv1.ControllerRevisionHashLabelKey]
	if next := revisionFor(set, ordinalOf(d.pod.Name)); have != "" && next != "" && have != next {
		text = fmt.Sprintf(" It comes back from revision %s instead of %s, and no controller reverts that.", foreign.CleanN(next, 253), foreign.CleanN(have, 253))
	}
	var claims []string
	for _, v := range d.pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claims = append(claims, foreign.CleanN(v.PersistentVolumeClaim.ClaimName, 253).String())
		}
	}
	if len(claims) > 0 {
		text += " Its volume claims stay: " + strings.Join(claims, ", ") + "."
	}
	return text
}

// revisionFor is the revision a StatefulSet makes the pod of an ordinal from:
// the newest from its partition upwards, the one before below it.
func revisionFor(set *unstructured.Unstructured, ordinal int64) string {
	partition, _, _ := unstructured.NestedInt64(set.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
	start, _, _ := unstructured.NestedInt64(set.Object, "spec", "ordinals", "start")
	newest, _, _ := unstructured.NestedString(set.Object, "status", "updateRevision")
	current, _, _ := unstructured.NestedString(set.Object, "status", "currentRevision")
	if ordinal-start < partition && current != "" {
		return current
	}
	return newest
}

// ordinalOf is the number at the end of a StatefulSet pod's name.
func ordinalOf(name string) int64 {
	n, err := strconv.ParseInt(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
