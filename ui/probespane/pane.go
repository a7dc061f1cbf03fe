package probespane

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/read"
	"midwatch/k8s/probe/try"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Reads is what the pane does off the UI goroutine.
type Reads struct {
	// Pods reads the pods of a workload and what the kubelet said of them.
	Pods func(ctx context.Context, q read.Query) (*read.Answer, error)
	// Try runs a probe once against a pod. Nil when that is not possible.
	Try func(ctx context.Context, pod k8s.Ref, podIP string, s probe.Spec) (*try.Result, error)
	// Pause waits before pods that keep changing are read again; nil for no
	// wait.
	Pause func(ctx context.Context, d time.Duration) error
}

const (
	readSlot    = "read"
	trySlot     = "try"
	readTimeout = 30 * time.Second
	tryTimeout  = 40 * time.Second
	// readEvery is how often pods that keep changing are read at most.
	readEvery = 3 * time.Second
	// keptTries bounds the results that stay on the screen.
	keptTries = 20
)

// Pane is the probes of one workload.
type Pane struct {
	id      pane.ID
	env     *pane.Env
	reads   Reads
	target  k8s.Ref
	outline *widget.Outline[subject]
	filter  widget.Filter

	snapshot live.Snapshot
	detail   *watch.Detail
	reading  bool
	asked    map[string]string // the versions the watch had then, by pod
	answer   *read.Answer
	err      foreign.Text
	reports  []*probe.Report
	groups   []*probe.Group
	tries    map[string]*attempt
	order    []string // of tries, the oldest first
}

// subject is what a line stands for.
type subject struct {
	group  *probe.Group
	member *probe.Member
}

// attempt is one try, under way or done.
type attempt struct {
	busy   bool
	at     time.Time
	result *try.Result
	err    foreign.Text
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
)

// New makes the pane for a workload; the zero ref waits for a selection.
func New(id pane.ID, reads Reads, ref k8s.Ref) *Pane {
	return &Pane{id: id, reads: reads, target: ref, outline: widget.NewOutline[subject](), tries: map[string]*attempt{}}
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.target.IsZero() {
		return "probes"
	}
	return "probes of " + k8s.ShortKind(p.target.Kind) + "/" + p.target.Name
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
	env.Tasks.Cancel(p.id, trySlot)
	p.target, p.snapshot, p.detail = ref, live.Snapshot{}, nil
	p.reading, p.asked, p.answer, p.err, p.reports, p.groups, p.order = false, nil, nil, "", nil, nil, nil
	clear(p.tries)
	p.outline.Forget()
	return nil
}

// The answers to what was asked for.
type (
	readMsg struct {
		answer *read.Answer
		err    error
	}
	triedMsg struct {
		key    string
		result *try.Result
		err    error
	}
)

// Update takes a batch, or the answer to a read or a try.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		return p.take(msg)
	case readMsg:
		p.reading, p.err = false, failure("read the pods", msg.err)
		if msg.err == nil {
			p.answer = msg.answer
		}
		p.arrange()
		return p.readChanges()
	case triedMsg:
		p.tried(msg)
	case pane.RefreshMsg:
		return p.readAgain()
	case pane.FilteredMsg:
		p.arrange()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	case pane.FailedMsg:
		p.reading = false
		for _, a := range p.tries {
			a.busy = false
		}
		p.arrange()
		return msg.Toast()
	}
	return nil
}

func failure(what string, err error) foreign.Text {
	if err == nil {
		return ""
	}
	return foreign.Clean(pane.FailedMsg{What: what, Err: err}.String())
}

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
	if missed && !p.reading && p.workload() != nil {
		return p.readPods(0)
	}
	return p.readChanges()
}

func (p *Pane) workload() *k8s.Workload {
	if p.detail == nil {
		return nil
	}
	return p.detail.Workload
}

// readChanges reads the pods when the watch knows of others, or of other
// versions, than were read.
func (p *Pane) readChanges() tea.Cmd {
	switch {
	case p.reading || p.workload() == nil || p.detail.PodsLoading:
		return nil
	case p.asked == nil:
		return p.readPods(0)
	case !p.changed():
		return nil
	case p.answer == nil:
		return p.readPods(readEvery)
	}
	return p.readPods(max(0, readEvery-p.env.Now.Sub(p.answer.At)))
}

// changed reports whether the watch knows of something it did not know when
// the pods were asked for, and that the answer does not have either.
func (p *Pane) changed() bool {
	known := map[string]string{}
	if p.answer != nil {
		known = p.answer.Versions()
	}
	for _, row := range p.detail.Pods {
		if p.asked[row.Name] != row.Version && known[row.Name] != row.Version {
			return true
		}
	}
	return len(p.asked) > len(p.detail.Pods)
}

func (p *Pane) readAgain() tea.Cmd {
	if p.workload() == nil {
		return nil
	}
	return p.readPods(0)
}

func (p *Pane) readPods(after time.Duration) tea.Cmd {
	w := p.workload()
	q := read.Query{Workload: w.Ref, Selector: w.Selector, Names: make([]string, 0, len(p.detail.Pods))}
	p.asked = make(map[string]string, len(p.detail.Pods))
	for _, row := range p.detail.Pods {
		q.Names = append(q.Names, row.Name)
		p.asked[row.Name] = row.Version
	}
	p.reading = true
	reads := p.reads
	return pane.Run(p.env.Tasks, p.id, readSlot, "read the probes of "+w.String(), readTimeout, func(ctx context.Context) (tea.Msg, error) {
		if after > 0 && reads.Pause != nil {
			if err := reads.Pause(ctx, after); err != nil {
				return nil, err
			}
		}
		answer, err := reads.Pods(ctx, q)
		return readMsg{answer, err}, nil
	})
}

// chosen is the probe of the pod under the cursor; on a heading the worst.
func (p *Pane) chosen() (probe.Member, bool) {
	s, ok := p.outline.Chosen()
	switch {
	case !ok || s.group == nil:
		return probe.Member{}, false
	case s.member != nil:
		return *s.member, true
	}
	return s.group.Members[0], true
}

func tryKey(m probe.Member) string {
	return m.Report.Pod.Key() + "/" + m.Probe.Container + "/" + string(m.Probe.Spec.Kind)
}

// try runs the chosen probe once.
func (p *Pane) try() tea.Cmd {
	m, ok := p.chosen()
	if !ok {
		return nil
	}
	key := tryKey(m)
	for _, a := range p.tries {
		if a.busy {
			a.busy, a.err = false, "given up for another one"
		}
	}
	p.keep(key, &attempt{busy: true, at: p.env.Now})
	p.arrange()
	spec, pod, ip, run := m.Probe.Spec, m.Report.Pod, m.Report.IP, p.reads.Try
	return pane.Run(p.env.Tasks, p.id, trySlot, "try "+spec.Words()+" in "+pod.Name, tryTimeout, func(ctx context.Context) (tea.Msg, error) {
		result, err := run(ctx, pod, ip, spec)
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return triedMsg{key, result, err}, nil
	})
}

func (p *Pane) keep(key string, a *attempt) {
	if _, known := p.tries[key]; !known {
		p.order = append(p.order, key)
	}
	p.tries[key] = a
	for len(p.order) > keptTries {
		delete(p.tries, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *Pane) tried(msg triedMsg) {
	p.keep(msg.key, &attempt{at: p.env.Now, result: msg.result, err: failure("try it", msg.err)})
	p.arrange()
}

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter narrows the pods under each probe.
func (p *Pane) SetFilter(expr string) error {
	f, err := widget.ParseFilter(expr)
	if err != nil {
		return err
	}
	p.filter = f
	p.arrange()
	return nil
}

// Until is for how long what is on the screen stays true.
func (p *Pane) Until(now time.Time) time.Duration {
	until := widget.Sooner(widget.StateUntil(p.snapshot, now), p.outline.Until(now))
	if p.answer != nil {
		until = widget.Sooner(until, widget.SinceUntil(now, p.answer.At))
	}
	for _, r := range p.reports {
		if r.Recheck.After(now) {
			until = widget.Sooner(until, r.Recheck.Sub(now))
		}
	}
	return until
}
