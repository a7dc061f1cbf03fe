package hangspane

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/depend"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Read reads what a workload hangs on, off the UI goroutine.
type Read func(ctx context.Context, w *k8s.Workload, pods []string) (*depend.Report, error)

const (
	readSlot    = "read"
	readTimeout = 30 * time.Second
)

// Pane is what one workload hangs on.
type Pane struct {
	id      pane.ID
	env     *pane.Env
	read    Read
	target  k8s.Ref
	outline *widget.Outline[*depend.Item]
	filter  widget.Filter

	snapshot live.Snapshot
	detail   *watch.Detail
	reading  bool
	asked    stage // of the workload when it was read last
	report   *depend.Report
	err      foreign.Text
}

// stage is what of a workload makes it worth reading anew when it changes.
type stage struct {
	phase    k8s.Phase
	reason   string
	revision string
	desired  int
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
)

// New makes the pane for a workload; the zero ref waits for a selection.
func New(id pane.ID, read Read, ref k8s.Ref) *Pane {
	return &Pane{id: id, read: read, target: ref, outline: widget.NewOutline[*depend.Item]()}
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.target.IsZero() {
		return "hangs on"
	}
	return "what " + k8s.ShortKind(p.target.Kind) + "/" + p.target.Name + " hangs on"
}

// Topics is the workload.
func (p *Pane) Topics() []live.Topic {
	if p.target.IsZero() {
		return nil
	}
	return []live.Topic{p.topic()}
}

func (p *Pane) topic() live.Topic {
	return live.Topic{Name: watch.TopicWorkload, Key: p.target.Key()}
}

// SetTarget shows another workload.
func (p *Pane) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	p.env = env
	if ref.Key() == p.target.Key() {
		return nil
	}
	env.Tasks.Cancel(p.id, readSlot)
	p.target, p.snapshot, p.detail = ref, live.Snapshot{}, nil
	p.reading, p.asked, p.report, p.err = false, stage{}, nil, ""
	p.outline.Forget()
	return nil
}

// readMsg answers [Pane.readAgain].
type readMsg struct {
	report *depend.Report
	err    error
}

// Update takes a batch, or what was read.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		return p.take(msg)
	case readMsg:
		p.reading, p.err = false, ""
		if msg.err != nil {
			p.err = foreign.Clean(pane.FailedMsg{What: "read what it hangs on", Err: msg.err}.String())
		} else {
			p.report = msg.report
		}
		p.arrange()
	case pane.RefreshMsg:
		return p.readAgain()
	case pane.FilteredMsg:
		p.arrange()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	case pane.FailedMsg:
		p.reading = false
		p.err = foreign.Clean(msg.String())
		p.arrange()
	}
	return nil
}

// take reads when there is a workload to read for, and again when its rollout
// has come to another stage: most of what it hangs on is not watched.
func (p *Pane) take(batch live.Batch) tea.Cmd {
	s, ok := batch[p.topic()]
	if !ok {
		return nil
	}
	// A read that failed while the cluster was away is made again when it is back.
	missed := p.err != "" && s.State.Back(p.snapshot.State)
	p.snapshot = s
	if detail, ok := s.Value.(*watch.Detail); ok {
		p.detail = detail
	}
	p.arrange()
	w := p.workload()
	if w == nil || p.reading || p.detail.PodsLoading || stageOf(w) == p.asked && !missed {
		return nil
	}
	return p.readAgain()
}

func stageOf(w *k8s.Workload) stage {
	return stage{w.Verdict.Phase, w.Verdict.Reason, w.Rollout.Revision.Name, w.Rollout.Desired}
}

func (p *Pane) workload() *k8s.Workload {
	if p.detail == nil {
		return nil
	}
	return p.detail.Workload
}

func (p *Pane) readAgain() tea.Cmd {
	w := p.workload()
	if w == nil || p.read == nil {
		return nil
	}
	p.reading, p.asked = true, stageOf(w)
	pods := make([]string, 0, len(p.detail.Pods))
	for _, row := range p.detail.Pods {
		pods = append(pods, row.Name)
	}
	read := p.read
	return pane.Run(p.env.Tasks, p.id, readSlot, "read what "+w.String()+" hangs on", readTimeout, func(ctx context.Context) (tea.Msg, error) {
		report, err := read(ctx, w, pods)
		return readMsg{report, err}, nil
	})
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
	p.arrange()
	return nil
}

// Until is for how long the ages on the screen stay true.
func (p *Pane) Until(now time.Time) time.Duration {
	until := widget.Sooner(widget.StateUntil(p.snapshot, now), p.outline.Until(now))
	if p.report != nil {
		until = widget.Sooner(until, widget.SinceUntil(now, p.report.At))
	}
	return until
}
