package pane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
)

// The panes there are, as [OpenMsg] and the configuration name them. A pane
// opened on top of its own kind is made with another ID.
const (
	Board   ID = "board"
	Rollout ID = "rollout"
	Pods    ID = "pods"
	Events  ID = "events"
	YAML    ID = "yaml"
	Logs    ID = "logs"
	Journal ID = "journal"
)

// Arguments of [OpenMsg].
const (
	// ArgPrevious opens the logs of the containers that ran before.
	ArgPrevious = "previous"
)

// Opener is a pane that [OpenMsg] can open on an object of any kind: a pod, a
// ReplicaSet. The root calls Open where it calls SetTarget for a selection.
type Opener interface {
	Open(env *Env, ref k8s.Ref, arg string) tea.Cmd
}

// RefreshMsg asks a pane to read anew what it does not watch: YAML, logs that
// ended. The root sends it to the panes on the screen on ctrl+r.
type RefreshMsg struct{}

// FilteredMsg follows every [Filterer] SetFilter that succeeded, so that the
// pane can say what is selected now.
type FilteredMsg struct{}
