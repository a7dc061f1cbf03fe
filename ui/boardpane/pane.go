package boardpane

import (
	"cmp"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/verbs"
	"midwatch/ui/widget"
)

// order is what the rows are sorted by.
type order uint8

const (
	byTrouble order = iota // as the snapshot ranks them
	byName
	byNamespace
	byReady // the least ready first
	byAge   // the newest state first
	orders
)

// column names the table's column that an order sorts.
func (o order) column() string {
	return [...]string{"sign", "workload", "namespace", "ready", "for"}[o]
}

// String is the order in words.
func (o order) String() string {
	return [...]string{"trouble", "name", "namespace", "ready", "age"}[o]
}

// Pane is the board.
type Pane struct {
	id    pane.ID
	env   *pane.Env
	table *widget.Table[*k8s.Workload]
	verbs *verbs.Verbs

	snapshot  live.Snapshot
	board     *watch.Board // nil until the first one came
	filter    widget.Filter
	order     order
	hideOK    bool
	namespace bool   // the scope has several
	announced string // key of the workload that SelectMsg was last sent for
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
)

// New makes the board. planner may be nil: then nothing can be changed.
func New(id pane.ID, planner verbs.Planner) *Pane {
	p := &Pane{id: id, verbs: verbs.New(id, planner)}
	p.table = widget.NewTable(func(w *k8s.Workload) string { return w.Key() }, columns(false)...)
	p.table.SortedBy = byTrouble.column()
	p.table.Follow(true)
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.board == nil {
		return "workloads"
	}
	return "workloads in " + p.board.Scope.String()
}

// Topics is the board.
func (p *Pane) Topics() []live.Topic { return []live.Topic{{Name: watch.TopicBoard}} }

// Update takes a batch, a key typed beside the filter, or the answer to a verb.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		p.take(msg)
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	case pane.FailedMsg:
		if cmd, handled := p.verbs.Update(msg); handled {
			return cmd
		}
		return msg.Toast()
	default:
		if cmd, handled := p.verbs.Update(msg); handled {
			return cmd
		}
	}
	return p.announce()
}

// take keeps the newest board. The same board with another state, seconds
// later, costs nothing.
func (p *Pane) take(batch live.Batch) {
	s, ok := batch[live.Topic{Name: watch.TopicBoard}]
	if !ok {
		return
	}
	p.snapshot = s
	board, ok := s.Value.(*watch.Board)
	if !ok || board == p.board {
		return
	}
	p.board = board
	if several := len(board.Scope.Namespaces) != 1; several != p.namespace {
		p.namespace = several
		p.table.SetColumns(columns(several)...)
	}
	if s.State != live.Loading && !board.PodsLoading && len(board.Loading) == 0 {
		// From here on the selection is somebody's: it no longer jumps to
		// whatever is worst.
		defer p.table.Follow(false)
	}
	p.arrange()
}

// arrange filters and sorts the board's workloads into the table.
func (p *Pane) arrange() {
	if p.board == nil {
		return
	}
	rows := make([]*k8s.Workload, 0, len(p.board.Workloads))
	for _, w := range p.board.Workloads {
		if p.hideOK && w.Verdict.Severity == live.OK {
			continue
		}
		if p.matches(w) {
			rows = append(rows, w)
		}
	}
	if p.order != byTrouble {
		slices.SortStableFunc(rows, p.order.compare)
	}
	p.table.SortedBy = p.order.column()
	p.table.SetRows(rows)
}

func (p *Pane) matches(w *k8s.Workload) bool {
	if !p.filter.Active() {
		return true
	}
	return p.filter.Match(w.Namespace, w.Kind, k8s.ShortKind(w.Kind)+"/"+w.Name, w.Verdict.Reason, w.Verdict.Message.String(),
		string(w.Verdict.Phase), w.Verdict.Severity.String())
}

// compare orders two workloads; what it leaves equal stays in order of trouble.
func (o order) compare(a, b *k8s.Workload) int {
	switch o {
	case byName:
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	case byNamespace:
		return cmp.Compare(a.Namespace, b.Namespace)
	case byReady:
		return cmp.Compare(missing(b), missing(a))
	case byAge:
		return b.Verdict.Since.Compare(a.Verdict.Since)
	}
	return 0
}

// missing is how many of the wanted pods are not available.
func missing(w *k8s.Workload) int { return w.Rollout.Desired - w.Rollout.TotalAvailable }

// announce tells the root when another workload has become selected.
func (p *Pane) announce() tea.Cmd {
	w, ok := p.table.Selected()
	if !ok || w.Key() == p.announced {
		return nil
	}
	p.announced = w.Key()
	return pane.Send(pane.SelectMsg{Ref: w.Ref})
}

// Selected is the workload under the cursor.
func (p *Pane) Selected() k8s.Ref {
	w, _ := p.table.Selected()
	return refOf(w)
}

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter narrows the board to what matches anywhere in a row.
func (p *Pane) SetFilter(expr string) error {
	f, err := widget.ParseFilter(expr)
	if err != nil {
		return err
	}
	p.filter = f
	p.arrange()
	return nil
}

// Until is for how long the ages on the screen stay true.
func (p *Pane) Until(now time.Time) time.Duration {
	until := widget.StateUntil(p.snapshot, now)
	for _, w := range p.table.Visible() {
		until = widget.Sooner(until, widget.SinceUntil(now, w.Verdict.Since))
		if h := w.HPA; h != nil && (h.Stabilising || h.Problem != "") {
			until = widget.Sooner(until, widget.SinceUntil(now, h.Since))
		}
	}
	return until
}
