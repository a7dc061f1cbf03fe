package rolloutpane

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/verbs"
	"midwatch/ui/widget"
)

// Diff reads the templates of two revisions of a workload and says what
// differs from old to now. It is called off the UI goroutine.
type Diff func(ctx context.Context, ref k8s.Ref, old, now k8s.Revision) ([]rollout.TemplateChange, error)

// diffTimeout bounds reading two templates.
const diffTimeout = 15 * time.Second

// Pane is one workload in detail.
type Pane struct {
	id     pane.ID
	env    *pane.Env
	verbs  *verbs.Verbs
	diff   Diff
	target k8s.Ref

	outline *widget.Outline[behind]

	snapshot live.Snapshot
	detail   *watch.Detail
	diffs    map[pair]*comparison
}

// pair names two revisions to compare.
type pair struct{ workload, old, now string }

// comparison is what is known of the difference between two revisions.
type comparison struct {
	done    bool
	changes []rollout.TemplateChange
	err     foreign.Text
}

// maxDiffs is how many comparisons are kept.
const maxDiffs = 32

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
)

// New makes the pane for a workload; the zero ref waits for a selection.
// planner may be nil: then nothing can be changed. diff may be nil: then only
// images are compared.
func New(id pane.ID, planner verbs.Planner, diff Diff, ref k8s.Ref) *Pane {
	return &Pane{id: id, verbs: verbs.New(id, planner), diff: diff, target: ref, outline: widget.NewOutline[behind](), diffs: map[pair]*comparison{}}
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.target.IsZero() {
		return "rollout"
	}
	return "rollout of " + k8s.ShortKind(p.target.Kind) + "/" + p.target.Name
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
	env.Tasks.Cancel(p.id, diffSlot)
	p.target, p.snapshot, p.detail = ref, live.Snapshot{}, nil
	for k, c := range p.diffs {
		if !c.done { // was cancelled
			delete(p.diffs, k)
		}
	}
	p.outline.Forget()
	return nil
}

// comparedMsg answers [Pane.compare].
type comparedMsg struct {
	pair    pair
	changes []rollout.TemplateChange
	err     error
}

// Update takes a batch, or the answer to a comparison or a verb.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		return p.take(msg)
	case comparedMsg:
		c := &comparison{done: true, changes: msg.changes}
		if msg.err != nil {
			c.err = foreign.Clean(pane.FailedMsg{What: "read the templates", Err: msg.err}.String())
		}
		p.diffs[msg.pair] = c
		p.arrange()
		return nil
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	if cmd, handled := p.verbs.Update(msg); handled {
		p.arrange()
		return cmd
	}
	if failed, ok := msg.(pane.FailedMsg); ok {
		return failed.Toast()
	}
	return nil
}

func (p *Pane) take(batch live.Batch) tea.Cmd {
	s, ok := batch[p.topic()]
	if !ok {
		return nil
	}
	p.snapshot = s
	if detail, ok := s.Value.(*watch.Detail); ok {
		p.detail = detail
	}
	p.arrange()
	w := p.workload()
	if w == nil || w.Verdict.Phase == k8s.PhaseDone || w.Verdict.Phase == k8s.PhaseScaledToZero {
		return nil // what changed is read when someone asks for it
	}
	return p.compare(false)
}

func (p *Pane) workload() *k8s.Workload {
	if p.detail == nil {
		return nil
	}
	return p.detail.Workload
}

// revisions are the two to compare; ok is false when there is no earlier one.
func (p *Pane) revisions() (key pair, old, now k8s.Revision, ok bool) {
	w := p.workload()
	if w == nil {
		return pair{}, old, now, false
	}
	old, now = w.Rollout.PreviousRevision, w.Rollout.Revision
	return pair{w.Key(), old.Name, now.Name}, old, now, old.Name != "" && now.Name != "" && old.Name != now.Name
}

const diffSlot = "diff"

// compare has the templates of the two revisions compared, once; again makes
// it try once more after a failure.
func (p *Pane) compare(again bool) tea.Cmd {
	key, old, now, ok := p.revisions()
	if !ok || p.diff == nil {
		return nil
	}
	if c := p.diffs[key]; c != nil && (!c.done || c.err == "" || !again) {
		return nil
	}
	if len(p.diffs) >= maxDiffs {
		clear(p.diffs)
	}
	p.diffs[key] = &comparison{}
	p.arrange()
	ref := p.target
	return pane.Run(p.env.Tasks, p.id, diffSlot, "compare two revisions of "+ref.String(), diffTimeout, func(ctx context.Context) (tea.Msg, error) {
		changes, err := p.diff(ctx, ref, old, now)
		return comparedMsg{pair: key, changes: changes, err: err}, nil
	})
}

// Until is for how long the ages and countdowns on the screen stay true.
func (p *Pane) Until(now time.Time) time.Duration {
	return widget.Sooner(widget.StateUntil(p.snapshot, now), p.outline.Until(now))
}
