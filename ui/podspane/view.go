package podspane

import (
	"fmt"
	"strconv"
	"strings"

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// severity is how bad a pod's state is by itself.
func severity(s k8s.PodState) live.Severity {
	switch s {
	case k8s.PodFailed, k8s.PodCrashing, k8s.PodWaiting:
		return live.Fail
	case k8s.PodPending, k8s.PodUnready:
		return live.Warn
	case k8s.PodReady, k8s.PodTerminating:
		return live.Info
	}
	return live.OK
}

// View draws the pods, or says why there are none.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	head := p.head(env)
	if r.H < 6 {
		head = head[:min(len(head), max(0, r.H-3))]
	}
	p.table.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}

func (p *Pane) head(env *pane.Env) []widget.Rich {
	if len(p.pods) == 0 {
		return nil
	}
	head := []widget.Rich{p.summary(env)}
	if state := widget.StateLine(env.Styles, p.snapshot, "pods", env.Now); state != nil && p.snapshot.State != live.Loading {
		head = append(head, state)
	}
	return head
}

// summary counts the pods by state, the worst first.
func (p *Pane) summary(env *pane.Env) widget.Rich {
	line := widget.NewJoin(env.Styles)
	for s, n := range p.counts {
		if n > 0 {
			state := k8s.PodState(s)
			line.Add(theme.Severity(severity(state)), fmt.Sprintf("%d %s", n, state))
		}
	}
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
		line.Add(theme.Muted, fmt.Sprintf("%d of %d shown", p.table.Len(), len(p.pods)))
	}
	if busy := p.verbs.Busy(); busy != "" {
		line.Add(theme.Info, busy+" is being made")
	}
	if p.loading || p.snapshot.State == live.Loading {
		line.Add(theme.Muted, fmt.Sprintf("still arriving, %d so far", len(p.pods)))
	}
	if p.missing {
		line.Add(theme.Warn, p.target.String()+" is gone")
	}
	return line.Rich()
}

// empty is what stands where there are no pods, and why there are none.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	if state := widget.StateLine(st, p.snapshot, "pods", env.Now); state != nil {
		return []widget.Rich{state}
	}
	switch {
	case len(p.pods) > 0:
		return []widget.Rich{
			widget.Plain(fmt.Sprintf("None of %d pods matches %s", len(p.pods), p.filter)),
			widget.Say(theme.Muted, "/ changes the filter, esc drops it."),
		}
	case p.missing:
		return []widget.Rich{widget.Say(theme.Warn, st.Sign(live.Warn)+" "+p.target.String()+" is gone, or not in the scope.")}
	case p.loading:
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" loading pods: none so far")}
	case p.target.IsZero():
		return []widget.Rich{widget.Plain("There are no pods.")}
	}
	return []widget.Rich{widget.Plain(p.target.String() + " has no pods.")}
}

// columns are the table's. Only a list of the scope shows namespaces, only a
// workload's shows which revision a pod is of.
func (p *Pane) columns() []widget.Column[row] {
	list := []widget.Column[row]{{ID: "sign", Min: 1, Cell: signCell}}
	if p.target.IsZero() {
		list = append(list, text("namespace", 6, 20, 3, func(r row) string { return r.Namespace }, theme.Muted))
	}
	list = append(list,
		middle(text("pod", 22, 56, 0, func(r row) string { return r.Name }, theme.Text)),
		widget.Column[row]{ID: "state", Title: "state", Min: 18, Want: 30, Flex: 1, Cell: stateCell},
		widget.Column[row]{
			ID: "ready", Title: "ready", Min: 5, Max: 7, Right: true, Optional: 2,
			Measure: func(r row) int { return widget.Digits(r.ContainersReady) + 1 + widget.Digits(r.Containers) },
			Cell:    func(_ widget.Draw, r row) widget.Rich { return widget.Plain(containersReady(r)) },
		},
		widget.Column[row]{
			ID: "restarts", Title: "restarts", Min: 8, Max: 12, Right: true, Optional: 4,
			Measure: func(r row) int {
				if r.Restarts == 0 {
					return 1
				}
				return widget.Digits(r.Restarts) + len(" ()") + widget.AgeWidth
			},
			Cell: restartsCell,
		})
	if !p.target.IsZero() {
		list = append(list, text("rev", 3, 3, 5, func(r row) string { return p.revision(r.PodRow) }, theme.Muted))
	}
	return append(list,
		text("node", 8, 24, 6, func(r row) string { return r.Node }, theme.Muted),
		widget.Column[row]{
			ID: "age", Title: "age", Min: widget.AgeWidth, Right: true, Optional: 1,
			Cell: func(d widget.Draw, r row) widget.Rich { return widget.Say(theme.Muted, widget.Since(d.Now, r.Created)) },
		})
}

// text is a column of plain text.
func text(id string, least, most, optional int, value func(row) string, token theme.Token) widget.Column[row] {
	return widget.Column[row]{
		ID: id, Title: id, Min: least, Max: most, Optional: optional,
		Measure: func(r row) int { return widget.Width(value(r)) },
		Cell:    func(_ widget.Draw, r row) widget.Rich { return widget.Say(token, value(r)) },
	}
}

func middle(c widget.Column[row]) widget.Column[row] {
	c.Middle = true
	return c
}

func signCell(d widget.Draw, r row) widget.Rich {
	sev := severity(r.state)
	return widget.Say(theme.Severity(sev), d.Styles.Sign(sev))
}

func containersReady(r row) string {
	return strconv.Itoa(r.ContainersReady) + "/" + strconv.Itoa(r.Containers)
}

// stateCell is the state in a word, the kubelet's own word for it, how the
// last container ended, and what was said.
func stateCell(_ widget.Draw, r row) widget.Rich {
	out := widget.Say(theme.Severity(severity(r.state)), r.state.String())
	var rest []string
	if r.Reason != "" {
		rest = append(rest, r.Reason)
	}
	if r.ExitReason != "" && r.state != k8s.PodAvailable {
		rest = append(rest, fmt.Sprintf("last exit %d %s", r.ExitCode, r.ExitReason))
	}
	if r.Message != "" {
		rest = append(rest, r.Message.String())
	}
	if len(rest) > 0 {
		out = append(out, widget.Piece{Token: theme.Text, Text: " " + strings.Join(rest, ": ")})
	}
	return out
}

// restartsCell is how often, and how long ago last: "12 (3m)".
func restartsCell(d widget.Draw, r row) widget.Rich {
	if r.Restarts == 0 {
		return widget.Say(theme.Muted, "0")
	}
	s := strconv.Itoa(r.Restarts)
	if !r.LastRestart.IsZero() {
		s += " (" + widget.Since(d.Now, r.LastRestart) + ")"
	}
	return widget.Say(theme.Warn, s)
}
