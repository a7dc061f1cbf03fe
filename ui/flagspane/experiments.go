package flagspane

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/experiment/source"
	"midwatch/flags/flagwatch"
	"midwatch/k8s"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Experiments reads self-hosted experiments, off the UI goroutine.
type Experiments interface {
	Read(ctx context.Context, ref k8s.Ref) (*source.Report, error)
	PlanKill(ctx context.Context, e *source.Experiment) (*action.Plan, error)
}

// reportWithin bounds one report: a workload's logs are part of it.
const reportWithin = 40 * time.Second

// mostDetails is how many flags are looked into for experiments of a provider.
const mostDetails = 24

// lab is what is known of experiments.
type lab struct {
	report  reading[*source.Report]
	running reading[[]running]
	rows    []*trial
	table   *widget.Table[*trial]
	filter  widget.Filter
	opened  string
	user    string // whose assignment is shown
	ages    []time.Time
}

// running is an experiment of a flag provider.
type running struct {
	place flagwatch.Place
	x     flags.RunningExperiment
	row   *flagwatch.Row
}

// trial is one line of the list: self-hosted or a provider's.
type trial struct {
	own     *source.Experiment
	running *running
}

func (t *trial) id() string {
	if t.own != nil {
		return "own/" + t.own.Name
	}
	return t.running.place.Provider + "/" + t.running.place.Environment + "/" + t.running.place.Key + "/" + t.running.x.Key
}

func (l *lab) init() {
	l.table = widget.NewTable(func(t *trial) string { return t.id() }, labColumns()...)
}

func (l *lab) reset() {
	table := l.table
	*l = lab{table: table, user: l.user, filter: l.filter}
	table.Reset()
}

// arrange shows what the filter lets through.
func (l *lab) arrange() {
	var shown []*trial
	for _, t := range l.rows {
		_, health := t.health()
		if !l.filter.Active() || l.filter.Match(t.name(), t.split(), health, t.from()) {
			shown = append(shown, t)
		}
	}
	l.table.SetRows(shown)
}

func (l *lab) until(now time.Time) time.Duration {
	until := time.Duration(0)
	if l.report.value != nil {
		until = widget.SinceUntil(now, l.report.value.At)
	}
	for _, at := range l.ages {
		until = widget.Sooner(until, widget.SinceUntil(now, at))
	}
	return until
}

// The answers to reading experiments.
type (
	reportMsg struct {
		ref     k8s.Ref
		report  *source.Report
		running []running
		err     error
	}
	killMsg struct{ plan *action.Plan }
)

func (p *Pane) noExperiments() string {
	switch {
	case p.target.IsZero():
		return "no workload is selected"
	case p.experiments == nil && p.source == nil:
		return "neither flags nor experiments are named in the settings"
	}
	return ""
}

func (p *Pane) openExperiments() tea.Cmd {
	p.view = viewExperiments
	if p.lab.report.done {
		return nil
	}
	return p.readReport()
}

// readReport reads the workload's own experiments and those of its flags.
func (p *Pane) readReport() tea.Cmd {
	ref := p.target
	p.lab.report.done = false
	candidates := p.candidates()
	return pane.Run(p.env.Tasks, p.id, "report", "read the experiments of "+ref.String(), reportWithin, func(ctx context.Context) (tea.Msg, error) {
		msg := reportMsg{ref: ref, running: p.findRunning(ctx, candidates)}
		if p.experiments != nil {
			msg.report, msg.err = p.experiments.Read(ctx, ref)
		}
		return msg, nil
	})
}

// candidates are flags that may carry an experiment: the workload's first.
func (p *Pane) candidates() []running {
	var first, rest []running
	if p.board == nil {
		return nil
	}
	for _, r := range p.board.Rows {
		x := p.look(r)
		if !x.known || p.unable(r.Provider, flags.CanExperiments) != "" {
			continue
		}
		c := running{place: flagwatch.Place{Provider: r.Provider, Environment: x.env.Key, Key: r.Flag.Key}, row: r}
		switch {
		case x.why != "":
			first = append(first, c)
		case strings.EqualFold(r.Flag.Type.String(), "experiment") || strings.Contains(x.state.Serves.String(), "%"):
			rest = append(rest, c)
		}
	}
	all := append(first, rest...)
	return all[:min(len(all), mostDetails)]
}

func (p *Pane) findRunning(ctx context.Context, candidates []running) []running {
	var out []running
	for _, c := range candidates {
		provider, err := p.source.Provider(c.place.Provider)
		if err != nil {
			continue
		}
		d, err := provider.Get(ctx, c.place.Environment, c.place.Key)
		if err != nil {
			continue // its own page says why
		}
		for _, x := range d.Experiments {
			out = append(out, running{c.place, x, c.row})
		}
	}
	return out
}

func (p *Pane) takeReport(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case reportMsg:
		if msg.ref.Key() != p.target.Key() {
			return nil
		}
		p.lab.report = reading[*source.Report]{true, msg.report, failure("read the experiments", msg.err)}
		p.lab.running = reading[[]running]{done: true, value: msg.running}
		p.lab.rows = nil
		if msg.report != nil {
			for _, e := range msg.report.Experiments {
				p.lab.rows = append(p.lab.rows, &trial{own: e})
			}
		}
		for i := range msg.running {
			p.lab.rows = append(p.lab.rows, &trial{running: &msg.running[i]})
		}
		p.lab.arrange()
		p.compose()
	case killMsg:
		p.busy = ""
		return pane.Send(pane.ConfirmMsg{Plan: msg.plan})
	}
	return nil
}

func (p *Pane) trial() *trial {
	if p.view == viewExperiment {
		for _, t := range p.lab.rows {
			if t.id() == p.lab.opened {
				return t
			}
		}
		return nil
	}
	t, ok := p.lab.table.Selected()
	if !ok {
		return nil
	}
	return t
}
