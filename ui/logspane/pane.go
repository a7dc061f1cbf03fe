package logspane

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/k8s/podlog"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Stream is logs being read: a [podlog.Stream].
type Stream interface {
	Since(n uint64) (lines []podlog.Line, added, lost uint64)
	Status() podlog.Status
	SetPods(targets []podlog.Target)
}

// Open begins to read. The stream ends with ctx. Whenever it has something new
// it marks the topic {[podlog.Topic], the pane's ID} dirty.
type Open func(ctx context.Context, q podlog.Query) (Stream, error)

const (
	openSlot    = "open"
	openTimeout = 10 * time.Second
)

// openedMsg is a stream that began.
type openedMsg struct{ stream Stream }

// Pane is the logs of one thing.
type Pane struct {
	id   pane.ID
	env  *pane.Env
	open Open
	ref  k8s.Ref

	container string // as in [podlog.Query]
	previous  bool
	span      span
	stamps    bool // show when a line was written

	stream Stream
	cancel context.CancelFunc // ends the stream; nil before the first
	failed string             // why it could not be opened
	status podlog.Status
	seen   uint64 // how many of the stream's lines were taken

	workload live.Snapshot
	pods     []*k8s.PodRow

	lines  store
	text   *widget.TextView
	labels labels
	unread int // lines that came while the window was not at the end
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
	_ pane.Starter  = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Closer   = (*Pane)(nil)
)

// New makes the pane for a pod or a workload. arg is a container's name,
// [pane.ArgPrevious], or "".
func New(id pane.ID, open Open, ref k8s.Ref, arg string) *Pane {
	p := &Pane{id: id, open: open, ref: ref}
	if arg == pane.ArgPrevious {
		p.previous = true
	} else {
		p.container = arg
	}
	p.text = widget.NewTextView(source{p})
	p.text.Tail = true
	p.text.SetFollow(true)
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string {
	title := "logs"
	if p.previous {
		title = "previous logs"
	}
	if p.ref.IsZero() {
		return title
	}
	return title + " of " + k8s.ShortKind(p.ref.Kind) + "/" + p.ref.Name
}

// Topics are the news of the stream and, of a workload, its pods.
func (p *Pane) Topics() []live.Topic {
	topics := []live.Topic{p.news()}
	if p.isWorkload() {
		topics = append(topics, p.detail())
	}
	return topics
}

func (p *Pane) news() live.Topic { return live.Topic{Name: podlog.Topic, Key: string(p.id)} }

func (p *Pane) detail() live.Topic {
	return live.Topic{Name: watch.TopicWorkload, Key: p.ref.Key()}
}

func (p *Pane) isWorkload() bool { return !p.ref.IsZero() && p.ref.Kind != "Pod" }

// Start begins to read.
func (p *Pane) Start(env *pane.Env) tea.Cmd {
	p.env = env
	if p.cancel != nil || p.ref.IsZero() {
		return nil
	}
	return p.reopen()
}

// SetTarget reads the logs of something else.
func (p *Pane) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	p.env = env
	if ref.Key() == p.ref.Key() {
		return p.Start(env)
	}
	p.ref, p.container = ref, ""
	p.workload, p.pods = live.Snapshot{}, nil
	return p.reopen()
}

// Close ends the stream.
func (p *Pane) Close() {
	if p.cancel != nil {
		p.cancel()
	}
}

// reopen reads anew, by what is chosen now.
func (p *Pane) reopen() tea.Cmd {
	if p.ref.IsZero() {
		return nil
	}
	p.Close()
	p.stream, p.failed, p.status, p.seen, p.unread = nil, "", podlog.Status{}, 0, 0
	p.lines.clear()
	p.labels = labels{workload: p.ref.Name, single: !p.isWorkload(), containers: p.container == podlog.AllContainers}
	p.text.SetSource(source{p})
	p.text.SetFollow(!p.previous)
	p.text.Top()
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background()) // the stream outlives the task that opens it
	q := podlog.Query{
		Namespace: p.ref.Namespace, Pods: p.targets(), Container: p.container, Follow: !p.previous, Previous: p.previous,
		Tail: p.span.tail(), Since: p.span.since(), Keep: keep,
	}
	open := p.open
	return pane.Run(p.env.Tasks, p.id, openSlot, "read the "+p.Title(), openTimeout, func(context.Context) (tea.Msg, error) {
		s, err := open(ctx, q)
		if err != nil {
			return nil, err
		}
		return openedMsg{s}, nil
	})
}

// targets are the pods to read. Of a workload's pods only those that restarted
// have previous logs.
func (p *Pane) targets() []podlog.Target {
	if !p.isWorkload() {
		return []podlog.Target{{Name: p.ref.Name, UID: p.ref.UID}}
	}
	rows := p.pods
	if p.previous {
		rows = nil
		for _, r := range p.pods {
			if r.Restarts > 0 {
				rows = append(rows, r)
			}
		}
	}
	return podlog.Targets(rows)
}

// Update takes a batch, a stream that began, or a key typed beside the filter.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case live.Batch:
		if s, ok := msg[p.detail()]; ok && p.isWorkload() {
			p.takePods(s)
		}
		p.takeLines()
	case openedMsg:
		p.stream = msg.stream
		p.stream.SetPods(p.targets())
		p.takeLines()
	case pane.FailedMsg:
		p.failed = msg.String()
	case pane.RefreshMsg:
		return p.reopen()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	return nil
}

// takePods hands the workload's pods of now to the stream.
func (p *Pane) takePods(s live.Snapshot) {
	p.workload = s
	d, ok := s.Value.(*watch.Detail)
	if !ok {
		return
	}
	p.pods = d.Pods
	if p.stream != nil {
		p.stream.SetPods(p.targets())
	}
}

// takeLines takes what the stream read since the last time.
func (p *Pane) takeLines() {
	if p.stream == nil {
		return
	}
	p.status = p.stream.Status()
	lines, added, _ := p.stream.Since(p.seen)
	p.seen = added
	if len(lines) == 0 {
		return
	}
	p.labels.learn(lines)
	if !p.text.Following() {
		p.unread += p.lines.add(lines)
	} else {
		p.lines.add(lines)
	}
	p.text.Shift(p.lines.trim())
}

// Filter is the expression in force.
func (p *Pane) Filter() string { return p.lines.filter.String() }

// SetFilter narrows the log to the lines that match; the window stays at the
// same place in time.
func (p *Pane) SetFilter(expr string) error {
	f, err := widget.ParseFilter(expr)
	if err != nil {
		return err
	}
	top, _ := p.text.Position()
	p.text.Shift(p.lines.narrow(f, top-1))
	p.text.Highlight = f
	return nil
}
