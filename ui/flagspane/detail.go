package flagspane

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// opened is the flag in detail.
type opened struct {
	row     string
	place   flagwatch.Place
	version string // of what was read

	detail  reading[*flags.Detail]
	changes reading[[]flags.Change]
	stats   reading[*flags.Stats]
	ages    []time.Time // that the text names
}

// reading is something that is read off the UI goroutine.
type reading[T any] struct {
	done  bool
	value T
	err   foreign.Text
}

// openDetail shows one flag in full.
func (p *Pane) openDetail() tea.Cmd {
	r, x, ok := p.selected()
	if !ok {
		return nil
	}
	p.view = viewDetail
	p.opened = opened{row: r.ID(), place: flagwatch.Place{Provider: r.Provider, Environment: x.env.Key, Key: r.Flag.Key}}
	p.text.Top()
	return p.readDetail()
}

// readDetail reads the flag, its history and its use.
func (p *Pane) readDetail() tea.Cmd {
	place := p.opened.place
	provider, err := p.source.Provider(place.Provider)
	if err != nil {
		p.opened.detail = reading[*flags.Detail]{done: true, err: failure("read the flag", err)}
		p.compose()
		return nil
	}
	p.opened.version = p.versionOf()
	caps := provider.Info().Capabilities
	what := "flag " + place.Key
	cmds := []tea.Cmd{pane.Run(p.env.Tasks, p.id, "detail", "read "+what, readWithin, func(ctx context.Context) (tea.Msg, error) {
		d, err := provider.Get(ctx, place.Environment, place.Key)
		return detailMsg{place, d, err}, nil
	})}
	if able := caps.Of(flags.CanAudit); able.OK {
		since := p.env.Now.Add(-historyOf)
		cmds = append(cmds, pane.Run(p.env.Tasks, p.id, "audit", "read the history of "+what, readWithin, func(ctx context.Context) (tea.Msg, error) {
			c, err := provider.Audit(ctx, place.Environment, place.Key, since)
			return auditMsg{place, c, err}, nil
		}))
	} else {
		p.opened.changes = reading[[]flags.Change]{done: true, err: able.Why}
	}
	if able := caps.Of(flags.CanStats); able.OK {
		cmds = append(cmds, pane.Run(p.env.Tasks, p.id, "stats", "count the evaluations of "+what, readWithin, func(ctx context.Context) (tea.Msg, error) {
			s, err := provider.Stats(ctx, place.Environment, place.Key)
			return statsMsg{place, s, err}, nil
		}))
	} else {
		p.opened.stats = reading[*flags.Stats]{done: true, err: able.Why}
	}
	p.compose()
	return tea.Batch(cmds...)
}

func (p *Pane) takeDetail(msg tea.Msg) {
	o := &p.opened
	switch msg := msg.(type) {
	case detailMsg:
		if msg.place == o.place {
			o.detail = reading[*flags.Detail]{true, msg.detail, failure("read the flag", msg.err)}
		}
	case auditMsg:
		if msg.place == o.place {
			o.changes = reading[[]flags.Change]{true, msg.changes, failure("read its history", msg.err)}
		}
	case statsMsg:
		if msg.place == o.place {
			o.stats = reading[*flags.Stats]{true, msg.stats, failure("count its evaluations", msg.err)}
		}
	}
	p.compose()
}

// versionOf is the version of the open flag as the list has it.
func (p *Pane) versionOf() string {
	if r, ok := p.find(p.opened.row); ok {
		s, _ := r.Flag.In(p.opened.place.Environment)
		return s.Version + s.Changed.String()
	}
	return ""
}

// follow reads the open flag again when the list says that it changed.
func (p *Pane) follow() tea.Cmd {
	if p.view != viewDetail || p.env == nil || p.versionOf() == p.opened.version {
		return nil
	}
	return p.readDetail()
}

// text is a page being written.
type page struct {
	env   *pane.Env
	lines []widget.Rich
	ages  []time.Time
}

func (t *page) add(r widget.Rich)                  { t.lines = append(t.lines, r) }
func (t *page) say(token theme.Token, text string) { t.add(widget.Say(token, text)) }
func (t *page) heading(text string)                { t.add(nil); t.say(theme.Title, text) }
func (t *page) age(at time.Time) string {
	t.ages = append(t.ages, at)
	return widget.Since(t.env.Now, at)
}
func (t *page) fact(label string, value ...widget.Rich) { t.add(join(label, value...)) }

// bullet is "  · text"; the sign is ASCII where it has to be.
func (t *page) bullet(token theme.Token, text string) {
	sign := "·"
	if t.env.Styles.Options.ASCII {
		sign = "-"
	}
	t.add(widget.Rich{{Token: theme.Muted, Text: "  " + sign + " "}, {Token: token, Text: text}})
}

// labelWidth is how wide the label of a fact is.
const labelWidth = 9

func join(label string, value ...widget.Rich) widget.Rich {
	out := widget.Rich{{Token: theme.Muted, Text: fmt.Sprintf("%-9s ", label)}}
	for _, v := range value {
		out = append(out, v...)
	}
	return out
}

// compose writes the text of the view that is a text. It is called when
// something changed, and when an age did.
func (p *Pane) compose() {
	if p.env == nil {
		return
	}
	switch p.view {
	case viewDetail:
		t := &page{env: p.env}
		p.writeDetail(t)
		p.opened.ages = t.ages
		p.text.SetSource(widget.TextLines(t.lines))
	case viewExperiment:
		t := &page{env: p.env}
		p.writeExperiment(t)
		p.lab.ages = t.ages
		p.text.SetSource(widget.TextLines(t.lines))
	}
}

func (p *Pane) writeDetail(t *page) {
	o := &p.opened
	r, there := p.find(o.row)
	if !there && p.board != nil {
		t.say(theme.Fail, t.env.Styles.Sign(live.Fail)+" This flag is gone: it was deleted or archived since. What stands below is from before. esc goes back.")
	}
	if there {
		p.writeStates(t, r)
		p.writeAnswer(t, r)
	}
	d := o.detail.value
	switch {
	case o.detail.err != "":
		t.say(theme.Warn, o.detail.err.String()+" · ctrl+r tries again")
	case !o.detail.done:
		t.say(theme.Info, "reading the flag")
	}
	if d != nil {
		p.writeFlag(t, d)
		p.writeRules(t, d)
		p.writeAround(t, d)
	}
	p.writeUse(t)
	p.writeHistory(t)
}

// writeStates says where it is on.
func (p *Pane) writeStates(t *page, r *flagwatch.Row) {
	line := widget.NewJoin(t.env.Styles)
	for _, s := range r.Flag.States {
		state, token := "off", theme.Muted
		if s.On {
			state, token = "on", theme.OK
		}
		name := s.Environment
		if s.Environment == p.opened.place.Environment {
			name = "[" + name + "]"
		}
		line.AddRich(widget.Rich{{Token: theme.Text, Text: foreign.CleanN(name, 40).String() + " "}, {Token: token, Text: state}})
	}
	line.Add(theme.Muted, kindOf(r))
	if why := p.uses.Why(r); why != "" {
		line.Add(theme.Accent, "used by "+p.target.Name+", says "+why)
	}
	t.add(line.Rich())
	s, _ := r.Flag.In(p.opened.place.Environment)
	if !s.Changed.IsZero() {
		by := ""
		if s.ChangedBy != "" {
			by = " by " + s.ChangedBy.String()
		}
		t.fact("changed", widget.Plain(t.age(s.Changed)+" ago"+by))
	}
	if r.Flag.Stale {
		why := "the provider takes it for dead weight"
		if r.Flag.StaleWhy != "" {
			why = r.Flag.StaleWhy.String()
		}
		t.fact("stale", widget.Say(theme.Warn, why))
	}
}

// writeAnswer says what the pinned gets, and why.
func (p *Pane) writeAnswer(t *page, r *flagwatch.Row) {
	a := p.board.Asked
	if a == nil {
		return
	}
	place := p.opened.place
	e, ok := a.Of(place.Provider, place.Environment, place.Key)
	t.heading(a.Who.String())
	if err := a.Errs[flagwatch.Place{Provider: r.Provider, Environment: place.Environment}]; err != "" {
		t.say(theme.Fail, err.String())
		return
	}
	if !ok {
		t.say(theme.Muted, "not evaluated")
		return
	}
	if e.Code != flags.ErrorNone {
		t.fact("gets", widget.Say(theme.Fail, string(e.Code)+": "+e.Error.String()))
	} else {
		value := widget.Plain(e.Value.String())
		if e.Variant != "" && e.Variant != e.Value {
			value = append(value, widget.Piece{Token: theme.Muted, Text: " (" + e.Variant.String() + ")"})
		}
		t.fact("gets", value)
	}
	t.fact("reason", widget.Plain(string(e.Reason)), widget.Say(theme.Muted, "  "+e.Native.String()))
	for _, w := range e.Why {
		t.bullet(theme.Text, w.String())
	}
	if e.Unsure != "" {
		t.bullet(theme.Warn, "not certain: "+e.Unsure.String())
	}
}

func (p *Pane) writeFlag(t *page, d *flags.Detail) {
	if d.Name != "" && d.Name.String() != d.Key {
		t.fact("name", widget.Plain(d.Name.String()))
	}
	if d.Description != "" {
		t.fact("what", widget.Plain(d.Description.String()))
	}
	line := widget.NewJoin(t.env.Styles)
	if len(d.Tags) > 0 {
		var tags []string
		for _, tag := range d.Tags {
			tags = append(tags, tag.String())
		}
		line.Add(theme.Text, widget.List(tags, 8))
	}
	if d.Maintainer != "" {
		line.Add(theme.Muted, "kept by "+d.Maintainer.String())
	}
	if !d.Created.IsZero() {
		line.Add(theme.Muted, "made "+t.age(d.Created)+" ago")
	}
	if r := line.Rich(); len(r) > 0 {
		t.fact("tags", r)
	}
}

// writeRules says whom it gives what, in the order in which it is tried.
func (p *Pane) writeRules(t *page, d *flags.Detail) {
	title := "who gets what"
	if !d.State.On {
		title += ", once it is on"
	}
	t.heading(title)
	if !d.State.On && d.Off != "" {
		t.fact("off now", widget.Plain("everyone gets "+d.Off.String()))
	}
	for _, pre := range d.Prerequisites {
		t.fact("needs", widget.Plain(pre.String()))
	}
	for i, r := range d.Rules {
		token := theme.Text
		name, title := fmt.Sprintf("%d", i+1), ""
		if n := r.Name.String(); widget.Width(n) <= labelWidth && n != "" {
			name = n
		} else if n != "" {
			title = n + ": "
		}
		if r.Disabled {
			token, name = theme.Faint, name+" off"
		}
		who := "everyone"
		for j, w := range r.When {
			if j == 0 {
				who = w.String()
			} else {
				who += " and " + w.String()
			}
		}
		t.fact(name, widget.Rich{{Token: theme.Muted, Text: title}, {Token: token, Text: who}, {Token: theme.Muted, Text: arrow(t.env) + r.Serves.String()}})
	}
	if d.Default != "" {
		who := "everyone"
		if len(d.Rules) > 0 {
			who = "everyone else"
		}
		t.fact("default", widget.Rich{{Token: theme.Text, Text: who}, {Token: theme.Muted, Text: arrow(t.env) + d.Default.String()}})
	}
	for _, n := range d.Notes {
		t.bullet(theme.Warn, n.String())
	}
}

func arrow(env *pane.Env) string {
	if env.Styles.Options.ASCII {
		return "  -> "
	}
	return "  → "
}

// writeAround says what hangs on it and what waits.
func (p *Pane) writeAround(t *page, d *flags.Detail) {
	switch {
	case len(d.Dependants) > 0:
		t.fact("needed by", widget.Say(theme.Warn, widget.List(d.Dependants, 6)))
	case d.DependantsWhy != "":
		t.fact("needed by", widget.Say(theme.Muted, "not known: "+d.DependantsWhy.String()))
	}
	for _, w := range d.Pending {
		text := w.Kind.String() + ": " + w.What.String()
		if w.By != "" {
			text += " by " + w.By.String()
		}
		t.fact("pending", widget.Say(theme.Warn, text))
	}
	for i := range d.Experiments {
		writeRunning(t, &d.Experiments[i])
	}
}

func writeRunning(t *page, x *flags.RunningExperiment) {
	line := widget.NewJoin(t.env.Styles)
	name := x.Name.String()
	if name == "" {
		name = x.Key
	}
	line.Add(theme.Info, name)
	line.Add(theme.Text, x.Status.String())
	if !x.Since.IsZero() {
		line.Add(theme.Muted, "since "+t.age(x.Since)+" ago")
	}
	for _, a := range x.Arms {
		text := a.Name.String()
		if a.Percent >= 0 {
			text += " " + flags.Percent(a.Percent)
		}
		if a.Baseline {
			text += " (baseline)"
		}
		line.Add(theme.Text, text)
	}
	if x.Unit != "" {
		line.Add(theme.Muted, "by "+x.Unit.String())
	}
	line.Add(theme.Muted, x.Note.String())
	t.fact("test", line.Rich())
}

// writeUse says how often which variation is served.
func (p *Pane) writeUse(t *page) {
	s := &p.opened.stats
	t.heading("evaluations")
	total := s.value.Total()
	switch {
	case s.err != "":
		t.say(theme.Muted, "not known: "+s.err.String())
		return
	case !s.done:
		t.say(theme.Info, "counting")
		return
	case total == 0:
		t.say(theme.Muted, "none counted")
		return
	}
	t.say(theme.Muted, fmt.Sprintf("%s a minute, of %s in all since %s ago", amount(s.value.PerMinute()), amount(float64(total)), t.age(s.value.Since)))
	for _, c := range s.value.Counts {
		share := 100 * c.N / total
		bar := widget.Bar(t.env.Styles, []widget.Segment{{Token: theme.Info, N: int(share)}, {Token: theme.Faint, N: int(100 - share), Fill: widget.Hollow}}, 20)
		t.add(append(widget.Rich{{Token: theme.Text, Text: "  " + widget.Pad(c.Variant.String(), 14, "…") + " "}}, append(bar, widget.Piece{Token: theme.Text, Text: fmt.Sprintf(" %3d %%", share)})...))
	}
	if s.value.Note != "" {
		t.say(theme.Muted, s.value.Note.String())
	}
}

// writeHistory says who changed what, newest first.
func (p *Pane) writeHistory(t *page) {
	c := &p.opened.changes
	t.heading("history")
	switch {
	case c.err != "":
		t.say(theme.Muted, "not known: "+c.err.String())
		return
	case !c.done:
		t.say(theme.Info, "reading")
		return
	case len(c.value) == 0:
		t.say(theme.Muted, "nothing is known of the last 30 days")
		return
	}
	for i := range c.value {
		writeChange(t, &c.value[i])
	}
}

func writeChange(t *page, c *flags.Change) {
	by := c.By.String()
	if by == "" {
		by = "somebody"
	}
	if c.Service {
		by += " (a service token)"
	}
	line := widget.NewJoin(t.env.Styles)
	line.AddRich(widget.Rich{{Token: theme.Muted, Text: fmt.Sprintf("%5s ago ", t.age(c.At))}, {Token: theme.Text, Text: summaryOf(c)}})
	line.Add(theme.Muted, by)
	if c.Comment != "" {
		line.Add(theme.Text, c.Comment.String())
	}
	t.add(line.Rich())
	for _, f := range c.Diff {
		t.add(widget.Rich{
			{Token: theme.Muted, Text: "          " + f.Path + ": "},
			{Token: theme.Removed, Text: "-" + f.Before.String()},
			{Token: theme.Text, Text: " "},
			{Token: theme.Added, Text: "+" + f.After.String()},
		})
	}
}

func summaryOf(c *flags.Change) string {
	if c.Summary != "" {
		return c.Summary.String()
	}
	return c.Action.String()
}
