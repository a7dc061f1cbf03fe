package change

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"midwatch/k8s"
)

// Template is one past, or the present, pod template of a workload.
type Template struct {
	// Number and Name are the revision's: what PlanUndo takes, and the
	// ReplicaSet's or ControllerRevision's name.
	Number   int64
	Name     string
	Template *corev1.PodTemplateSpec
	// Present marks the template the workload has now.
	Present bool
}

// Templates reads the templates of a workload's revisions, the newest number
// first, as the undo plans see them. Nothing is kept.
func (p *Planner) Templates(ctx context.Context, ref k8s.Ref) ([]Template, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	revisions, err := p.revisions(ctx, s)
	if err != nil {
		return nil, err
	}
	present, known := s.present(revisions)
	out := make([]Template, 0, len(revisions))
	for _, r := range revisions {
		out = append(out, Template{Number: r.number, Name: r.name, Template: r.template, Present: known && r.name == present.name})
	}
	return out, nil
}
