package apiserver

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const statefulSetImmutable = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', " +
	"'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"

// validate refuses what a client of this project could plausibly send wrong: it covers the rules, with the paths and texts, of
// k/k pkg/apis/{apps,autoscaling}/validation that concern scaling, selectors and immutable fields. old is nil on create.
func validate(old, obj Object) field.ErrorList {
	var errs field.ErrorList
	meta := field.NewPath("metadata")
	if obj.GetName() == "" {
		errs = append(errs, field.Required(meta.Child("name"), "name or generateName is required"))
	} else {
		for _, msg := range apivalidation.NameIsDNSSubdomain(obj.GetName(), false) {
			errs = append(errs, field.Invalid(meta.Child("name"), obj.GetName(), msg))
		}
	}
	spec := field.NewPath("spec")
	switch o := obj.(type) {
	case *appsv1.Deployment:
		errs = append(errs, validateWorkload(spec, o.Spec.Replicas, o.Spec.Selector, &o.Spec.Template)...)
		if before, ok := old.(*appsv1.Deployment); ok {
			errs = append(errs, validateSelectorKept(spec, before.Spec.Selector, o.Spec.Selector)...)
		}
	case *appsv1.ReplicaSet:
		errs = append(errs, validateWorkload(spec, o.Spec.Replicas, o.Spec.Selector, &o.Spec.Template)...)
	case *appsv1.StatefulSet:
		errs = append(errs, validateWorkload(spec, o.Spec.Replicas, o.Spec.Selector, &o.Spec.Template)...)
		if before, ok := old.(*appsv1.StatefulSet); ok {
			errs = append(errs, validateStatefulSetUpdate(spec, before, o)...)
		}
	case *appsv1.DaemonSet:
		errs = append(errs, validateWorkload(spec, nil, o.Spec.Selector, &o.Spec.Template)...)
		if before, ok := old.(*appsv1.DaemonSet); ok {
			errs = append(errs, validateSelectorKept(spec, before.Spec.Selector, o.Spec.Selector)...)
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		errs = append(errs, validateHPA(spec, o)...)
	}
	return errs
}

func validateWorkload(spec *field.Path, replicas *int32, sel *metav1.LabelSelector, tmpl *corev1.PodTemplateSpec) field.ErrorList {
	var errs field.ErrorList
	if replicas != nil && *replicas < 0 {
		errs = append(errs, field.Invalid(spec.Child("replicas"), *replicas, apivalidation.IsNegativeErrorMsg))
	}
	if sel == nil {
		return append(errs, field.Required(spec.Child("selector"), ""))
	}
	s, err := metav1.LabelSelectorAsSelector(sel)
	if err != nil {
		return append(errs, field.Invalid(spec.Child("selector"), sel, err.Error()))
	}
	if !s.Empty() && !s.Matches(labels.Set(tmpl.Labels)) {
		errs = append(errs, field.Invalid(spec.Child("template", "metadata", "labels"), tmpl.Labels, "`selector` does not match template `labels`"))
	}
	if len(tmpl.Spec.Containers) == 0 {
		errs = append(errs, field.Required(spec.Child("template", "spec", "containers"), ""))
	}
	return errs
}

func validateSelectorKept(spec *field.Path, before, after *metav1.LabelSelector) field.ErrorList {
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	return field.ErrorList{field.Invalid(spec.Child("selector"), after, apivalidation.FieldImmutableErrorMsg)}
}

func validateStatefulSetUpdate(spec *field.Path, before, after *appsv1.StatefulSet) field.ErrorList {
	was := before.Spec.DeepCopy()
	was.Replicas, was.Ordinals, was.Template = after.Spec.Replicas, after.Spec.Ordinals, after.Spec.Template
	was.UpdateStrategy, was.RevisionHistoryLimit = after.Spec.UpdateStrategy, after.Spec.RevisionHistoryLimit
	was.PersistentVolumeClaimRetentionPolicy, was.MinReadySeconds = after.Spec.PersistentVolumeClaimRetentionPolicy, after.Spec.MinReadySeconds
	if equality.Semantic.DeepEqual(was, &after.Spec) {
		return nil
	}
	return field.ErrorList{field.Forbidden(spec, statefulSetImmutable)}
}

func validateHPA(spec *field.Path, h *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	var errs field.ErrorList
	if h.Spec.MinReplicas != nil && *h.Spec.MinReplicas < 1 {
		errs = append(errs, field.Invalid(spec.Child("minReplicas"), *h.Spec.MinReplicas, "must be greater than or equal to 1"))
	}
	if h.Spec.MaxReplicas < 1 {
		errs = append(errs, field.Invalid(spec.Child("maxReplicas"), h.Spec.MaxReplicas, "must be greater than 0"))
	}
	if h.Spec.MinReplicas != nil && h.Spec.MaxReplicas < *h.Spec.MinReplicas {
		errs = append(errs, field.Invalid(spec.Child("maxReplicas"), h.Spec.MaxReplicas, "must be greater than or equal to `minReplicas`"))
	}
	return errs
}
