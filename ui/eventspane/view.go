package eventspane

import (
	"fmt"
	"strconv"

	"midwatch/k8s"
	"midwatch/k8s/podinfo"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// View draws the events, above them a pod's containers, below them the
// selected event in full when it is open.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	st := env.Styles
	head := p.head(env)
	head = head[:min(len(head), max(0, r.H/2))]
	var detail []widget.Rich
	if e, ok := p.table.Selected(); ok && p.detail {
		detail = p.full(env, e, r.W)
		detail = detail[:min(len(detail), max(0, (r.H-len(head))/2))]
	}
	p.table.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(st, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head) - len(detail)})),
		widget.Lines(st, detail, r.W, len(detail)),
	)
}

func (p *Pane) head(env *pane.Env) []widget.Rich {
	head := p.containers(env)
	line := widget.NewJoin(env.Styles)
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
		line.Add(theme.Muted, fmt.Sprintf("%d of %d shown", p.table.Len(), len(p.all)))
	}
	if p.watched != nil && p.watched.Dropped > 0 {
		line.Add(theme.Muted, fmt.Sprintf("%d older ones were let go", p.watched.Dropped))
	}
	if p.watched != nil && p.watched.Loading && len(p.all) > 0 {
		line.Add(theme.Muted, "more are arriving")
	}
	if !p.ref.IsZero() {
		p.readState(env, line)
	}
	if r := line.Rich(); len(r) > 0 {
		head = append(head, r)
	}
	if len(p.all) > 0 && p.snapshot.State != live.Loading {
		if state := widget.StateLine(env.Styles, p.snapshot, "events", env.Now); state != nil {
			head = append(head, state)
		}
	}
	return head
}

// readState says how fresh the events are that are not watched.
func (p *Pane) readState(env *pane.Env, line *widget.Join) {
	switch {
	case p.reads.Events == nil:
		line.Add(theme.Muted, "warnings only")
	case p.read.err != "":
		line.Add(theme.Warn, p.read.err.String()+" (R tries again)")
	case !p.read.done:
		line.Add(theme.Info, "reading all events")
	default:
		line.Add(theme.Muted, "all types as of "+widget.Since(env.Now, p.read.at)+" ago, warnings come by themselves")
		if p.more {
			line.Add(theme.Warn, "there are older ones")
		}
	}
}

// containers is a line for each of a pod's containers.
func (p *Pane) containers(env *pane.Env) []widget.Rich {
	if p.ref.Kind != "Pod" || p.reads.Containers == nil {
		return nil
	}
	switch {
	case p.inside.err != "":
		return []widget.Rich{widget.Say(theme.Warn, env.Styles.Sign(live.Warn)+" "+p.inside.err.String())}
	case !p.inside.done:
		return []widget.Rich{widget.Say(theme.Info, env.Styles.Sign(live.Info)+" reading its containers")}
	}
	width := 0
	for i := range p.inside.value {
		width = max(width, widget.Width(p.inside.value[i].Name))
	}
	var out []widget.Rich
	for i := range p.inside.value {
		out = append(out, containerLine(env, &p.inside.value[i], min(width, 24)))
	}
	return out
}

func containerLine(env *pane.Env, c *podinfo.Container, width int) widget.Rich {
	st, sev := env.Styles, containerSeverity(c)
	out := widget.Rich{
		{Token: theme.Severity(sev), Text: st.Sign(sev) + " "},
		{Token: theme.Text, Text: widget.PadMiddle(st, c.Name, width) + " "},
	}
	line := widget.NewJoin(st)
	state := string(c.State)
	if c.Role != podinfo.Main {
		state = string(c.Role) + ", " + state
	}
	if c.Reason != "" {
		state += " " + c.Reason
	}
	if c.State == podinfo.Running {
		state += " for " + widget.Since(env.Now, c.Since)
		if !c.Ready && c.Role != podinfo.Ephemeral {
			state += ", not ready"
		}
	}
	line.Add(theme.Severity(sev), state)
	if c.Restarts > 0 {
		line.Add(theme.Warn, fmt.Sprintf("%d restarts", c.Restarts))
	}
	if c.Ended != nil {
		line.Add(theme.Text, fmt.Sprintf("ended %d %s %s ago", c.Ended.ExitCode, c.Ended.Reason, widget.Since(env.Now, c.Ended.At)))
		line.Add(theme.Text, c.Ended.Message.String())
	}
	line.Add(theme.Text, c.Message.String())
	line.Add(theme.Muted, c.Image.String())
	return append(out, line.Rich()...)
}

func containerSeverity(c *podinfo.Container) live.Severity {
	failed := c.Ended != nil && c.Ended.ExitCode != 0
	switch c.State {
	case podinfo.Running:
		if c.Ready || c.Role == podinfo.Ephemeral || c.Role == podinfo.Init {
			return live.OK
		}
		return live.Warn
	case podinfo.Terminated:
		if failed {
			return live.Fail
		}
		return live.OK
	case podinfo.Waiting:
		if failed || (c.Reason != "ContainerCreating" && c.Reason != "PodInitializing") {
			return live.Fail
		}
	}
	return live.Info
}

// full is one event with everything that is known of it.
func (p *Pane) full(env *pane.Env, e *k8s.Event, w int) []widget.Rich {
	line := widget.NewJoin(env.Styles)
	line.Add(theme.Title, e.Reason)
	line.Add(theme.Text, e.Involved.String())
	line.Add(theme.Muted, e.FieldPath)
	line.Add(theme.Muted, e.Source)
	line.Add(theme.Muted, count(env.Draw(pane.Rect{}), e))
	line.Add(theme.Muted, "first "+widget.Since(env.Now, e.First)+" ago, last at "+e.Last.In(env.Now.Location()).Format("15:04:05"))
	out := []widget.Rich{nil}
	out = append(out, line.Rich().Wrap(max(w, 1), 2)...)
	return append(out, widget.Plain(e.Message.String()).Wrap(max(w, 1), 0)...)
}

// empty is what stands where there are no events, and why there are none.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	if state := widget.StateLine(st, p.snapshot, "events", env.Now); state != nil {
		return []widget.Rich{state}
	}
	switch {
	case len(p.all) > 0:
		return []widget.Rich{
			widget.Plain(fmt.Sprintf("None of %d events matches %s", len(p.all), p.filter)),
			widget.Say(theme.Muted, "/ changes the filter, esc drops it."),
		}
	case p.watched != nil && p.watched.Loading:
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" loading events: none so far")}
	case p.ref.IsZero():
		return []widget.Rich{widget.Say(theme.OK, st.Sign(live.OK)+" No warnings. The server forgets events after an hour, unless told otherwise.")}
	}
	return []widget.Rich{widget.Plain("No events about " + p.ref.String() + ". The server forgets them after an hour, unless told otherwise.")}
}

func (p *Pane) columns() []widget.Column[*k8s.Event] {
	list := []widget.Column[*k8s.Event]{
		{ID: "sign", Min: 1, Cell: signCell},
		{ID: "age", Title: "age", Min: widget.AgeWidth, Right: true, Cell: func(d widget.Draw, e *k8s.Event) widget.Rich {
			return widget.Say(theme.Muted, widget.Since(d.Now, e.Last))
		}},
		{
			ID: "count", Title: "count", Min: 5, Max: 8, Right: true, Optional: 1,
			Measure: func(e *k8s.Event) int { return len(strconv.Itoa(e.Count)) + 2 },
			Cell:    func(d widget.Draw, e *k8s.Event) widget.Rich { return widget.Say(theme.Muted, count(d, e)) },
		},
		{
			ID: "reason", Title: "reason", Min: 10, Max: 24,
			Measure: func(e *k8s.Event) int { return widget.Width(e.Reason) },
			Cell: func(_ widget.Draw, e *k8s.Event) widget.Rich {
				return widget.Say(theme.Severity(severity(e)), e.Reason)
			},
		},
	}
	if p.ref.Kind != "Pod" {
		list = append(list, widget.Column[*k8s.Event]{
			ID: "object", Title: "object", Min: 16, Max: 48, Optional: 2, Middle: true,
			Measure: func(e *k8s.Event) int { return widget.Width(e.Involved.Name) + len(e.Involved.Kind) + 1 },
			Cell: func(_ widget.Draw, e *k8s.Event) widget.Rich {
				return widget.Rich{{Token: theme.Muted, Text: k8s.ShortKind(e.Involved.Kind) + "/"}, {Token: theme.Text, Text: e.Involved.Name}}
			},
		})
	}
	return append(list, widget.Column[*k8s.Event]{
		ID: "message", Title: "message", Min: 24, Flex: 1,
		Cell: func(_ widget.Draw, e *k8s.Event) widget.Rich { return widget.Plain(e.Message.String()) },
	})
}

func severity(e *k8s.Event) live.Severity {
	if e.Type == "Warning" {
		return live.Warn
	}
	return live.OK
}

func signCell(d widget.Draw, e *k8s.Event) widget.Rich {
	if e.Type == "Warning" {
		return widget.Say(theme.Warn, d.Styles.Sign(live.Warn))
	}
	return nil
}

// count is how often at least: recorders drop what repeats too fast.
func count(d widget.Draw, e *k8s.Event) string {
	switch {
	case e.Count <= 1:
		return ""
	case d.Styles.Options.ASCII:
		return ">=" + strconv.Itoa(e.Count) + "x"
	}
	return "≥" + strconv.Itoa(e.Count) + "×"
}
