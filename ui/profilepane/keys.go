package profilepane

import (
	"bytes"
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/profiles/capture"
	"midwatch/profiles/tree"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Bindings are the keys of what the pane is at.
func (p *Pane) Bindings() []bind.Binding {
	switch {
	case p.mode == running:
		return []bind.Binding{p.key("stop", "stop", "Stop the capture, and with it the target's profiler.", "Profile", 1, nil, p.stop, "esc")}
	case p.mode == showing && p.shown != nil:
		return p.showKeys()
	case p.mode == comparing && p.sides != nil:
		return p.compareKeys()
	}
	return p.chooseKeys()
}

func (p *Pane) key(id, title, help, group string, footer int, disabled func() string, do func() tea.Cmd, keys ...string) bind.Binding {
	return bind.Binding{ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: group, Footer: footer, Disabled: disabled, Do: do}
}

func (p *Pane) chooseKeys() []bind.Binding {
	noPod := func() string {
		if p.subject == nil {
			return "no pod is known yet"
		}
		return ""
	}
	cannot := func() string {
		if why := noPod(); why != "" {
			return why
		}
		if s, ok := p.kinds.Selected(); ok {
			_, why := p.offered(s.Kind)
			return why
		}
		return "no kind is selected"
	}
	take := p.key("take", "take it", "Take the selected profile.", "Profile", 1, cannot, p.take, "enter")
	if s, ok := p.kinds.Selected(); ok {
		take.Writes = s.Exec
	}
	list := []bind.Binding{
		take,
		p.key("compare", "compare", "Compare pods: the new revision with the old, or one with a sibling.", "Profile", 2, cannot, p.pickComparison, "d"),
		p.key("next-pod", "next pod", "Choose another pod of the workload.", "Profile", 3, noPod, func() tea.Cmd { return p.nextPod(1) }, "]", "right"),
		p.key("previous-pod", "previous pod", "Choose the pod before.", "Profile", 0, noPod, func() tea.Cmd { return p.nextPod(-1) }, "[", "left"),
		p.key("longer", "longer", "Look on for longer, up to a minute.", "Profile", 4, nil, func() tea.Cmd { return p.longer(1) }, "+", "="),
		p.key("shorter", "shorter", "Look on for a shorter time.", "Profile", 0, nil, func() tea.Cmd { return p.longer(-1) }, "-"),
		p.key("gc", "gc first", "Force a garbage collection before a heap profile, so that only what is in use is left; it asks first.", "Profile", 0, nil, func() tea.Cmd {
			p.gc = !p.gc
			return nil
		}, "x"),
		p.key("delta", "difference", "Take snapshots (heap, allocs, mutex, …) as the difference over the chosen seconds.", "Profile", 0, nil, func() tea.Cmd {
			p.delta = !p.delta
			return nil
		}, "D"),
		p.key("key", "key", "Give the key that the endpoint asks for; it stays in memory.", "Profile", 5, noPod, func() tea.Cmd {
			target, _ := p.target()
			return p.askKey(target)
		}, "K"),
		p.key("port", "port", "Say on which port, and below which path, the workload serves profiles.", "Profile", 6, noPod, func() tea.Cmd {
			target, _ := p.target()
			return p.askPort(target)
		}, "O"),
		p.key("process", "process", "Name the Python process to look at, by its PID; the busiest otherwise.", "Profile", 0, noPod, p.askProcess, "P"),
	}
	return append(list, widget.Moves(string(p.id), p.kinds, nil)...)
}

// showKeys are the keys of one profile.
func (p *Pane) showKeys() []bind.Binding {
	v := p.shown
	clock := p.key("clock", "cpu/wall", "Take the same with the other clock: on the CPU, or with the waiting.", "Profile", 0, p.noToggle, p.toggleClock, "w")
	again := p.key("again", "again", "Take it again.", "Profile", 9, nil, func() tea.Cmd { return p.capture(v.got.Target, v.got.Req) }, "R")
	clock.Writes, again.Writes = isExec(v.got.Req.Kind), isExec(v.got.Req.Kind)
	list := []bind.Binding{
		p.key("zoom", "zoom in", "Make the selected box the whole width; from the table, the heaviest call of the function.", "View", 1, v.nothing, p.zoomIn, "enter"),
		p.key("zoom-back", "zoom back", "Undo the last zoom.", "View", 0, v.nothing, func() tea.Cmd { v.flame.back(); return nil }, "backspace"),
		p.key("leave", "back", "Leave the sandwich, the zoom, then the profile.", "View", 0, nil, p.leaveProfile, "esc"),
		p.key("side", "table/flame", "Give the cursor to the flame or to the table.", "View", 2, v.nothing, func() tea.Cmd {
			v.onFlame = !v.onFlame
			return nil
		}, "v"),
		p.key("sandwich", "sandwich", "Show the selected function between its callers and what it calls.", "View", 3, v.nothing, p.openSandwich, "s"),
		p.key("compare", "compare", "Compare with a sibling, another revision, an earlier capture, or with now.", "View", 4, v.nothing, p.pickComparison, "d"),
		p.key("own", "own code", "Show your own code only; what it calls counts as its own.", "Filter", 5, v.nothing, func() tea.Cmd { v.own = !v.own; return p.rebuild() }, "o"),
		p.key("hide", "hide", "Hide the selected function; its callers take over its cost.", "Filter", 6, v.nothing, func() tea.Cmd { return p.addChip("hide") }, "x"),
		p.key("focus", "focus", "Keep only stacks through the selected function.", "Filter", 7, v.nothing, func() tea.Cmd { return p.addChip("focus") }, "f"),
		p.key("drop", "drop filter", "Take the last filter back.", "Filter", 0, v.noChip, p.dropChip, "X"),
		p.key("recursion", "fold recursion", "Draw repeated calls of a function to itself as one.", "Filter", 0, v.nothing, func() tea.Cmd { v.fold = !v.fold; return p.rebuild() }, "r"),
		p.key("type", "sample type", "Show the next sample type: bytes or objects, in use or allocated.", "View", 8, v.nothing, p.nextType, "t"),
		p.key("label", "by label", "Put the values of the next profiler label at the root.", "View", 0, v.noLabel, p.nextLabel, "L"),
		p.key("flip", "flip", "Put the root on top or at the bottom.", "View", 0, v.nothing, func() tea.Cmd { v.flame.flip = !v.flame.flip; return nil }, "i"),
		clock,
		again,
		p.key("next-hit", "next hit", "Go to the next match.", "View", 0, v.noHit, func() tea.Cmd { v.goToHit(v.hit + 1); return nil }, "n"),
		p.key("previous-hit", "previous hit", "Go to the match before.", "View", 0, v.noHit, func() tea.Cmd { v.goToHit(v.hit - 1); return nil }, "N"),
		p.key("copy", "copy name", "Copy the full name of the selected function.", "File", 0, v.nothing, func() tea.Cmd {
			return pane.Send(pane.CopyMsg{What: "the function's name", Text: v.name().String()})
		}, "y"),
		p.key("save", "save", "Save the profile as the pod sent it, or what is shown as folded stacks; only you can read the file.", "File", 10, v.nothing, p.pickSave, "W"),
	}
	return append(list, p.moveKeys(v)...)
}

// moveKeys move in the side that has the cursor.
func (p *Pane) moveKeys(v *view) []bind.Binding {
	if !v.onFlame {
		return widget.Moves(string(p.id), v.table, func() tea.Cmd { v.link(true); return nil })
	}
	return p.flameKeys(&v.flame, func() { v.link(false) })
}

func (p *Pane) flameKeys(f *flame, after func()) []bind.Binding {
	move := func(id, title, help string, do func(), keys ...string) bind.Binding {
		return p.key(id, title, help, "Move", 0, nil, func() tea.Cmd {
			if f.tree != nil {
				f.lay(max(f.width, 1))
				do()
				after()
			}
			return nil
		}, keys...)
	}
	in, out := f.deeper, f.shallower
	if f.flip {
		in, out = out, in
	}
	return []bind.Binding{
		move("down", "down", "Go one call down.", in, "j", "down"),
		move("up", "up", "Go one call up.", out, "k", "up"),
		move("left", "left", "Go to the box on the left.", func() { f.sideways(-1) }, "h", "left"),
		move("right", "right", "Go to the box on the right.", func() { f.sideways(1) }, "l", "right"),
		move("top", "top", "Go to the root.", func() { f.node, f.more = f.zoom, false }, "g", "home"),
	}
}

func (v *view) nothing() string {
	if v.tree == nil {
		return "the profile is still being summed up"
	}
	return ""
}

func (v *view) noChip() string {
	if len(v.chips) == 0 {
		return "there is no filter"
	}
	return ""
}

func (v *view) noLabel() string {
	if !v.got.HasLabels() {
		return "its samples carry no labels"
	}
	return ""
}

func (v *view) noHit() string {
	if v.hits == nil {
		return "search with / first"
	}
	return ""
}

func (p *Pane) zoomIn() tea.Cmd {
	v := p.shown
	if !v.onFlame {
		v.link(true)
	}
	if v.flame.more {
		return p.pickSmall()
	}
	v.flame.zoomTo(v.flame.node)
	return nil
}

// pickSmall lists what was too small for a box of its own.
func (p *Pane) pickSmall() tea.Cmd {
	v := p.shown
	row, col := v.flame.at()
	small := v.tree.Small(v.flame.node, v.flame.layout.Rows[row][col].Below)
	items := make([]pane.PickItem, 0, min(len(small), 200))
	for _, n := range small[:min(len(small), 200)] {
		items = append(items, pane.PickItem{Title: tree.Short(v.tree.Name(n)), Note: amount(v.tree, v.tree.Nodes[n].Cum)})
	}
	return pane.Send(pane.PickMsg{Title: "Too small for a box of their own", Items: items, Done: func(i int) tea.Cmd {
		v.flame.node, v.flame.more = small[i], false
		v.flame.zoomTo(small[i])
		v.link(false)
		return nil
	}})
}

func (p *Pane) leaveProfile() tea.Cmd {
	v := p.shown
	switch {
	case v.sandwich != nil:
		v.sandwich = nil
	case v.query != "":
		_ = v.search("") // an empty search cannot be wrong
	case v.tree != nil && v.flame.zoom != 0:
		v.flame.zoomTo(0)
	default:
		p.mode, p.shown = choosing, nil
	}
	return nil
}

func (p *Pane) openSandwich() tea.Cmd {
	v := p.shown
	if v.sandwich != nil {
		v.sandwich = nil
		return nil
	}
	f := v.selected()
	if f < 0 {
		return nil
	}
	v.sandwich = &sandwich{name: v.tree.Frames[f].Name, callers: v.tree.Callers(f), callees: v.tree.Callees(f)}
	return nil
}

func (p *Pane) addChip(kind string) tea.Cmd {
	name := p.shown.name()
	if name == "" {
		return nil
	}
	p.shown.chips = append(p.shown.chips, chip{kind, name})
	return p.rebuild()
}

func (p *Pane) dropChip() tea.Cmd {
	v := p.shown
	v.chips = v.chips[:max(len(v.chips)-1, 0)]
	return p.rebuild()
}

func (p *Pane) nextType() tea.Cmd {
	v := p.shown
	v.typ = (v.typ + 1) % max(len(v.got.Types), 1)
	return p.rebuild()
}

// nextLabel goes through the labels, then back to none.
func (p *Pane) nextLabel() tea.Cmd {
	v := p.shown
	keys := append(v.got.LabelKeys(), "")
	at := len(keys) - 1
	for i, k := range keys {
		if k == v.label {
			at = i
		}
	}
	v.label = keys[(at+1)%len(keys)]
	return p.rebuild()
}

func (p *Pane) noToggle() string {
	if s, ok := capture.Of(p.shown.got.Req.Kind); !ok || s.Toggle == "" {
		return "this kind has no other clock"
	}
	return ""
}

func (p *Pane) toggleClock() tea.Cmd {
	got := p.shown.got
	s, _ := capture.Of(got.Req.Kind)
	req := got.Req
	req.Kind = s.Toggle
	return p.capture(got.Target, req)
}

func (p *Pane) compareKeys() []bind.Binding {
	c := p.sides
	cannot := func() string {
		if c.diff == nil {
			return "the comparison is not made yet"
		}
		return ""
	}
	list := []bind.Binding{
		p.key("mode", "mode", "Compare by share, by cores, per request, or by plain values.", "View", 1, cannot, func() tea.Cmd { c.nextMode(); return p.recompare() }, "m"),
		p.key("type", "sample type", "Compare the next sample type.", "View", 2, cannot, func() tea.Cmd { c.nextType(); return p.recompare() }, "t"),
		p.key("side", "table/flame", "Give the cursor to the flame or to the table.", "View", 3, cannot, func() tea.Cmd { c.onFlame = !c.onFlame; return nil }, "v"),
		p.key("zoom", "zoom in", "Make the selected box of the flame the whole width.", "View", 4, cannot, func() tea.Cmd {
			if !c.onFlame {
				if r, ok := c.table.Selected(); ok {
					c.flame.toFunction(r.Frame)
				}
			}
			if !c.flame.more {
				c.flame.zoomTo(c.flame.node)
			}
			return nil
		}, "enter"),
		p.key("zoom-back", "zoom back", "Undo the last zoom.", "View", 0, cannot, func() tea.Cmd { c.flame.back(); return nil }, "backspace"),
		p.key("copy", "copy name", "Copy the full name of the selected function.", "File", 0, cannot, func() tea.Cmd {
			r, _ := c.table.Selected()
			return pane.Send(pane.CopyMsg{What: "the function's name", Text: r.Name.String()})
		}, "y"),
		p.key("leave", "back", "Leave the zoom, then the comparison.", "View", 0, nil, func() tea.Cmd {
			switch {
			case c.query != "":
				_ = c.search("") // an empty search cannot be wrong
			case c.diff != nil && c.flame.zoom != 0:
				c.flame.zoomTo(0)
			default:
				p.mode, p.sides = c.back, nil
			}
			return nil
		}, "esc"),
	}
	if c.onFlame {
		return append(list, p.flameKeys(&c.flame, func() {
			if f := c.flame.tree.Nodes[c.flame.node].Frame; f >= 0 {
				c.table.Select(c.diff.Frames[f].Name.String())
			}
		})...)
	}
	return append(list, widget.Moves(string(p.id), c.table, func() tea.Cmd {
		if r, ok := c.table.Selected(); ok && c.flame.tree != nil {
			c.flame.toFunction(r.Frame)
		}
		return nil
	})...)
}

// pickSave asks in which form to save.
func (p *Pane) pickSave() tea.Cmd {
	v := p.shown
	if p.save == nil {
		return nil
	}
	stem := fmt.Sprintf("%s-%s-%s", v.got.Target.Pod.Name, v.got.Req.Kind, v.got.At.UTC().Format("20060102T150405Z"))
	return pane.Send(pane.PickMsg{
		Title: "Save the profile as …",
		Items: []pane.PickItem{
			{Title: stem + ".pb.gz", Note: "pprof, the whole profile"},
			{Title: stem + ".folded", Note: "folded stacks, as filtered"},
		},
		Done: func(i int) tea.Cmd {
			return pane.Run(p.env.Tasks, p.id, "save", "save the profile", 30*time.Second, func(context.Context) (tea.Msg, error) {
				path, err := p.write(v, stem, i)
				return savedMsg{path, err}, nil
			})
		},
	})
}

func (p *Pane) write(v *view, stem string, form int) (string, error) {
	var buf bytes.Buffer
	name := stem + ".folded"
	if form == 0 {
		name = stem + ".pb.gz"
		if err := v.got.Proto().Write(&buf); err != nil {
			return "", fmt.Errorf("write %s: %w", name, err)
		}
	} else if err := v.tree.WriteFolded(&buf); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return p.save(name, buf.Bytes())
}
