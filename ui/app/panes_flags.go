package app

import (
	"context"
	"errors"

	"midwatch/action"
	"midwatch/flags/experiment/source"
	"midwatch/flags/flagwatch"
	"midwatch/k8s"
	"midwatch/k8s/change"
	"midwatch/ui/flagspane"
	"midwatch/ui/pane"
)

// Flags are a session's feature flags and experiments. Either may be nil.
type Flags struct {
	// Watch keeps the flags of all providers up to date.
	Watch *flagwatch.Session
	// Experiments reads self-hosted experiments.
	Experiments *source.Reader
}

func newFlags(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	// An interface around a nil pointer would not be nil.
	var flags flagspane.Source
	var experiments flagspane.Experiments
	if d.Session != nil && d.Session.Flags.Watch != nil {
		flags = d.Session.Flags.Watch
	}
	if d.Session != nil && d.Session.Flags.Experiments != nil {
		experiments = lab{d.Session.Flags.Experiments, d.Session.Change}
	}
	return flagspane.New(id, flags, experiments, ref)
}

// lab reads experiments and plans their end.
type lab struct {
	*source.Reader
	planner *change.Planner
}

// PlanKill plans the one action that ends an experiment.
func (l lab) PlanKill(ctx context.Context, e *source.Experiment) (*action.Plan, error) {
	if l.planner == nil {
		return nil, errors.New("there is no cluster to write to")
	}
	return e.PlanKill(ctx, l.planner)
}
