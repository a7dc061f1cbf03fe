package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// How long opening and listing may take.
const (
	openWithin     = 30 * time.Second
	contextsWithin = 5 * time.Second
	closeWithin    = 30 * time.Second
)

// How long the hub gathers events.
const (
	paceNormal  = 100 * time.Millisecond
	paceSlow    = 250 * time.Millisecond
	paceBlurred = time.Second
)

// opening is a session on its way.
type opening struct {
	where Where
	since time.Time
}

// openedMsg is the end of an opening.
type openedMsg struct {
	where   Where
	session *Session
	err     error
}

// closedMsg says that an old session has ended.
type closedMsg struct{}

// contextsMsg is what there is to choose from.
type contextsMsg struct {
	list []connect.ContextInfo
	err  error
	// want is the context to open; "" offers the list.
	want string
}

// rootTopics are the snapshots the root itself shows.
func rootTopics() [2]live.Topic {
	return [2]live.Topic{{Name: watch.TopicSources}, {Name: watch.TopicNamespaces}}
}

// attach makes a session the one on the screen, with new panes.
func (m *Model) attach(s *Session) {
	for _, t := range m.tiles() {
		m.discard(t)
	}
	if m.hubEnd != nil {
		m.hubEnd()
	}
	m.session = s
	m.hubCtx, m.hubEnd = context.WithCancel(m.ctx)
	m.base, m.stack, m.back, m.focus = nil, nil, nil, nil
	m.overlays, m.filter, m.pending = nil, nil, nil
	m.wanted, m.selected, m.zoomed = nil, k8s.Ref{}, false
	clear(m.snaps)
	for n := 1; n <= 9; n++ {
		for _, k := range m.opts.Panes {
			if k.Base == n {
				m.base = append(m.base, m.newTile(k, n, k8s.Ref{}, ""))
			}
		}
	}
	if len(m.base) > 0 {
		m.focusOn(m.base[0])
	}
	m.pace()
}

// begin listens to a session that is new on the screen, and lets its panes
// read what they need.
func (m *Model) begin() tea.Cmd {
	cmds := []tea.Cmd{m.listen()}
	for _, t := range m.base {
		cmds = append(cmds, m.start(t))
	}
	return tea.Batch(cmds...)
}

// listen waits for what the session has to say next.
func (m *Model) listen() tea.Cmd {
	s := m.session
	if s == nil || s.Hub == nil {
		return nil
	}
	return m.opts.Waits.Next(m.hubCtx, s.Hub, func(b live.Batch, err error) tea.Msg { return batchMsg{s, b, err} })
}

// pace sets how long events are gathered.
func (m *Model) pace() {
	if m.session == nil || m.session.Hub == nil {
		return
	}
	d := paceNormal
	switch {
	case m.blurred:
		d = paceBlurred
	case m.opts.SlowLink:
		d = paceSlow
	}
	m.opts.Waits.Interval(m.session.Hub, d)
}

// want tells the hub which topics the screen shows now. A pane that asks for
// one which is there already gets it at once: the hub speaks of it again only
// when it changes.
func (m *Model) want() tea.Cmd {
	if m.session == nil || m.session.Hub == nil {
		return nil
	}
	now := make([]live.Topic, 0, len(m.wanted)+4)
	for _, t := range rootTopics() {
		now = append(now, t)
	}
	var cmds []tea.Cmd
	for i := range m.cells {
		t := m.cells[i].shown
		if t == nil {
			continue
		}
		topics := t.pane.Topics()
		now = append(now, topics...)
		if known := m.known(t, topics); known != nil {
			cmds = append(cmds, m.deliver(t, known))
		}
		t.topics = topics
	}
	cmds = append(cmds, m.tellViewed())
	if !slices.Equal(now, m.wanted) {
		m.wanted = now
		m.session.Hub.Want(now...)
		maps.DeleteFunc(m.snaps, func(t live.Topic, _ live.Snapshot) bool { return !slices.Contains(now, t) })
	}
	return tea.Batch(cmds...)
}

// tellViewed tells panes that came on the screen since, or left it.
func (m *Model) tellViewed() tea.Cmd {
	var cmds []tea.Cmd
	for _, t := range m.tiles() {
		on := slices.ContainsFunc(m.cells, func(c cell) bool { return c.shown == t })
		if t.onScreen == on {
			continue
		}
		t.onScreen = on
		if v, ok := t.pane.(pane.Viewer); ok {
			t.touch()
			cmds = append(cmds, v.Viewed(m.env(t), on))
		}
	}
	return tea.Batch(cmds...)
}

// known is what is there already of the topics that are new to a pane.
func (m *Model) known(t *tile, topics []live.Topic) live.Batch {
	var batch live.Batch
	for _, topic := range topics {
		if slices.Contains(t.topics, topic) {
			continue
		}
		if s, ok := m.snaps[topic]; ok {
			if batch == nil {
				batch = live.Batch{}
			}
			batch[topic] = s
		}
	}
	return batch
}

// switchTo opens another session beside the one on the screen, which stays
// until the new one is there.
func (m *Model) switchTo(w Where) tea.Cmd {
	if m.opts.Open == nil {
		return m.warn("no other context can be opened")
	}
	if m.writes > 0 {
		return m.warn("a write is waiting for its answer: open another context after it")
	}
	m.opening = &opening{where: w, since: m.now}
	return pane.Run(m.tasks, rootID, "open", "open "+w.String(), openWithin, func(ctx context.Context) (tea.Msg, error) {
		s, err := m.opts.Open(ctx, w)
		return openedMsg{w, s, err}, nil
	})
}

// String is "demo-eu, namespace shop".
func (w Where) String() string {
	name := w.Context
	if name == "" {
		name = "the current context"
	}
	switch len(w.Namespaces) {
	case 0:
		return name + ", all namespaces"
	case 1:
		return name + ", namespace " + w.Namespaces[0]
	}
	return fmt.Sprintf("%s, namespaces %s", name, strings.Join(w.Namespaces, ","))
}

// onOpened puts the new session on the screen, or keeps the old one and says
// why.
func (m *Model) onOpened(msg openedMsg) tea.Cmd {
	m.opening = nil
	if msg.err != nil {
		p := connect.Explain(msg.err)
		text := p.Line()
		if p.Next != "" {
			text += " · " + firstLine(p.Next)
		}
		m.toast(live.Fail, text)
		return nil
	}
	old := m.session
	m.attach(msg.session)
	return tea.Batch(m.begin(), m.retire(old))
}

// retire closes a session off the UI goroutine.
func (m *Model) retire(s *Session) tea.Cmd {
	if s == nil || s.Close == nil {
		return nil
	}
	m.closing++
	slot := fmt.Sprintf("close-%p", s)
	return pane.Run(m.tasks, rootID, slot, "close "+s.Where.String(), closeWithin, func(context.Context) (tea.Msg, error) {
		s.Close()
		return closedMsg{}, nil
	})
}

// letGo takes care of a result nobody waits for any more.
func (m *Model) letGo(msg tea.Msg) tea.Cmd {
	if opened, ok := msg.(openedMsg); ok && opened.session != nil {
		return m.retire(opened.session)
	}
	return nil
}

// cancelOpening gives up on a session on its way.
func (m *Model) cancelOpening() {
	m.tasks.Cancel(rootID, "open")
	m.toast(live.Info, "opening "+m.opening.where.String()+" was given up")
	m.opening = nil
}

// namespaces is what the session knows of its namespaces.
func (m *Model) namespaces() *watch.Namespaces {
	n, _ := m.snaps[live.Topic{Name: watch.TopicNamespaces}].Value.(*watch.Namespaces)
	return n
}

// pickNamespace offers all namespaces, or takes a name that is typed.
func (m *Model) pickNamespace() tea.Cmd {
	p := &pick{title: "Namespace", fill: (*Model).namespaceChoices}
	p.typed = func(text string) string { return "enter looks at namespace " + strings.TrimSpace(text) }
	p.done = func(m *Model, index int, text string) tea.Cmd {
		switch {
		case index < 0:
			return m.toNamespaces(text)
		case index == 0:
			return m.toNamespaces("")
		}
		return m.toNamespaces(p.picker.Choices[index].Title)
	}
	if n := m.namespaces(); n != nil && !n.Known {
		p.note = "the list may not be complete: type a name"
		if n.Err != "" {
			p.note = n.Err.String() + ": type a name"
		}
	}
	m.push(p)
	return nil
}

func (m *Model) namespaceChoices() []widget.Choice {
	current := m.here().Namespaces
	choices := []widget.Choice{{Title: "all namespaces", Note: "0", Current: len(current) == 0}}
	if n := m.namespaces(); n != nil {
		for _, name := range n.Names {
			choices = append(choices, widget.Choice{Title: name, Current: len(current) == 1 && current[0] == name})
		}
	}
	return choices
}

// here is where the screen looks.
func (m *Model) here() Where {
	if m.session == nil {
		return m.opts.Start
	}
	return m.session.Where
}

// toNamespaces changes the scope: names with commas between, "" for all.
func (m *Model) toNamespaces(text string) tea.Cmd {
	w := Where{Context: m.here().Context}
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			w.Namespaces = append(w.Namespaces, name)
		}
	}
	for _, name := range w.Namespaces {
		if !validName(name) {
			return m.warn(fmt.Sprintf("%q is no namespace name (lower case letters, digits, -)", name))
		}
	}
	return m.switchTo(w)
}

// validName is RFC 1123's label, which the API server asks of a namespace.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// pickContext lists the contexts off the UI goroutine and offers them, or
// opens the one that is wanted.
func (m *Model) pickContext(want string) tea.Cmd {
	if m.opts.Contexts == nil {
		return m.warn("there are no other contexts")
	}
	return pane.Run(m.tasks, rootID, "contexts", "list contexts", contextsWithin, func(context.Context) (tea.Msg, error) {
		list, err := m.opts.Contexts()
		return contextsMsg{list, err, want}, nil
	})
}

func (m *Model) onContexts(msg contextsMsg) tea.Cmd {
	switch {
	case msg.err != nil:
		m.toast(live.Fail, connect.Explain(msg.err).Line())
		return nil
	case msg.want != "":
		for _, c := range msg.list {
			if c.Name == msg.want {
				return m.toContext(c.Name, c.Namespace)
			}
		}
		return m.warn("no context " + msg.want + "; c lists them")
	}
	m.offerContexts(msg.list)
	return nil
}

func (m *Model) offerContexts(list []connect.ContextInfo) {
	choices := make([]widget.Choice, len(list))
	p := &pick{title: "Context"}
	for i, c := range list {
		note := c.Server
		if c.Namespace != "" {
			note += "  ns " + c.Namespace
		}
		choices[i] = widget.Choice{Title: c.Name, Note: note, Current: c.Name == m.here().Context}
	}
	p.picker.SetChoices(choices)
	for i, c := range choices {
		if c.Current {
			p.picker.Point(i)
		}
	}
	p.done = func(m *Model, index int, _ string) tea.Cmd {
		if index < 0 {
			return nil
		}
		return m.toContext(list[index].Name, list[index].Namespace)
	}
	m.push(p)
}

// toContext opens another context in its own namespace.
func (m *Model) toContext(name, namespace string) tea.Cmd {
	w := Where{Context: name}
	switch {
	case len(m.here().Namespaces) == 0: // who looks at everything here does so there
	case namespace == "":
		w.Namespaces = []string{"default"}
	default:
		w.Namespaces = []string{namespace}
	}
	return m.switchTo(w)
}
