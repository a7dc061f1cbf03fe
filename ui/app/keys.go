package app

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// Headings of the help.
const (
	groupMove    = "Moving around"
	groupWhere   = "Where to look"
	groupWrite   = "Writing"
	groupProgram = "midwatch"
)

// globalKeys are the bindings that work everywhere unless the focused pane
// has the key for itself.
func (m *Model) globalKeys() []bind.Binding {
	return slices.Concat(m.moveKeys(), m.whereKeys(), m.programKeys())
}

func (m *Model) moveKeys() []bind.Binding {
	list := []bind.Binding{
		{ID: "app.next", Keys: []string{"tab"}, Title: "next pane", Group: groupMove, Help: "Give the keys to the next pane or tab.", Do: func() tea.Cmd { return m.cycle(1) }},
		{ID: "app.previous", Keys: []string{"shift+tab"}, Title: "previous pane", Group: groupMove, Help: "Give the keys to the previous pane or tab.", Do: func() tea.Cmd { return m.cycle(-1) }},
		{ID: "app.zoom", Keys: []string{"z"}, Title: "zoom", Group: groupMove, Help: "Give the whole screen to the focused pane, or take it back.", Disabled: m.needsPane, Do: m.zoom},
		{ID: "app.back", Keys: []string{"esc"}, Title: "back", Group: groupMove, Help: "Go back: clear the filter, close the pane on top, leave the zoom, return to where you came from.", Do: m.escape},
		{ID: "app.filter", Keys: []string{"/"}, Title: "filter", Group: groupMove, Help: "Filter the focused pane while typing: text, re:expression, or !text for what does not contain it.", Disabled: m.noFilter, Do: m.startFilter},
	}
	for n := 1; n <= 9; n++ {
		i := slices.IndexFunc(m.opts.Panes, func(k Kind) bool { return k.Base == n })
		if i < 0 {
			continue
		}
		k := m.opts.Panes[i]
		list = append(list, bind.Binding{
			ID: fmt.Sprintf("app.focus-%d", n), Keys: []string{fmt.Sprint(n)}, Title: "go to " + string(k.ID), Group: groupMove,
			Help: "Give the keys to pane " + fmt.Sprint(n) + ": " + k.Title + ".", Disabled: m.needsPane, Do: func() tea.Cmd { return m.focusNumber(n) },
		})
	}
	return list
}

func (m *Model) whereKeys() []bind.Binding {
	return []bind.Binding{
		{ID: "app.context", Keys: []string{"c"}, Title: "context", Group: groupWhere, Help: "Open another context of your kubeconfig; this one stays until the other is there.", Do: func() tea.Cmd { return m.pickContext("") }},
		{ID: "app.namespace", Keys: []string{"n"}, Title: "namespace", Group: groupWhere, Help: "Look at another namespace, at all of them, or at one typed by name.", Disabled: m.needsPane, Do: m.pickNamespace},
		{ID: "app.all", Keys: []string{"0"}, Title: "all namespaces", Group: groupWhere, Help: "Look at every namespace you may read.", Disabled: m.needsPane, Do: func() tea.Cmd { return m.toNamespaces("") }},
		{ID: "app.retry", Keys: []string{"ctrl+r"}, Title: "refresh", Group: groupWhere, Help: "Ask again for what was forbidden or failed; everything else refreshes by itself.", Disabled: m.needsPane, Do: m.retry},
		{ID: "app.journal", Keys: []string{"A"}, Title: "journal", Group: groupWrite, Help: "Show everything that was written from here, and what came of it.", Disabled: m.needsPane, Do: m.showJournal},
		{ID: "app.undo", Keys: []string{"u"}, Title: "undo", Group: groupWrite, Help: "Plan the undo of your last write in this context; it is shown and confirmed like any other.", Writes: true, Disabled: m.nothingToUndo, Do: m.undo},
		{ID: "app.unlock", Title: "unlock 10m", Group: groupWrite, Help: "Allow writes in this context for ten minutes; :unlock 30m for another time.", Disabled: m.needsPane, Do: func() tea.Cmd { return m.unlock(defaultUnlock) }},
	}
}

func (m *Model) programKeys() []bind.Binding {
	return []bind.Binding{
		{ID: "app.palette", Keys: []string{":"}, Title: "commands", Group: groupProgram, Help: "Everything by name: panes, commands, and what every key does.", Do: m.openPalette},
		{ID: "app.help", Keys: []string{"?"}, Title: "help", Group: groupProgram, Help: "The keys of where you are.", Do: m.showHelp},
		{ID: "app.suspend", Keys: []string{"ctrl+z"}, Title: "suspend", Group: groupProgram, Help: "Go to the background; fg comes back.", Do: m.suspend},
		{ID: "app.quit", Keys: []string{"q", "ctrl+c"}, Title: "quit", Group: groupProgram, Help: "End midwatch. A write that waits for its answer is waited for.", Do: m.quit},
	}
}

func (m *Model) needsPane() string {
	if m.focus == nil {
		return "no cluster is open"
	}
	return ""
}

func (m *Model) noFilter() string {
	if m.focus == nil {
		return "no cluster is open"
	}
	if _, ok := m.focus.pane.(pane.Filterer); !ok {
		return "this pane has no filter"
	}
	return ""
}

func (m *Model) nothingToUndo() string {
	if gate := m.gate(); gate != nil {
		if _, ok := gate.Last(); ok {
			return ""
		}
	}
	return "this session has changed nothing here that can be undone"
}

func (m *Model) zoom() tea.Cmd {
	m.zoomed = !m.zoomed
	m.place()
	return nil
}

// escape gives up what is on its way, clears toasts, or goes back.
func (m *Model) escape() tea.Cmd {
	switch {
	case m.opening != nil:
		m.cancelOpening()
	case m.toasts.Clear():
	case m.focus != nil:
		return m.goBack()
	}
	return nil
}

func (m *Model) focusNumber(n int) tea.Cmd {
	for _, t := range m.base {
		if t.number == n && t != m.focus {
			m.back = nil
			m.focusOn(t)
		}
	}
	return nil
}

func (m *Model) retry() tea.Cmd {
	if m.session.Watch != nil {
		m.session.Watch.Retry()
	}
	m.toast(live.Info, "asking again for what could not be read")
	var cmds []tea.Cmd
	for i := range m.cells {
		if t := m.cells[i].shown; t != nil {
			cmds = append(cmds, m.deliver(t, pane.RefreshMsg{}))
		}
	}
	return tea.Batch(cmds...)
}

func (m *Model) showJournal() tea.Cmd {
	return m.open(pane.OpenMsg{Pane: pane.Journal})
}

// showHelp lists the bindings of the focused pane, then those that work
// everywhere.
func (m *Model) showHelp() tea.Cmd {
	p := &pager{dialog: widget.Dialog{Title: "Help", Border: theme.BorderFocus, MinWidth: 60, Foot: []widget.Rich{hints("up/down", "scroll", "esc", "closes")}}}
	if m.focus != nil {
		p.dialog.Title = "Help: " + string(m.focus.id)
		p.dialog.Body = helpLines(m.focus.bindings(), string(m.focus.id))
	}
	p.dialog.Body = append(p.dialog.Body, helpLines(m.keys, groupProgram)...)
	p.dialog.Body = append(p.dialog.Body, nil, widget.Say(theme.Title, "Typed after :"))
	for _, c := range commands() {
		p.dialog.Body = append(p.dialog.Body, widget.Rich{{Token: theme.Accent, Text: pad(strings.TrimSpace(c.names[0]+" "+c.arg), 20)}, {Token: theme.Text, Text: " " + c.help}})
	}
	m.push(p)
	return nil
}

// helpLines are the bindings by their headings, in the order they come in.
func helpLines(list []bind.Binding, fallback string) []widget.Rich {
	var lines []widget.Rich
	for _, g := range groups(list, fallback) {
		if len(lines) > 0 {
			lines = append(lines, nil)
		}
		lines = append(lines, widget.Say(theme.Title, g.name))
		for _, b := range g.bindings {
			r := widget.Rich{{Token: theme.Accent, Text: pad(strings.Join(b.Keys, " "), 12)}, {Token: theme.Text, Text: " " + b.Help}}
			if b.Writes {
				r = append(r, widget.Piece{Token: theme.Danger, Text: " writes "})
			}
			if why := b.Reason(); why != "" {
				r = append(r, widget.Piece{Token: theme.Warn, Text: " (now: " + why + ")"})
			}
			lines = append(lines, r)
		}
	}
	return append(lines, nil)
}

type group struct {
	name     string
	bindings []bind.Binding
}

func groups(list []bind.Binding, fallback string) []group {
	var all []group
	for _, b := range list {
		name := b.Group
		if name == "" {
			name = fallback
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.name == name })
		if i < 0 {
			all = append(all, group{name: name})
			i = len(all) - 1
		}
		all[i].bindings = append(all[i].bindings, b)
	}
	return all
}

func pad(s string, w int) string { return s + strings.Repeat(" ", max(w-len([]rune(s)), 0)) }

// showLog shows what was kept away from the screen.
func (m *Model) showLog() tea.Cmd {
	if m.opts.Log == nil {
		return m.warn("there is no log")
	}
	p := &pager{dialog: widget.Dialog{Title: "What plugins and libraries said", Border: theme.BorderFocus, MinWidth: 60, Foot: []widget.Rich{hints("up/down", "scroll", "esc", "closes")}}}
	p.fill = func(m *Model) []widget.Rich {
		lines, _, lost := m.opts.Log.Since(0)
		var body []widget.Rich
		if lost > 0 {
			body = append(body, widget.Say(theme.Warn, fmt.Sprintf("%d older lines fell out", lost)))
		}
		for _, l := range slices.Backward(lines) {
			body = append(body, widget.Rich{{Token: theme.Muted, Text: l.At.Format("15:04:05 ") + l.From + " "}, {Token: theme.Text, Text: l.Text.String()}})
		}
		if len(body) == 0 {
			body = append(body, widget.Say(theme.Muted, "nothing so far"))
		}
		return body
	}
	m.push(p)
	return nil
}

// KeysMarkdown is docs/KEYS.md: every binding there is, from the same list
// that dispatches them.
func KeysMarkdown() string {
	m := &Model{opts: Options{Panes: Panes()}}
	var b strings.Builder
	b.WriteString("# Keys\n\nGenerated by `midwatch keys` from the bindings themselves. `?` shows the keys of where you are; `:` runs anything by name.\n" +
		"A binding marked *writes* ends in a plan that is shown and confirmed, and does nothing while the context is read-only.\n\n## Everywhere\n")
	writeKeys(&b, m.globalKeys(), groupProgram)
	b.WriteString("\n### Typed after `:`\n\n| command | |\n|---|---|\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", escapeCell(strings.TrimSpace(c.names[0]+" "+c.arg)), escapeCell(c.help))
	}
	for _, k := range m.opts.Panes {
		if len(k.Names) > 0 {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(k.Names, "`, `"), escapeCell(k.Title))
		}
	}
	for _, k := range m.opts.Panes {
		p := k.New(k.ID, Deps{Session: &Session{}}, k8s.Ref{}, "")
		list := p.Bindings()
		if c, ok := p.(pane.Closer); ok {
			c.Close()
		}
		if len(list) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s: %s\n", k.ID, k.Title)
		writeKeys(&b, list, "")
	}
	return b.String()
}

func writeKeys(b *strings.Builder, list []bind.Binding, fallback string) {
	for _, g := range groups(list, fallback) {
		if g.name != "" {
			fmt.Fprintf(b, "\n### %s\n", g.name)
		}
		b.WriteString("\n| key | name | |\n|---|---|---|\n")
		for _, k := range g.bindings {
			keys := "`:` only"
			if len(k.Keys) > 0 {
				keys = "`" + strings.Join(k.Keys, "` `") + "`"
			}
			help := k.Help
			if k.Writes {
				help += " *writes*"
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", escapeCell(keys), escapeCell(k.Title), escapeCell(help))
		}
	}
}

func escapeCell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
