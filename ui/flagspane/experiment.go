package flagspane

import (
	"fmt"

	"midwatch/flags/experiment"
	"midwatch/flags/experiment/source"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

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
