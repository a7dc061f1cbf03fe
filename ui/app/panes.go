package app

import (
	"context"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/object"
	"midwatch/ui/boardpane"
	"midwatch/ui/eventspane"
	"midwatch/ui/journalpane"
	"midwatch/ui/pane"
	"midwatch/ui/podspane"
	"midwatch/ui/verbs"
	"midwatch/ui/yamlpane"
)

// Panes are the panes of the console. Their order is that of the palette and
// of docs/KEYS.md.
func Panes() []Kind {
	return []Kind{
		{ID: pane.Board, Base: 1, Scoped: true, Names: []string{"workloads", "board", "wl"}, Title: "every workload, the worst first", New: newBoard},
		{ID: pane.Pods, Base: 3, Scoped: true, Names: []string{"pods", "pod", "po"}, Title: "the pods of the scope", New: newPods},
		{ID: pane.Events, Base: 4, Scoped: true, Names: []string{"events", "event", "ev"}, Title: "what the cluster warns of", New: newEvents},
		{ID: pane.YAML, Names: []string{"yaml"}, Title: "the selected object as YAML", New: newYAML},
		{ID: pane.Journal, Scoped: true, Names: []string{"journal"}, Title: "what was done from here", New: newJournal},
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

func newBoard(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane {
	return boardpane.New(id, d.planner())
}

func newPods(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return podspane.New(id, d.planner(), ref)
}

func newEvents(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	if ref.IsZero() {
		return eventspane.New(id)
	}
	return eventspane.NewObject(id, func(ctx context.Context, ref k8s.Ref) ([]*k8s.Event, bool, error) {
		return object.Events(ctx, d.Session.Cluster, ref)
	})
}

func newYAML(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane {
	return yamlpane.New(id, func(ctx context.Context, ref k8s.Ref) (foreign.Text, error) {
		return object.YAML(ctx, d.Session.Cluster, ref)
	})
}

// journalEntries is how many of the newest entries are shown.
const journalEntries = 500

func newJournal(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane {
	if d.Journal == nil {
		return journalpane.New(id, "there is no journal", func(context.Context) ([]action.Entry, int, error) { return nil, 0, nil })
	}
	return journalpane.New(id, d.Journal.Path(), func(ctx context.Context) ([]action.Entry, int, error) {
		return d.Journal.Read(ctx, journalEntries)
	})
}
