package change

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s/rollout"
)

// templateDiff is how two templates differ, field by field and as a unified
// diff. Values that look secret are in neither.
type templateDiff struct {
	fields  []action.Field
	unified foreign.Text
}

func diffTemplates(before, after *corev1.PodTemplateSpec) (templateDiff, error) {
	old, now, err := rollout.TemplateYAMLs(before, after)
	if err != nil {
		return templateDiff{}, fmt.Errorf("compare the templates: %w", err)
	}
	d := templateDiff{unified: rollout.UnifiedDiff(old, now)}
	for _, c := range rollout.DiffTemplates(before, after) {
		d.fields = append(d.fields, action.Field{Path: c.Path.String(), Before: c.Before, After: c.After})
	}
	return d, nil
}
