package hpa

import (
	"fmt"
	"time"
)

// unknowns lists what no API tells, and lowers the confidence where it could
// make this explanation wrong.
func (c *calculation) unknowns(e *Explanation) {
	add := func(matters bool, what, effect string) {
		e.Unknown = append(e.Unknown, Unknown{What: what, Effect: effect, Matters: matters})
		if matters && e.Confidence == Exact {
			e.Confidence = Approximate
		}
	}
	if !c.in.Scale.Known && !c.in.Scale.Missing {
		add(true, "the target's scale: "+c.in.Scale.Err.String(), "the sizes are those of the autoscaler's last look")
	}
	if c.in.PodsErr != "" {
		add(true, "the target's pods: "+c.in.PodsErr.String(), "pods without metrics and unready ones are not counted")
	}
	for i := range e.Metrics {
		m := &e.Metrics[i]
		switch {
		case m.FromStatus:
			add(true, m.label()+" was not read live", "its value is the one of the last look, before pods without metrics were counted")
		case !m.Computed && !m.State.fails() && m.State != Live:
			add(true, m.label()+": "+m.Problem, "what the controller gets for it, if it gets anything")
		}
	}
	if e.Recommended >= 0 {
		c.unknownPast(e, add)
	}
	if e.Outcome == Cannot || e.Outcome == Disabled {
		return
	}
	decided := e.LimitedBy == StepTolerance && c.in.HPA.Spec.Behavior == nil
	add(false, "the controller's tolerance (taken as "+percent(c.flags.Tolerance)+")", toleranceEffect(e, decided))
	add(false, fmt.Sprintf("its initial CPU period and readiness delay (taken as %s and %s)", short(c.flags.CPUInitialization), short(c.flags.InitialReadinessDelay)),
		"which pods that have just started count for CPU")
	add(false, "when it looks next (every "+short(c.flags.SyncPeriod)+" unless told otherwise)", "the values may be others by then")
}

func toleranceEffect(e *Explanation, decided bool) string {
	if decided {
		return fmt.Sprintf("with a smaller one it would go to %d", e.Wants)
	}
	return "how close to the target a metric may be without a change"
}

// unknownPast is about the controller's memory.
func (c *calculation) unknownPast(e *Explanation, add func(bool, string, string)) {
	h, now := &c.in.History, c.in.Now
	up, down := time.Duration(0), c.flags.DownscaleWindow
	period := time.Duration(0)
	if c.behave != nil {
		up, down = c.behave.up.window, c.behave.down.window
		period = c.behave.up.longest()
		if e.Recommended < c.current {
			period = c.behave.down.longest()
		}
	}
	window := down
	if e.Recommended > c.current {
		window = up
	}
	if e.Recommended != c.current && !h.covers(c.in.HPA, now, window) {
		effect := "a higher one would keep it from going down"
		if e.Recommended > c.current {
			effect = "a lower one would keep it from going up"
		}
		add(true, fmt.Sprintf("what was recommended within the last %s, before midwatch looked", short(window)), effect)
	}
	if e.Recommended != c.current && period > 0 && !h.knowsChanges(c.in.HPA, now, period) {
		add(true, fmt.Sprintf("by how much it was scaled within the last %s", short(period)), "the rate policies count from there")
	}
}
