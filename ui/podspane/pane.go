package podspane

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

// row is a pod with what it was doing when the snapshot was arranged; the
// snapshot comes again when time alone changes that.
type row struct {
	*k8s.PodRow
	state k8s.PodState
}

// order is what the rows are sorted by.
type order uint8

const (
	byTrouble order = iota
	byName
	byRestarts
	byAge // the newest first
	byNode
	orders
)

func (o order) column() string {
	return [...]string{"sign", "pod", "restarts", "age", "node"}[o]
}

// Pane is a list of pods.
type Pane struct {
	id     pane.ID
	env    *pane.Env
	table  *widget.Table[row]
	verbs  *verbs.Verbs
	target k8s.Ref // zero: all pods of the scope

	snapshot live.Snapshot
	pods     []*k8s.PodRow
	workload *k8s.Workload // of the target, once known
	loading  bool          // more pods are arriving
	missing  bool          // the target is gone
	filter   widget.Filter
	order    order
	counts   [k8s.PodSucceeded + 1]int // by state, before filtering
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
)

// New makes the pane for a workload's pods; the zero ref stands for all pods
// of the scope. planner may be nil: then nothing can be changed.
func New(id pane.ID, planner verbs.Planner, ref k8s.Ref) *Pane {
	p := &Pane{id: id, verbs: verbs.New(id, planner), target: ref}
	p.table = widget.NewTable(func(r row) string { return r.Namespace + "/" + r.Name + "/" + r.UID })
	p.reset()
	return p
}

func (p *Pane) reset() {
	p.snapshot, p.pods, p.workload, p.loading, p.missing = live.Snapshot{}, nil, nil, false, false
	clear(p.counts[:])
	p.table.SetColumns(p.columns()...)
	p.table.Reset()
	p.table.Follow(true)
	p.arrange()
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.target.IsZero() {
		return "pods"
	}
	return "pods of " + k8s.ShortKind(p.target.Kind) + "/" + p.target.Name
}

// Topics is the target with its pods, or the pods of the scope.
func (p *Pane) Topics() []live.Topic { return []live.Topic{p.topic()} }

func (p *Pane) topic() live.Topic {
	if p.target.IsZero() {
		return live.Topic{Name: watch.TopicPods}
	}
	return live.Topic{Name: watch.TopicWorkload, Key: p.target.Key()}
}

// SetTarget shows the pods of another workload.
func (p *Pane) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	p.env = env
	if ref.Key() != p.target.Key() {
		p.target = ref
		p.reset()
	}
	return nil
}

// Update takes a batch, a key typed beside the filter, or the answer to a verb.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		if s, ok := msg[p.topic()]; ok {
			p.take(s)
		}
		return nil
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	if cmd, handled := p.verbs.Update(msg); handled {
		return cmd
	}
	if failed, ok := msg.(pane.FailedMsg); ok {
		return failed.Toast()
	}
	return nil
}

func (p *Pane) take(s live.Snapshot) {
	p.snapshot = s
	switch v := s.Value.(type) {
	case *watch.Detail:
		p.workload, p.pods, p.loading, p.missing = v.Workload, v.Pods, v.PodsLoading, v.Missing
	case *watch.PodList:
		p.pods, p.loading = v.Pods, v.Loading
	default:
		return
	}
	p.arrange()
	if s.State != live.Loading && !p.loading {
		p.table.Follow(false)
	}
}

// arrange filters and sorts the pods into the table.
func (p *Pane) arrange() {
	rows := make([]row, 0, len(p.pods))
	clear(p.counts[:])
	now, minReady := p.now(), p.minReady()
	for _, pod := range p.pods {
		r := row{pod, pod.State(minReady, now)}
		p.counts[r.state]++
		if p.matches(r) {
			rows = append(rows, r)
		}
	}
	// Pods come by namespace and name: what is left equal stays so, and ten
	// thousand rows of which few are in trouble are nearly in order already.
	slices.SortStableFunc(rows, p.order.compare)
	p.table.SortedBy = p.order.column()
	p.table.SetRows(rows)
}

func (p *Pane) now() time.Time {
	switch {
	case p.env != nil:
		return p.env.Now
	default:
		return p.snapshot.At
	}
}

func (p *Pane) minReady() time.Duration {
	if p.workload == nil {
		return 0
	}
	return p.workload.Rollout.MinReady
}

func (p *Pane) matches(r row) bool {
	if !p.filter.Active() {
		return true
	}
	return p.filter.Match(r.Namespace, r.Name, r.Node, r.state.String(), r.Reason, r.ExitReason, r.Message.String(), p.revision(r.PodRow))
}

func (o order) compare(a, b row) int {
	switch o {
	case byTrouble:
		if a.state != b.state {
			return int(a.state) - int(b.state)
		}
		return b.Restarts - a.Restarts
	case byName:
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	case byRestarts:
		return b.Restarts - a.Restarts
	case byAge:
		return b.Created.Compare(a.Created)
	case byNode:
		return cmp.Compare(a.Node, b.Node)
	}
	return 0
}

// revision is whether a pod is of the new revision or of an old one; "" when
// that is not known.
func (p *Pane) revision(pod *k8s.PodRow) string {
	switch {
	case p.workload == nil || pod.Revision == "" || p.workload.Rollout.Revision.Hash == "":
		return ""
	case pod.Revision == p.workload.Rollout.Revision.Hash:
		return "new"
	}
	return "old"
}

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter narrows the list to what matches anywhere in a row.
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
	for _, r := range p.table.Visible() {
		until = widget.Sooner(until, widget.SinceUntil(now, r.Created))
		if r.Restarts > 0 {
			until = widget.Sooner(until, widget.SinceUntil(now, r.LastRestart))
		}
	}
	return until
}
