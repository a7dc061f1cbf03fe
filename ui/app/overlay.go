package app

import (
	"slices"
	"time"

	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// quiet is how long no key may have been pressed before a dialog that came up
// by itself listens: what is typed until then was meant for something else.
const quiet = 400 * time.Millisecond

// overlay lies over the panes and takes all keys.
type overlay interface {
	// unready reports whether a key is to be swallowed; pause is how long no
	// key was pressed before it.
	unready(pause time.Duration) bool
	key(m *Model, k tea.KeyPressMsg) tea.Cmd
	paste(m *Model, text string) tea.Cmd
	// refresh takes over what the session says now.
	refresh(m *Model)
	// view is a box of at most w x h cells.
	view(m *Model, w, h int) string
}

// ready is an overlay that listens from the first key on, and whose content
// stays as it is.
type ready struct{}

func (ready) unready(time.Duration) bool   { return false }
func (ready) refresh(*Model)               {}
func (ready) paste(*Model, string) tea.Cmd { return nil }

// push puts an overlay on top.
func (m *Model) push(o overlay) {
	m.overlays = append(m.overlays, o)
	o.refresh(m)
	m.touchFocus()
}

// closeOverlay removes the one on top. A selection that had to wait for it is
// made now.
func (m *Model) closeOverlay() tea.Cmd {
	m.overlays = m.overlays[:len(m.overlays)-1]
	m.touchFocus()
	if ref := m.pending; ref != nil && len(m.overlays) == 0 {
		m.pending = nil
		return m.choose(*ref)
	}
	return nil
}

func (m *Model) touchFocus() {
	if m.focus != nil {
		m.focus.touch()
	}
}

func (m *Model) refreshOverlays() {
	for _, o := range m.overlays {
		o.refresh(m)
	}
}

// prompt asks for a line of text.
type prompt struct {
	ready
	msg   pane.PromptMsg
	input widget.Input
	wrong string
}

func newPrompt(msg pane.PromptMsg) *prompt {
	p := &prompt{msg: msg}
	p.input.Set(msg.Initial)
	return p
}

func (p *prompt) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		return m.closeOverlay()
	case "enter":
		text := p.input.Text()
		if p.msg.Check != nil {
			if p.wrong = p.msg.Check(text); p.wrong != "" {
				return nil
			}
		}
		m.planned = m.keySeq
		cmd := m.closeOverlay()
		m.touchAll()
		if p.msg.Done == nil {
			return cmd
		}
		return tea.Batch(cmd, p.msg.Done(text))
	}
	if p.input.Key(k) {
		p.wrong = ""
	}
	return nil
}

func (p *prompt) paste(_ *Model, text string) tea.Cmd {
	p.input.Paste(text)
	return nil
}

func (p *prompt) view(m *Model, w, h int) string {
	d := widget.Dialog{
		Title: p.msg.Title, Border: theme.BorderFocus, MinWidth: min(50, w-6),
		Body: []widget.Rich{append(widget.Rich{{Token: theme.Accent, Text: "> "}}, p.typed(max(min(50, w-6)-2, 4))...)},
		Foot: []widget.Rich{nil, hints("enter", "takes it", "esc", "cancels")},
	}
	if p.wrong != "" {
		d.Foot = append([]widget.Rich{widget.Say(theme.Fail, p.wrong)}, d.Foot...)
	}
	return d.View(m.styles, w, h)
}

// typed is the line as it is drawn: of a secret, only how long it is.
func (p *prompt) typed(w int) widget.Rich {
	if !p.msg.Secret {
		return p.input.Rich(w)
	}
	var dots widget.Input
	dots.Set(strings.Repeat("*", len([]rune(p.input.Text()))))
	return dots.Rich(w)
}

// pick asks for one of several rows.
type pick struct {
	title  string
	picker widget.Picker
	// fill brings the rows up to date; nil when they stay as they are.
	fill func(m *Model) []widget.Choice
	// typed offers what was typed when it is no row; "" for nothing.
	typed func(text string) string
	done  func(m *Model, index int, text string) tea.Cmd
	note  string
}

func newPick(msg pane.PickMsg) *pick {
	p := &pick{title: msg.Title}
	choices := make([]widget.Choice, len(msg.Items))
	for i, item := range msg.Items {
		choices[i] = widget.Choice{Title: item.Title, Note: item.Note, Search: item.Note, Disabled: item.Disabled}
	}
	p.picker.SetChoices(choices)
	p.picker.Point(slices.IndexFunc(choices, func(c widget.Choice) bool { return c.Disabled == "" }))
	p.done = func(m *Model, index int, _ string) tea.Cmd {
		m.touchAll()
		if msg.Done == nil {
			return nil
		}
		return msg.Done(index)
	}
	return p
}

func (*pick) unready(time.Duration) bool { return false }

func (p *pick) refresh(m *Model) {
	if p.fill != nil {
		p.picker.SetChoices(p.fill(m))
	}
}

func (p *pick) paste(_ *Model, text string) tea.Cmd {
	p.picker.Input.Paste(text)
	return nil
}

func (p *pick) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		return m.closeOverlay()
	case "enter":
		return p.choose(m)
	}
	p.picker.Key(k)
	return nil
}

func (p *pick) choose(m *Model) tea.Cmd {
	index, text := p.picker.Selected(), p.picker.Input.Text()
	switch {
	case index >= 0 && p.picker.Choices[index].Disabled != "":
		return m.warn(p.picker.Choices[index].Title + ": " + p.picker.Choices[index].Disabled)
	case index < 0 && (p.typed == nil || text == "" || p.typed(text) == ""):
		return nil
	}
	m.planned = m.keySeq
	return tea.Batch(m.closeOverlay(), p.done(m, index, text))
}

func (p *pick) view(m *Model, w, h int) string {
	inner := min(76, w-6)
	rows := min(max(h-8, 3), 14)
	d := widget.Dialog{
		Title: p.title, Border: theme.BorderFocus, MinWidth: inner, MinBody: min(rows, len(p.picker.Choices)) + 1,
		Body: p.picker.Lines(m.styles, inner, rows),
		Foot: []widget.Rich{hints("enter", "takes it", "esc", "cancels")},
	}
	if text := p.picker.Input.Text(); p.picker.Selected() < 0 {
		line := "nothing matches"
		if p.typed != nil && text != "" && p.typed(text) != "" {
			line = p.typed(text)
		}
		d.Body = append(d.Body, widget.Say(theme.Muted, line))
	}
	if p.note != "" {
		d.Foot = append([]widget.Rich{widget.Say(theme.Muted, p.note)}, d.Foot...)
	}
	return d.View(m.styles, w, h)
}

// hints is "enter takes it · esc cancels": pairs of key and meaning.
func hints(pairs ...string) widget.Rich {
	var r widget.Rich
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			r = append(r, widget.Piece{Token: theme.Muted, Text: "  "})
		}
		r = append(r, widget.Piece{Token: theme.Accent, Text: pairs[i]}, widget.Piece{Token: theme.Muted, Text: " " + pairs[i+1]})
	}
	return r
}

// pager is a long text: help, the log.
type pager struct {
	ready
	dialog widget.Dialog
	// fill brings the text up to date; nil when it stays as it is.
	fill func(m *Model) []widget.Rich
}

func (p *pager) refresh(m *Model) {
	if p.fill != nil {
		p.dialog.Body = p.fill(m)
	}
}

func (p *pager) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	if k.String() == "esc" || k.String() == "q" || k.String() == "?" {
		return m.closeOverlay()
	}
	scroll(&p.dialog, k.String())
	return nil
}

func (p *pager) view(m *Model, w, h int) string { return p.dialog.View(m.styles, w, h) }

// scroll moves a dialog's body by the usual keys.
func scroll(d *widget.Dialog, key string) {
	switch key {
	case "down", "j":
		d.Scroll(1)
	case "up", "k":
		d.Scroll(-1)
	case "pgdown", "space", "ctrl+f":
		d.Scroll(d.Page())
	case "pgup", "ctrl+b":
		d.Scroll(-d.Page())
	case "ctrl+d":
		d.Scroll(d.Page() / 2)
	case "ctrl+u":
		d.Scroll(-d.Page() / 2)
	case "home", "g":
		d.Scroll(-1 << 30)
	case "end", "G":
		d.Scroll(1 << 30)
	}
}
