package app

import (
	"midwatch/k8s"
	"midwatch/ui/boardpane"
	"midwatch/ui/pane"
	"midwatch/ui/podspane"
	"midwatch/ui/verbs"
)

// Panes are the panes of the console. Their order is that of the palette and
// of docs/KEYS.md.
func Panes() []Kind {
	return []Kind{
		{ID: pane.Board, Base: 1, Scoped: true, Names: []string{"workloads", "board", "wl"}, Title: "every workload, the worst first", New: newBoard},
		{ID: pane.Pods, Base: 3, Scoped: true, Names: []string{"pods", "pod", "po"}, Title: "the pods of the scope", New: newPods},
	}
}

// planner is the session's, or none: an interface around a nil pointer would
// look like one.
func (d Deps) planner() verbs.Planner {
	if d.Session == nil || d.Session.Change == nil {
		return nil
	}
	return d.Session.Change
}

func newBoard(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane { return boardpane.New(id, d.planner()) }

func newPods(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return podspane.New(id, d.planner(), ref)
}
