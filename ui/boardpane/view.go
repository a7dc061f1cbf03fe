package boardpane

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// View draws what there is, in words where it is not simply a list.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	st := env.Styles
	head := p.head(env)
	if r.H < 6 {
		head = head[:min(len(head), max(0, r.H-3))]
	}
	body := r.H - len(head)
	detail := p.detail(env, r, body)
	body -= len(detail)
	p.table.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(st, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: body})),
		widget.Lines(st, detail, r.W, len(detail)),
	)
}

// head are the lines above the rows: the counts, and what is not known.
func (p *Pane) head(env *pane.Env) []widget.Rich {
	var head []widget.Rich
	if p.board != nil {
		head = append(head, p.counts(env))
	}
	if state := widget.StateLine(env.Styles, p.snapshot, "workloads", env.Now); state != nil && p.board != nil && p.snapshot.State != live.Loading {
		head = append(head, state)
	}
	if p.board != nil && len(p.board.Restricted) > 0 {
		text := "not judged: " + p.board.Restricted[0]
		if more := len(p.board.Restricted) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		head = append(head, widget.Rich{{Token: theme.Warn, Text: env.Styles.Sign(live.Warn) + " " + text}})
	}
	return head
}

// counts is "3 failing · 2 warning · 1 moving · 9 ok", and how the list was
// narrowed.
func (p *Pane) counts(env *pane.Env) widget.Rich {
	st := env.Styles
	var failing, warning, unknown, moving, noted, ok int
	for _, w := range p.board.Workloads {
		switch v := &w.Verdict; {
		case v.Severity == live.Fail:
			failing++
		case v.Severity == live.Warn:
			warning++
		case v.Severity == live.OK:
			ok++
		case v.Severity == live.Unknown:
			unknown++
		case v.Phase == k8s.PhaseProgressing:
			moving++
		default:
			noted++
		}
	}
	line := widget.NewJoin(st)
	count := func(n int, sev live.Severity, word string) {
		if n > 0 {
			line.Add(theme.Severity(sev), fmt.Sprintf("%d %s", n, word))
		}
	}
	count(failing, live.Fail, "failing")
	count(warning, live.Warn, "warning")
	count(unknown, live.Unknown, "unknown")
	count(moving, live.Info, "moving")
	count(noted, live.Info, "idle")
	count(ok, live.OK, "ok")
	if p.filter.Active() {
		line.Add(theme.Chip, fmt.Sprintf("/%s", p.filter))
		line.Add(theme.Muted, fmt.Sprintf("%d of %d shown", p.table.Len(), len(p.board.Workloads)))
	}
	if p.hideOK {
		line.Add(theme.Chip, "ok hidden")
	}
	if busy := p.verbs.Busy(); busy != "" {
		line.Add(theme.Info, busy+" is being made")
	}
	if arriving := p.arriving(); arriving != "" {
		line.Add(theme.Muted, arriving)
	}
	return line.Rich()
}

// arriving says which part is still on its way.
func (p *Pane) arriving() string {
	switch {
	case len(p.board.Loading) == 1 && p.board.Loading[0] == "pods", len(p.board.Loading) == 0 && p.board.PodsLoading:
		return fmt.Sprintf("pods still arriving, %d so far", p.board.Pods)
	case len(p.board.Loading) > 0:
		return "still arriving: " + widget.List(p.board.Loading, 3)
	}
	return ""
}

// empty is what stands where there are no rows, and why there are none.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	if p.board == nil {
		if state := widget.StateLine(st, p.snapshot, "workloads", env.Now); state != nil {
			return []widget.Rich{state}
		}
	}
	switch {
	case p.board == nil:
		return nil
	case len(p.board.Workloads) == 0 && (p.snapshot.State == live.Loading || len(p.board.Loading) > 0):
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" loading workloads: none so far")}
	case len(p.board.Workloads) == 0:
		return []widget.Rich{
			widget.Plain("No workloads in " + p.board.Scope.String() + "."),
			widget.Say(theme.Muted, "n chooses another namespace, 0 shows all."),
		}
	case p.filter.Active():
		return []widget.Rich{
			widget.Plain(fmt.Sprintf("None of %d workloads matches %s", len(p.board.Workloads), p.filter)),
			widget.Say(theme.Muted, "/ changes the filter, esc drops it."),
		}
	}
	return []widget.Rich{
		widget.Say(theme.OK, fmt.Sprintf("%s Nothing is in trouble: all %d workloads are ok.", st.Sign(live.OK), len(p.board.Workloads))),
		widget.Say(theme.Muted, "o shows them."),
	}
}

// detail is the selected workload's sentence in full, in a fixed place, where
// the column of reasons has to clip and there is room.
func (p *Pane) detail(env *pane.Env, r pane.Rect, body int) []widget.Rich {
	w, ok := p.table.Selected()
	lines := 2
	if body >= 24 {
		lines = 3
	}
	if !ok || body < 12 || r.W >= 160 {
		return nil
	}
	v := &w.Verdict
	text := widget.Rich{
		{Token: theme.Severity(v.Severity), Text: env.Styles.Sign(v.Severity) + " "},
		{Token: theme.Muted, Text: k8s.ShortKind(w.Kind) + "/" + w.Name + " "},
		{Token: theme.Text, Text: why(w)},
	}.Wrap(max(r.W, 1), 2)
	out := make([]widget.Rich, lines)
	copy(out, text)
	if len(text) > lines { // drawing it one cell too wide shows that there is more
		out[lines-1] = append(out[lines-1], text[lines]...)
	}
	return out
}

// why is the sentence shown for a workload.
func why(w *k8s.Workload) string {
	switch {
	case w.Verdict.Message != "":
		return w.Verdict.Message.String()
	case w.Verdict.Reason != "":
		return w.Verdict.Reason
	}
	return string(w.Verdict.Phase)
}

// columns are the table's; the namespace is shown when there can be several.
func columns(namespace bool) []widget.Column[*k8s.Workload] {
	list := []widget.Column[*k8s.Workload]{{ID: "sign", Min: 1, Cell: signCell}}
	if namespace {
		list = append(list, widget.Column[*k8s.Workload]{
			ID: "namespace", Title: "namespace", Min: 8, Max: 20, Optional: 2,
			Measure: func(w *k8s.Workload) int { return widget.Width(w.Namespace) },
			Cell:    func(_ widget.Draw, w *k8s.Workload) widget.Rich { return widget.Say(theme.Muted, w.Namespace) },
		})
	}
	return append(list,
		widget.Column[*k8s.Workload]{
			ID: "workload", Title: "workload", Min: 20, Max: 44, Middle: true,
			Measure: func(w *k8s.Workload) int { return len(k8s.ShortKind(w.Kind)) + 1 + widget.Width(w.Name) },
			Cell:    nameCell,
		},
		widget.Column[*k8s.Workload]{ID: "why", Title: "why", Min: 26, Want: 36, Flex: 1, Cell: whyCell},
		widget.Column[*k8s.Workload]{
			ID: "ready", Title: "ready", Min: 5, Max: 11, Right: true, Optional: 1,
			Measure: func(w *k8s.Workload) int {
				return widget.Digits(w.Rollout.TotalAvailable) + 1 + widget.Digits(w.Rollout.Desired)
			},
			Cell: readyCell,
		},
		widget.Column[*k8s.Workload]{
			ID: "hpa", Title: "hpa", Min: 10, Max: 18, Right: true, Optional: 3,
			Measure: func(w *k8s.Workload) int { return len(hpa(w, time.Time{})) + 2 },
			Cell:    hpaCell,
		},
		widget.Column[*k8s.Workload]{
			ID: "for", Title: "for", Min: widget.AgeWidth, Right: true,
			Cell: func(d widget.Draw, w *k8s.Workload) widget.Rich {
				return widget.Say(theme.Muted, widget.Since(d.Now, w.Verdict.Since))
			},
		})
}

func signCell(d widget.Draw, w *k8s.Workload) widget.Rich {
	sev := w.Verdict.Severity
	return widget.Say(theme.Severity(sev), d.Styles.Sign(sev))
}

func nameCell(_ widget.Draw, w *k8s.Workload) widget.Rich {
	return widget.Rich{{Token: theme.Muted, Text: k8s.ShortKind(w.Kind) + "/"}, {Token: theme.Text, Text: w.Name}}
}

// whyCell is the sentence, or where it does not fit its beginning that tells
// more.
func whyCell(d widget.Draw, w *k8s.Workload) widget.Rich {
	token := theme.Severity(w.Verdict.Severity)
	if w.Verdict.Severity == live.OK {
		token = theme.Muted
	}
	text := why(w)
	if widget.Width(text) > d.W {
		text = w.Verdict.Short()
	}
	return widget.Say(token, text)
}

// ready is available pods of wanted ones.
func ready(w *k8s.Workload) string {
	if w.Verdict.Severity == live.Unknown && w.Rollout.Desired == 0 {
		return "-"
	}
	return strconv.Itoa(w.Rollout.TotalAvailable) + "/" + strconv.Itoa(w.Rollout.Desired)
}

func readyCell(_ widget.Draw, w *k8s.Workload) widget.Rich {
	token := theme.Text
	switch {
	case w.Rollout.TotalAvailable < w.Rollout.Desired && w.Rollout.TotalAvailable == 0:
		token = theme.Fail
	case w.Rollout.TotalAvailable < w.Rollout.Desired:
		token = theme.Warn
	}
	return widget.Say(token, ready(w))
}

// hpa is "3/2-10": current pods within the autoscaler's limits, or what keeps
// it from helping: that it is at its maximum, that it has no metric, that a
// window holds it, and for how long.
func hpa(w *k8s.Workload, now time.Time) string {
	h := w.HPA
	if h == nil {
		return ""
	}
	size := strconv.Itoa(h.Current) + "/" + strconv.Itoa(h.Min) + "-" + strconv.Itoa(h.Max)
	switch {
	case strings.HasPrefix(h.Problem, "FailedGet") && h.Problem != "FailedGetScale":
		return "no metric " + widget.Since(now, h.Since)
	case h.Problem == "AmbiguousSelector":
		return size + " rival"
	case h.Problem != "":
		return size + " !"
	case h.AtMax:
		return size + " max"
	case h.Stabilising:
		return size + " held " + widget.Since(now, h.Since)
	}
	return size
}

func hpaCell(d widget.Draw, w *k8s.Workload) widget.Rich {
	token := theme.Muted
	if w.HPA != nil && (w.HPA.AtMax || w.HPA.Problem != "") {
		token = theme.Warn
	}
	return widget.Say(token, hpa(w, d.Now))
}
