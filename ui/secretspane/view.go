package secretspane

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"midwatch/live"
	"midwatch/secrets"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// View draws what could be read, the list, and below it the selected secret.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	st := env.Styles
	head := p.head(env)
	head = head[:min(len(head), max(0, r.H/3))]
	var detail []widget.Rich
	if row, ok := p.table.Selected(); ok && p.detail {
		detail = p.full(env, row, r.W)
		room := max(0, r.H-len(head)-min(p.table.Len()+1, max(2, (r.H-len(head))/2)))
		detail = detail[:min(len(detail), room)]
	}
	p.table.Empty = p.empty(env, r.W)
	return widget.Stack(
		widget.Lines(st, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head) - len(detail)})),
		widget.Lines(st, detail, r.W, len(detail)),
	)
}

// head says how fresh the list is and what is missing from it.
func (p *Pane) head(env *pane.Env) []widget.Rich {
	if p.report == nil {
		return nil
	}
	line := widget.NewJoin(env.Styles)
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
		line.Add(theme.Muted, fmt.Sprintf("%d of %d shown", p.table.Len(), len(p.report.Rows)))
	}
	line.Add(theme.Muted, "as of "+widget.Since(env.Now, p.report.At)+" ago, metadata only")
	if p.reading {
		line.Add(theme.Info, "reading again")
	}
	if p.err != "" {
		line.Add(theme.Warn, p.err.String()+" (R tries again)")
	}
	if p.report.Truncated {
		line.Add(theme.Warn, "too many to look at: not all are shown")
	}
	for _, s := range p.report.Sources {
		if s.State == live.Forbidden || s.State == live.Unreachable {
			line.Add(theme.Warn, s.Err.String())
		}
	}
	return line.Rich().Wrap(1<<12, 0)[:1]
}

// empty is what stands where there are no rows, and why.
func (p *Pane) empty(env *pane.Env, w int) []widget.Rich {
	st := env.Styles
	switch {
	case p.ref.IsZero():
		return []widget.Rich{widget.Say(theme.Muted, "No workload is selected.")}
	case p.err != "":
		return widget.Trouble(st, live.Fail, p.err.String(), "R tries again.", w)
	case p.report == nil:
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" reading the secrets of "+p.ref.String())}
	case len(p.report.Rows) > 0:
		return []widget.Rich{widget.Plain(fmt.Sprintf("None of %d secrets matches %s", len(p.report.Rows), p.filter)), widget.Say(theme.Muted, "/ changes the filter, esc drops it.")}
	}
	return []widget.Rich{
		widget.Plain("Its pod template takes no secret: no variable, no volume, no registry login."),
		widget.Say(theme.Muted, "What the program fetches by itself is not known here."),
	}
}

func columns() []widget.Column[*secrets.Row] {
	return []widget.Column[*secrets.Row]{
		{ID: "sign", Min: 1, Cell: func(d widget.Draw, r *secrets.Row) widget.Rich {
			return widget.Say(theme.Severity(r.Severity), d.Styles.Sign(r.Severity))
		}},
		{
			ID: "secret", Title: "secret", Min: 12, Max: 32, Middle: true,
			Measure: func(r *secrets.Row) int { return widget.Width(name(r)) },
			Cell:    func(_ widget.Draw, r *secrets.Row) widget.Rich { return widget.Plain(name(r)) },
		},
		{
			ID: "state", Title: "state", Min: 7, Max: 10,
			Measure: func(r *secrets.Row) int { return widget.Width(r.State) },
			Cell: func(_ widget.Draw, r *secrets.Row) widget.Rich {
				return widget.Say(theme.Severity(r.Severity), r.State)
			},
		},
		{
			ID: "how", Title: "used as", Min: 7, Max: 16, Optional: 2,
			Measure: func(r *secrets.Row) int { return widget.Width(hows(r)) },
			Cell:    func(_ widget.Draw, r *secrets.Row) widget.Rich { return widget.Say(theme.Muted, hows(r)) },
		},
		{ID: "for", Title: "for", Min: widget.AgeWidth, Right: true, Optional: 1, Cell: func(d widget.Draw, r *secrets.Row) widget.Rich {
			if r.Since.IsZero() {
				return nil
			}
			return widget.Say(theme.Muted, widget.Since(d.Now, r.Since))
		}},
		{ID: "why", Title: "why", Min: 20, Flex: 1, Cell: func(_ widget.Draw, r *secrets.Row) widget.Rich {
			token := theme.Text
			if r.Severity == live.OK {
				token = theme.Muted
			}
			return widget.Say(token, r.Message.String())
		}},
	}
}

func name(r *secrets.Row) string {
	if r.Secret != "" {
		return r.Secret
	}
	if len(r.Uses) == 0 {
		return ""
	}
	if u := r.Uses[0]; u.How == secrets.HowCSI {
		return u.Secret
	}
	return r.Uses[0].Path.String()
}

// hows are the ways a secret is taken, each once.
func hows(r *secrets.Row) string {
	var list []string
	for _, u := range r.Uses {
		list = append(list, string(u.How))
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ",")
}

// full is everything known of one secret.
func (p *Pane) full(env *pane.Env, r *secrets.Row, w int) []widget.Rich {
	out := []widget.Rich{nil}
	out = append(out, widget.Rich{
		{Token: theme.Severity(r.Severity), Text: env.Styles.Sign(r.Severity) + " "}, {Token: theme.Text, Text: r.Message.String()},
	}.Wrap(max(w, 1), 2)...)
	out = append(out, p.origin(env, r, w)...)
	out = append(out, mounts(r, w)...)
	for i := range r.Leases {
		out = append(out, leaseLines(env, &r.Leases[i], w)...)
	}
	if r.Meta != nil {
		line := label("changed")
		line = append(line, widget.Piece{Token: theme.Text, Text: widget.Since(env.Now, r.Meta.Changed) + " ago"})
		if r.Meta.By != "" {
			line = append(line, widget.Piece{Token: theme.Muted, Text: " by " + r.Meta.By})
		}
		out = append(out, line)
	}
	for _, u := range r.Uses {
		out = append(out, append(label("used by"), useWords(u)...))
	}
	for _, h := range r.Holders {
		if h.Stale || h.Certainty != secrets.Certain {
			out = append(out, holderLine(env, &h))
		}
	}
	return out
}

func label(text string) widget.Rich {
	return widget.Say(theme.Muted, fmt.Sprintf("  %-10s", text))
}

// origin says what fills a Secret and when next.
func (p *Pane) origin(env *pane.Env, r *secrets.Row, w int) []widget.Rich {
	o := r.Origin
	if o == nil {
		return nil
	}
	line := widget.NewJoin(env.Styles)
	line.Add(theme.Text, o.Kind+"/"+o.Name)
	line.Add(theme.Text, o.Store.String())
	for _, path := range o.Paths {
		line.Add(theme.Text, path.String())
	}
	if r.Store != nil && r.Store.Server != "" {
		line.Add(theme.Muted, r.Store.Server.String())
	}
	out := append(label("filled by"), line.Rich()...).Wrap(max(w, 1), 12)
	when := widget.NewJoin(env.Styles)
	if o.Synced.IsZero() {
		when.Add(theme.Warn, "never")
	} else {
		when.Add(theme.Text, widget.Since(env.Now, o.Synced)+" ago")
	}
	if o.Every > 0 {
		when.Add(theme.Muted, "every "+widget.Age(o.Every))
	}
	if o.Next.After(env.Now) {
		when.Add(theme.Muted, "next in "+widget.Countdown(o.Next.Sub(env.Now)))
	} else if !o.Next.IsZero() {
		when.Add(theme.Warn, "due "+widget.Since(env.Now, o.Next)+" ago")
	}
	if r.Reloads != "" {
		when.Add(theme.Muted, r.Reloads+" restarts the pods on a change")
	}
	return append(out, append(label("synced"), when.Rich()...).Wrap(max(w, 1), 12)...)
}

// mounts says which versions of a CSI volume's objects how many pods have.
func mounts(r *secrets.Row, w int) []widget.Rich {
	var out []widget.Rich
	if c := r.Class; c != nil {
		text := "provider " + c.Provider.String()
		if c.Role != "" {
			text += ", role " + c.Role.String()
		}
		for _, path := range c.Paths {
			text += ", " + path.String()
		}
		out = append(out, append(label("filled by"), widget.Piece{Token: theme.Text, Text: text}).Wrap(max(w, 1), 12)...)
	}
	pods := map[secrets.Version]int{}
	var order []secrets.Version
	for _, m := range r.Mounts {
		for _, v := range m.Objects {
			if pods[v] == 0 {
				order = append(order, v)
			}
			pods[v]++
		}
	}
	for _, v := range order {
		out = append(out, append(label("mounted"),
			widget.Piece{Token: theme.Text, Text: v.ID.String()},
			widget.Piece{Token: theme.Muted, Text: fmt.Sprintf(" version %s in %d of %d pods", v.Version, pods[v], r.Pods)}).Wrap(max(w, 1), 12)...)
	}
	return out
}

// leaseLines is a lease in Vault: when it ends at the latest, and how far both
// the link and the end can be trusted.
func leaseLines(env *pane.Env, l *secrets.Leased, w int) []widget.Rich {
	line := widget.NewJoin(env.Styles)
	token := theme.Severity(l.Severity)
	switch left := l.Ends.Sub(env.Now); {
	case l.Ends.IsZero():
		line.Add(token, l.State)
	case left > 0:
		line.Add(token, "ends in "+widget.Countdown(left)+" at "+l.Ends.In(env.Now.Location()).Format(time.TimeOnly))
		line.Add(token, l.State)
	default:
		line.Add(token, "over since "+widget.Since(env.Now, l.Ends))
	}
	line.Add(theme.Text, l.ID.String())
	line.Add(theme.Muted, "evidence: "+string(l.Link))
	out := append(label("lease"), line.Rich()...).Wrap(max(w, 1), 12)
	more := widget.NewJoin(env.Styles)
	more.Add(theme.Muted, l.Message.String())
	more.Add(theme.Muted, l.Bound)
	if !l.LastEnd.IsZero() {
		more.Add(theme.Muted, "renewing goes to "+l.LastEnd.In(env.Now.Location()).Format(time.DateTime)+" at most")
	}
	return append(out, append(label(""), more.Rich()...).Wrap(max(w, 1), 12)...)
}

func useWords(u secrets.Use) widget.Rich {
	var r widget.Rich
	if u.Container != "" {
		r = append(r, widget.Piece{Token: theme.Text, Text: u.Container + " "})
	}
	r = append(r, widget.Piece{Token: theme.Muted, Text: string(u.How) + " "}, widget.Piece{Token: theme.Text, Text: u.As.String()})
	if u.Key != "" {
		r = append(r, widget.Piece{Token: theme.Muted, Text: " key "}, widget.Piece{Token: theme.Text, Text: u.Key})
	}
	if u.Optional {
		r = append(r, widget.Piece{Token: theme.Muted, Text: " (optional)"})
	}
	return r
}

func holderLine(env *pane.Env, h *secrets.Holder) widget.Rich {
	sev := live.Unknown
	word := "may hold an old version"
	switch {
	case h.Stale && h.Certainty == secrets.Certain:
		sev, word = live.Warn, "holds an old version"
	case h.Stale:
		sev, word = live.Info, "not refreshed yet"
	}
	return widget.Rich{
		{Token: theme.Severity(sev), Text: "  " + env.Styles.Sign(sev) + " "},
		{Token: theme.Text, Text: h.Pod + "/" + h.Container + " "},
		{Token: theme.Severity(sev), Text: word},
		{Token: theme.Muted, Text: " since " + widget.Since(env.Now, h.Since) + " ago: " + h.Why},
	}
}
