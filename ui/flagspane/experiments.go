package flagspane

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/experiment"
	"midwatch/flags/experiment/source"
	"midwatch/flags/flagwatch"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
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
	table   *widget.Table[*trial]
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
	*l = lab{table: table, user: l.user}
	table.Reset()
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
		var rows []*trial
		if msg.report != nil {
			for _, e := range msg.report.Experiments {
				rows = append(rows, &trial{own: e})
			}
		}
		for i := range msg.running {
			rows = append(rows, &trial{running: &msg.running[i]})
		}
		p.lab.table.SetRows(rows)
		p.compose()
	case killMsg:
		p.busy = ""
		return pane.Send(pane.ConfirmMsg{Plan: msg.plan})
	}
	return nil
}

func (p *Pane) trial() *trial {
	if p.view == viewExperiment {
		for _, t := range p.lab.table.Rows() {
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

func (p *Pane) experimentsKeys() []bind.Binding {
	open := bind.Binding{
		ID: string(p.id) + ".open", Keys: []string{"enter"}, Title: "details", Group: "Open", Footer: 2,
		Help: "Show the selected experiment in full: shares, exposures, pitfalls, how to end it.",
		Disabled: func() string {
			if p.trial() == nil {
				return "no experiment is selected"
			}
			return ""
		},
		Do: func() tea.Cmd {
			p.lab.opened = p.trial().id()
			p.view = viewExperiment
			p.text.Top()
			p.compose()
			return nil
		},
	}
	return append([]bind.Binding{p.back("flags", "Go back to the list of flags.", viewList), open}, p.trialKeys()...)
}

func (p *Pane) experimentKeys() []bind.Binding {
	return append([]bind.Binding{p.back("back", "Go back to the list of experiments.", viewExperiments)}, p.trialKeys()...)
}

func (p *Pane) trialKeys() []bind.Binding {
	return []bind.Binding{
		{
			ID: string(p.id) + ".assign", Keys: []string{"s"}, Title: "who gets what", Group: "View", Footer: 3,
			Help: "Look up which variant a user is given by the application's own arithmetic.", Disabled: p.cannotAssign, Do: p.askUser,
		},
		{
			ID: string(p.id) + ".end", Keys: []string{"K"}, Title: "end it", Group: "Change", Footer: 4, Writes: true,
			Help: "Plan the one action that ends the experiment: its flag, or its traffic in the ConfigMap.", Disabled: p.cannotKill, Do: p.kill,
		},
		{
			ID: string(p.id) + ".refresh", Keys: []string{"R"}, Title: "read again", Group: "View", Footer: 5,
			Help: "Read definitions and exposures again; they are not watched.", Do: p.refresh,
		},
	}
}

func (p *Pane) cannotAssign() string {
	t := p.trial()
	switch {
	case t == nil:
		return "no experiment is selected"
	case t.own == nil:
		return "the provider assigns: pin the user with a, in the list of flags"
	case t.own.Definition == nil:
		return "its definition is not known"
	}
	return ""
}

func (p *Pane) askUser() tea.Cmd {
	return pane.Send(pane.PromptMsg{
		Title: "Which user? The key as the application hashes it", Initial: p.lab.user,
		Check: func(string) string { return "" },
		Done: func(text string) tea.Cmd {
			p.lab.user = text
			if p.view == viewExperiments {
				p.lab.opened = p.trial().id()
				p.view = viewExperiment
				p.text.Top()
			}
			p.compose()
			return nil
		},
	})
}

func (p *Pane) cannotKill() string {
	t := p.trial()
	switch {
	case t == nil:
		return "no experiment is selected"
	case p.busy != "":
		return p.busy
	case t.running != nil:
		return p.unable(t.running.place.Provider, flags.CanToggle)
	case t.own.Kill.By == source.KillByFlag:
		r, x, ok := p.flagOf(t.own.Kill.Flag)
		switch {
		case !ok:
			return "the flag " + t.own.Kill.Flag + " is not known here"
		case x.known && !x.state.On:
			return "its flag " + t.own.Kill.Flag + " is off already"
		}
		return p.unable(r.Provider, flags.CanToggle)
	case t.own.Kill.By == source.KillByHand:
		return t.own.Kill.Text
	}
	return ""
}

func (p *Pane) flagOf(key string) (*flagwatch.Row, row, bool) {
	if p.board == nil {
		return nil, row{}, false
	}
	for _, r := range p.board.Rows {
		if r.Flag.Key == key {
			return r, p.look(r), true
		}
	}
	return nil, row{}, false
}

// kill plans the one action that ends the experiment.
func (p *Pane) kill() tea.Cmd {
	t := p.trial()
	if t.running != nil {
		e := editOf(t.running.row, p.look(t.running.row), flags.TurnOff)
		return p.plan(e)
	}
	if t.own.Kill.By == source.KillByFlag {
		if r, x, ok := p.flagOf(t.own.Kill.Flag); ok {
			return p.plan(editOf(r, x, flags.TurnOff))
		}
		return nil
	}
	e := t.own
	p.busy = "planning: end " + e.Name
	return pane.Run(p.env.Tasks, p.id, "plan", "plan to end "+e.Name, planWithin, func(ctx context.Context) (tea.Msg, error) {
		plan, err := p.experiments.PlanKill(ctx, e)
		if err != nil {
			return nil, err
		}
		return killMsg{plan}, nil
	})
}

func labColumns() []widget.Column[*trial] {
	text := func(id, title string, low, high, optional int, f func(*trial) (theme.Token, string)) widget.Column[*trial] {
		return widget.Column[*trial]{
			ID: id, Title: title, Min: low, Max: high, Optional: optional,
			Measure: func(t *trial) int { _, s := f(t); return widget.Width(s) },
			Cell:    func(_ widget.Draw, t *trial) widget.Rich { tok, s := f(t); return widget.Say(tok, s) },
		}
	}
	return []widget.Column[*trial]{
		{ID: "sign", Min: 1, Cell: func(d widget.Draw, t *trial) widget.Rich {
			sev := live.Info
			if t.own != nil {
				sev = t.own.Severity()
			}
			return widget.Say(theme.Severity(sev), d.Styles.Sign(sev))
		}},
		text("name", "experiment", 20, 32, 0, func(t *trial) (theme.Token, string) { return theme.Text, t.name() }),
		text("in", "let in", 7, 10, 2, func(t *trial) (theme.Token, string) { return theme.Text, t.admitted() }),
		text("users", "users seen", 8, 12, 3, func(t *trial) (theme.Token, string) { return theme.Text, t.users() }),
		text("split", "split", 26, 44, 0, func(t *trial) (theme.Token, string) { return theme.Text, t.split() }),
		text("health", "verdict", 24, 32, 0, func(t *trial) (theme.Token, string) { return t.health() }),
		{
			ID: "changed", Title: "changed", Min: widget.AgeWidth, Right: true, Optional: 4,
			Cell: func(d widget.Draw, t *trial) widget.Rich {
				return widget.Say(theme.Muted, widget.Since(d.Now, t.changed()))
			},
		},
		text("from", "defined in", 20, 60, 5, func(t *trial) (theme.Token, string) { return theme.Muted, t.from() }),
	}
}

func (t *trial) name() string {
	if t.own != nil {
		return t.own.Name
	}
	if n := t.running.x.Name.String(); n != "" {
		return n
	}
	return t.running.x.Key
}

func (t *trial) admitted() string {
	switch {
	case t.running != nil:
		sum := 0.0
		for _, a := range t.running.x.Arms {
			if a.Percent < 0 {
				return "-"
			}
			sum += a.Percent
		}
		return flags.Percent(math.Round(sum*100) / 100)
	case t.own.Definition == nil:
		return "?"
	}
	return share(float64(t.own.Definition.Admitted()) / experiment.Buckets)
}

func (t *trial) users() string {
	switch {
	case t.running != nil:
		return "-"
	case t.own.Exposures == nil:
		return "none"
	}
	return fmt.Sprint(t.own.Exposures.Users)
}

func (t *trial) split() string {
	var parts []string
	switch {
	case t.running != nil:
		for _, a := range t.running.x.Arms {
			parts = append(parts, fmt.Sprintf("%s %g %%", a.Name, a.Percent))
		}
	case t.own.Split != nil && t.own.Split.Users > 0:
		for _, a := range t.own.Split.Arms {
			parts = append(parts, foreign.CleanN(a.Variant, 40).String()+" "+share(float64(a.Users)/float64(t.own.Split.Users)))
		}
	default:
		for _, s := range t.own.Shares {
			parts = append(parts, foreign.CleanN(s.Variant, 40).String()+" "+share(s.Overall))
		}
	}
	return strings.Join(parts, ", ")
}

func (t *trial) health() (theme.Token, string) {
	switch {
	case t.running != nil:
		return theme.Muted, t.running.x.Status.String()
	case t.own.Definition == nil:
		return theme.Warn, "no definition known"
	case t.own.Split == nil:
		if len(t.own.Lints) > 0 {
			return theme.Severity(t.own.Severity()), string(t.own.Lints[0].Pitfall)
		}
		return theme.Muted, "no exposures seen"
	}
	switch t.own.Split.Health {
	case experiment.Mismatch:
		return theme.Fail, "split is wrong, p " + pValue(t.own.Split.P)
	case experiment.TooFew:
		return theme.Muted, "too few users to tell"
	case experiment.Untestable:
		return theme.Muted, "one arm: nothing to test"
	}
	return theme.OK, "split is as meant"
}

func pValue(p float64) string {
	if p < 1e-4 {
		return fmt.Sprintf("%.0e", p)
	}
	return fmt.Sprintf("%.4f", p)
}

func (t *trial) changed() time.Time {
	if t.own != nil {
		return t.own.Changed
	}
	return t.running.x.Since
}

func (t *trial) from() string {
	switch {
	case t.running != nil:
		return t.running.place.Provider + ", flag " + t.running.place.Key
	case t.own.Definition == nil:
		return "seen in logs only"
	}
	return t.own.Definition.From.String()
}

// share is "5 %", "0.11 %".
func share(f float64) string {
	s := fmt.Sprintf("%.2f", 100*f)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " %"
}

// viewLab draws the list of experiments.
func (p *Pane) viewLab(env *pane.Env, r pane.Rect) string {
	st := env.Styles
	var head []widget.Rich
	rep := p.lab.report
	switch {
	case rep.err != "":
		head = append(head, widget.Say(theme.Warn, st.Sign(live.Warn)+" "+rep.err.String()+" (R tries again)"))
	case !rep.done:
		head = append(head, widget.Say(theme.Info, st.Sign(live.Info)+" reading definitions and the pods' logs"))
	}
	if rep.value != nil {
		head = append(head, p.readWords(env, rep.value))
		for _, n := range rep.value.Notes {
			head = append(head, widget.Say(theme.Warn, st.Sign(live.Warn)+" "+n.String()))
		}
	}
	if p.busy != "" {
		head = append(head, widget.Say(theme.Info, st.Sign(live.Info)+" "+p.busy))
	}
	head = head[:min(len(head), max(0, r.H/2))]
	p.lab.table.Empty = nil
	if rep.done {
		p.lab.table.Empty = []widget.Rich{
			widget.Plain("No experiments of " + p.target.String() + " are known."),
			widget.Say(theme.Muted, "experiments in the settings names ConfigMaps or files with definitions; exposures are looked for in the pods' logs."),
		}
	}
	return widget.Stack(widget.Lines(st, head, r.W, len(head)), p.lab.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})))
}

func (p *Pane) readWords(env *pane.Env, rep *source.Report) widget.Rich {
	line := widget.NewJoin(env.Styles)
	line.Add(theme.Muted, fmt.Sprintf("exposures in %d lines of %d of %d pods since %s", rep.Lines, rep.Pods, rep.Of, rep.Since.In(env.Now.Location()).Format("15:04")))
	line.Add(theme.Muted, "read "+widget.Since(env.Now, rep.At)+" ago, not watched")
	return line.Rich()
}

// writeExperiment is one experiment in full.
func (p *Pane) writeExperiment(t *page) {
	x := p.trial()
	if x == nil {
		t.say(theme.Warn, "This experiment is gone. esc goes back.")
		return
	}
	if x.running != nil {
		t.fact("flag", widget.Plain(x.running.place.Key+" in "+x.running.place.Environment+" of "+x.running.place.Provider))
		writeRunning(t, &x.running.x)
		t.say(theme.Muted, "Evaluations are not users: no test of the split is run on them.")
		t.heading("how to end it")
		t.say(theme.Text, "K turns the flag off: everyone then gets its off variation, and the experiment's result ends there.")
		return
	}
	e := x.own
	writeDefinition(t, e)
	p.writeAssignment(t, e)
	writeExposures(t, e)
	if len(e.Lints) > 0 {
		t.heading("pitfalls")
		for _, l := range e.Lints {
			t.add(widget.Rich{
				{Token: theme.Severity(l.Severity), Text: t.env.Styles.Sign(l.Severity) + " " + string(l.Pitfall) + "  "},
				{Token: theme.Text, Text: l.Text},
			})
		}
	}
	t.heading("how to end it")
	t.say(theme.Text, e.Kill.Text)
}

func writeDefinition(t *page, e *source.Experiment) {
	d := e.Definition
	if d == nil {
		t.say(theme.Warn, "Only exposures of it were seen: its definition is not known, so nothing can be compared.")
		return
	}
	t.fact("from", widget.Plain(d.From.String()))
	if !e.Changed.IsZero() {
		by := ""
		if e.ChangedBy != "" {
			by = " by " + e.ChangedBy.String()
		}
		t.fact("changed", widget.Plain(t.age(e.Changed)+" ago"+by))
	}
	t.fact("traffic", widget.Plain(fmt.Sprintf("%g: %d of %d buckets are let in", d.Traffic, d.Admitted(), experiment.Buckets)))
	if d.Flag != "" {
		t.fact("gated by", widget.Plain("flag "+foreign.CleanN(d.Flag, 120).String()))
	}
	t.heading("who gets what")
	for _, s := range e.Shares {
		text := share(s.Overall) + " of all users"
		if s.Inside > 0 {
			text += ", " + share(s.Inside) + " of those let in"
		}
		if !s.Arm {
			text += ", all of them outside"
		}
		t.add(widget.Rich{{Token: theme.Text, Text: "  " + widget.Pad(foreign.CleanN(s.Variant, 60).String(), 16, "…") + " "}, {Token: theme.Muted, Text: text}})
	}
}

// writeAssignment answers "what does this user get?".
func (p *Pane) writeAssignment(t *page, e *source.Experiment) {
	if e.Definition == nil || p.lab.user == "" {
		return
	}
	t.heading("user " + foreign.CleanN(p.lab.user, 80).String())
	a, err := e.Definition.Assign(p.lab.user)
	if err != nil {
		t.say(theme.Fail, err.Error())
		return
	}
	in := "outside: everyone there gets the literal " + experiment.Control
	if a.Admitted {
		in = "in the experiment"
	}
	t.fact("gets", widget.Plain(foreign.CleanN(a.Variant, 80).String()), widget.Say(theme.Muted, "  "+in))
	t.fact("bucket", widget.Plain(fmt.Sprintf("%d of %d", a.Bucket, experiment.Buckets)), widget.Say(theme.Muted, fmt.Sprintf("  let in up to %d", e.Definition.Admitted()-1)))
}

func writeExposures(t *page, e *source.Experiment) {
	t.heading("exposures")
	x := e.Exposures
	if x == nil {
		t.say(theme.Muted, "none in the logs that were read: it may not run, or log elsewhere")
		return
	}
	text := fmt.Sprintf("%d users in %d lines, from %s to %s ago", x.Users, x.Lines, t.age(x.First), t.age(x.Last))
	if x.Sampled < 1 {
		text += fmt.Sprintf(", a sample of %s", share(x.Sampled))
	}
	t.say(theme.Text, text)
	if s := e.Split; s != nil {
		for _, a := range s.Arms {
			t.add(widget.Rich{
				{Token: theme.Text, Text: "  " + widget.Pad(foreign.CleanN(a.Variant, 60).String(), 16, "…") + fmt.Sprintf(" %6d", a.Users)},
				{Token: theme.Muted, Text: fmt.Sprintf("  expected %.0f", a.Expected)},
			})
		}
		writeVerdict(t, s)
	}
	if x.Several > 0 {
		t.bullet(theme.Warn, fmt.Sprintf("%d users were given more than one variant: they are left out of the test", x.Several))
	}
	if x.Differ > 0 {
		t.bullet(theme.Fail, fmt.Sprintf("%d users were given another variant than the definition says: the pods run another one, or it changed since", x.Differ))
	}
}

func writeVerdict(t *page, s *experiment.Split) {
	numbers := fmt.Sprintf("chi-square %.1f, %d degrees of freedom, p %s", s.Chi2, s.Freedom, pValue(s.P))
	sev, words := live.OK, "The split may well be the one that was meant"
	switch s.Health {
	case experiment.Mismatch:
		sev, words = live.Fail, "Sample-ratio mismatch: do not trust what is measured on it"
	case experiment.TooFew:
		sev, words = live.Info, fmt.Sprintf("Too few users to tell: at least %d are wanted in each arm", experiment.EnoughPerArm)
	case experiment.Untestable:
		sev, words = live.Info, "One arm only: there is nothing to test"
	}
	if s.Strange > 0 {
		numbers += fmt.Sprintf(", %d users with a variant that is none", s.Strange)
	}
	t.add(widget.Rich{{Token: theme.Severity(sev), Text: t.env.Styles.Sign(sev) + " " + words}, {Token: theme.Muted, Text: " · unique users, " + numbers}})
}
