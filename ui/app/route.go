package app

import (
	"errors"
	"fmt"
	"maps"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
)

// handler takes a message, or leaves it to the next one. A handler that took
// it returns true.
type handler func(m *Model, msg tea.Msg) (tea.Cmd, bool)

// handlers are asked in this order: what the terminal says of itself, then
// whoever has the keys, then messages by their address.
func handlers() []handler {
	return []handler{
		(*Model).onTerminal,
		(*Model).onSize,
		(*Model).onLook,
		(*Model).onTick,
		(*Model).onUnclip,
		(*Model).onKeyPressed,
		(*Model).onOverlay,
		(*Model).onFilter,
		(*Model).onPaneKey,
		(*Model).onGlobalKey,
		(*Model).onOtherKey,
		(*Model).onBatch,
		(*Model).onAddressed,
		(*Model).onAsked,
		(*Model).onCrash,
	}
}

// onSize takes a new size of the terminal.
func (m *Model) onSize(msg tea.Msg) (tea.Cmd, bool) {
	size, ok := msg.(tea.WindowSizeMsg)
	if !ok {
		return nil, false
	}
	m.conceal()
	m.size = pane.Rect{W: size.Width, H: size.Height}
	if top := m.top(); top != nil && size.Width < wideScreen && m.focus.number > 0 {
		m.focusOn(top) // there is no room for both any more
	}
	m.place()
	return nil, true
}

// onLook slows everything down while nobody looks.
func (m *Model) onLook(msg tea.Msg) (tea.Cmd, bool) {
	switch msg.(type) {
	case tea.FocusMsg:
		m.blurred = false
	case tea.BlurMsg:
		m.blurred = true
		m.conceal()
	default:
		return nil, false
	}
	m.pace()
	return nil, true
}

func (m *Model) onTick(msg tea.Msg) (tea.Cmd, bool) {
	tick, ok := msg.(tickMsg)
	if ok && tick.gen == m.tickGen {
		m.tick = time.Time{}
	}
	return nil, ok
}

// onKeyPressed counts keys and handles the one that always works.
func (m *Model) onKeyPressed(msg tea.Msg) (tea.Cmd, bool) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil, false
	}
	before := m.lastKey
	m.keySeq++
	m.lastKey = m.now
	switch {
	case k.String() == "ctrl+c":
		return m.quit(), true
	case len(m.overlays) > 0 && m.overlays[len(m.overlays)-1].unready(m.now.Sub(before)):
		return nil, true // typed for something else, before the dialog came up
	}
	return nil, false
}

// onOverlay gives keys and pasted text to the overlay on top.
func (m *Model) onOverlay(msg tea.Msg) (tea.Cmd, bool) {
	if len(m.overlays) == 0 {
		return nil, false
	}
	top := m.overlays[len(m.overlays)-1]
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		return top.key(m, msg), true
	case tea.PasteMsg:
		return top.paste(m, msg.Content), true
	}
	return nil, false
}

// onPaneKey looks a key up in the focused pane. One that is disabled there
// gives way to a binding that works everywhere, or else says why.
func (m *Model) onPaneKey(msg tea.Msg) (tea.Cmd, bool) {
	if m.focus == nil {
		return nil, false
	}
	if p, ok := msg.(tea.PasteMsg); ok {
		return m.deliver(m.focus, p), true
	}
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil, false
	}
	if m.focus.capturing() {
		return m.deliver(m.focus, k), true
	}
	b, ok := bind.Match(m.focus.bindings(), k.String())
	if !ok {
		return nil, false
	}
	if _, global := bind.Match(m.keys, k.String()); global && b.Reason() != "" {
		return nil, false
	}
	return m.do(m.focus, b), true
}

// do carries a binding out, or shows why it cannot be used now.
func (m *Model) do(t *tile, b bind.Binding) tea.Cmd {
	if why := b.Reason(); why != "" {
		return m.warn(b.Title + ": " + why)
	}
	if b.Writes {
		m.planned = m.keySeq
	}
	if t != nil {
		m.env(t)
		t.touch()
	}
	if b.Do == nil {
		return nil
	}
	return b.Do()
}

func (m *Model) onGlobalKey(msg tea.Msg) (tea.Cmd, bool) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil, false
	}
	b, ok := bind.Match(m.keys, k.String())
	if !ok {
		return nil, false
	}
	return m.do(nil, b), true
}

// onOtherKey gives what nobody else wants to the focused pane.
func (m *Model) onOtherKey(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if m.focus == nil {
			return nil, true
		}
		return m.deliver(m.focus, msg), true
	case tea.KeyReleaseMsg, tea.PasteMsg:
		return nil, true
	}
	return nil, false
}

// deliver gives a message to a pane.
func (m *Model) deliver(t *tile, msg tea.Msg) tea.Cmd {
	t.touch()
	return t.pane.Update(m.env(t), msg)
}

// batchMsg is what a session's hub had to say.
type batchMsg struct {
	session *Session
	batch   live.Batch
	err     error
}

// onBatch hands out snapshots and only then asks for the next ones.
func (m *Model) onBatch(msg tea.Msg) (tea.Cmd, bool) {
	b, ok := msg.(batchMsg)
	if !ok {
		return nil, false
	}
	if b.session != m.session || b.err != nil {
		return nil, true
	}
	maps.Copy(m.snaps, b.batch)
	m.refreshOverlays()
	var cmds []tea.Cmd
	for _, t := range m.tiles() {
		if part := t.own(b.batch); part != nil {
			cmds = append(cmds, m.deliver(t, part))
		}
	}
	return tea.Batch(append(cmds, m.listen())...), true
}

// onAddressed unwraps the result of a task and delivers it once. What a task
// asks of the root goes to the root.
func (m *Model) onAddressed(msg tea.Msg) (tea.Cmd, bool) {
	to, ok := msg.(pane.To)
	if !ok {
		return nil, false
	}
	if !m.tasks.Current(to) {
		return m.letGo(to.Msg), true
	}
	if to.Pane == rootID {
		return m.onResult(to.Msg), true
	}
	if cmd, asked := m.onAsked(to.Msg); asked {
		return cmd, true
	}
	if t := m.addressee(to.Pane); t != nil && to.Msg != nil {
		return m.deliver(t, to.Msg), true
	}
	return nil, true
}

// addressee is the pane of that address, or nil when it is gone.
func (m *Model) addressee(id pane.ID) *tile {
	for _, t := range m.tiles() {
		if t.pane.ID() == id {
			return t
		}
	}
	return nil
}

// onAsked does what a pane asks of the root.
func (m *Model) onAsked(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case pane.SelectMsg:
		return m.choose(m.selection(msg.Ref)), true
	case pane.OpenMsg:
		return m.open(msg), true
	case pane.CloseMsg:
		return m.goBack(), true
	case pane.ConfirmMsg:
		m.confirm(msg.Plan, msg.Then)
	case pane.PromptMsg:
		m.push(newPrompt(msg))
	case pane.PickMsg:
		m.push(newPick(msg))
	case pane.ToastMsg:
		m.toast(msg.Severity, msg.Text)
	case pane.CopySecretMsg:
		return m.copySecret(msg), true
	case pane.CopyMsg:
		m.clip.holds = false // it is overwritten
		m.toast(live.OK, fmt.Sprintf("copied %s", msg.What))
		return tea.SetClipboard(msg.Text), true
	default:
		return nil, false
	}
	return nil, true
}

// onCrash ends the console when something crashed off the UI goroutine.
func (m *Model) onCrash(msg tea.Msg) (tea.Cmd, bool) {
	c, ok := msg.(*Crash)
	if !ok {
		return nil, false
	}
	m.crash = c
	return tea.Quit, true
}

// failure is the first line of an error for a toast.
func failure(f pane.FailedMsg) string {
	var joined interface{ Unwrap() []error }
	if errors.As(f.Err, &joined) && len(joined.Unwrap()) > 0 {
		return f.What + ": " + firstLine(joined.Unwrap()[0].Error())
	}
	return f.What + ": " + firstLine(f.Err.Error())
}
