package app

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/k8s/change"
	"midwatch/k8s/connect"
	"midwatch/k8s/hpawatch"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/profiles/capture"
	"midwatch/secrets/ledger"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/vault/desk"
)

// Where is what a session looks at.
type Where struct {
	// Context is the kubeconfig context's name; "" for the current one.
	Context string
	// Namespaces are those to read; empty for all that may be read.
	Namespaces []string
}

// Cluster is what the screen says about the connection. [connect.Cluster] is
// one.
type Cluster interface {
	Health() live.Source
	Identity() connect.Identity
}

// Watcher feeds a session's hub. [watch.Session] is one.
type Watcher interface {
	// Select names the workload on the screen, whose pods come first.
	Select(key string)
	// Retry asks again for what was forbidden.
	Retry()
	// Once waits until everything has been read, and judges it.
	Once(ctx context.Context) (*watch.Board, []live.Source, error)
}

// Session is one open cluster with what was read from it.
type Session struct {
	// Where it looks, with the context's name filled in.
	Where Where
	// Vault is the way to Vault; nil when the session has none (in tests).
	Vault *desk.Desk
	// Leases knows who holds a lease and what ends; nil when the session has
	// none (in tests).
	Leases *ledger.Ledger
	Hub    *live.Hub
	// Peer is the connection for the header; Cluster when nil.
	Peer    Cluster
	Cluster *connect.Cluster
	Watch   Watcher
	Change  *change.Planner
	Gate    *action.Gate
	// Scalers explains autoscalers while they are looked at; nil in tests
	// without a cluster.
	Scalers *hpawatch.Source
	// Profiles takes profiles from pods; nil when the session has none.
	Profiles *capture.Taker
	// Flags are the feature flags, where the settings name any.
	Flags Flags
	// Close ends everything the session started and waits for it. It is
	// called off the UI goroutine.
	Close func()
}

// peer is the connection, or nil when the session has none (in tests).
func (s *Session) peer() Cluster {
	switch {
	case s == nil:
		return nil
	case s.Peer != nil:
		return s.Peer
	case s.Cluster != nil:
		return s.Cluster
	}
	return nil
}

// Kind is a sort of pane the console can show.
type Kind struct {
	ID pane.ID
	// Names are what the palette knows it by, k9s's included: "pods", "po".
	Names []string
	// Title says in a few words what it shows.
	Title string
	// Base is its number on the screen, from 1; 0 for a pane that only opens
	// on top of others.
	Base int
	// Place is where a pane with a number stands on a large screen.
	Place Place
	// Scoped panes show the whole scope when opened by name; others show the
	// selection.
	Scoped bool
	// New makes one with an address of its own; the zero Ref stands for the
	// whole scope, or for the selection that follows.
	New func(id pane.ID, d Deps, ref k8s.Ref, arg string) pane.Pane
}

// Deps is what panes are made from.
type Deps struct {
	Session *Session
	Tasks   *pane.Tasks
	Clock   live.Clock
	Journal *action.Journal
}

// Waits makes the commands that only wait. Tests have their own, see package
// uitest.
type Waits interface {
	// Next waits for the hub's next batch.
	Next(ctx context.Context, hub *live.Hub, deliver func(live.Batch, error) tea.Msg) tea.Cmd
	// After delivers msg once d has passed.
	After(ctx context.Context, d time.Duration, msg tea.Msg) tea.Cmd
	// Interval says how long the hub gathers events.
	Interval(hub *live.Hub, d time.Duration)
}

// Options say what a console needs.
type Options struct {
	// Open opens a session. ctx bounds the opening, not the session's life.
	Open func(ctx context.Context, w Where) (*Session, error)
	// First is the session to begin with; when nil, Start is opened.
	First *Session
	Start Where
	// Contexts lists what `c` offers.
	Contexts func() ([]connect.ContextInfo, error)
	Clock    live.Clock
	// Journal is what `A` shows; nil when there is none.
	Journal *action.Journal
	// Log is what libraries and plugins said instead of writing on the screen.
	Log *live.Ring[connect.LogLine]
	// Theme is the look; with AutoTheme, light or dark and the number of
	// colours follow what the terminal says.
	Theme     theme.Options
	AutoTheme bool
	// SlowLink gathers events for longer (SSH).
	SlowLink bool
	// Version of midwatch, for the header.
	Version string
	// Panes are those of [Panes] when nil.
	Panes []Kind
	// Waits are the real ones when nil.
	Waits Waits
}

func (o *Options) fill() {
	if o.Clock == nil {
		o.Clock = live.SystemClock{}
	}
	if o.Panes == nil {
		o.Panes = Panes()
	}
	if o.Waits == nil {
		o.Waits = realWaits{o.Clock}
	}
}

// realWaits waits for real.
type realWaits struct{ clock live.Clock }

func (realWaits) Next(ctx context.Context, hub *live.Hub, deliver func(live.Batch, error) tea.Msg) tea.Cmd {
	return func() (msg tea.Msg) {
		defer func() {
			if p := recover(); p != nil {
				msg = newCrash(p)
			}
		}()
		return deliver(hub.Next(ctx))
	}
}

func (w realWaits) After(ctx context.Context, d time.Duration, msg tea.Msg) tea.Cmd {
	return func() tea.Msg {
		due, stop := w.clock.After(d)
		defer stop()
		select {
		case <-due:
			return msg
		case <-ctx.Done():
			return nil
		}
	}
}

func (realWaits) Interval(hub *live.Hub, d time.Duration) { hub.SetInterval(d) }
