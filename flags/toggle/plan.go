package toggle

import (
	"fmt"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/foreign"
	"midwatch/live"
)

// Planner turns drafts into plans.
type Planner struct {
	// Lock is the session's; a plan is bound to what it is open for.
	Lock  *action.Lock
	Clock live.Clock
}

// Kind is the kind of a plan's target.
const Kind = "Flag"

// Plan makes the proposal of a draft.
func (p *Planner) Plan(d *Draft) (*flags.Proposal, error) {
	if d.Provider.Identity == "" {
		return nil, fmt.Errorf("%s %s: %w: the provider does not say, so the change could not be traced", d.Edit.Verb(), d.Edit.Key, flags.ErrIdentity)
	}
	ladder := flags.NewLadder(flags.StepAccepted, flags.StepReadBack, flags.StepSDK, flags.StepTraffic)
	r := &run{planner: p, draft: d, ladder: ladder}
	prop := &flags.Proposal{
		Edit: d.Edit, Provider: d.Provider.Name, Environment: d.Environment, Flag: d.Flag,
		Pinned: d.Pinned, Now: d.Now, After: d.After, Traffic: d.Traffic, TrafficWhy: d.TrafficWhy, Ladder: ladder,
	}
	r.prop = prop
	prop.Plan = action.New(action.Plan{
		Verb: d.Edit.Verb(), Title: title(d), Target: p.target(d),
		Changes: d.changes(), Diff: d.Diff, Blast: d.blast(), Warnings: d.warnings(), Danger: danger(d),
		Undo: d.Undo, Equivalent: d.Equivalent, VerifyWithin: d.verifyWithin(),
	}, r.steps())
	return prop, nil
}

// target names the flag by provider, project and environment, so that two
// production environments are not mistaken for each other.
func (p *Planner) target(d *Draft) action.Target {
	context, uid := p.Lock.Bound()
	where := []string{d.Provider.Name}
	if d.Provider.Project != "" && d.Provider.Project != d.Provider.Name {
		where = append(where, d.Provider.Project)
	}
	if d.Environment.Key != "" {
		where = append(where, d.Environment.Key)
	}
	return action.Target{Context: context, ClusterUID: uid, Kind: Kind, Namespace: strings.Join(where, "/"), Name: d.Edit.Key}
}

func title(d *Draft) string {
	in := ""
	if d.Environment.Key != "" {
		in = " in " + d.Environment.Key
	}
	switch d.Edit.Kind {
	case flags.SetRollout:
		return fmt.Sprintf("Set the rollout of %s to %s%s?", d.Edit.Key, flags.Percent(d.Edit.Percent), in)
	default:
		return fmt.Sprintf("Turn %s %s%s?", d.Edit.Key, d.Edit.Kind, in)
	}
}

// danger asks in production for the flag's key and a reason, elsewhere for
// what the environment's own settings ask.
func danger(d *Draft) action.Danger {
	switch e := d.Environment; {
	case e.Production, e.RequireComment, d.Edit.IgnoreConflicts:
		return action.DangerReason
	case e.Confirm:
		return action.DangerName
	}
	return action.DangerEnter
}

// changes puts what the pinned context gets below what differs.
func (d *Draft) changes() []action.Field {
	out := append([]action.Field(nil), d.Changes...)
	if d.Pinned != nil && d.Now != nil && d.After != nil {
		out = append(out, action.Field{
			Path: "what " + d.Pinned.Label().String() + " gets", Before: serves(d.Now), After: serves(d.After),
		})
	}
	return out
}

func serves(e *flags.Evaluation) foreign.Text {
	if e.Code != flags.ErrorNone {
		return "error: " + e.Error
	}
	text := e.Value
	if e.Variant != "" && e.Variant != e.Value {
		text += " (" + e.Variant + ")"
	}
	if e.Unsure != "" {
		text += ", not certain: " + e.Unsure
	}
	return text
}

// blast is the effect, and how much traffic it is about.
func (d *Draft) blast() string {
	parts := []string{d.Effect}
	switch total := d.Traffic.Total(); {
	case total > 0:
		var arms []string
		for _, c := range d.Traffic.Counts {
			arms = append(arms, fmt.Sprintf("%s %d", c.Variant, c.N))
		}
		parts = append(parts, fmt.Sprintf("Evaluated %s times in the last %s: %s.", group(total), span(d.Traffic.Until.Sub(d.Traffic.Since)), strings.Join(arms, ", ")))
	case d.Traffic != nil:
		parts = append(parts, "Nothing has reported an evaluation of it lately.")
	case d.TrafficWhy != "":
		parts = append(parts, "How often it is evaluated is not known: "+d.TrafficWhy.String()+".")
	}
	return strings.Join(parts, " ")
}

// warnings adds to the provider's what holds for all of them.
func (d *Draft) warnings() []string {
	out := append([]string(nil), d.Warnings...)
	f := d.Flag
	for _, e := range f.Experiments {
		out = append(out, fmt.Sprintf("the experiment %s is running on it since %s: its result is spoilt by this", e.Name, e.Since.UTC().Format("2006-01-02 15:04")))
	}
	for _, p := range f.Pending {
		out = append(out, fmt.Sprintf("%s waits: %s, by %s", p.Kind, p.What, orUnknown(p.By)))
	}
	switch n := len(f.Dependants); {
	case n > 0:
		out = append(out, fmt.Sprintf("%s on it: %s", count(n, "flag depends", "flags depend"), strings.Join(head(f.Dependants, 5), ", ")))
	case f.DependantsWhy != "":
		out = append(out, "which flags depend on it is not known: "+f.DependantsWhy.String())
	}
	if d.Provider.Service && d.Environment.Production {
		out = append(out, fmt.Sprintf("the provider's audit log will name %s, not you: use a personal token", d.Provider.Identity))
	}
	return out
}

func (d *Draft) verifyWithin() time.Duration {
	t := readBackWithin
	if d.Steps.AwaitSDK != nil {
		t = max(t, d.Steps.SDKWithin)
	}
	if d.Steps.AwaitTraffic != nil {
		t += d.Steps.TrafficWithin
	}
	return t + time.Second
}

func orUnknown(t foreign.Text) foreign.Text {
	if t == "" {
		return "someone unknown"
	}
	return t
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func head(all []string, n int) []string {
	if len(all) <= n {
		return all
	}
	return append(append([]string(nil), all[:n]...), fmt.Sprintf("and %d more", len(all)-n))
}

// group writes 1234567 as 1,234,567.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func span(d time.Duration) string {
	switch {
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d >= time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}
