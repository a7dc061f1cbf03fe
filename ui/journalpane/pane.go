package journalpane

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// Read fetches the newest entries; damaged counts lines that cannot be read.
type Read func(ctx context.Context) (entries []action.Entry, damaged int, err error)

const (
	readSlot    = "read"
	readTimeout = 5 * time.Second
)

// Pane is the journal.
type Pane struct {
	id      pane.ID
	env     *pane.Env
	read    Read
	where   string // the file
	table   *widget.Table[action.Entry]
	text    *widget.TextView // the entry that is open; nil while closed
	entries []action.Entry
	damaged int
	loaded  bool
	failed  string
	filter  widget.Filter
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Starter  = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
)

// New makes the pane; where is the journal's file.
func New(id pane.ID, where string, read Read) *Pane {
	p := &Pane{id: id, where: where, read: read}
	p.table = widget.NewTable(func(e action.Entry) string { return e.ID + string(e.Phase) }, columns()...)
	return p
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string { return "journal" }

// Topics is none: the file is read, not watched.
func (p *Pane) Topics() []live.Topic { return nil }

// Start reads the journal.
func (p *Pane) Start(env *pane.Env) tea.Cmd {
	p.env = env
	return p.reload()
}

func (p *Pane) reload() tea.Cmd {
	return pane.Run(p.env.Tasks, p.id, readSlot, "read the journal", readTimeout, func(ctx context.Context) (tea.Msg, error) {
		entries, damaged, err := p.read(ctx)
		return readMsg{entries, damaged}, err
	})
}

type readMsg struct {
	entries []action.Entry
	damaged int
}

// Update takes what was read, or a key.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case readMsg:
		p.entries, p.damaged, p.loaded, p.failed = msg.entries, msg.damaged, true, ""
		p.arrange()
	case pane.FailedMsg:
		p.failed = msg.String()
	case pane.RefreshMsg:
		return p.reload()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	return nil
}

func (p *Pane) arrange() {
	rows := make([]action.Entry, 0, len(p.entries))
	for _, e := range p.entries {
		if p.filter.Match(e.Verb, string(e.Phase), e.Target.String(), e.Target.Context, e.User, what(e)) {
			rows = append(rows, e)
		}
	}
	p.table.SetRows(rows)
}

// what an entry says of its phase.
func what(e action.Entry) string {
	switch {
	case e.Error != "":
		return e.Error.String()
	case e.Effect != "":
		return e.Effect.String()
	}
	return e.Equivalent.String()
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
func (p *Pane) Until(now time.Time) (until time.Duration) {
	for _, e := range p.table.Visible() {
		until = widget.Sooner(until, widget.SinceUntil(now, e.At))
	}
	return until
}

// Bindings are the keys of the list, or of the entry that is open.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	if p.text != nil {
		return append([]bind.Binding{{
			ID: id + ".close", Keys: []string{"enter", "backspace"}, Title: "back to the list", Group: "Open", Footer: 1,
			Help: "Close the entry and go back to the list.",
			Do:   func() tea.Cmd { p.text = nil; return nil },
		}}, widget.Moves(id, p.text, nil)...)
	}
	return append([]bind.Binding{{
		ID: id + ".open", Keys: []string{"enter", "d"}, Title: "entry", Group: "Open", Footer: 1,
		Help: "Read the selected entry in full, with the command that would have done the same.",
		Disabled: func() string {
			if p.table.Len() == 0 {
				return "no entry is selected"
			}
			return ""
		},
		Do: func() tea.Cmd { p.openText(); return nil },
	}}, widget.Moves(id, p.table, nil)...)
}

func (p *Pane) openText() {
	e, ok := p.table.Selected()
	if !ok {
		return
	}
	var lines widget.TextLines
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, widget.Rich{{Token: theme.Muted, Text: fmt.Sprintf("%-12s", name)}, {Token: theme.Text, Text: value}})
		}
	}
	lines = append(lines, widget.Say(theme.Severity(severity(e)), e.Verb+" "+e.Target.String()+": "+string(e.Phase)))
	add("at", e.At.UTC().Format("2006-01-02 15:04:05 MST"))
	add("context", e.Target.Context)
	add("by", e.User)
	add("reason", e.Reason.String())
	for _, c := range e.Changes {
		add(c.Path, c.Before.String()+" → "+c.After.String())
	}
	add("effect", e.Effect.String())
	add("error", e.Error.String())
	if e.Took > 0 {
		add("took", fmt.Sprintf("%.1fs", e.Took))
	}
	add("undoes", e.UndoOf)
	add("same as", e.Equivalent.String())
	add("entry", e.ID)
	p.text = widget.NewTextView(lines)
	p.text.SetWrap(true)
}
