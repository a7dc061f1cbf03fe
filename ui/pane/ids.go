package pane

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
	Leases  ID = "leases"
	KV      ID = "kv"
	Probes  ID = "probes"
	Hangs   ID = "hangs"
	HPA     ID = "hpa"
	Profile ID = "profile"
	Flags   ID = "flags"
	Secrets ID = "secrets"
)

// Arguments of [OpenMsg].
const (
	// ArgPrevious opens the logs of the containers that ran before.
	ArgPrevious = "previous"
)

// RefreshMsg asks a pane to read anew what it does not watch: YAML, logs that
// ended. The root sends it to the panes on the screen on ctrl+r.
type RefreshMsg struct{}

// FilteredMsg follows every [Filterer] SetFilter that succeeded, so that the
// pane can say what is selected now.
type FilteredMsg struct{}
