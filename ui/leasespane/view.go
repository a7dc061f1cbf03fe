package leasespane

import (
	"fmt"
	"strconv"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/secrets/ledger"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
	"midwatch/vault"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

// View draws the connection, the leases, and below them what is open.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	p.rejudge(env.Now)
	head := p.head(env, r.W)
	head = head[:min(len(head), max(0, r.H/2))]
	below := p.below(env, r.W)
	below = below[:min(len(below), max(0, (r.H-len(head))/2))]
	p.table.Empty = p.empty(env, r.W)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head) - len(below)})),
		widget.Lines(env.Styles, below, r.W, len(below)),
	)
}

func (p *Pane) head(env *pane.Env, w int) []widget.Rich {
	var head []widget.Rich
	if p.conn != nil {
		head = append(head, Connection(env, p.conn.Status)...)
	}
	if line := p.where(env); len(line) > 0 {
		head = append(head, line)
	}
	if p.failed != nil && len(p.rows) > 0 {
		head = append(head, failure(env, p.failed, w)...)
	}
	return head
}

// Connection says in a line or two whose Vault it is, who the token is, and
// what is wrong with either.
func Connection(env *pane.Env, s *vault.Status) []widget.Rich {
	line := widget.NewJoin(env.Styles)
	if t := s.Token; t != nil && t.Root() {
		line.Add(theme.Fail, "ROOT TOKEN")
	}
	if s.Insecure != "" {
		line.Add(theme.Fail, "INSECURE: "+s.Insecure)
	}
	line.Add(theme.Text, "Vault "+s.Health.Version.String()+" "+s.Health.State())
	if s.Counts != nil && s.Counts.Leases >= 0 {
		line.Add(theme.Text, strconv.Itoa(s.Counts.Leases)+" leases")
	}
	if s.Counts != nil && s.Counts.Irrevocable > 0 {
		line.Add(theme.Fail, strconv.Itoa(s.Counts.Irrevocable)+" irrevocable")
	}
	who(env, line, s)
	line.Add(theme.Muted, s.Address)
	line.Add(theme.Muted, s.Namespace.String())
	out := []widget.Rich{line.Rich()}
	second := widget.NewJoin(env.Styles)
	if s.Health.SkewMatters() {
		second.Add(theme.Warn, fmt.Sprintf("its clock is %s off ours; times here are ours", widget.Age(s.Health.Skew.Abs())))
	}
	for _, n := range s.Notices {
		second.Add(theme.Warn, n.String())
	}
	if r := second.Rich(); len(r) > 0 {
		out = append(out, r)
	}
	return out
}

func who(env *pane.Env, line *widget.Join, s *vault.Status) {
	if s.Token == nil {
		line.Add(theme.Warn, "who the token is cannot be read")
		return
	}
	line.Add(theme.Text, "as "+s.Token.Name.String())
	if left, ends := s.Token.Left(env.Now); ends {
		token := theme.Muted
		if left < 10*time.Minute {
			token = theme.Warn
		}
		line.Add(token, "token ends in "+widget.Countdown(left))
	}
	names := make([]string, 0, len(s.Token.Policies))
	for _, p := range s.Token.Policies {
		names = append(names, p.String())
	}
	line.Add(theme.Muted, widget.List(names, 4))
}

// where says what is listed, when, and how long that took.
func (p *Pane) where(env *pane.Env) widget.Rich {
	line := widget.NewJoin(env.Styles)
	if p.busy != "" {
		line.Add(theme.Info, p.busy+"…")
	}
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
		line.Add(theme.Muted, fmt.Sprintf("%d of %d shown", p.table.Len(), len(p.rows)))
	}
	v := p.shown
	if v.found == nil || v.prefix == "" && !v.all {
		return line.Rich()
	}
	count := fmt.Sprintf("%d leases", v.found.Total)
	if n := len(v.found.Folders); n > 0 {
		count += fmt.Sprintf(", %d levels below", n)
	}
	line.Add(theme.Text, count)
	if v.found.Sampled {
		line.Add(theme.Warn, fmt.Sprintf("%d of them looked up at random", len(v.found.Leases)))
	}
	line.Add(theme.Muted, "listed at "+v.at.In(env.Now.Location()).Format(time.TimeOnly)+" in "+v.took.Round(10*time.Millisecond).String())
	return line.Rich()
}

func failure(env *pane.Env, f *vault.Failure, w int) []widget.Rich {
	return widget.Trouble(env.Styles, f.Severity(), f.Text, f.Next, w)
}

// empty is what stands where there are no rows, and why there are none.
func (p *Pane) empty(env *pane.Env, w int) []widget.Rich {
	switch {
	case p.failed != nil:
		return failure(env, p.failed, w)
	case p.conn == nil:
		return []widget.Rich{widget.Say(theme.Info, env.Styles.Sign(live.Info)+" connecting to Vault")}
	case len(p.rows) > 0:
		return []widget.Rich{widget.Plain(fmt.Sprintf("None of %d rows matches %s", len(p.rows), p.filter))}
	case p.shown.prefix == "" && !p.shown.all:
		return []widget.Rich{widget.Plain("The token sees no mount that issues leases. With a lease's ID: midwatch secrets leases ID")}
	}
	return []widget.Rich{widget.Plain("No leases here.")}
}

// below is what is open under the list.
func (p *Pane) below(env *pane.Env, w int) []widget.Rich {
	switch {
	case p.rights && p.conn != nil:
		return p.missing(env)
	case p.detail:
		if r, ok := p.table.Selected(); ok && r.lease != nil {
			return full(env, r, w)
		}
	}
	var out []widget.Rich
	if f := p.shown.found; f != nil {
		if f.Sampled {
			out = append(out, nil)
			out = append(out, p.histogram(env, f)...)
		}
		for _, err := range f.Notes {
			out = append(out, failure(env, vault.Explain(err), w)...)
		}
	}
	return out
}

func (p *Pane) missing(env *pane.Env) []widget.Rich {
	missing := p.conn.Status.Caps.Missing()
	if len(missing) == 0 {
		return []widget.Rich{nil, widget.Say(theme.OK, env.Styles.Sign(live.OK)+" The token has every right that midwatch uses here.")}
	}
	out := []widget.Rich{nil, widget.Say(theme.Title, "Lines of policy the token does not have:")}
	for _, r := range missing {
		out = append(out, widget.Plain("  "+r.HCL()))
	}
	return out
}

func (p *Pane) histogram(env *pane.Env, f *desk.Found) []widget.Rich {
	h := lease.NewHistogram(f.Leases, f.Total, env.Now, p.desk.Warn())
	out := []widget.Rich{widget.Say(theme.Title, fmt.Sprintf("When they end, estimated from %d of %d:", h.Sampled, h.Total))}
	for _, b := range h.Buckets {
		if b.Count == 0 {
			continue
		}
		line := widget.Rich{{Token: theme.Text, Text: fmt.Sprintf("  %-12s ", b.Label)}}
		line = append(line, widget.Bar(env.Styles, []widget.Segment{{N: b.Count, Token: theme.Info}, {N: h.Sampled - b.Count, Token: theme.Faint, Fill: widget.Hollow}}, 24)...)
		out = append(out, append(line, widget.Piece{Token: theme.Muted, Text: fmt.Sprintf(" about %d", b.Estimate)}))
	}
	return out
}

// full is everything that is known of a lease.
func full(env *pane.Env, r row, w int) []widget.Rich {
	l, v := r.lease, r.verdict
	out := []widget.Rich{nil}
	out = append(out, widget.Rich{{Token: theme.Severity(v.Severity), Text: string(v.State) + ": "}, {Token: theme.Text, Text: v.Message}}.Wrap(max(w, 1), 2)...)
	add := func(name, value string) {
		if value != "" {
			out = append(out, widget.Rich{{Token: theme.Muted, Text: fmt.Sprintf("%-12s", name)}, {Token: theme.Text, Text: value}}.Wrap(max(w, 1), 12)...)
		}
	}
	add("lease", l.ID.String())
	add("error", l.Error.String())
	held(add, env, &r.holder)
	if !v.Ends.IsZero() {
		add("ends", stamp(env, v.Ends)+" "+v.Bound)
	}
	add("issued", stamp(env, l.Issued))
	switch {
	case !l.LastRenewal.IsZero():
		add("renewed", stamp(env, l.LastRenewal))
	case !l.Issued.IsZero():
		add("renewed", "never")
	}
	switch last := l.LastEnd(); {
	case !last.IsZero():
		add("at most", stamp(env, last)+", by its role's maximum")
	case l.Renewable:
		add("at most", "not known: the role's maximum cannot be read")
	}
	if l.Role != nil {
		add("role", fmt.Sprintf("%s on the database %s", l.Role.Name, l.Role.Database))
		add("creates", foreign.Clean(l.Role.Creation.String()).String())
	}
	return out
}

// shortHolder is who holds a lease as the board names workloads.
func shortHolder(h *ledger.Holder) string {
	if len(h.Workloads) == 0 {
		return h.Text().String()
	}
	w := h.Workloads[0]
	text := k8s.ShortKind(w.Kind) + "/" + w.Name
	if n := len(h.Workloads); n > 1 {
		text += fmt.Sprintf(" and %d more", n-1)
	}
	return text
}

// held says who holds the lease, and how that is known.
func held(add func(name, value string), env *pane.Env, h *ledger.Holder) {
	for i, w := range h.Workloads {
		name := "held by"
		switch {
		case i > 0:
			name = ""
		case !h.Proven():
			name = "may be of"
		}
		if i == maxHolders {
			add("", fmt.Sprintf("and %d more", len(h.Workloads)-i))
			break
		}
		add(name, fmt.Sprintf("%s, evidence: %s", w.Text(), h.Evidence()))
	}
	if h.By == "" {
		return
	}
	text := h.By
	if h.Secret != "" {
		text += " into Secret " + h.Secret
	}
	switch {
	case !h.Proven() || h.Renews.IsZero():
	case h.Renews.After(env.Now):
		text += ", renews it next at " + stamp(env, h.Renews)
	default:
		text += ", was due to renew it at " + stamp(env, h.Renews)
	}
	add("brought by", text)
	add("", h.Problem.String())
	for _, w := range h.Restarts {
		add("", "restarts "+w.String()+" by itself when it has new credentials")
	}
}

// maxHolders is how many holders are listed by name.
const maxHolders = 4

func stamp(env *pane.Env, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(env.Now.Location()).Format(time.DateTime)
}

func columns() []widget.Column[row] {
	return []widget.Column[row]{
		{ID: "sign", Min: 1, Cell: func(d widget.Draw, r row) widget.Rich {
			if r.lease == nil {
				return widget.Say(theme.Muted, "+")
			}
			return widget.Say(theme.Severity(r.verdict.Severity), d.Styles.Sign(r.verdict.Severity))
		}},
		{ID: "ends", Title: "ends in", Min: 8, Right: true, Cell: endCell},
		{ID: "left", Title: "left", Min: 10, Optional: 1, Cell: barCell},
		{
			ID: "state", Title: "state", Min: 13, Max: 15, Measure: func(r row) int { return len(r.verdict.State) },
			Cell: func(_ widget.Draw, r row) widget.Rich {
				return widget.Say(theme.Severity(r.verdict.Severity), string(r.verdict.State))
			},
		},
		{
			ID: "lease", Title: "lease", Min: 36, Flex: 3, Middle: true,
			Cell: func(_ widget.Draw, r row) widget.Rich {
				if r.lease == nil {
					return widget.Say(theme.Text, foreign.CleanN(r.folder, 300).String())
				}
				return widget.Rich{{Token: theme.Text, Text: r.lease.ID.Path().String() + "/"}, {Token: theme.Muted, Text: r.lease.ID.Short()}}
			},
		},
		{
			ID: "holder", Title: "held by", Min: 22, Flex: 3, Optional: 2, Middle: true,
			Cell: func(_ widget.Draw, r row) widget.Rich {
				text := shortHolder(&r.holder)
				if text == "" {
					return nil
				}
				token := theme.Text
				if !r.holder.Proven() {
					text, token = text+" ("+string(r.holder.Evidence())+")", theme.Muted
				}
				return widget.Say(token, text)
			},
		},
		{
			ID: "what", Title: "what", Min: 24, Flex: 3, Optional: 3,
			Cell: func(_ widget.Draw, r row) widget.Rich {
				switch {
				case r.lease == nil:
					return widget.Say(theme.Muted, "enter lists it")
				case r.lease.Error != "":
					return widget.Plain(r.lease.Error.String())
				}
				return widget.Say(theme.Muted, r.verdict.Message)
			},
		},
	}
}

func endCell(d widget.Draw, r row) widget.Rich {
	if r.lease == nil || r.verdict.Ends.IsZero() {
		return nil
	}
	left := r.verdict.Ends.Sub(d.Now)
	if left <= 0 {
		return widget.Say(theme.Severity(r.verdict.Severity), "over")
	}
	return widget.Say(theme.Severity(r.verdict.Severity), widget.Countdown(left))
}

// barCell is the part of its life that a lease has left.
func barCell(d widget.Draw, r row) widget.Rich {
	if r.lease == nil || r.verdict.Left < 0 {
		return nil
	}
	const width = 10
	span := r.lease.Span()
	left := 0.0
	if span > 0 {
		left = min(max(float64(r.verdict.Ends.Sub(d.Now))/float64(span), 0), 1)
	}
	n := int(left*width + 0.5)
	return widget.Bar(d.Styles, []widget.Segment{
		{N: n, Token: theme.Severity(r.verdict.Severity)}, {N: width - n, Token: theme.Faint, Fill: widget.Hollow},
	}, width)
}
