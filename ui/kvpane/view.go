package kvpane

import (
	"fmt"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
	"midwatch/vault"
	"midwatch/vault/kv"
)

// View draws the list, and below it the keys or the value that is shown.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	p.mask(env, r)
	head := p.head(env, r.W)
	head = head[:min(len(head), max(0, r.H/2))]
	below := p.below(env, r.W)
	below = below[:min(len(below), max(0, (r.H-len(head))*2/3))]
	p.table.Empty = p.empty(env, r.W)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head) - len(below)})),
		widget.Lines(env.Styles, below, r.W, len(below)),
	)
}

// mask forgets a value whose time is over, that lost the keys, or whose place
// on the screen changed.
func (p *Pane) mask(env *pane.Env, r pane.Rect) {
	s := p.secret
	if s == nil {
		return
	}
	if s.rect == (pane.Rect{}) {
		s.rect = r
	}
	if !env.Focused || s.rect != r || !env.Now.Before(s.until) {
		p.Conceal()
	}
}

func (p *Pane) head(env *pane.Env, w int) []widget.Rich {
	line := widget.NewJoin(env.Styles)
	if p.busy != "" {
		line.Add(theme.Info, p.busy+"…")
	}
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
	}
	if m := p.here.meta; m != nil {
		line.Add(theme.Text, kept(len(m.Versions)))
		if m.CASRequired {
			line.Add(theme.Muted, "writes need check-and-set")
		}
		if m.DeleteAfter > 0 {
			line.Add(theme.Muted, "versions are deleted after "+widget.Age(m.DeleteAfter))
		}
		for _, k := range m.CustomKeys() {
			line.Add(theme.Muted, k+"="+m.Custom[k].String())
		}
	} else if p.conn != nil {
		line.Add(theme.Muted, p.conn.Status.Address)
		if t := p.conn.Status.Token; t != nil {
			line.Add(theme.Muted, "as "+t.Name.String())
		}
	}
	if p.conn != nil && p.busy == "" && !p.here.at.IsZero() {
		line.Add(theme.Muted, "read at "+p.here.at.In(env.Now.Location()).Format(time.TimeOnly))
	}
	var head []widget.Rich
	if r := line.Rich(); len(r) > 0 {
		head = append(head, r)
	}
	if p.failed != nil && len(p.here.rows) > 0 {
		head = append(head, failure(env, p.failed, w)...)
	}
	return head
}

func failure(env *pane.Env, f *vault.Failure, w int) []widget.Rich {
	return widget.Trouble(env.Styles, f.Severity(), f.Text, f.Next, w)
}

func (p *Pane) empty(env *pane.Env, w int) []widget.Rich {
	switch {
	case p.failed != nil:
		return failure(env, p.failed, w)
	case p.conn == nil:
		return []widget.Rich{widget.Say(theme.Info, env.Styles.Sign(live.Info)+" connecting to Vault")}
	case len(p.here.rows) > 0:
		return []widget.Rich{widget.Plain(fmt.Sprintf("None of %d rows matches %s", len(p.here.rows), p.filter))}
	case p.here.mount == "":
		return []widget.Rich{widget.Plain("The token sees no key-value engine with versions.")}
	}
	return []widget.Rich{widget.Plain("Nothing here.")}
}

// below is the value that is shown, or the keys of a version.
func (p *Pane) below(env *pane.Env, w int) []widget.Rich {
	if s := p.secret; s != nil {
		return s.lines(env, w)
	}
	k := p.keys
	if k == nil || p.here.meta == nil {
		return nil
	}
	title := fmt.Sprintf("Keys of version %d", k.version)
	switch {
	case k.values:
		title = fmt.Sprintf("From version %d to %d, values compared", k.before, k.version)
	case k.before > 0:
		title = fmt.Sprintf("From version %d to %d, by the names of the keys (= compares values)", k.before, k.version)
	}
	out := []widget.Rich{nil, widget.Say(theme.Title, title)}
	for i := range k.changes {
		out = append(out, keyLine(&k.changes[i], k.before > 0))
	}
	if len(k.changes) == 0 {
		out = append(out, widget.Plain("  no keys"))
	}
	return out
}

func keyLine(c *kv.KeyChange, compared bool) widget.Rich {
	sign, token := " ", theme.Text
	switch c.Change {
	case kv.Added:
		sign, token = "+", theme.OK
	case kv.Removed:
		sign, token = "-", theme.Fail
	case kv.Changed:
		sign, token = "~", theme.Warn
	case kv.Same, kv.Unknown:
	}
	line := widget.Rich{{Token: token, Text: "  " + sign + " " + c.Key.String()}}
	note := ""
	switch {
	case c.Change == kv.Unknown && compared:
		note = "in both"
	case c.Change == kv.Changed:
		note = "changed, " + shape(c.Old) + " to " + shape(c.New)
	case c.Change != kv.Unknown:
		note = strings.TrimSpace(string(c.Change) + " " + shape(c.New))
	}
	return append(line, widget.Piece{Token: theme.Muted, Text: "  " + note})
}

func shape(s kv.Shape) string {
	if s.Type == "" {
		return ""
	}
	return s.Type + " " + s.Size
}

// maxShown is how much of a value is drawn; a certificate fits.
const maxShown = 4096

// lines is the value on the screen.
func (s *revealed) lines(env *pane.Env, w int) []widget.Rich {
	left := s.until.Sub(env.Now).Round(time.Second)
	out := []widget.Rich{nil, {
		{Token: theme.Warn, Text: fmt.Sprintf("%s of version %d", s.key, s.version)},
		{Token: theme.Muted, Text: fmt.Sprintf("  %s, %d B, masked in %d s (esc masks it now)", s.value.Shape.Type, s.value.Length, int(left.Seconds()))},
	}}
	var text foreign.Text
	s.value.Expose(func(b []byte) { text = foreign.CleanBlock(string(b[:min(len(b), maxShown)]), maxShown) })
	for line := range strings.SplitSeq(text.String(), "\n") {
		out = append(out, widget.Plain(line).Wrap(max(w, 1), 0)...)
	}
	if s.value.Length > maxShown {
		out = append(out, widget.Say(theme.Muted, fmt.Sprintf("… the first %d of %d bytes", maxShown, s.value.Length)))
	}
	return out
}

func columns() []widget.Column[row] {
	return []widget.Column[row]{
		{
			ID: "name", Title: "name", Min: 16, Flex: 2, Middle: true, Measure: func(r row) int { return widget.Width(r.name.String()) },
			Cell: func(_ widget.Draw, r row) widget.Rich {
				if r.folder {
					return widget.Say(theme.Title, r.name.String())
				}
				return widget.Plain(r.name.String())
			},
		},
		{
			ID: "state", Title: "state", Min: 9, Optional: 2,
			Cell: func(_ widget.Draw, r row) widget.Rich {
				if r.version == nil {
					return nil
				}
				token := theme.Text
				switch r.version.State {
				case kv.Current:
					token = theme.OK
				case kv.Deleted:
					token = theme.Warn
				case kv.Destroyed:
					token = theme.Muted
				case kv.Kept:
				}
				return widget.Say(token, string(r.version.State))
			},
		},
		{
			ID: "age", Title: "written", Min: 7, Right: true, Optional: 1,
			Cell: func(d widget.Draw, r row) widget.Rich {
				if r.version == nil {
					return nil
				}
				return widget.Say(theme.Muted, widget.Since(d.Now, r.version.Created))
			},
		},
		{
			ID: "who", Title: "by", Min: 12, Flex: 3,
			Cell: func(d widget.Draw, r row) widget.Rich {
				if r.version == nil {
					return widget.Say(theme.Muted, r.note.String())
				}
				line := widget.NewJoin(d.Styles)
				if r.version.By.Name == "" {
					line.Add(theme.Muted, "not recorded")
				}
				line.Add(theme.Text, r.version.By.Name.String())
				if v := r.version; v.State == kv.Deleted {
					line.Add(theme.Warn, "deleted "+widget.Since(d.Now, v.Deleted)+" ago")
					line.Add(theme.Warn, v.DeletedBy.Name.String())
				} else if !v.Deleted.IsZero() && v.State != kv.Destroyed {
					line.Add(theme.Muted, "will be deleted at "+v.Deleted.In(d.Now.Location()).Format(time.DateTime))
				}
				return line.Rich()
			},
		},
	}
}

// kept counts versions.
func kept(n int) string {
	if n == 1 {
		return "1 version kept"
	}
	return fmt.Sprintf("%d versions kept", n)
}
