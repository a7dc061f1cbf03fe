package hpapane

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/k8s/hpawatch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/verbs"
	"midwatch/ui/widget"
)

// Pane is one workload's autoscaler.
type Pane struct {
	id      pane.ID
	env     *pane.Env
	verbs   *verbs.Verbs
	planner Planner
	refresh func(k8s.Ref)
	target  k8s.Ref
	outline *widget.Outline[nothing]

	snapshot live.Snapshot
	view     *hpawatch.View
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
)

// New makes the pane; the zero ref waits for a selection. planner may be nil:
// then nothing can be changed. refresh, which may be nil, has the autoscaler
// of a workload looked at again at once.
func New(id pane.ID, planner Planner, refresh func(k8s.Ref), ref k8s.Ref) *Pane {
	return &Pane{id: id, verbs: verbs.New(id, nil), planner: planner, refresh: refresh, target: ref, outline: widget.NewOutline[nothing]()}
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.target.IsZero() {
		return "autoscaler"
	}
	return "autoscaler of " + k8s.ShortKind(p.target.Kind) + "/" + p.target.Name
}

// Topics is the workload's autoscaler.
func (p *Pane) Topics() []live.Topic {
	if p.target.IsZero() {
		return nil
	}
	return []live.Topic{p.topic()}
}

func (p *Pane) topic() live.Topic { return live.Topic{Name: hpawatch.Topic, Key: p.target.Key()} }

// SetTarget shows another workload's.
func (p *Pane) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	p.env = env
	if ref.Key() == p.target.Key() {
		return nil
	}
	p.target, p.snapshot, p.view = ref, live.Snapshot{}, nil
	p.outline.Forget()
	p.arrange()
	return nil
}

// Update takes a batch, or the answer to a verb.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		if s, ok := msg[p.topic()]; ok {
			p.snapshot = s
			p.view, _ = s.Value.(*hpawatch.View)
			p.arrange()
		}
		return nil
	case pane.RefreshMsg:
		if p.refresh != nil && !p.target.IsZero() {
			p.refresh(p.target)
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

// Until is for how long the ages and countdowns on the screen stay true.
func (p *Pane) Until(now time.Time) time.Duration {
	return widget.Sooner(widget.StateUntil(p.snapshot, now), p.outline.Until(now))
}
