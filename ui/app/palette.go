package app

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// command is something the palette does by name.
type command struct {
	names []string
	// arg names what may follow; "" for nothing.
	arg  string
	help string
	// offers completes the argument; nil when there is nothing to offer.
	offers func(m *Model) []string
	run    func(m *Model, arg string) tea.Cmd
}

// commands are what can be typed after the colon besides panes and bindings.
func commands() []command {
	list := []command{
		{names: []string{"ns", "namespace"}, arg: "NAME[,NAME]|all", help: "look at other namespaces", offers: (*Model).namespaceNames, run: runNamespace},
		{names: []string{"ctx", "context"}, arg: "NAME", help: "open another context", run: func(m *Model, arg string) tea.Cmd { return m.pickContext(arg) }},
		{names: []string{"unlock"}, arg: "10m", help: "allow writes in this context for a time", offers: unlockTimes, run: runUnlock},
		{names: []string{"lock"}, help: "make this context read-only again", run: func(m *Model, _ string) tea.Cmd { return m.lock() }},
		{names: []string{"log"}, help: "what plugins and libraries said", run: func(m *Model, _ string) tea.Cmd { return m.showLog() }},
		{names: []string{"q", "quit"}, help: "end midwatch", run: func(m *Model, _ string) tea.Cmd { return m.quit() }},
	}
	return append(list,
		kindCommand("the Deployments on the board", "deploy", "deployments", "deployment", "dp"),
		kindCommand("the StatefulSets on the board", "sts", "statefulsets", "statefulset"),
		kindCommand("the DaemonSets on the board", "ds", "daemonsets", "daemonset"))
}

// kindCommand narrows the board to a kind by its short name, which stands in
// every row.
func kindCommand(help, short string, more ...string) command {
	return command{names: append([]string{short}, more...), help: help, run: func(m *Model, _ string) tea.Cmd {
		if len(m.base) == 0 {
			return nil
		}
		m.focusOn(m.base[0])
		cmd, err := m.setFilter(m.base[0], short)
		if err != nil {
			return m.warn(err.Error())
		}
		return cmd
	}}
}

func runNamespace(m *Model, arg string) tea.Cmd {
	switch arg {
	case "":
		return m.pickNamespace()
	case "all", "*":
		return m.toNamespaces("")
	}
	return m.toNamespaces(arg)
}

func unlockTimes(*Model) []string { return []string{"5m", "10m", "30m", "1h"} }

func runUnlock(m *Model, arg string) tea.Cmd {
	d := defaultUnlock
	if arg != "" {
		var err error
		if d, err = time.ParseDuration(arg); err != nil {
			return m.warn(fmt.Sprintf("unlock %s: give a time such as 10m", arg))
		}
	}
	return m.unlock(d)
}

func (m *Model) namespaceNames() []string {
	names := []string{"all"}
	if n := m.namespaces(); n != nil {
		names = append(names, n.Names...)
	}
	return names
}

// palette is everything by name.
type palette struct {
	ready
	picker  widget.Picker
	actions []func(m *Model) tea.Cmd // one a choice
	offered string                   // the command whose arguments are offered
}

// openPalette lists commands, panes and the bindings of where we are.
func (m *Model) openPalette() tea.Cmd {
	p := &palette{}
	p.offer(m)
	m.push(p)
	return nil
}

// offer makes the rows: everything, or the arguments of the command typed.
func (p *palette) offer(m *Model) {
	p.actions = nil
	var rows []widget.Choice
	add := func(c widget.Choice, act func(m *Model) tea.Cmd) {
		rows = append(rows, c)
		p.actions = append(p.actions, act)
	}
	for _, c := range commands() {
		if p.offered != "" && c.names[0] == p.offered {
			for _, arg := range c.offers(m) {
				add(widget.Choice{Title: c.names[0] + " " + arg, Note: c.help}, func(m *Model) tea.Cmd { return c.run(m, arg) })
			}
		}
	}
	if p.offered == "" {
		p.offerAll(m, add)
	}
	p.picker.SetChoices(rows)
}

func (p *palette) offerAll(m *Model, add func(widget.Choice, func(*Model) tea.Cmd)) {
	for _, k := range m.opts.Panes {
		if len(k.Names) == 0 {
			continue
		}
		add(widget.Choice{Title: k.Names[0], Note: k.Title, Search: strings.Join(k.Names, " ")}, func(m *Model) tea.Cmd { return m.showKind(k) })
	}
	for _, c := range commands() {
		title := c.names[0]
		if c.arg != "" {
			title += " " + c.arg
		}
		add(widget.Choice{Title: title, Note: c.help, Search: strings.Join(c.names, " ")}, func(m *Model) tea.Cmd { return c.run(m, "") })
	}
	offerBindings := func(t *tile, list []bind.Binding) {
		for _, b := range list {
			if b.ID == "app.palette" || (b.Do == nil && b.Reason() == "") {
				continue
			}
			note := b.Help
			if len(b.Keys) > 0 {
				note = b.Keys[0] + "  " + b.Help
			}
			add(widget.Choice{Title: b.Title, Note: note, Disabled: b.Reason(), Writes: b.Writes}, func(m *Model) tea.Cmd { return m.do(t, b) })
		}
	}
	if m.focus != nil {
		offerBindings(m.focus, m.focus.bindings())
	}
	offerBindings(nil, m.keys)
}

func (p *palette) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		return m.closeOverlay()
	case "enter":
		return p.run(m)
	case "backspace":
		if p.picker.Input.Text() == "" {
			return m.closeOverlay()
		}
	}
	p.picker.Key(k)
	p.typed(m)
	return nil
}

func (p *palette) paste(m *Model, text string) tea.Cmd {
	p.picker.Input.Paste(text)
	p.typed(m)
	return nil
}

// typed switches between everything and one command's arguments.
func (p *palette) typed(m *Model) {
	word, _, spaced := strings.Cut(p.picker.Input.Text(), " ")
	now := ""
	if c, ok := commandNamed(word); ok && spaced && c.offers != nil {
		now = c.names[0]
	}
	if now != p.offered {
		p.offered = now
		p.offer(m)
	}
}

// run does what was typed in full, or else what is under the cursor.
func (p *palette) run(m *Model) tea.Cmd {
	text := strings.TrimSpace(p.picker.Input.Text())
	index := p.picker.Selected()
	closed := m.closeOverlay()
	m.planned = m.keySeq
	word, arg, _ := strings.Cut(text, " ")
	if c, ok := commandNamed(word); ok && (arg == "" || c.arg != "") {
		return tea.Batch(closed, c.run(m, strings.TrimSpace(arg)))
	}
	if k, ok := m.kindNamed(text); ok {
		return tea.Batch(closed, m.showKind(k))
	}
	if index >= 0 {
		return tea.Batch(closed, p.actions[index](m))
	}
	return tea.Batch(closed, m.warn("there is no command "+text))
}

func commandNamed(word string) (command, bool) {
	for _, c := range commands() {
		for _, n := range c.names {
			if n == word {
				return c, true
			}
		}
	}
	return command{}, false
}

func (m *Model) kindNamed(word string) (Kind, bool) {
	for _, k := range m.opts.Panes {
		for _, n := range k.Names {
			if n == word {
				return k, true
			}
		}
	}
	return Kind{}, false
}

// showKind goes to the pane of the layout that shows what the name stands for,
// or opens one: a pane of the layout that follows the selection does not show
// the whole scope.
func (m *Model) showKind(k Kind) tea.Cmd {
	if m.session == nil {
		return m.warn("no cluster is open")
	}
	for _, t := range m.base {
		if _, follows := t.pane.(pane.Targeted); t.id == k.ID && (!follows || !k.Scoped) {
			m.focusOn(t)
			return nil
		}
	}
	return m.open(pane.OpenMsg{Pane: k.ID, Ref: m.refFor(k)})
}

// refFor is the selection for panes that show one object, and nothing for
// those that can show the scope.
func (m *Model) refFor(k Kind) k8s.Ref {
	if k.Scoped {
		return k8s.Ref{}
	}
	return m.selected
}

func (p *palette) view(m *Model, w, h int) string {
	inner := min(84, w-6)
	rows := min(max(h-6, 3), 12)
	d := widget.Dialog{
		Title: "Command", Border: theme.BorderFocus, MinWidth: inner, MinBody: rows + 1,
		Body: p.picker.Lines(m.styles, inner, rows),
		Foot: []widget.Rich{hints("enter", "runs it", "esc", "closes")},
	}
	if p.picker.Selected() < 0 {
		d.Body = append(d.Body, widget.Say(theme.Muted, "enter runs what is typed, if it is a command"))
	}
	return d.View(m.styles, w, h)
}
