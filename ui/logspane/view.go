package logspane

import (
	"fmt"

	"midwatch/k8s/podlog"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// stampLayout is how a line's time is shown.
const stampLayout = "15:04:05.000 "

// View draws the log under a line of what it is.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if words := p.empty(env); words != nil {
		return widget.Lines(env.Styles, words, r.W, r.H)
	}
	head := []widget.Rich{p.head(env)}
	if r.H < 4 {
		head = nil
	}
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.text.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}

// head says what is being read and what is not.
func (p *Pane) head(env *pane.Env) widget.Rich {
	line := widget.NewJoin(env.Styles)
	switch {
	case p.previous:
		line.Add(theme.Chip, "previous")
	case p.failed == "" && p.status.Ended:
		line.Add(theme.Muted, "ended")
	case p.text.Following():
		line.Add(theme.OK, "following")
	case p.unread > 0:
		line.Add(theme.Chip, fmt.Sprintf("standing still, %d new below", p.unread))
	default:
		line.Add(theme.Chip, "standing still")
	}
	if p.failed != "" {
		line.Add(theme.Fail, p.failed)
	}
	if p.status.Capped > 0 {
		line.Add(theme.Warn, fmt.Sprintf("%s %d of %d pods", env.Styles.Sign(live.Warn), p.status.Pods-p.status.Capped, p.status.Pods))
	} else if p.status.Pods > 1 {
		line.Add(theme.Muted, fmt.Sprintf("%d pods", p.status.Pods))
	}
	if f := &p.lines.filter; f.Active() {
		line.Add(theme.Chip, "/"+f.String())
		line.Add(theme.Muted, fmt.Sprintf("%d of %d lines shown", len(p.lines.some), len(p.lines.all)))
	} else {
		line.Add(theme.Muted, counted(uint64(len(p.lines.all)), "line"))
	}
	if gone := p.gone(); gone > 0 {
		line.Add(theme.Warn, fmt.Sprintf("%d older ones let go", gone))
	}
	line.Add(theme.Muted, p.containerWords())
	if p.span != lastLines {
		line.Add(theme.Muted, p.span.String())
	}
	return line.Rich()
}

// gone is how many lines the stream read that are not here any more: let go
// by the pane, or by the stream before the pane came to take them.
func (p *Pane) gone() uint64 { return p.seen - uint64(len(p.lines.all)) }

func (p *Pane) containerWords() string {
	switch {
	case p.container == podlog.AllContainers:
		return "all containers"
	case p.container != "":
		return "container " + p.container
	case len(p.status.Containers) > 1:
		return fmt.Sprintf("1 of %d containers", len(p.status.Containers))
	}
	return ""
}

func counted(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// empty is what stands where there are no lines, and why there are none; nil
// when there are some.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	if len(p.lines.shown()) > 0 {
		return nil
	}
	st := env.Styles
	info := func(text string) []widget.Rich {
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" "+text)}
	}
	switch {
	case p.ref.IsZero():
		return []widget.Rich{widget.Plain("Nothing is selected.")}
	case p.failed != "":
		return []widget.Rich{
			widget.Say(theme.Fail, st.Sign(live.Fail)+" "+p.failed),
			widget.Say(theme.Muted, "ctrl+r tries again."),
		}
	case len(p.lines.all) > 0:
		return []widget.Rich{
			widget.Plain(fmt.Sprintf("None of %s matches %s", counted(uint64(len(p.lines.all)), "line"), p.lines.filter)),
			widget.Say(theme.Muted, "/ changes the filter, esc drops it."),
		}
	}
	if words := p.noPods(env); words != nil {
		return words
	}
	switch {
	case p.stream == nil:
		return info("opening the " + p.Title())
	case p.status.Ended:
		return []widget.Rich{widget.Plain("The log is empty.")}
	case p.span.since() > 0:
		return info("no line so far, " + p.span.String())
	}
	return info("no line so far")
}

// noPods says why a workload has nothing to read; nil when it has.
func (p *Pane) noPods(env *pane.Env) []widget.Rich {
	if !p.isWorkload() || len(p.targets()) > 0 {
		return nil
	}
	st := env.Styles
	if state := widget.StateLine(st, p.workload, "pods", env.Now); state != nil {
		return []widget.Rich{state}
	}
	d, ok := p.workload.Value.(*watch.Detail)
	switch {
	case !ok || d.PodsLoading:
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" loading the pods of "+p.ref.String())}
	case d.Missing:
		return []widget.Rich{widget.Say(theme.Warn, st.Sign(live.Warn)+" "+p.ref.String()+" is gone, or not in the scope.")}
	case len(p.pods) > 0:
		return []widget.Rich{
			widget.Plain("None of its " + counted(uint64(len(p.pods)), "pod") + " ever restarted: there are no previous logs."),
			widget.Say(theme.Muted, "p reads what they write now."),
		}
	}
	return []widget.Rich{widget.Plain(p.ref.String() + " has no pods.")}
}

// source draws the shown lines.
type source struct{ p *Pane }

// Len is how many there are.
func (s source) Len() int { return len(s.p.lines.shown()) }

// Line is one of them.
func (s source) Line(i int) widget.Rich {
	p := s.p
	e := &p.lines.shown()[i]
	more, rule := "…", "──"
	if p.env.Styles.Options.ASCII {
		more, rule = "~", "--"
	}
	var out widget.Rich
	if p.stamps {
		out = append(out, widget.Piece{Token: theme.Muted, Text: p.stamp(e)})
	}
	if label, ok := p.labels.piece(&e.Line, more); ok {
		out = append(out, label)
	}
	if e.Note {
		return append(out, widget.Piece{Token: theme.Info, Text: rule + " " + e.Text.String() + " " + rule})
	}
	return append(out, widget.Piece{Token: theme.Text, Text: e.Text.String()})
}

// stamp is when a line was written, by the clock of whoever reads it.
func (p *Pane) stamp(e *entry) string {
	if e.At.IsZero() {
		return widget.Pad("", len(stampLayout), "")
	}
	return e.At.In(p.env.Now.Location()).Format(stampLayout)
}
