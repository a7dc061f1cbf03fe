package app

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/object"
	"midwatch/k8s/podinfo"
	"midwatch/k8s/podlog"
	"midwatch/k8s/rollout"
	"midwatch/live"
	"midwatch/ui/boardpane"
	"midwatch/ui/eventspane"
	"midwatch/ui/journalpane"
	"midwatch/ui/logspane"
	"midwatch/ui/pane"
	"midwatch/ui/podspane"
	"midwatch/ui/rolloutpane"
	"midwatch/ui/verbs"
	"midwatch/ui/yamlpane"
)

// Panes are the panes of the console. Their order is that of the palette and
// of docs/KEYS.md.
func Panes() []Kind {
	return []Kind{
		{ID: pane.Board, Base: 1, Place: PlaceFirst, Scoped: true, Names: []string{"workloads", "board", "wl"}, Title: "every workload, the worst first", New: newBoard},
		{ID: pane.Rollout, Base: 2, Place: PlaceDetail, Names: []string{"rollout", "details"}, Title: "the selected workload: why, what changed, its pods", New: newRollout},
		{ID: pane.Pods, Base: 3, Place: PlaceParts, Scoped: true, Names: []string{"pods", "pod", "po"}, Title: "the pods of the scope", New: newPods},
		hpaKind(),
		{ID: pane.Events, Base: 4, Place: PlaceStrip, Scoped: true, Names: []string{"events", "event", "ev"}, Title: "what the cluster warns of", New: newEvents},
		{ID: pane.Probes, Base: 5, Place: PlaceDetail, Names: []string{"probes", "probe"}, Title: "the selected workload's probes: what they do, since when, try one now", New: newProbes},
		{ID: pane.Hangs, Base: 7, Place: PlaceDetail, Names: []string{"hangs", "hangs on", "deps", "services", "svc"}, Title: "what the selected workload hangs on: traffic, configuration, storage, room", New: newHangs},
		{ID: pane.Flags, Base: 8, Place: PlaceDetail, Names: []string{"flags", "flag", "ff", "experiments"}, Title: "feature flags: who gets what, and why; experiments", New: newFlags},
		{ID: pane.Secrets, Base: 9, Place: PlaceDetail, Names: []string{"secrets", "secret", "es"}, Title: "the secrets of the selected workload, and who holds an old one", New: newSecrets},
		{ID: pane.Logs, Names: []string{"logs"}, Title: "what the selected pods write", New: newLogs},
		{ID: pane.YAML, Names: []string{"yaml"}, Title: "the selected object as YAML", New: newYAML},
		{ID: pane.Profile, Names: []string{"profile", "pprof"}, Title: "where the selected pod spends its CPU and memory", New: newProfile},
		{ID: pane.Leases, Scoped: true, Names: []string{"leases", "lease"}, Title: "Vault's leases: what ends next, what cannot be revoked", New: newLeases},
		{ID: pane.KV, Scoped: true, Names: []string{"kv", "vault"}, Title: "Vault's versioned secrets: who wrote what, which keys changed", New: newKV},
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

func newRollout(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return rolloutpane.New(id, d.planner(), d.diffRevisions, ref)
}

// diffRevisions says what differs between the templates of two revisions.
func (d Deps) diffRevisions(ctx context.Context, ref k8s.Ref, old, now k8s.Revision) ([]rollout.TemplateChange, error) {
	templates, err := d.Session.Change.Templates(ctx, ref)
	if err != nil {
		return nil, err
	}
	var before, after *corev1.PodTemplateSpec
	for _, t := range templates {
		switch t.Name {
		case old.Name:
			before = t.Template
		case now.Name:
			after = t.Template
		}
	}
	if before == nil || after == nil {
		return nil, fmt.Errorf("the template of %s or %s is no longer kept", old.Name, now.Name)
	}
	return rollout.DiffTemplates(before, after), nil
}

func newLogs(id pane.ID, d Deps, ref k8s.Ref, arg string) pane.Pane {
	return logspane.New(id, func(ctx context.Context, q podlog.Query) (logspane.Stream, error) {
		hub := d.Session.Hub
		hub.Provide(podlog.Topic, podlog.Build)
		q.Dirty = func() { hub.DirtyTopic(live.Topic{Name: podlog.Topic, Key: string(id)}) }
		return podlog.Open(ctx, d.Session.Cluster, q)
	}, ref, arg)
}

func newPods(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return podspane.New(id, d.planner(), ref)
}

func newEvents(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return eventspane.New(id, eventspane.Reads{
		Events: func(ctx context.Context, ref k8s.Ref) ([]*k8s.Event, bool, error) {
			return object.Events(ctx, d.Session.Cluster, ref)
		},
		Containers: func(ctx context.Context, ref k8s.Ref) ([]podinfo.Container, error) {
			return podinfo.Containers(ctx, d.Session.Cluster.Typed(), ref)
		},
	}, ref)
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
