package yamlpane

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// Read fetches an object as YAML, without values of Secrets.
type Read func(ctx context.Context, ref k8s.Ref) (foreign.Text, error)

const (
	readSlot    = "read"
	readTimeout = 20 * time.Second
)

// Pane is the YAML of one object.
type Pane struct {
	id     pane.ID
	env    *pane.Env
	read   Read
	target k8s.Ref
	text   foreign.Text
	view   *widget.TextView
	at     time.Time // when it was read
	busy   bool
	failed string
	filter widget.Filter
	hits   int
}

var (
	_ pane.Pane     = (*Pane)(nil)
	_ pane.Targeted = (*Pane)(nil)
	_ pane.Filterer = (*Pane)(nil)
	_ pane.Ticker   = (*Pane)(nil)
)

// New makes the pane.
func New(id pane.ID, read Read) *Pane {
	return &Pane{id: id, read: read, view: widget.NewTextView(widget.TextLines{})}
}

// ID is the pane's address.
func (p *Pane) ID() pane.ID { return p.id }

// Title is what stands in the border.
func (p *Pane) Title() string { return "yaml " + p.target.String() }

// Topics is none: the object is read, not watched.
func (p *Pane) Topics() []live.Topic { return nil }

// SetTarget reads another object.
func (p *Pane) SetTarget(env *pane.Env, ref k8s.Ref) tea.Cmd {
	p.env = env
	if ref == p.target {
		return nil
	}
	p.target, p.text, p.at, p.failed = ref, "", time.Time{}, ""
	p.view.SetSource(widget.TextLines{})
	p.view.Top()
	return p.reload()
}

func (p *Pane) reload() tea.Cmd {
	p.busy = true
	ref := p.target
	return pane.Run(p.env.Tasks, p.id, readSlot, "read the YAML of "+ref.String(), readTimeout, func(ctx context.Context) (tea.Msg, error) {
		text, err := p.read(ctx, ref)
		return readMsg{text}, err
	})
}

type readMsg struct{ text foreign.Text }

// Update takes what was read, or a key.
func (p *Pane) Update(env *pane.Env, msg tea.Msg) tea.Cmd {
	p.env = env
	switch msg := msg.(type) {
	case readMsg:
		p.busy, p.failed, p.at = false, "", env.Now
		if msg.text != p.text {
			p.text = msg.text
			p.view.SetSource(colour(msg.text))
		}
	case pane.FailedMsg:
		p.busy, p.failed = false, msg.String()
	case pane.RefreshMsg:
		return p.reload()
	case tea.KeyPressMsg:
		return pane.Press(p, msg)
	}
	return nil
}

// colour splits YAML into lines with keys, values and comments apart. It reads
// what the YAML encoder writes, which is one key or item a line.
func colour(text foreign.Text) widget.TextLines {
	var lines widget.TextLines
	for _, l := range strings.Split(text.String(), "\n") {
		lines = append(lines, colourLine(l))
	}
	return lines
}

func colourLine(l string) widget.Rich {
	rest := strings.TrimLeft(l, " -")
	lead := l[:len(l)-len(rest)]
	key, value, ok := strings.Cut(rest, ":")
	if !ok || (value != "" && value[0] != ' ') || strings.ContainsAny(key, `"' `) {
		return widget.Rich{{Token: theme.Muted, Text: lead}, {Token: theme.Text, Text: rest}}
	}
	return widget.Rich{{Token: theme.Muted, Text: lead}, {Token: theme.Accent, Text: key}, {Token: theme.Muted, Text: ":"}, {Token: theme.Text, Text: value}}
}

// Filter is what is searched for.
func (p *Pane) Filter() string { return p.filter.String() }

// SetFilter searches: matches are marked, n and N go from one to the next.
func (p *Pane) SetFilter(expr string) error {
	f, err := widget.ParseFilter(expr)
	if err != nil {
		return err
	}
	p.filter = f
	p.hits = p.view.Search(f)
	return nil
}

// Until is for how long "read 12s ago" stays true.
func (p *Pane) Until(now time.Time) time.Duration { return widget.SinceUntil(now, p.at) }

// View draws the text under a line that says how old it is.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	line := widget.NewJoin(env.Styles)
	switch {
	case p.failed != "":
		line.Add(theme.Fail, env.Styles.Sign(live.Fail)+" "+p.failed+"; ctrl+r tries again")
	case p.busy && p.at.IsZero():
		line.Add(theme.Muted, "reading…")
	case p.at.IsZero():
		line.Add(theme.Muted, "nothing is selected")
	default:
		line.Add(theme.Muted, "read "+widget.Since(env.Now, p.at)+" ago; ctrl+r reads again")
	}
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
		line.Add(theme.Muted, fmt.Sprintf("%d lines match", p.hits))
	}
	head := []widget.Rich{line.Rich()}
	if r.H < 2 {
		head = nil
	}
	return widget.Stack(widget.Lines(env.Styles, head, r.W, len(head)), p.view.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})))
}

// Bindings are the keys of the text.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	list := []bind.Binding{
		{
			ID: id + ".next", Keys: []string{"n"}, Title: "next match", Group: "Search", Footer: 1, Disabled: p.noSearch,
			Help: "Go to the next line that matches the search.",
			Do:   func() tea.Cmd { p.view.Next(1); return nil },
		},
		{
			ID: id + ".previous", Keys: []string{"N"}, Title: "previous match", Group: "Search", Disabled: p.noSearch,
			Help: "Go to the line before that matches the search.",
			Do:   func() tea.Cmd { p.view.Next(-1); return nil },
		},
		{
			ID: id + ".wrap", Keys: []string{"w"}, Title: "wrap", Group: "View", Footer: 3,
			Help: "Wrap long lines, or clip them.",
			Do:   func() tea.Cmd { p.view.SetWrap(!p.view.Wrapped()); return nil },
		},
		{
			ID: id + ".copy", Keys: []string{"Y"}, Title: "copy", Group: "View", Footer: 2, Disabled: p.noCopy,
			Help: "Copy the YAML into the terminal's clipboard. Not of a Secret.",
			Do: func() tea.Cmd {
				return pane.Send(pane.CopyMsg{What: "the YAML of " + p.target.String(), Text: p.text.String()})
			},
		},
	}
	return append(list, widget.Moves(id, p.view, nil)...)
}

func (p *Pane) noSearch() string {
	if !p.filter.Active() {
		return "nothing is searched for; / does"
	}
	return ""
}

func (p *Pane) noCopy() string {
	switch {
	case p.text == "":
		return "nothing has been read"
	case p.target.Kind == "Secret":
		return "a Secret is not copied"
	}
	return ""
}
