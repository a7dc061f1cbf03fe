package profilepane

import (
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/live"
	"midwatch/profiles/capture"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// durations are what + and - go through.
var durations = []int{2, 5, 10, 20, 30, 60}

// finding is what is known of the chosen pod.
func (p *Pane) finding() *finding {
	if target, ok := p.target(); ok {
		return p.found[target.Pod.Name]
	}
	return nil
}

// offered says whether a kind can be taken from the chosen pod.
func (p *Pane) offered(k capture.Kind) (ok bool, why string) {
	f := p.finding()
	switch {
	case f == nil:
		return false, "looking for the endpoint"
	case f.found == nil && isExec(k):
		return true, ""
	case f.found == nil:
		return false, "no endpoint"
	case f.found.NeedsKey && isExec(k) && f.found.HasMemory:
		return true, ""
	case f.found.NeedsKey:
		return false, "needs a key (K)"
	}
	return f.found.Offers(k)
}

// preselect moves to the first kind that can be taken, unless the user moved.
func (p *Pane) preselect(f *finding) {
	if f.found == nil || p.kinds.Cursor() != 0 {
		return
	}
	for _, s := range capture.Specs() {
		if ok, _ := f.found.Offers(s.Kind); ok && !s.Exec {
			p.kinds.Select(string(s.Kind))
			return
		}
	}
}

func (p *Pane) kindColumns() []widget.Column[capture.Spec] {
	return []widget.Column[capture.Spec]{
		{ID: "sign", Min: 1, Cell: func(d widget.Draw, s capture.Spec) widget.Rich {
			if ok, _ := p.offered(s.Kind); ok {
				return widget.Say(theme.OK, d.Styles.Sign(live.OK))
			}
			return widget.Say(theme.Faint, "-")
		}},
		{ID: "kind", Title: "kind", Min: 13, Max: 13, Cell: func(_ widget.Draw, s capture.Spec) widget.Rich {
			return p.dim(s.Kind, string(s.Kind))
		}},
		{ID: "what", Title: "what it shows", Min: 16, Flex: 2, Cell: func(_ widget.Draw, s capture.Spec) widget.Rich {
			return p.dim(s.Kind, s.Title)
		}},
		{ID: "count", Title: "now", Min: 6, Right: true, Optional: 2, Cell: func(_ widget.Draw, s capture.Spec) widget.Rich {
			return widget.Say(theme.Muted, p.count(s.Kind))
		}},
		{ID: "cost", Title: "what it does to the process", Min: 18, Flex: 3, Optional: 1, Cell: func(_ widget.Draw, s capture.Spec) widget.Rich {
			if ok, why := p.offered(s.Kind); !ok {
				return widget.Say(theme.Faint, why)
			}
			pause := capture.Request{Kind: s.Kind, GC: p.gc}.Pause()
			token := theme.Muted
			if pause.Asks() {
				token = theme.Warn
			}
			if s.Exec {
				return widget.Say(token, "runs a command; "+pause.String())
			}
			return widget.Say(token, pause.String())
		}},
	}
}

func (p *Pane) dim(k capture.Kind, text string) widget.Rich {
	if ok, _ := p.offered(k); ok {
		return widget.Plain(text)
	}
	return widget.Say(theme.Faint, text)
}

// count is the live number of the index page.
func (p *Pane) count(k capture.Kind) string {
	f := p.finding()
	if f == nil || f.found == nil || f.found.Index == nil || k == capture.CPU || k == capture.Wall {
		return ""
	}
	n, ok := f.found.Index.Counts[k]
	if !ok {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// chooserHead says which pod and which endpoint.
func (p *Pane) chooserHead(env *pane.Env, w int) []widget.Rich {
	st := env.Styles
	if p.subject == nil {
		if p.failed != "" {
			return p.failure(env, w)
		}
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" reading which pods there are")}
	}
	at := &p.subject.Pods[p.pod]
	line := widget.NewJoin(st)
	line.Add(theme.Title, at.Pod.Name)
	if at.Revision != "" && at.New && p.subject.Old != "" {
		line.Add(theme.Info, "new revision")
	} else if p.subject.Old != "" {
		line.Add(theme.Muted, "old revision")
	}
	token := theme.OK
	state := "ready"
	if at.Note != "" {
		token, state = theme.Warn, at.Note
	}
	line.Add(token, state)
	if at.Restarts > 0 {
		line.Add(theme.Warn, fmt.Sprintf("%d restarts", at.Restarts))
	}
	line.Add(theme.Muted, at.Image.String())
	head := []widget.Rich{line.Rich()}
	head = append(head, p.where(env, w)...)
	what := widget.NewJoin(st)
	what.Add(theme.Chip, fmt.Sprintf(" %d s ", p.seconds))
	what.Add(theme.Muted, fmt.Sprintf("pod %d of %d", p.pod+1, len(p.subject.Pods)))
	if p.pid > 0 {
		what.Add(theme.Chip, fmt.Sprintf(" PID %d ", p.pid))
	}
	if p.delta {
		what.Add(theme.Info, "snapshots as the difference over that time")
	}
	if p.gc {
		what.Add(theme.Warn, "heap after a garbage collection")
	}
	head = append(head, what.Rich())
	return append(head, p.failure(env, w)...)
}

// where says which endpoint was found, and what it asks for.
func (p *Pane) where(env *pane.Env, w int) []widget.Rich {
	st, f := env.Styles, p.finding()
	switch {
	case f == nil:
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" looking for the endpoint")}
	case f.err != "":
		return widget.Say(theme.Fail, st.Sign(live.Fail)+" "+f.err).Wrap(max(w, 1), 2)
	}
	line := widget.NewJoin(st)
	line.Add(theme.Text, f.found.String())
	switch {
	case f.found.NeedsKey && len(f.found.Header) > 0:
		line.Add(theme.Fail, "the key was not accepted: K gives another one")
	case f.found.NeedsKey:
		line.Add(theme.Warn, "asks for a key: K gives one for this session")
	}
	if f.found.ProfiledBy != "" {
		line.Add(theme.Warn, "also profiled by "+f.found.ProfiledBy)
	}
	if len(f.found.Deltas) > 0 {
		line.Add(theme.Muted, strings.Join(f.found.Deltas, ", ")+" left to its scraper (D: differences of our own)")
	}
	return []widget.Rich{line.Rich()}
}

// failure is the last thing that went wrong.
func (p *Pane) failure(env *pane.Env, w int) []widget.Rich {
	if p.failed == "" {
		return nil
	}
	return widget.Say(theme.Fail, env.Styles.Sign(live.Fail)+" "+p.failed).Wrap(max(w, 1), 2)
}

func (p *Pane) viewChooser(env *pane.Env, r pane.Rect) string {
	head := p.chooserHead(env, r.W)
	head = head[:min(len(head), max(0, r.H*2/3))]
	var foot []widget.Rich
	if s, ok := p.kinds.Selected(); ok && s.Note != "" {
		foot = widget.Say(theme.Muted, s.Note).Wrap(max(r.W, 1), 0)
		foot = foot[:min(len(foot), max(0, (r.H-len(head))/3))]
	}
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.kinds.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head) - len(foot)})),
		widget.Lines(env.Styles, foot, r.W, len(foot)),
	)
}

// nextPod chooses another pod.
func (p *Pane) nextPod(step int) tea.Cmd {
	if p.subject == nil {
		return nil
	}
	n := len(p.subject.Pods)
	p.pod = ((p.pod+step)%n + n) % n
	p.failed = ""
	if p.finding() != nil {
		return nil
	}
	return p.find()
}

// longer changes how long is looked on.
func (p *Pane) longer(step int) tea.Cmd {
	at := 0
	for i, d := range durations {
		if d <= p.seconds {
			at = i
		}
	}
	p.seconds = durations[min(max(at+step, 0), len(durations)-1)]
	return nil
}

// askKey asks for the key of the workload's endpoint.
func (p *Pane) askKey(target capture.Target) tea.Cmd {
	return pane.Send(pane.PromptMsg{
		Title: "Key for " + target.Pod.Name + " (HEADER: VALUE, or a bearer token); it stays in memory", Secret: true,
		Check: func(text string) string {
			if _, key := header(text); key == "" {
				return "type HEADER: VALUE, or a token"
			}
			return ""
		},
		Done: func(text string) tea.Cmd {
			name, key := header(text)
			p.src.SetKey(target, name, key)
			delete(p.found, target.Pod.Name)
			p.failed = ""
			return p.find()
		},
	})
}

// header reads "api-key: VALUE"; without a name the value is a bearer token.
func header(text string) (name, value string) {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return "", strings.TrimSpace(text)
	}
	return strings.TrimSpace(name), strings.TrimSpace(value)
}

// askPort asks where the workload serves profiles.
func (p *Pane) askPort(target capture.Target) tea.Cmd {
	return pane.Send(pane.PromptMsg{
		Title: "Port of " + target.Pod.Name + " that serves profiles (PORT or PORT/PREFIX)",
		Check: func(text string) string {
			if port, _ := portPrefix(text); port < 1 || port > 65535 {
				return "type a port from 1 to 65535"
			}
			return ""
		},
		Done: func(text string) tea.Cmd {
			port, prefix := portPrefix(text)
			p.src.SetPort(target, port, prefix)
			delete(p.found, target.Pod.Name)
			p.failed = ""
			return p.find()
		},
	})
}

func portPrefix(text string) (port int, prefix string) {
	number, rest, _ := strings.Cut(strings.TrimSpace(text), "/")
	port, err := strconv.Atoi(number)
	if err != nil {
		return 0, ""
	}
	return port, rest
}
