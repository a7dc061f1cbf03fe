package unleash

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"midwatch/flags"
	"midwatch/foreign"
)

// evaluator works out what a subject gets, as an SDK does from the client
// API's document (client specification 5). It is the one behind "what would
// change" as well, where no server can be asked.
type evaluator struct {
	subject subject
	// flag finds a parent flag; nil when they are not known here.
	flag func(name string) *feature
}

// outcome is what came of a flag or a strategy, and how.
type outcome struct {
	verdict verdict
	reason  flags.Reason
	native  string
	variant *variant
	why     []foreign.Text
	unsure  string
}

func (ev evaluator) evaluation(f *feature) flags.Evaluation {
	o := ev.evaluate(f)
	e := flags.Evaluation{Key: f.Name, Value: "false", Reason: o.reason, Native: foreign.Clean(o.native), Why: o.why, Unsure: foreign.Clean(o.unsure)}
	switch o.verdict {
	case yes:
		e.Value = "true"
	case unknown:
		e.Value, e.Reason = "", flags.ReasonUnknown
	}
	if o.variant != nil && o.verdict == yes {
		e.Variant = foreign.CleanN(o.variant.Name, 100)
		if p := o.variant.Payload; p != nil {
			e.Why = append(e.Why, foreign.CleanN(fmt.Sprintf("variant %s carries the %s %s", o.variant.Name, p.Type, p.Value), 400))
		}
	}
	return e
}

func (ev evaluator) evaluate(f *feature) outcome {
	if !f.Enabled {
		return outcome{reason: flags.ReasonDisabled, native: "off in this environment"}
	}
	if o, ok := ev.parents(f); !ok {
		return o
	}
	if len(f.Strategies) == 0 {
		return outcome{verdict: yes, reason: flags.ReasonStatic, native: "on, without a strategy", variant: ev.pick(f.Name, f.Variants)}
	}
	last := outcome{reason: flags.ReasonDefault, native: "no strategy applies"}
	var why []foreign.Text
	for i := range f.Strategies {
		s := &f.Strategies[i]
		o := ev.strategy(f, s, i)
		why = append(why, o.why...)
		switch {
		case o.verdict == yes:
			o.why = why
			return o
		case o.verdict == unknown:
			last.verdict, last.reason, last.native, last.unsure = unknown, flags.ReasonUnknown, o.native, o.unsure
		case o.reason == flags.ReasonSplit && last.verdict == no:
			last.reason, last.native = o.reason, o.native
		}
		if last.unsure == "" {
			last.unsure = o.unsure
		}
	}
	last.why = why
	return last
}

// parents checks the flags this one depends on; ok is true when they hold.
func (ev evaluator) parents(f *feature) (o outcome, ok bool) {
	for _, d := range f.Dependencies {
		o := outcome{reason: flags.ReasonPrerequisite, native: "depends on " + d.Feature}
		var parent *feature
		if ev.flag != nil {
			parent = ev.flag(d.Feature)
		}
		if parent == nil {
			o.verdict, o.unsure = unknown, fmt.Sprintf("the parent flag %s is not known here", d.Feature)
			if ev.flag != nil {
				o.verdict, o.unsure = no, ""
			}
			return o, false
		}
		// A parent that has parents itself satisfies nobody.
		p := outcome{}
		if len(parent.Dependencies) == 0 {
			p = ev.evaluate(parent)
		}
		want := d.Enabled == nil || *d.Enabled
		if p.verdict == unknown {
			o.verdict, o.unsure = unknown, "the parent flag "+d.Feature+" cannot be decided: "+p.unsure
			return o, false
		}
		if (p.verdict == yes) != want || want && len(d.Variants) > 0 && (p.variant == nil || !contains(d.Variants, p.variant.Name)) {
			o.why = []foreign.Text{foreign.Clean(fmt.Sprintf("the parent flag %s is not as needed", d.Feature))}
			return o, false
		}
	}
	return outcome{}, true
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// strategy evaluates one of them.
func (ev evaluator) strategy(f *feature, s *strategy, i int) outcome {
	o := outcome{native: "strategy " + strconv.Itoa(i+1) + " " + title(s)}
	if s.Disabled {
		o.why = []foreign.Text{foreign.Clean(title(s) + ": disabled, skipped")}
		return o
	}
	v := yes
	for j := range s.Constraints {
		c := &s.Constraints[j]
		if strings.HasPrefix(c.Operator, "DATE_") && c.ContextName != "currentTime" {
			o.unsure = "SDKs differ on dates other than currentTime: some compare " + c.ContextName + ", some the time of day"
		}
		switch c.holds(ev.subject) {
		case no:
			v = no
			o.why = append(o.why, c.words()+": does not hold")
		case unknown:
			if v == yes {
				v = unknown
			}
			o.unsure = fmt.Sprintf("the operator %s is not known to midwatch", c.Operator)
			o.why = append(o.why, c.words()+": cannot be decided here")
		default:
			o.why = append(o.why, c.words()+": holds")
		}
	}
	if v != yes {
		o.verdict = v
		return o
	}
	ev.applies(f, s, &o)
	return o
}

func title(s *strategy) string {
	if s.Title != "" {
		return s.Title
	}
	return s.Name
}

// applies is what is left of a strategy once its constraints hold.
func (ev evaluator) applies(f *feature, s *strategy, o *outcome) {
	switch s.Name {
	case "default":
		o.verdict, o.reason = yes, flags.ReasonStatic
	case "userWithId":
		id, _ := ev.subject.get("userId")
		o.verdict, o.reason = of(id != "" && listed(s.Parameters["userIds"], id)), flags.ReasonTargetingMatch
		o.why = append(o.why, verdictText("userId is on the strategy's list", o.verdict))
	case "flexibleRollout", "gradualRolloutUserId", "gradualRolloutSessionId", "gradualRolloutRandom":
		ev.percentage(f, s, o)
	default:
		o.verdict = unknown
		o.unsure = fmt.Sprintf("only the application can evaluate the strategy %s", s.Name)
		return
	}
	if o.verdict != yes {
		return
	}
	if o.reason == flags.ReasonStatic && len(s.Constraints) > 0 {
		o.reason = flags.ReasonTargetingMatch
	}
	group := string(s.Parameters["groupId"])
	if group == "" {
		group = f.Name
	}
	o.variant = ev.pick(group, s.Variants)
	if o.variant == nil {
		o.variant = ev.pick(f.Name, f.Variants)
	}
	if o.variant != nil {
		o.reason = flags.ReasonSplit
	}
}

func verdictText(what string, v verdict) foreign.Text {
	if v == yes {
		return foreign.Clean(what + ": holds")
	}
	return foreign.Clean(what + ": does not hold")
}

func listed(list loose, id string) bool {
	for _, one := range strings.Split(string(list), ",") {
		if strings.TrimSpace(one) == id {
			return true
		}
	}
	return false
}

// percentage places the subject (client specification: flexibleRollout and the
// gradual rollouts before it).
func (ev evaluator) percentage(f *feature, s *strategy, o *outcome) {
	percent, _ := s.rollout()
	group, ok := s.Parameters["groupId"]
	if !ok || group == "" {
		group = loose(f.Name)
	}
	sticky := string(s.Parameters["stickiness"])
	switch s.Name {
	case "gradualRolloutUserId":
		sticky = "userId"
	case "gradualRolloutSessionId":
		sticky = "sessionId"
	case "gradualRolloutRandom":
		sticky = "random"
	}
	o.reason = flags.ReasonSplit
	if percent >= 100 {
		o.reason = flags.ReasonStatic
	}
	id, by, certain := ev.stickyID(sticky)
	if !certain && percent > 0 && percent < 100 {
		o.verdict = unknown
		o.unsure = fmt.Sprintf("%d %% by chance, anew for each evaluation: the context has no userId and no sessionId", percent)
		return
	}
	if certain && id == "" {
		o.verdict, o.reason = no, flags.ReasonDefault
		o.why = append(o.why, foreign.Clean(fmt.Sprintf("%d %% by %s: the context has none", percent, by)))
		return
	}
	at := 1
	if certain {
		at = int(bucket(string(group), id, 100, rolloutSeed))
	}
	o.verdict = of(percent > 0 && at <= percent)
	word := "outside"
	if o.verdict == yes {
		word = "inside"
	}
	if certain {
		o.why = append(o.why, foreign.Clean(fmt.Sprintf("%d %% by %s: place %d of 100, %s", percent, by, at, word)))
	}
}

// stickyID is what the subject is placed by. certain is false for a toss of
// the dice.
func (ev evaluator) stickyID(sticky string) (id, by string, certain bool) {
	switch sticky {
	case "", "default":
		for _, name := range []string{"userId", "sessionId"} {
			if v, ok := ev.subject.get(name); ok {
				return v, name, true
			}
		}
		return "", "chance", false
	case "random":
		return "", "chance", false
	}
	v, _ := ev.subject.get(sticky)
	return v, sticky, true
}

// pick chooses a variant; nil when there is none or chance decides.
func (ev evaluator) pick(group string, all []variant) *variant {
	total := 0
	for i := range all {
		total += all[i].Weight
	}
	if total <= 0 || total > math.MaxUint32 {
		return nil
	}
	for i := range all {
		for _, o := range all[i].Overrides {
			if v, ok := ev.subject.get(o.ContextName); ok && contains(o.Values, v) {
				return &all[i]
			}
		}
	}
	id, _, certain := ev.stickyID(all[0].Stickiness)
	if all[0].Stickiness == "" || all[0].Stickiness == "default" {
		if v, ok := ev.subject.get("remoteAddress"); ok && !certain {
			id, certain = v, true
		}
	}
	if !certain || id == "" {
		return nil
	}
	at, sum := int(bucket(group, id, uint32(total), variantSeed)), 0
	for i := range all {
		if sum += all[i].Weight; sum >= at {
			return &all[i]
		}
	}
	return nil
}
