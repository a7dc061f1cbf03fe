package kvpane

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
	"midwatch/vault/desk"
	"midwatch/vault/kv"
)

// Bindings are the keys of the list.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	list := []bind.Binding{
		{
			ID: id + ".open", Keys: []string{"enter"}, Title: "open", Group: "View", Footer: 1,
			Help:     "Open the selected level or secret; of a version, show which keys came and went. No value is read.",
			Disabled: p.nothing, Do: p.open,
		},
		{
			ID: id + ".level-up", Keys: []string{"backspace"}, Title: "one level up", Group: "View", Footer: 2,
			Help: "Go back to the level above.",
			Disabled: func() string {
				if len(p.back) == 0 {
					return "this is the top"
				}
				return ""
			},
			Do: p.up,
		},
		{
			ID: id + ".again", Keys: []string{"R"}, Title: "read again", Group: "View",
			Help: "Read what is shown again; nothing here is read by itself.",
			Do:   p.readAgain,
		},
		{
			ID: id + ".compare", Keys: []string{"="}, Title: "compare values", Group: "Values", Footer: 4,
			Help:     "Say which values changed since the version before, without showing one. Vault's audit log shows both versions as read.",
			Disabled: p.notReadable, Do: p.compare,
		},
		{
			ID: id + ".reveal", Keys: []string{"v"}, Title: "reveal a value", Group: "Values", Footer: 3,
			Help:     "Show the value of one key for ten seconds. Vault's audit log shows the version as read.",
			Disabled: p.notRevealable, Do: p.reveal,
		},
		{
			ID: id + ".rollback", Keys: []string{"b"}, Title: "roll back", Group: "Secret", Footer: 5, Writes: true,
			Help:     "Write the selected version's values again, as the newest version.",
			Disabled: p.noVersion,
			Do: func() tea.Cmd {
				return p.plan("roll back", func(ctx context.Context, c *desk.Connection, path kv.Path, n int) (*action.Plan, error) {
					return c.KVPlan.PlanRollback(ctx, path, n)
				})
			},
		},
		{
			ID: id + ".undelete", Keys: []string{"U"}, Title: "undelete", Group: "Secret", Footer: 6, Writes: true,
			Help:     "Bring the selected deleted version back.",
			Disabled: p.notDeleted,
			Do: func() tea.Cmd {
				return p.plan("undelete", func(ctx context.Context, c *desk.Connection, path kv.Path, n int) (*action.Plan, error) {
					return c.KVPlan.PlanUndelete(ctx, path, n)
				})
			},
		},
	}
	list = append(list, p.valueBindings()...)
	return append(list, widget.Moves(id, p.table, func() tea.Cmd { p.Conceal(); return nil })...)
}

// valueBindings are for what is open below the list.
func (p *Pane) valueBindings() []bind.Binding {
	id := string(p.id)
	var list []bind.Binding
	if p.secret != nil {
		list = append(list, bind.Binding{
			ID: id + ".copy", Keys: []string{"C"}, Title: "copy the value", Group: "Values", Footer: 1,
			Help:     "Put the value on the screen into the terminal's clipboard (OSC 52) and mask it; the clipboard is cleared after a while. The journal records it, without the value.",
			Disabled: p.notCopyable, Do: p.copyValue,
		})
	}
	if p.secret != nil || p.keys != nil {
		list = append(list, bind.Binding{
			ID: id + ".hide", Keys: []string{"esc"}, Title: "hide", Group: "Values",
			Help: "Mask the value at once; then close the comparison.",
			Do: func() tea.Cmd {
				if p.secret != nil {
					p.Conceal()
				} else {
					p.keys = nil
				}
				return nil
			},
		})
	}
	return list
}

func (p *Pane) nothing() string {
	if p.table.Len() == 0 {
		return "nothing is selected"
	}
	return ""
}

// version is the selected version of the secret that is open.
func (p *Pane) version() (*kv.Version, bool) {
	r, ok := p.table.Selected()
	return r.version, ok && r.version != nil && p.here.meta != nil && p.conn != nil
}

func (p *Pane) noVersion() string {
	if _, ok := p.version(); !ok {
		return "no version is selected: open a secret first"
	}
	return ""
}

func (p *Pane) notReadable() string {
	v, ok := p.version()
	switch {
	case !ok:
		return p.noVersion()
	case v.State == kv.Deleted || v.State == kv.Destroyed:
		return fmt.Sprintf("version %d is %s", v.N, v.State)
	}
	return ""
}

func (p *Pane) notRevealable() string {
	if p.desk != nil {
		if why := p.desk.MayReveal(); why != "" {
			return why.String()
		}
	}
	return p.notReadable()
}

func (p *Pane) notCopyable() string {
	switch {
	case p.secret == nil:
		return "no value is revealed"
	case p.desk == nil || p.desk.CopyFor() == 0:
		return "copying values is off: set vault.copyFor: 30s in the settings to allow it"
	}
	return ""
}

// copyValue hands the value on the screen to the root and masks it.
func (p *Pane) copyValue() tea.Cmd {
	s := p.secret
	if s == nil || p.conn == nil || p.here.meta == nil {
		return nil
	}
	var value secret.Bytes
	s.value.Expose(func(b []byte) { value = secret.Take(bytes.Clone(b)) })
	path := p.here.meta.Path
	msg := pane.CopySecretMsg{
		What: fmt.Sprintf("%s of version %d of %s", s.key, s.version, path), Target: p.conn.KVPlan.Target(path), Value: value, ClearAfter: p.desk.CopyFor(),
	}
	p.Conceal()
	return pane.Send(msg)
}

func (p *Pane) notDeleted() string {
	if v, ok := p.version(); ok && v.State != kv.Deleted {
		return fmt.Sprintf("version %d is not deleted", v.N)
	}
	return p.noVersion()
}

func (p *Pane) open() tea.Cmd {
	r, _ := p.table.Selected()
	switch {
	case p.conn == nil:
		return nil
	case p.here.meta != nil:
		return p.showKeys(false)
	case p.here.mount == "":
		return p.list(strings.TrimSuffix(r.id, "/"), "", true)
	case r.folder:
		return p.list(p.here.mount, p.here.folder+r.id, true)
	}
	return p.openSecret(kv.Path{Mount: p.here.mount, Name: p.here.folder + r.id}, true)
}

func (p *Pane) up() tea.Cmd {
	p.Conceal()
	last := len(p.back) - 1
	p.here, p.back, p.keys, p.failed = p.back[last], p.back[:last], nil, nil
	p.filter = widget.Filter{}
	p.table.Reset()
	p.narrow()
	return nil
}

func (p *Pane) readAgain() tea.Cmd {
	switch {
	case p.env == nil || !p.desk.Configured():
		return nil
	case p.conn == nil || p.here.mount == "":
		return p.mounts(true)
	case p.here.meta != nil:
		return p.openSecret(p.here.meta.Path, false)
	}
	return p.list(p.here.mount, p.here.folder, false)
}

// showKeys compares the keys of the selected version with those of the one
// before it; pick then asks which one to reveal.
func (p *Pane) showKeys(pick bool) tea.Cmd {
	v, ok := p.version()
	if !ok {
		return nil
	}
	conn, meta, n := p.conn, p.here.meta, v.N
	before, hasBefore := meta.Before(n)
	return p.read(fmt.Sprintf("read the names of the keys of version %d", n), func(ctx context.Context) (tea.Msg, error) {
		out := comparison{version: n}
		if hasBefore && !pick {
			changes, err := conn.KV.Diff(ctx, meta.Path, before.N, n)
			out.before, out.changes = before.N, changes
			return keysMsg{keys: out, pick: pick}, err
		}
		keys, err := conn.KV.Keys(ctx, meta.Path, n)
		for _, k := range keys {
			out.changes = append(out.changes, kv.KeyChange{Key: k, Change: kv.Unknown})
		}
		return keysMsg{keys: out, pick: pick}, err
	})
}

// compare reads the values of two versions and says which differ.
func (p *Pane) compare() tea.Cmd {
	v, ok := p.version()
	if !ok {
		return nil
	}
	conn, meta, n := p.conn, p.here.meta, v.N
	before, hasBefore := meta.Before(n)
	if !hasBefore {
		return pane.Toast(live.Info, "there is no version before it to compare with")
	}
	return p.read(fmt.Sprintf("compare the values of versions %d and %d", before.N, n), func(ctx context.Context) (tea.Msg, error) {
		changes, err := conn.KV.CompareValues(ctx, meta.Path, before.N, n, conn.Prints)
		return keysMsg{keys: comparison{version: n, before: before.N, changes: changes, values: true}}, err
	})
}

func (p *Pane) reveal() tea.Cmd { return p.showKeys(true) }

// pick asks which key to reveal.
func (p *Pane) pick() tea.Cmd {
	keys := p.keys
	items := make([]pane.PickItem, 0, len(keys.changes))
	for _, c := range keys.changes {
		items = append(items, pane.PickItem{Title: c.Key.String()})
	}
	return pane.Send(pane.PickMsg{
		Title: fmt.Sprintf("Reveal which key of version %d for %d s? It is audited; recorders see it", keys.version, int(shownFor.Seconds())),
		Items: items,
		Done:  func(i int) tea.Cmd { return p.revealKey(keys.version, keys.changes[i].Key) },
	})
}

func (p *Pane) revealKey(version int, key kv.Key) tea.Cmd {
	if p.conn == nil || p.here.meta == nil || p.notRevealable() != "" {
		return nil
	}
	conn, path := p.conn, p.here.meta.Path
	return p.read("reveal "+key.String(), func(ctx context.Context) (tea.Msg, error) {
		value, err := conn.KV.Reveal(ctx, path, version, key)
		return revealMsg{value: value, key: key, version: version}, err
	})
}

func (p *Pane) plan(verb string, make func(context.Context, *desk.Connection, kv.Path, int) (*action.Plan, error)) tea.Cmd {
	v, ok := p.version()
	if !ok {
		return nil
	}
	conn, path, n := p.conn, p.here.meta.Path, v.N
	return p.read("plan to "+verb, func(ctx context.Context) (tea.Msg, error) {
		plan, err := make(ctx, conn, path, n)
		return plannedMsg{plan}, err
	})
}
