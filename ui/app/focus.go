package app

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/pane"
)

// maxStack bounds how many panes lie on top of each other; the oldest goes.
const maxStack = 8

// top is the pane on top of the stack, or nil.
func (m *Model) top() *tile {
	if n := len(m.stack); n > 0 {
		return m.stack[n-1]
	}
	return nil
}

// focusOn gives the keys to a pane. Panes on the stack that would hide it are
// closed.
func (m *Model) focusOn(t *tile) {
	if t == nil {
		return
	}
	if t != m.focus {
		m.conceal()
	}
	hidden := m.size.W < wideScreen || m.zoomed || (len(m.base) > 0 && t != m.base[0])
	if t.number > 0 && hidden {
		for m.top() != nil {
			m.pop()
		}
	}
	m.turn++
	m.focused[t] = m.turn
	m.focus = t
	m.filter = nil
	m.place()
}

// cycle moves the focus to the next pane on the screen; on a screen of tabs,
// to the next tab.
func (m *Model) cycle(by int) tea.Cmd {
	var ring []*tile
	for i := range m.cells {
		ring = append(ring, m.cells[i].tiles...)
	}
	for i, t := range ring {
		if t == m.focus {
			m.focusOn(ring[(i+by+len(ring))%len(ring)])
			break
		}
	}
	return nil
}

// open shows a pane on an object. A pane of the layout that shows the
// selection only gets the focus; anything else is put on the stack.
func (m *Model) open(msg pane.OpenMsg) tea.Cmd {
	for _, t := range m.base {
		if _, follows := t.pane.(pane.Targeted); t.id == msg.Pane && follows && msg.Arg == "" && !msg.Ref.IsZero() && sameObject(msg.Ref, m.selected) {
			m.back = append(m.back, m.focus)
			m.focusOn(t)
			return nil
		}
	}
	kind, ok := m.kind(msg.Pane)
	if !ok {
		return m.warn("there is no pane " + string(msg.Pane))
	}
	if top := m.top(); top != nil && top.id == msg.Pane && sameObject(top.ref, msg.Ref) && top.arg == msg.Arg {
		m.focusOn(top)
		return nil
	}
	t := m.newTile(kind, 0, msg.Ref, msg.Arg)
	m.stack = append(m.stack, t)
	if len(m.stack) > maxStack {
		m.discard(m.stack[0])
		m.stack = m.stack[1:]
	}
	m.back = append(m.back, m.focus)
	m.focusOn(t)
	return tea.Batch(m.start(t), m.aim(t, msg.Ref))
}

// start lets a pane read what it needs, now that it is on the screen.
func (m *Model) start(t *tile) tea.Cmd {
	if s, ok := t.pane.(pane.Starter); ok {
		return s.Start(m.env(t))
	}
	return nil
}

// sameObject compares by identity: what is recreated under its name is still
// the object the user meant.
func sameObject(a, b k8s.Ref) bool { return a.Key() == b.Key() }

// aim tells a pane that follows the selection what it shows.
func (m *Model) aim(t *tile, ref k8s.Ref) tea.Cmd {
	target, ok := t.pane.(pane.Targeted)
	if !ok || ref.IsZero() {
		return nil
	}
	t.touch()
	return target.SetTarget(m.env(t), ref)
}

// goBack undoes the last step in: filter, stack, zoom, focus, in this order.
func (m *Model) goBack() tea.Cmd {
	if f, ok := m.focus.pane.(pane.Filterer); ok && f.Filter() != "" {
		cmd, err := m.setFilter(m.focus, "")
		if err != nil {
			return m.warn(err.Error())
		}
		return cmd
	}
	switch {
	case m.focus.number == 0:
		m.drop(m.focus)
	case m.zoomed:
		m.zoomed = false
		m.place()
	case len(m.back) > 0:
		m.focusOn(m.lastBack())
	case m.focus != m.base[0]:
		m.focusOn(m.base[0])
	}
	return nil
}

// lastBack is the pane to return to; those that are gone are skipped.
func (m *Model) lastBack() *tile {
	for len(m.back) > 0 {
		t := m.back[len(m.back)-1]
		m.back = m.back[:len(m.back)-1]
		if t != m.focus && m.alive(t) {
			return t
		}
	}
	return m.base[0]
}

func (m *Model) alive(t *tile) bool {
	for _, o := range m.tiles() {
		if o == t {
			return true
		}
	}
	return false
}

// drop closes a pane of the stack and those above it, and returns to where it
// was opened from.
func (m *Model) drop(t *tile) {
	for m.top() != nil {
		gone := m.top()
		m.pop()
		if gone == t {
			break
		}
	}
	m.focusOn(m.lastBack())
}

func (m *Model) pop() {
	t := m.top()
	m.stack = m.stack[:len(m.stack)-1]
	m.discard(t)
}

// discard ends a pane; what it still has running is not delivered any more.
func (m *Model) discard(t *tile) {
	delete(m.focused, t)
	t.close()
}

// tiles are all panes there are, the layout's first.
func (m *Model) tiles() []*tile {
	return append(m.base[:len(m.base):len(m.base)], m.stack...)
}

// selection is what the pane that others follow has under its cursor now. Two
// selections shortly after one another may arrive the wrong way round; what
// was sent counts only when there is nobody to ask.
func (m *Model) selection(sent k8s.Ref) k8s.Ref {
	for _, t := range m.base {
		if s, ok := t.pane.(pane.Selecter); ok {
			if ref := s.Selected(); !ref.IsZero() {
				return ref
			}
			return sent
		}
	}
	return sent
}

// choose makes a workload the selection and tells the panes that follow it.
// While a dialog is open the selection stays: what is confirmed must not move.
func (m *Model) choose(ref k8s.Ref) tea.Cmd {
	if len(m.overlays) > 0 {
		m.pending = &ref
		return nil
	}
	if m.selected == ref {
		return nil
	}
	m.selected = ref
	if w := m.session.Watch; w != nil && !ref.IsZero() {
		w.Select(ref.Key())
	}
	var cmds []tea.Cmd
	for _, t := range m.base {
		cmds = append(cmds, m.aim(t, ref))
	}
	return tea.Batch(cmds...)
}
