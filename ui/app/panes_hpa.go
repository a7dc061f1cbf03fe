package app

import (
	"midwatch/k8s"
	"midwatch/ui/hpapane"
	"midwatch/ui/pane"
)

func hpaKind() Kind {
	return Kind{
		ID: pane.HPA, Base: 6, Place: PlaceDetail, Names: []string{"hpa", "autoscaler", "horizontalpodautoscalers"},
		Title: "the selected workload's autoscaler: why it wants what it wants", New: newHPA,
	}
}

func newHPA(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	var planner hpapane.Planner
	if d.Session.Change != nil {
		planner = d.Session.Change
	}
	var refresh func(k8s.Ref)
	if d.Session.Scalers != nil {
		refresh = d.Session.Scalers.Refresh
	}
	return hpapane.New(id, planner, refresh, ref)
}
