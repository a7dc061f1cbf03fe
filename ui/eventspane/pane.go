package eventspane

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Read fetches the events about one object, of every type, the newest first;
// more says that there are older ones.
type Read func(ctx context.Context, ref k8s.Ref) (events []*k8s.Event, more bool, err error)

const (
	readSlot    = "read"
	readTimeout = 20 * time.Second
)

// Pane is the Warning events of the scope, as they come in.
type Pane struct {
	id    pane.ID
	env   *pane.Env
	table *widget.Table[*k8s.Event]
	text  *widget.TextView // the selected event in full; nil while closed

	snapshot live.Snapshot
	events   []*k8s.Event
	dropped  int
	loading  bool
	filter   widget.Filter
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Targeted = (*Object)(nil)
)

// New makes the list of the scope's Warning events.
func New(id pane.ID) *Pane {
	p := &Pane{id: id}
	p.table = widget.NewTable(func(e *k8s.Event) string { return e.UID }, columns(true)...)
	p.table.SortedBy = "age"
	p.table.Follow(true)
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string { return "warnings" }

// Topics is the Warning events of the scope.
func (p *Pane) Topics() []live.Topic { return []live.Topic{{Name: watch.TopicEvents}} }

// Update takes a batch, or a key typed beside the filter.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		p.take(msg[live.Topic{Name: watch.TopicEvents}])
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	return nil
}

func (p *Pane) take(s live.Snapshot) {
	p.snapshot = s
	if list, ok := s.Value.(*watch.EventList); ok {
		p.events, p.dropped, p.loading = list.Events, list.Dropped, list.Loading
		p.arrange()
	}
}

// arrange filters the events into the table; they come newest first.
func (p *Pane) arrange() {
	rows := make([]*k8s.Event, 0, len(p.events))
	for _, e := range p.events {
		if p.filter.Match(e.Reason, e.Message.String(), object(e), e.Involved.Namespace, e.Type, e.Source) {
			rows = append(rows, e)
		}
	}
	p.table.SetRows(rows)
}

// object names what an event speaks of, as kubectl would.
func object(e *k8s.Event) string { return k8s.ShortKind(e.Involved.Kind) + "/" + e.Involved.Name }

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter narrows the list to what matches anywhere in an event.
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
	for _, e := range p.table.Visible() {
		until = widget.Sooner(until, widget.SinceUntil(now, e.Last))
	}
	return until
}

// Object is everything that was said about one object: read when it is
// opened, and again whenever the scope's Warnings change or ctrl+r is pressed.
type Object struct {
	Pane
	read   Read
	target k8s.Ref
	more   bool
	failed string
}

// NewObject makes the list of one object's events.
func NewObject(id pane.ID, read Read) *Object {
	o := &Object{Pane: *New(id), read: read}
	o.table.SetColumns(columns(false)...)
	return o
}

// Title is what stands in the border.
func (o *Object) Title() string {
	return "events of " + k8s.ShortKind(o.target.Kind) + "/" + o.target.Name
}

// Topics is the Warnings about the object: they say when to read again.
func (o *Object) Topics() []live.Topic {
	if o.target.IsZero() {
		return nil
	}
	return []live.Topic{o.topic()}
}

func (o *Object) topic() live.Topic {
	return live.Topic{Name: watch.TopicEvents, Key: o.target.Key()}
}

// SetTarget shows the events of another object.
func (o *Object) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	o.env = env
	if ref.Key() == o.target.Key() && ref.UID == o.target.UID {
		return nil
	}
	o.target, o.events, o.failed = ref, nil, ""
	o.snapshot = live.Snapshot{}
	o.table.Reset()
	o.arrange()
	return o.reload()
}

func (o *Object) reload() tea.Cmd {
	o.loading = true
	ref := o.target
	return pane.Run(o.env.Tasks, o.id, readSlot, "read the events of "+ref.String(), readTimeout, func(ctx context.Context) (tea.Msg, error) {
		events, more, err := o.read(ctx, ref)
		return readMsg{events, more}, err
	})
}

type readMsg struct {
	events []*k8s.Event
	more   bool
}

// Update takes what was read, a batch that says there is more, or a key.
func (o *Object) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	o.env = env
	switch msg := msg.(type) {
	case readMsg:
		o.events, o.more, o.loading, o.failed = msg.events, msg.more, false, ""
		o.snapshot = live.Snapshot{State: live.Ready, At: env.Now}
		o.arrange()
	case pane.FailedMsg:
		o.loading, o.failed = false, msg.String()
	case pane.RefreshMsg:
		return o.reload()
	case live.Batch:
		list, ok := msg[o.topic()].Value.(*watch.EventList)
		if ok && !o.loading && o.newer(list) {
			return o.reload()
		}
	case tea.KeyPressMsg:
		return pane.Press(o, msg)
	}
	return nil
}

// newer reports whether the watch has seen a Warning that was not read yet.
func (o *Object) newer(list *watch.EventList) bool {
	if len(list.Events) == 0 || o.failed != "" {
		return false
	}
	newest := list.Events[0]
	for _, e := range o.events {
		if e.UID == newest.UID {
			return newest.Last.After(e.Last) || newest.Count > e.Count
		}
	}
	return true
}

// count is "≥12x": what was counted is a floor.
func count(e *k8s.Event, ascii bool) string {
	switch {
	case e.Count <= 1:
		return ""
	case ascii:
		return fmt.Sprintf(">=%dx", e.Count)
	}
	return fmt.Sprintf("≥%d×", e.Count)
}
