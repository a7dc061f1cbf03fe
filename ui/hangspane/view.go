package hangspane

import (
	"fmt"
	"strings"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/depend"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// View draws what the workload hangs on, or says why that is not there.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if p.outline.SetWidth(r.W) {
		p.arrange()
	}
	head := p.head(env, r.W)
	head = head[:min(len(head), max(0, r.H/2))]
	p.outline.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.outline.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}

// arrange makes the lines.
func (p *Pane) arrange() {
	if p.env == nil {
		return
	}
	o := p.outline
	o.Begin()
	if p.report != nil {
		for i := range p.report.Sections {
			p.section(&p.report.Sections[i])
		}
	}
	o.End()
}

func (p *Pane) section(s *depend.Section) {
	o, sev := p.outline, s.Severity()
	if len(s.Gaps) > 0 && live.Unknown.Rank() < sev.Rank() {
		sev = live.Unknown
	}
	name := "section/" + string(s.Area)
	o.Heading(string(s.Area), false, widget.Entry[*depend.Item]{Draw: func(d widget.Draw) widget.Rich {
		out := widget.Rich{{Token: theme.Severity(sev), Text: d.Styles.Sign(sev) + " "}, {Token: theme.Title, Text: s.Title}}
		switch {
		case len(s.Items) > 1:
			out = append(out, widget.Piece{Token: theme.Muted, Text: fmt.Sprintf("  %d", len(s.Items))})
		case len(s.Items) == 0 && len(s.Gaps) == 0:
			out = append(out, widget.Piece{Token: theme.Muted, Text: "  " + s.Empty})
		}
		return out
	}})
	for i, g := range s.Gaps {
		text := g.Err.String()
		if text == "" {
			text = g.What + ": " + g.State.String()
		}
		o.Text(fmt.Sprintf("%s/gap/%d", name, i), nil, widget.Say(theme.Warn, "    "+p.env.Styles.Sign(live.Unknown)+" "+text), 6)
	}
	for i := range s.Items {
		if it := &s.Items[i]; p.matches(it) {
			p.item(name, it)
		}
	}
	o.Close()
}

func (p *Pane) matches(it *depend.Item) bool {
	if !p.filter.Active() {
		return true
	}
	texts := []string{it.Ref.Kind, it.Ref.Name, it.Text.String(), strings.Join(it.Uses, " ")}
	for _, n := range it.Notes {
		texts = append(texts, n.Text.String())
	}
	return p.filter.Match(texts...)
}

// item is one object: its sentence, what changed, what else is worth knowing,
// and at the end how it is used.
func (p *Pane) item(section string, it *depend.Item) {
	o, st := p.outline, p.env.Styles
	key := section + "/" + it.Ref.Key() + "/" + it.Text.String()
	head := widget.Rich{{Token: theme.Severity(it.Severity), Text: "  " + st.Sign(it.Severity) + " "}}
	if it.Ref.Key() != p.target.Key() {
		head = append(head, widget.Piece{Token: theme.Muted, Text: k8s.ShortKind(it.Ref.Kind) + "/"}, widget.Piece{Token: theme.Title, Text: it.Ref.Name + "  "})
	}
	head = append(head, widget.Piece{Token: sentence(it.Severity), Text: it.Text.String()})
	o.Text(key, it, head, 6)
	for i, n := range it.Notes {
		if n.Severity == live.OK {
			o.Text(fmt.Sprintf("%s/note/%d", key, i), it, widget.Say(theme.Muted, "      "+n.Text.String()), 8)
			continue
		}
		o.Text(fmt.Sprintf("%s/note/%d", key, i), it, widget.Say(theme.Severity(n.Severity), "      "+st.Sign(n.Severity)+" "+n.Text.String()), 8)
	}
	if !it.Changed.IsZero() {
		o.Add(widget.Entry[*depend.Item]{Key: key + "/changed", Of: it, Ages: []time.Time{it.Changed}, Draw: func(d widget.Draw) widget.Rich {
			line := widget.NewJoin(d.Styles)
			line.Add(theme.Muted, "changed "+widget.Since(d.Now, it.Changed)+" ago")
			line.Add(theme.Muted, usedAs(it))
			return append(widget.Say(theme.Text, "      "), line.Rich()...)
		}})
	} else if len(it.Uses) > 0 {
		o.Text(key+"/uses", it, widget.Say(theme.Muted, "      "+usedAs(it)), 8)
	}
}

// sentence is how the text of an item looks: only trouble is coloured.
func sentence(sev live.Severity) theme.Token {
	if sev.Rank() <= live.Unknown.Rank() {
		return theme.Severity(sev)
	}
	return theme.Text
}

// maxUses is how many uses of one object are named.
const maxUses = 4

func usedAs(it *depend.Item) string {
	if len(it.Uses) == 0 {
		return ""
	}
	return "used as " + widget.List(it.Uses, maxUses)
}

// head is what stands above the list.
func (p *Pane) head(env *pane.Env, w int) []widget.Rich {
	if p.report == nil {
		return nil
	}
	line := widget.NewJoin(env.Styles)
	fail := p.report.Count(live.Fail)
	warn := p.report.Count(live.Warn) - fail
	if fail > 0 {
		line.Add(theme.Fail, fmt.Sprintf("%d broken", fail))
	}
	if warn > 0 {
		line.Add(theme.Warn, fmt.Sprintf("%d to look at", warn))
	}
	if fail+warn == 0 {
		line.Add(theme.OK, "nothing it hangs on is in the way")
	}
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
	}
	if p.reading {
		line.Add(theme.Info, "reading again")
	} else {
		line.Add(theme.Muted, "as of "+widget.Since(env.Now, p.report.At)+" ago, not watched")
	}
	head := []widget.Rich{line.Rich()}
	if state := widget.StateLine(env.Styles, p.snapshot, "this workload", env.Now); state != nil && p.snapshot.State != live.Loading {
		head = append(head, state)
	}
	if p.err != "" {
		head = append(head, widget.Say(theme.Warn, env.Styles.Sign(live.Warn)+" "+p.err.String()+" (R tries again)").Wrap(max(w, 8), 2)...)
	}
	return head
}

// empty is what stands where there is nothing, and why there is nothing.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	switch {
	case p.target.IsZero():
		return []widget.Rich{widget.Say(theme.Muted, "No workload is selected.")}
	case p.detail != nil && p.detail.Missing:
		return []widget.Rich{widget.Say(theme.Warn, st.Sign(live.Warn)+" "+p.target.String()+" is gone, or not in the scope.")}
	case p.report != nil:
		return []widget.Rich{widget.Plain("Nothing matches " + p.filter.String())}
	case p.err != "":
		return widget.Say(theme.Warn, st.Sign(live.Warn)+" "+p.err.String()+" (R tries again)").Wrap(max(p.outline.Width, 8), 2)
	}
	if state := widget.StateLine(st, p.snapshot, p.target.String(), env.Now); state != nil {
		return []widget.Rich{state}
	}
	return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" reading what "+p.target.String()+" hangs on")}
}
