package profilepane

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/profiles/capture"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Source takes profiles; *capture.Taker is one. Its methods are called off the
// UI goroutine, except for the setters and Earlier, which touch memory only.
type Source interface {
	Subject(ctx context.Context, ref k8s.Ref) (*capture.Subject, error)
	Find(ctx context.Context, target capture.Target) (*capture.Found, error)
	Take(ctx context.Context, target capture.Target, req capture.Request, w *capture.Watch) (*capture.Profile, error)
	TakeSides(ctx context.Context, base, other []capture.Target, req capture.Request, w *capture.Watch) (*capture.Sides, error)
	SetKey(target capture.Target, header, key string)
	SetPort(target capture.Target, port int, prefix string)
	Earlier(p *capture.Profile) []*capture.Profile
	// Look and what follows take a profile by a command in a container.
	Look(ctx context.Context, target capture.Target, req capture.Request) (*capture.Python, error)
	PlanExec(target capture.Target, req capture.Request, py *capture.Python) (*action.Plan, capture.Wait, error)
	PlanSides(ctx context.Context, base, other []capture.Target, req capture.Request) (*action.Plan, capture.WaitSides, error)
	PlanHelper(ctx context.Context, target capture.Target, of, image string) (*action.Plan, func(context.Context) error, error)
	Image(ctx context.Context, target capture.Target) string
}

// Save writes a file that holds a profile and returns its path; it is called
// off the UI goroutine.
type Save func(name string, data []byte) (path string, err error)

// How long the pane waits for what it asks for.
const (
	askWithin     = 40 * time.Second
	captureWithin = capture.MaxSeconds*time.Second + time.Minute
	drawEvery     = 250 * time.Millisecond
)

type mode int

const (
	choosing mode = iota
	running
	showing
	comparing
)

// Pane is the profile of a pod.
type Pane struct {
	id   pane.ID
	env  *pane.Env
	src  Source
	save Save
	ref  k8s.Ref

	mode    mode
	subject *capture.Subject
	pod     int // index in subject.Pods
	found   map[string]*finding
	kinds   *widget.Table[capture.Spec]
	seconds int
	gc      bool
	delta   bool   // snapshots are differences over the seconds
	pid     int    // of the Python process; 0 for the busiest
	failed  string // the last failure, until something else is done

	run   *run
	shown *view
	sides *comparison
}

// finding is what is known of one pod's endpoint.
type finding struct {
	found *capture.Found
	err   string
}

// run is a capture on its way.
type run struct {
	what    string
	req     capture.Request
	began   time.Time
	watch   *capture.Watch
	compare bool
	back    mode   // where esc leads
	says    string // instead of the capture's own stage
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Starter  = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Closer   = (*Pane)(nil)
)

// New makes the pane for a pod or a workload.
func New(id pane.ID, src Source, save Save, ref k8s.Ref) *Pane {
	p := &Pane{id: id, src: src, save: save, ref: ref, found: map[string]*finding{}, seconds: capture.DefaultSeconds}
	p.kinds = widget.NewTable(func(s capture.Spec) string { return string(s.Kind) }, p.kindColumns()...)
	p.kinds.SetRows(capture.Specs())
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	switch {
	case p.mode == comparing && p.sides != nil:
		return "profile: " + p.sides.title
	case p.mode == showing && p.shown != nil:
		return "profile: " + string(p.shown.got.Req.Kind) + " of " + p.shown.got.Target.Pod.Name
	}
	return "profile " + k8s.ShortKind(p.ref.Kind) + "/" + p.ref.Name
}

// Topics is nothing: a profile is taken, not watched.
func (p *Pane) Topics() []live.Topic { return nil }

// Start reads which pods there are.
func (p *Pane) Start(env *pane.Env) tea.Cmd {
	p.env = env
	return p.readSubject()
}

// Close stops a capture that runs, and with it the target's profiler.
func (p *Pane) Close() {
	if p.env != nil {
		p.env.Tasks.Cancel(p.id, "capture")
		p.env.Tasks.Cancel(p.id, "find")
		p.env.Tasks.Cancel(p.id, "subject")
	}
}

// What comes back.
type (
	subjectMsg struct {
		subject *capture.Subject
		err     error
	}
	foundMsg struct {
		pod   string
		found *capture.Found
		err   error
	}
	takenMsg struct {
		profile *capture.Profile
		err     error
	}
	sidesMsg struct {
		sides *capture.Sides
		err   error
	}
	savedMsg struct {
		path string
		err  error
	}
)

func (p *Pane) readSubject() tea.Cmd {
	if p.src == nil || p.ref.IsZero() {
		p.failed = "there is no cluster to take a profile from"
		return nil
	}
	ref := p.ref
	return pane.Run(p.env.Tasks, p.id, "subject", "read the pods of "+ref.String(), askWithin, func(ctx context.Context) (tea.Msg, error) {
		s, err := p.src.Subject(ctx, ref)
		return subjectMsg{s, err}, nil
	})
}

// target is the chosen pod.
func (p *Pane) target() (capture.Target, bool) {
	if p.subject == nil || p.pod >= len(p.subject.Pods) {
		return capture.Target{}, false
	}
	return p.subject.Pods[p.pod].Target, true
}

// find asks the chosen pod where it serves profiles.
func (p *Pane) find() tea.Cmd {
	target, ok := p.target()
	if !ok {
		return nil
	}
	return pane.Run(p.env.Tasks, p.id, "find", "look for profiles of "+target.Pod.String(), askWithin, func(ctx context.Context) (tea.Msg, error) {
		f, err := p.src.Find(ctx, target)
		return foundMsg{target.Pod.Name, f, err}, nil
	})
}

// Update takes what comes back.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case subjectMsg:
		return p.known(msg)
	case foundMsg:
		p.foundAt(msg)
	case offerMsg:
		p.refresh(msg.subject)
		return p.offer()
	case takenMsg:
		return p.taken(msg)
	case sidesMsg:
		return p.compared(msg)
	case builtMsg:
		p.built(msg)
	case comparedMsg:
		p.comparedSides(msg)
	case savedMsg:
		return msg.toast()
	case pane.RefreshMsg:
		if p.mode == choosing {
			return p.readSubject()
		}
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	case pane.FailedMsg:
		return p.broke(msg)
	default:
		return p.onCommand(msg)
	}
	return nil
}

// known takes the pods there are, and asks the first for its endpoint.
func (p *Pane) known(msg subjectMsg) tea.Cmd {
	if msg.err != nil {
		p.failed = line(msg.err)
		return nil
	}
	p.failed, p.subject, p.pod = "", msg.subject, 0
	return p.find()
}

// foundAt takes what a pod's endpoint offers.
func (p *Pane) foundAt(msg foundMsg) {
	f := &finding{found: msg.found}
	if msg.err != nil {
		f.err = line(msg.err)
	}
	p.found[msg.pod] = f
	p.preselect(f)
}

func (m savedMsg) toast() tea.Cmd {
	if m.err != nil {
		return pane.Toast(live.Fail, line(m.err))
	}
	return pane.Toast(live.OK, "saved "+m.path+", readable by you alone")
}

// broke is a task that did not end as it should: a timeout, or a bug.
func (p *Pane) broke(msg pane.FailedMsg) tea.Cmd {
	if p.mode == running {
		p.mode, p.run = p.run.back, nil
	}
	p.failed = msg.String()
	return nil
}

func line(err error) string { return foreign.CleanN(err.Error(), 700).String() }

// take captures what is chosen.
func (p *Pane) take() tea.Cmd {
	target, ok := p.target()
	spec, chosen := p.kinds.Selected()
	if !ok || !chosen {
		return nil
	}
	req := p.requestOf(spec)
	req.GC = p.gc && spec.Kind == capture.Heap
	if spec.Exec {
		req.PID = p.pid
	}
	if req.Pause().Asks() {
		return p.ask(target, req)
	}
	return p.capture(target, req)
}

// requestOf is a kind with what was chosen beside it.
func (p *Pane) requestOf(spec capture.Spec) capture.Request {
	req := capture.Request{Kind: spec.Kind}
	if spec.Timed || spec.Delta && p.delta {
		req.Seconds = p.seconds
	}
	return req
}

// ask has the user agree to what stops the target.
func (p *Pane) ask(target capture.Target, req capture.Request) tea.Cmd {
	return pane.Send(pane.PickMsg{
		Title: fmt.Sprintf("The %s profile %s of %s. Take it?", req.Kind, req.Pause(), target.Pod.Name),
		Items: []pane.PickItem{{Title: "no", Note: "leave the process alone"}, {Title: "yes", Note: "it goes into the journal"}},
		Done: func(i int) tea.Cmd {
			if i != 1 {
				return nil
			}
			return p.capture(target, req)
		},
	})
}

func (p *Pane) capture(target capture.Target, req capture.Request) tea.Cmd {
	if isExec(req.Kind) {
		return p.execPlan(target, req, nil)
	}
	what := fmt.Sprintf("%s of %s", req.Kind, target.Pod.Name)
	w := p.begin(what, req, false)
	return pane.Run(p.env.Tasks, p.id, "capture", "take the "+what, captureWithin, func(ctx context.Context) (tea.Msg, error) {
		got, err := p.src.Take(ctx, target, req, w)
		return takenMsg{got, err}, nil
	})
}

// begin puts the pane into the state of waiting for a capture.
func (p *Pane) begin(what string, req capture.Request, compare bool) *capture.Watch {
	back := p.mode
	if back == running {
		back = choosing
	}
	p.failed = ""
	p.run = &run{what: what, req: req, began: p.env.Now, watch: &capture.Watch{}, compare: compare, back: back}
	p.mode = running
	return p.run.watch
}

// stop cancels the capture, which stops the target's profiler.
func (p *Pane) stop() tea.Cmd {
	p.env.Tasks.Cancel(p.id, "capture")
	p.mode = p.run.back
	what, exec := p.run.what, isExec(p.run.req.Kind)
	p.run = nil
	if exec {
		return pane.Toast(live.Info, "stopped the "+what+": the command in the container ends")
	}
	return pane.Toast(live.Info, "stopped the "+what+": the request was closed, the target's profiler ends with it")
}

func (p *Pane) taken(msg takenMsg) tea.Cmd {
	back := choosing
	if p.run != nil {
		back = p.run.back
	}
	p.run = nil
	if msg.err != nil {
		p.mode, p.failed = back, line(msg.err)
		var e *capture.Error
		if target, ok := p.target(); ok && errors.As(msg.err, &e) && e.Cause == capture.NeedsKey {
			return p.askKey(target)
		}
		return nil
	}
	p.mode, p.failed = showing, ""
	p.shown = newView(msg.profile)
	return p.rebuild()
}

// Until is for how long the frame stays true: while a capture runs, a moment.
func (p *Pane) Until(time.Time) time.Duration {
	if p.mode == running {
		return drawEvery
	}
	return 0
}

// Filter is what is searched for.
func (p *Pane) Filter() string {
	switch {
	case p.mode == showing && p.shown != nil:
		return p.shown.query
	case p.mode == comparing && p.sides != nil:
		return p.sides.query
	}
	return ""
}

// SetFilter searches: text, re:expression, or !text.
func (p *Pane) SetFilter(expr string) error {
	switch {
	case p.mode == showing && p.shown != nil:
		return p.shown.search(expr)
	case p.mode == comparing && p.sides != nil:
		return p.sides.search(expr)
	}
	return nil
}
