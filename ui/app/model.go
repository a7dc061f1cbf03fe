package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// Model is the root model. It is used on the UI goroutine only.
type Model struct {
	opts     Options
	clock    live.Clock
	tasks    *pane.Tasks
	ctx      context.Context // ends with the program
	end      context.CancelFunc
	handlers []handler
	keys     []bind.Binding // those that work everywhere

	// The session and what it says of itself.
	session  *Session
	hubCtx   context.Context // ends with the session
	hubEnd   context.CancelFunc
	wanted   []live.Topic
	snaps    live.Batch // the newest of every wanted topic
	opening  *opening
	closing  int // sessions being closed
	writes   int // writes on their way
	progress string
	quitting bool
	clip     clipboard
	crash    *Crash
	pacing   *pacing // nil without a terminal

	// The screen.
	size     pane.Rect
	theme    theme.Options
	styles   *theme.Styles // in force
	dimmed   *theme.Styles // the same for what is stale
	base     []*tile       // the panes of the layout, by number
	stack    []*tile       // panes opened on top, the newest last
	cells    []cell
	focus    *tile
	focused  map[*tile]int // when each had the focus last, in turns
	turn     int
	opened   int     // panes put on the stack so far
	back     []*tile // where esc returns to, the newest last
	zoomed   bool
	selected k8s.Ref
	pending  *k8s.Ref // a selection that waits for the dialog to close
	overlays []overlay
	filter   *filterLine
	toasts   widget.Toasts
	blurred  bool

	// Time and keys.
	now     time.Time
	tick    time.Time // when the next tick is due; zero: none
	tickGen int
	keySeq  int       // keys pressed so far
	lastKey time.Time // when the last one was
	planned int       // keySeq when a write was last asked for

	view  tea.View
	lines []string // body lines, reused
}

// New makes the console. Its tasks end with ctx.
func New(ctx context.Context, opts Options) *Model {
	opts.fill()
	ctx, end := context.WithCancel(ctx)
	m := &Model{
		opts: opts, clock: opts.Clock, tasks: pane.NewTasks(ctx), ctx: ctx, end: end,
		theme: opts.Theme, focused: map[*tile]int{}, now: opts.Clock.Now(), snaps: live.Batch{},
	}
	m.handlers = handlers()
	m.keys = m.globalKeys()
	m.restyle()
	if opts.First != nil {
		m.attach(opts.First)
	}
	return m
}

// Init starts listening to the session, or opens one.
func (m *Model) Init() tea.Cmd {
	m.now = m.clock.Now()
	cmds := []tea.Cmd{m.askTerminal()}
	if m.session == nil {
		cmds = append(cmds, m.switchTo(m.opts.Start))
	} else {
		cmds = append(cmds, m.begin())
	}
	cmds = append(cmds, m.want())
	m.compose()
	return tea.Batch(append(cmds, m.schedule())...)
}

// Update hands a message to the first handler that takes it, then draws.
func (m *Model) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	defer func() {
		if p := recover(); p != nil {
			m.crash = newCrash(p)
			model, cmd = m, tea.Quit
		}
	}()
	m.pacing.wake()
	m.now = m.clock.Now()
	for _, handle := range m.handlers {
		c, done := handle(m, msg)
		if c != nil {
			cmd = tea.Batch(cmd, c)
		}
		if done {
			break
		}
	}
	m.toasts.Expire(m.now)
	more := m.want()
	m.compose()
	return m, tea.Batch(cmd, more, m.schedule())
}

// View is the frame composed by the last Update.
func (m *Model) View() tea.View { return m.view }

// Tasks counts what runs.
func (m *Model) Tasks() *pane.Tasks { return m.tasks }

// Crash is what ended the console, or nil.
func (m *Model) Crash() *Crash { return m.crash }

// env prepares what a pane is told with a call.
func (m *Model) env(t *tile) *pane.Env {
	return t.prepare(m.now, m.paneStyles(), t == m.focus && len(m.overlays) == 0)
}

// kind finds a sort of pane.
func (m *Model) kind(id pane.ID) (Kind, bool) {
	i := slices.IndexFunc(m.opts.Panes, func(k Kind) bool { return k.ID == id })
	if i < 0 {
		return Kind{}, false
	}
	return m.opts.Panes[i], true
}

func (m *Model) newTile(k Kind, number int, ref k8s.Ref, arg string) *tile {
	t := &tile{id: k.ID, number: number, place: k.Place, ref: ref, arg: arg}
	t.env.Tasks = m.tasks
	address := k.ID
	if number == 0 { // its tasks must not be taken for those of its like below
		m.opened++
		address += pane.ID(fmt.Sprintf("-%d", m.opened))
	}
	t.pane = k.New(address, Deps{Session: m.session, Tasks: m.tasks, Clock: m.clock, Journal: m.opts.Journal}, ref, arg)
	m.env(t)
	return t
}

// restyle makes the themes anew; every block is drawn again with it.
func (m *Model) restyle() {
	m.styles = theme.New(m.theme)
	stale := m.theme
	stale.Stale = true
	m.dimmed = theme.New(stale)
}

// paneStyles is the theme of the panes: dimmed while what they show is stale.
func (m *Model) paneStyles() *theme.Styles {
	if m.staleFor() > 0 {
		return m.dimmed
	}
	return m.styles
}

func (m *Model) toast(sev live.Severity, text string) { m.toasts.Add(sev, text, m.now) }

// warn shows what did not work.
func (m *Model) warn(text string) tea.Cmd {
	m.toast(live.Warn, text)
	return nil
}

// touchAll draws every pane again.
func (m *Model) touchAll() {
	for _, t := range m.tiles() {
		t.touch()
	}
}

// tickMsg is a moment at which something drawn is no longer true.
type tickMsg struct{ gen int }

// schedule asks for a tick when the frame changes by itself, unless one that
// comes early enough is on its way.
func (m *Model) schedule() tea.Cmd {
	next := m.nextChange()
	if next.IsZero() || (!m.tick.IsZero() && !m.tick.After(next)) {
		return nil
	}
	m.tick = next
	m.tickGen++
	return m.opts.Waits.After(m.ctx, max(next.Sub(m.now), 50*time.Millisecond), tickMsg{m.tickGen})
}

// nextChange is when something on the screen stops being true. What nobody
// looks at need not be.
func (m *Model) nextChange() time.Time {
	var next time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	sooner(m.toasts.Next())
	sooner(m.headerChange())
	if m.blurred {
		return next
	}
	for i := range m.cells {
		if t := m.cells[i].shown; t != nil {
			sooner(t.fresh.until)
		}
	}
	return next
}
