package eventspane

import (
	"cmp"
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/podinfo"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Reads is what the pane reads of one object, off the UI goroutine. Either may
// be nil.
type Reads struct {
	// Events reads the events about an object, of every type; more says that
	// there are older ones.
	Events func(ctx context.Context, ref k8s.Ref) (events []*k8s.Event, more bool, err error)
	// Containers reads what a pod's containers are doing.
	Containers func(ctx context.Context, ref k8s.Ref) ([]podinfo.Container, error)
}

// readTimeout bounds one read.
const readTimeout = 20 * time.Second

// Pane is a list of events.
type Pane struct {
	id    pane.ID
	env   *pane.Env
	ref   k8s.Ref // zero: the warnings of the scope
	reads Reads
	table *widget.Table[*k8s.Event]

	snapshot live.Snapshot
	watched  *watch.EventList
	read     reading[[]*k8s.Event]
	more     bool
	inside   reading[[]podinfo.Container]
	all      []*k8s.Event // watched and read, the newest first
	filter   widget.Filter
	detail   bool // the selected event is shown in full
}

// reading is something read once, and when.
type reading[T any] struct {
	started, done bool
	at            time.Time
	value         T
	err           foreign.Text
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Starter  = (*Pane)(nil)
)

// New makes the pane for an object; the zero ref stands for the warnings of
// the scope.
func New(id pane.ID, reads Reads, ref k8s.Ref) *Pane {
	p := &Pane{id: id, reads: reads, ref: ref}
	p.table = widget.NewTable(func(e *k8s.Event) string { return e.UID }, p.columns()...)
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	if p.ref.IsZero() {
		return "warnings"
	}
	return "events of " + k8s.ShortKind(p.ref.Kind) + "/" + p.ref.Name
}

// Topics is the events of the object, or of the scope.
func (p *Pane) Topics() []live.Topic { return []live.Topic{p.topic()} }

func (p *Pane) topic() live.Topic {
	if p.ref.IsZero() {
		return live.Topic{Name: watch.TopicEvents}
	}
	return live.Topic{Name: watch.TopicEvents, Key: p.ref.Key()}
}

// Start reads what is not watched.
func (p *Pane) Start(env *pane.Env) tea.Cmd {
	p.env = env
	return p.readOnce()
}

// The answers to what was read.
type (
	eventsMsg struct {
		events []*k8s.Event
		more   bool
		err    error
	}
	containersMsg struct {
		containers []podinfo.Container
		err        error
	}
)

// Update takes a batch, or the answer to a read.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		if s, ok := msg[p.topic()]; ok {
			p.take(s)
		}
		return p.readOnce()
	case eventsMsg:
		p.read = reading[[]*k8s.Event]{started: true, done: true, at: env.Now, value: msg.events, err: failure("read all events", msg.err)}
		p.more = msg.more
		p.arrange()
	case containersMsg:
		p.inside = reading[[]podinfo.Container]{started: true, done: true, at: env.Now, value: msg.containers, err: failure("read the containers", msg.err)}
	case pane.RefreshMsg:
		return p.readAgain()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	case pane.FailedMsg:
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

func (p *Pane) take(s live.Snapshot) {
	p.snapshot = s
	if list, ok := s.Value.(*watch.EventList); ok {
		p.watched = list
		p.arrange()
	}
}

// readOnce reads what is not watched, the first time.
func (p *Pane) readOnce() tea.Cmd {
	if p.ref.IsZero() || p.read.started || p.inside.started {
		return nil
	}
	return p.readAgain()
}

// readAgain reads an object's events of every type, and a pod's containers.
func (p *Pane) readAgain() tea.Cmd {
	if p.ref.IsZero() || p.env == nil {
		return nil
	}
	var cmds []tea.Cmd
	ref, reads := p.ref, p.reads
	if reads.Events != nil {
		p.read.started = true
		cmds = append(cmds, pane.Run(p.env.Tasks, p.id, "events", "read the events of "+ref.String(), readTimeout, func(ctx context.Context) (tea.Msg, error) {
			events, more, err := reads.Events(ctx, ref)
			return eventsMsg{events, more, err}, nil
		}))
	}
	if reads.Containers != nil && ref.Kind == "Pod" {
		p.inside.started = true
		cmds = append(cmds, pane.Run(p.env.Tasks, p.id, "containers", "read the containers of "+ref.String(), readTimeout, func(ctx context.Context) (tea.Msg, error) {
			containers, err := reads.Containers(ctx, ref)
			return containersMsg{containers, err}, nil
		}))
	}
	return tea.Batch(cmds...)
}

// arrange merges what is watched with what was read: the newer of two
// versions of an event counts.
func (p *Pane) arrange() {
	byUID := map[string]*k8s.Event{}
	add := func(e *k8s.Event) {
		if old, ok := byUID[e.UID]; !ok || old.Last.Before(e.Last) {
			byUID[e.UID] = e
		}
	}
	for _, e := range p.read.value {
		add(e)
	}
	if p.watched != nil {
		for _, e := range p.watched.Events {
			add(e)
		}
	}
	p.all = make([]*k8s.Event, 0, len(byUID))
	for _, e := range byUID {
		p.all = append(p.all, e)
	}
	slices.SortFunc(p.all, func(a, b *k8s.Event) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.UID, b.UID)) })
	p.narrow()
}

func (p *Pane) narrow() {
	rows := p.all
	if p.filter.Active() {
		rows = nil
		for _, e := range p.all {
			if p.filter.Match(e.Reason, e.Message.String(), e.Involved.String(), e.Source, e.Type) {
				rows = append(rows, e)
			}
		}
	}
	p.table.SetRows(rows)
}

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter narrows the list to what matches anywhere in an event.
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
	until := widget.StateUntil(p.snapshot, now)
	for _, e := range p.table.Visible() {
		until = widget.Sooner(until, widget.SinceUntil(now, e.Last))
	}
	if p.read.done {
		until = widget.Sooner(until, widget.SinceUntil(now, p.read.at))
	}
	if e, ok := p.table.Selected(); ok && p.detail {
		until = widget.Sooner(until, widget.SinceUntil(now, e.First))
	}
	for i := range p.inside.value {
		c := &p.inside.value[i]
		until = widget.Sooner(until, widget.SinceUntil(now, c.Since))
		if c.Ended != nil {
			until = widget.Sooner(until, widget.SinceUntil(now, c.Ended.At))
		}
	}
	return until
}
