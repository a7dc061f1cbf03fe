// Package secretspane shows the secrets of the selected workload: what each is
// taken for, what fills it, how the last sync went, and which pods still run
// on an old version. It shows no value: none is read.
package secretspane

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/secrets/read"
	"midwatch/ui/pane"
	"midwatch/ui/verbs"
	"midwatch/ui/widget"
)

// Read reads the secrets of one workload, off the UI goroutine.
type Read func(ctx context.Context, ref k8s.Ref) (*read.Report, error)

// Wait lets time pass, off the UI goroutine.
type Wait func(ctx context.Context, d time.Duration) error

// Syncer plans to have an ExternalSecret synced now. It may be nil.
type Syncer interface {
	PlanForceSync(ctx context.Context, ref k8s.Ref) (*action.Plan, error)
}

const (
	readTimeout = 15 * time.Second
	// settle is how long a change of the pods is left to go on before the
	// secrets are read again because of it.
	settle = 2 * time.Second
)

// Pane is the list of a workload's secrets.
type Pane struct {
	id    pane.ID
	env   *pane.Env
	ref   k8s.Ref
	read  Read
	wait  Wait
	sync  Syncer
	verbs *verbs.Verbs
	table *widget.Table[*secrets.Row]

	viewed   bool
	state    live.State // of the workload's snapshot
	workload *k8s.Workload
	pods     string // which pods there were when it was read
	report   *read.Report
	err      foreign.Text
	reading  bool
	readFor  string // which pods the read on its way is for
	filter   widget.Filter
	detail   bool
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
	_ pane.Viewer   = (*Pane)(nil)
)

// New makes the pane for a workload; the zero ref waits for the selection.
func New(id pane.ID, r Read, wait Wait, planner verbs.Planner, sync Syncer, ref k8s.Ref) *Pane {
	p := &Pane{id: id, read: r, wait: wait, sync: sync, ref: ref, verbs: verbs.New(id, planner), detail: true}
	p.table = widget.NewTable(rowKey, columns()...)
	return p
}

func rowKey(r *secrets.Row) string {
	if r.Secret == "" && len(r.Uses) > 0 {
		return string(r.Uses[0].How) + " " + r.Uses[0].Secret + " " + r.Uses[0].Path.String()
	}
	return r.Secret
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.ref.IsZero() {
		return "secrets"
	}
	return "secrets of " + k8s.ShortKind(p.ref.Kind) + "/" + p.ref.Name
}

// Topics is the workload: its pods say when to read again.
func (p *Pane) Topics() []live.Topic {
	if p.ref.IsZero() {
		return nil
	}
	return []live.Topic{p.topic()}
}

func (p *Pane) topic() live.Topic { return live.Topic{Name: watch.TopicWorkload, Key: p.ref.Key()} }

// SetTarget shows another workload.
func (p *Pane) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	p.env = env
	if ref.Key() == p.ref.Key() {
		return nil
	}
	p.ref, p.workload, p.report, p.err, p.reading, p.pods, p.readFor, p.state = ref, nil, nil, "", false, "", "", live.Loading
	env.Tasks.Cancel(p.id, "read")
	p.table.SetRows(nil)
	p.table.Reset()
	return p.readOnce()
}

// Viewed reads when the pane comes on the screen, and lets a read go when it
// leaves.
func (p *Pane) Viewed(env *pane.Env, on bool) tea.Cmd {
	p.env, p.viewed = env, on
	if !on {
		env.Tasks.Cancel(p.id, "read")
		p.reading = false
		return nil
	}
	return p.readOnce()
}

// reportMsg is the answer to a read.
type reportMsg struct {
	ref    k8s.Ref
	pods   string
	report *read.Report
	err    error
}

// Update takes a batch, or the answer to a read.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	if cmd, mine := p.verbs.Update(msg); mine {
		return cmd
	}
	switch msg := msg.(type) {
	case live.Batch:
		if s, ok := msg[p.topic()]; ok {
			return p.follow(s)
		}
	case reportMsg:
		return p.take(msg)
	case pane.RefreshMsg:
		return p.readAgain(0)
	case pane.WroteMsg:
		return p.wrote(msg)
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	case pane.FailedMsg:
		p.reading = false
		return msg.Toast()
	}
	return nil
}

// follow takes what is new of the workload. A read that failed while the
// cluster was away is made again when it is back.
func (p *Pane) follow(s live.Snapshot) tea.Cmd {
	missed := p.err != "" && s.State.Back(p.state)
	p.state = s.State
	if d, ok := s.Value.(*watch.Detail); ok {
		p.workload, p.pods = d.Workload, generation(d.Pods)
	}
	if missed {
		p.err = ""
		if p.viewed {
			return p.readAgain(0)
		}
	}
	return p.readOnce()
}

// generation names the running containers of the pods: it changes when one is
// restarted or replaced, which is when holders change.
func generation(pods []*k8s.PodRow) string {
	newest := time.Time{}
	text := make([]byte, 0, 16*len(pods))
	for _, pod := range pods {
		text = append(text, pod.UID...)
		for _, at := range []time.Time{pod.Started, pod.LastRestart} {
			if at.After(newest) {
				newest = at
			}
		}
	}
	return string(text) + newest.String()
}

func (p *Pane) take(msg reportMsg) tea.Cmd {
	if msg.ref.Key() != p.ref.Key() {
		return nil
	}
	p.reading = false
	if msg.err != nil {
		p.err = foreign.Clean(msg.err.Error())
		return nil
	}
	p.report, p.err, p.readFor = msg.report, "", msg.pods
	p.narrow()
	return p.readOnce()
}

// readOnce reads when nothing was read yet, or when the pods are others than
// those it was read for.
func (p *Pane) readOnce() tea.Cmd {
	switch {
	case !p.viewed || p.reading || p.ref.IsZero() || p.err != "":
		return nil
	case p.report == nil:
		return p.readAgain(0)
	case p.pods != "" && p.readFor == "":
		p.readFor = p.pods // what was read first is as new as the first snapshot
		return nil
	case p.pods != p.readFor:
		return p.readAgain(settle)
	}
	return nil
}

// readAgain reads the secrets after a while.
func (p *Pane) readAgain(after time.Duration) tea.Cmd {
	if p.read == nil || p.env == nil || p.ref.IsZero() {
		return nil
	}
	p.reading = true
	ref, pods, fetch, wait := p.ref, p.pods, p.read, p.wait
	return pane.Run(p.env.Tasks, p.id, "read", "read the secrets of "+ref.String(), readTimeout+after, func(ctx context.Context) (tea.Msg, error) {
		if err := wait(ctx, after); err != nil {
			return nil, err
		}
		report, err := fetch(ctx, ref)
		return reportMsg{ref: ref, pods: pods, report: report, err: err}, nil
	})
}

// wrote reads again when what was written to stands behind one of the rows.
func (p *Pane) wrote(msg pane.WroteMsg) tea.Cmd {
	if p.report == nil || !p.viewed {
		return nil
	}
	for i := range p.report.Rows {
		r := &p.report.Rows[i]
		if o := r.Origin; o != nil && o.Kind == msg.Target.Kind && o.Namespace == msg.Target.Namespace && o.Name == msg.Target.Name {
			return p.readAgain(0)
		}
		for _, l := range r.Leases {
			if msg.Target.Kind == "Lease" && l.ID.String() == msg.Target.UID {
				return p.readAgain(0)
			}
		}
	}
	return nil
}

func (p *Pane) narrow() {
	if p.report == nil {
		return
	}
	rows := make([]*secrets.Row, 0, len(p.report.Rows))
	for i := range p.report.Rows {
		r := &p.report.Rows[i]
		if !p.filter.Active() || p.filter.Match(r.Secret, r.State, r.Message.String()) {
			rows = append(rows, r)
		}
	}
	p.table.SetRows(rows)
}

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter narrows the list.
func (p *Pane) SetFilter(expr string) error {
	f, err := widget.ParseFilter(expr)
	if err != nil {
		return err
	}
	p.filter = f
	p.narrow()
	return nil
}

// Until is for how long the ages on the screen stay true.
func (p *Pane) Until(now time.Time) time.Duration {
	if p.report == nil {
		return 0
	}
	until := widget.SinceUntil(now, p.report.At)
	for _, r := range p.table.Visible() {
		until = widget.Sooner(until, widget.SinceUntil(now, r.Since))
	}
	if r, ok := p.table.Selected(); ok && p.detail {
		for i := range r.Leases {
			if left := r.Leases[i].Ends.Sub(now); left > 0 {
				_, wait := widget.CountdownFor(left)
				until = widget.Sooner(until, wait)
			}
		}
	}
	return until
}
