package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/app"
	"midwatch/ui/app/apptest"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
	"midwatch/ui/widget"
)

// rig is a console over fake panes, and what the fakes saw.
type rig struct {
	t     testing.TB
	clock *uitest.Clock
	opts  app.Options
	gate  *action.Gate
	lock  *action.Lock

	mu        sync.Mutex
	peer      peer
	opened    []app.Where
	openErr   error
	hold      chan struct{} // when set, opening waits for it
	closed    int
	selected  []string
	retries   int
	applied   int
	inverted  int
	record    []action.Entry
	plan      func(*rig) *action.Plan
	panes     []*listPane
	panicking bool
	rows      []string
	recordErr error
	custom    func() tea.Cmd // what the key x does
}

// peer is a connection with a health of one's choice.
type peer struct{ health live.Source }

// Health is what the test says.
func (r *rig) Health() live.Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peer.health
}

// Identity is always known.
func (r *rig) Identity() connect.Identity {
	return connect.Identity{User: "jane", Version: "v1.37.2", UID: "3f2a9c1d-0000", Ready: true}
}

func (r *rig) Select(key string) { r.selected = append(r.selected, key) }
func (r *rig) Retry()            { r.retries++ }
func (r *rig) Once(context.Context) (*watch.Board, []live.Source, error) {
	return nil, nil, errors.New("not here")
}

// Append keeps the journal in memory.
func (r *rig) Append(_ context.Context, e action.Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recordErr != nil {
		return r.recordErr
	}
	r.record = append(r.record, e)
	return nil
}

func (r *rig) phases() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, e := range r.record {
		all = append(all, string(e.Phase))
	}
	return strings.Join(all, " ")
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, clock: uitest.NewClock(time.Time{}), plan: restart(action.DangerEnter), rows: []string{"checkout", "cart", "frontend", "payments"}}
	r.peer.health = live.Source{Name: "connection", State: live.Ready, Heard: r.clock.Now()}
	r.opts = app.Options{
		Clock: r.clock, Open: r.open, Theme: theme.Options{Color: true}, Version: "v0.1.0", Panes: r.kinds(),
		Contexts: func() ([]connect.ContextInfo, error) {
			return []connect.ContextInfo{{Name: "demo", Server: "https://demo:6443", Namespace: "shop", Current: true}, {Name: "demo-eu", Server: "https://eu:6443"}}, nil
		},
	}
	r.opts.First = r.session(app.Where{Context: "demo", Namespaces: []string{"shop"}})
	return r
}

func (r *rig) session(w app.Where) *app.Session {
	hub := live.NewHub(r.clock, 0)
	hub.Provide("rows", func(_ context.Context, _ live.Topic, _ time.Time) live.Snapshot {
		r.mu.Lock()
		defer r.mu.Unlock()
		return live.Snapshot{State: live.Ready, Value: append([]string(nil), r.rows...)}
	})
	hub.Provide(watch.TopicSources, func(context.Context, live.Topic, time.Time) live.Snapshot {
		return live.Snapshot{State: live.Ready, Value: []live.Source{
			{Name: "deployments", State: live.Ready, Items: 12},
			{Name: "pods", State: live.Loading, Items: 4120},
			{Name: "events", State: live.Forbidden, Err: "forbidden: list events in shop"},
		}}
	})
	hub.Provide(watch.TopicNamespaces, func(context.Context, live.Topic, time.Time) live.Snapshot {
		return live.Snapshot{State: live.Ready, Value: &watch.Namespaces{Names: []string{"kube-system", "payments", "shop"}, Known: true}}
	})
	r.lock = action.NewLock(r.clock, w.Context, "3f2a9c1d-0000")
	r.gate = action.NewGate(r.lock, r, r.clock, "jane", action.ProtectContexts([]string{"prod*"}))
	return &app.Session{Where: w, Hub: hub, Peer: r, Watch: r, Gate: r.gate, Close: func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closed++
	}}
}

func (r *rig) closedCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *rig) open(ctx context.Context, w app.Where) (*app.Session, error) {
	r.mu.Lock()
	r.opened = append(r.opened, w)
	hold, err := r.hold, r.openErr
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, fmt.Errorf("open %s: %w", w.Context, ctx.Err())
		}
	}
	if err != nil {
		return nil, err
	}
	return r.session(w), nil
}

func (r *rig) start(w, h int) *uitest.Driver { return apptest.Open(r.t, r.opts, w, h).Idle() }

// restart is a plan of a danger, whose undo is a plan too.
func restart(d action.Danger) func(*rig) *action.Plan {
	return func(r *rig) *action.Plan {
		var plan func() *action.Plan
		plan = func() *action.Plan {
			return action.New(action.Plan{
				Verb: "scale", Title: "Scale Deployment shop/checkout to 5?", Danger: d,
				Target:   action.Target{Context: r.lockedTo(), ClusterUID: "3f2a9c1d-0000", Kind: "Deployment", Namespace: "shop", Name: "checkout"},
				Changes:  []action.Field{{Path: "spec.replicas", Before: "3", After: "5"}},
				Diff:     foreign.CleanBlock("@@ -1 +1 @@\n-image: a\n+image: b", 100),
				Blast:    "2 pods are added.",
				Warnings: []string{"argocd-controller owns spec.replicas and will revert this"},
				Undo:     "u scales back to 3", Equivalent: "kubectl --context demo -n shop scale deployment checkout --replicas 5",
			}, action.Steps{
				Apply:   func(context.Context) error { r.applied++; return nil },
				Verify:  func(context.Context) (string, error) { return "5/5 pods ready", nil },
				Inverse: func(context.Context) (*action.Plan, error) { r.inverted++; return plan(), nil },
			})
		}
		return plan()
	}
}

// kinds are fake panes in the places of the real ones.
func (r *rig) kinds() []app.Kind {
	return []app.Kind{
		r.kind(pane.Board, 1, false, true, "board", "workloads"),
		r.kind(pane.Rollout, 2, true, false, "rollout"),
		r.kind(pane.Pods, 3, true, true, "pods", "po"),
		r.kind(pane.Events, 4, false, true, "events", "ev"),
		r.kind(pane.Logs, 0, false, false, "logs"),
		r.kind(pane.Journal, 0, false, true, "journal"),
	}
}

// more are two panes in the place of the rollout.
func (r *rig) more() []app.Kind {
	probes, hpa := r.kind("probes", 5, true, false), r.kind("hpa", 6, true, false)
	probes.Place, hpa.Place = app.PlaceDetail, app.PlaceDetail
	return []app.Kind{probes, hpa}
}

func (r *rig) kind(id pane.ID, base int, targeted, scoped bool, names ...string) app.Kind {
	return app.Kind{ID: id, Base: base, Place: app.Place(base), Names: names, Title: "the " + string(id), Scoped: scoped, New: func(id pane.ID, d app.Deps, ref k8s.Ref, arg string) pane.Pane {
		p := &listPane{rig: r, id: id, ref: ref, arg: arg, panics: r.panicking}
		r.panes = append(r.panes, p)
		if targeted {
			return &targetPane{listPane: p}
		}
		return p
	}}
}

// listPane is a list of rows with a cursor.
type listPane struct {
	rig       *rig
	id        pane.ID
	env       *pane.Env
	ref       k8s.Ref
	arg       string
	rows      []string
	cursor    int
	filter    string
	views     int
	keys      []string
	got       []tea.Msg
	closed    bool
	capturing bool
	until     time.Duration
	panics    bool
	viewed    []bool
}

type targetPane struct{ *listPane }

func (p *listPane) Viewed(_ *pane.Env, on bool) tea.Cmd {
	p.viewed = append(p.viewed, on)
	return nil
}

func (p *targetPane) SetTarget(_ *pane.Env, ref k8s.Ref) tea.Cmd {
	p.ref = ref
	return nil
}

func (p *listPane) ID() pane.ID                   { return p.id }
func (p *listPane) Title() string                 { return strings.TrimSpace(string(p.id) + " " + p.ref.Name) }
func (p *listPane) Topics() []live.Topic          { return []live.Topic{{Name: "rows"}} }
func (p *listPane) Until(time.Time) time.Duration { return p.until }
func (p *listPane) Capturing() bool               { return p.capturing }
func (p *listPane) Close()                        { p.closed = true }
func (p *listPane) Filter() string                { return p.filter }
func (p *listPane) SetFilter(expr string) error {
	if expr == "re:(" {
		return errors.New("missing closing )")
	}
	p.filter = expr
	return nil
}

func (p *listPane) shown() []string {
	var rows []string
	for _, row := range p.rows {
		if strings.Contains(row, p.filter) {
			rows = append(rows, row)
		}
	}
	return rows
}

func (p *listPane) Selected() k8s.Ref {
	rows := p.shown()
	if p.cursor >= len(rows) {
		return k8s.Ref{}
	}
	return k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: rows[p.cursor]}
}

func (p *listPane) move(by int) tea.Cmd {
	p.cursor = min(max(p.cursor+by, 0), max(len(p.shown())-1, 0))
	if p.id != pane.Board {
		return nil
	}
	return pane.Send(pane.SelectMsg{Ref: p.Selected()})
}

func (p *listPane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		first := p.rows == nil
		p.rows, _ = msg[live.Topic{Name: "rows"}].Value.([]string)
		if first {
			return p.move(0)
		}
	case tea.KeyPressMsg:
		if p.panics {
			panic("a pane's bug")
		}
		p.keys = append(p.keys, msg.String())
		if p.rig.custom != nil && msg.String() == "x" {
			return p.rig.custom()
		}
	default:
		p.got = append(p.got, msg)
	}
	return nil
}

func (p *listPane) Bindings() []bind.Binding {
	return []bind.Binding{
		{ID: string(p.id) + ".down", Keys: []string{"j", "down"}, Title: "down", Help: "Move down.", Do: func() tea.Cmd { return p.move(1) }},
		{ID: string(p.id) + ".up", Keys: []string{"k", "up"}, Title: "up", Help: "Move up.", Do: func() tea.Cmd { return p.move(-1) }},
		{ID: string(p.id) + ".open", Keys: []string{"enter"}, Title: "details", Footer: 1, Help: "Open the details.", Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: pane.Rollout, Ref: p.Selected()}) }},
		{ID: string(p.id) + ".logs", Keys: []string{"l"}, Title: "logs", Footer: 2, Help: "Open the logs.", Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: pane.Logs, Ref: p.Selected()}) }},
		{ID: string(p.id) + ".scale", Keys: []string{"S"}, Title: "scale", Footer: 3, Writes: true, Help: "Scale it.", Do: p.plan},
		{ID: string(p.id) + ".pause", Keys: []string{"P"}, Title: "pause", Footer: 4, Writes: true, Help: "Pause it.", Disabled: func() string { return "it is paused" }},
	}
}

func (p *listPane) plan() tea.Cmd {
	return pane.Run(p.env.Tasks, p.id, "plan", "plan to scale", time.Minute, func(context.Context) (tea.Msg, error) {
		return pane.ConfirmMsg{Plan: p.rig.plan(p.rig)}, nil
	})
}

func (p *listPane) View(env *pane.Env, r pane.Rect) string {
	p.views++
	p.env = env
	lines := make([]widget.Rich, 0, r.H)
	for i, row := range p.shown() {
		token := theme.Text
		if i == p.cursor {
			token = theme.Selected
		}
		lines = append(lines, widget.Say(token, row))
	}
	return widget.Lines(env.Styles, lines, r.W, r.H)
}

var whereProd = app.Where{Context: "prod-eu", Namespaces: []string{"shop"}}

func (r *rig) lockedTo() string {
	name, _ := r.lock.Bound()
	return name
}
