package hpa

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"midwatch/foreign"
)

// Explain computes what the autoscaler does at its next look, as far as it can
// be known. It never fails: what is missing is in the outcome, the confidence
// and the list of unknowns.
func Explain(in Input) *Explanation {
	c := newCalculation(&in)
	t := in.HPA.Spec.ScaleTargetRef
	e := &Explanation{
		Name:   foreign.CleanN(in.HPA.Name, maxName).String(),
		Target: foreign.CleanN(fmt.Sprintf("%s %s/%s", t.Kind, in.HPA.Namespace, t.Name), 3*maxName).String(),
		Min:    c.min, Max: c.max, Current: c.current, Actual: c.actual, Ready: -1,
		Wants: -1, Recommended: -1, Desired: c.current, Outcome: Stays, Confidence: Exact,
		Conditions: Conditions(in.HPA),
	}
	if in.PodsErr == "" && in.Scale.Known {
		e.Ready = c.runningAndReady()
	}
	c.decide(e)
	if e.Outcome != Disabled && e.Outcome != Cannot && e.Outcome != Unsure && e.Desired != e.Current {
		e.Outcome = Scales
	}
	e.finish()
	c.unknowns(e)
	return e
}

func newCalculation(in *Input) *calculation {
	spec := &in.HPA.Spec
	c := &calculation{
		in: in, flags: in.Flags.filled(), min: int(ptr.Deref(spec.MinReplicas, 1)), max: int(spec.MaxReplicas),
		current: int(in.Scale.Spec), actual: int(in.Scale.Status),
	}
	if !in.Scale.Known {
		c.current, c.actual = int(in.HPA.Status.DesiredReplicas), int(in.HPA.Status.CurrentReplicas)
	}
	c.behave = behaviourOf(spec.Behavior, c.flags)
	c.up, c.down = tolerances(spec.Behavior, c.flags)
	return c
}

// decide is reconcileAutoscaler of horizontal.go.
func (c *calculation) decide(e *Explanation) {
	e.Predicted.AbleToScale = "SucceededGetScale"
	switch {
	case c.in.Scale.Missing:
		e.Predicted.AbleToScale = "FailedGetScale"
		e.stop(Cannot, "cannot work: "+c.in.Scale.Err.String())
	case c.current == 0 && !c.fromZero():
		e.Predicted.ScalingActive = "ScalingDisabled"
		e.Desired = 0
		e.Outcome = Disabled
		e.Summary = "off: its target was scaled to 0 by hand, and an autoscaler leaves that alone until someone scales it up"
		e.step(Step{Name: StepDisabled, Text: "0 replicas switch the autoscaler off", Decided: true})
	case c.current > c.max:
		e.bound(c.max, fmt.Sprintf("%d replicas are above the maximum; the metrics are not looked at", c.current))
	case c.current < c.min && c.current > 0:
		e.bound(c.min, fmt.Sprintf("%d replicas are below the minimum; the metrics are not looked at", c.current))
	case c.in.Scale.Known && c.in.Scale.Selector == "":
		e.Predicted.ScalingActive = "InvalidSelector"
		e.stop(Cannot, "does nothing: its target has no selector, so it cannot tell whose load it is")
	case len(c.in.Rivals) > 0:
		e.Predicted.ScalingActive = "AmbiguousSelector"
		e.stop(Cannot, "does nothing: "+strings.Join(c.in.Rivals, ", ")+" selects the same pods, and then neither acts")
	default:
		c.fromMetrics(e)
	}
}

// fromZero reports that the autoscaler itself scaled to zero and may scale up
// again (1.37: condition ScaledToZero, and a metric that needs no pods).
func (c *calculation) fromZero() bool {
	zero := condition(c.in.HPA, autoscalingv2.ScaledToZero)
	if zero == nil || zero.Status != corev1.ConditionTrue {
		return false
	}
	if c.min != 0 {
		return true
	}
	for _, m := range c.in.HPA.Spec.Metrics {
		if m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType {
			return true
		}
	}
	return false
}

func (c *calculation) fromMetrics(e *Explanation) {
	for i := range c.in.HPA.Spec.Metrics {
		e.Metrics = append(e.Metrics, c.metric(i))
	}
	p := c.propose(e.Metrics)
	if p.by == nil {
		c.nothing(e, p)
		return
	}
	e.Wants = p.raw
	c.metricSteps(e, p)
	if p.refused {
		e.Predicted.ScalingActive = p.first.Reason
		e.step(Step{Name: StepInvalid, In: p.final, Out: c.current, Text: p.first.label() + " cannot be read, and without every metric nothing is scaled down"})
		e.Outcome = Stays
		if m := uncertain(e.Metrics); m != nil {
			e.Outcome = Unsure
		}
		return
	}
	e.Predicted.ScalingActive = "ValidMetricFound"
	e.Recommended = p.final
	before := past{c.recommendations(), c.in.History.Changes}
	n := c.normalise(c.current, p.final, before, c.in.Now)
	if c.current == 0 && c.min > n.n {
		n.n = c.min // it was scaled to zero by the autoscaler, and its minimum was raised since
	}
	e.Desired = n.n
	e.Predicted.AbleToScale, e.Predicted.ScalingLimited = n.able, n.limited
	if n.n != c.current {
		e.Predicted.AbleToScale = "SucceededRescale"
	}
	c.normalSteps(e, p, n)
	c.forecast(e, p.final, n, before)
}

// nothing is for when no metric can be computed.
func (c *calculation) nothing(e *Explanation, p proposal) {
	if p.first == nil { // the server puts in cpu at 80 % where there is no metric
		e.stop(Cannot, "does nothing: it has no metric")
		return
	}
	e.Predicted.ScalingActive = p.first.Reason
	text := fmt.Sprintf("stays at %d and cannot move: %s: %s", c.current, p.first.label(), p.first.Problem)
	if m := uncertain(e.Metrics); m != nil {
		e.stop(Unsure, fmt.Sprintf("cannot be explained: %s: %s", m.label(), m.Problem))
		return
	}
	e.stop(Cannot, text)
}

// metricSteps are the load, what pods without values made of it, and the
// tolerance.
func (c *calculation) metricSteps(e *Explanation, p proposal) {
	text := p.rawBy.why()
	if n := len(e.Metrics); n > 1 {
		text = fmt.Sprintf("%s: of %d metrics this asks for the most", text, n)
	}
	e.step(Step{Name: StepMetrics, In: c.current, Out: p.raw, Text: text, Approx: p.rawBy.FromStatus})
	text = "every pod gives its metrics"
	if m := held(e.Metrics); m != nil {
		text = m.Note
		if len(e.Metrics) > 1 {
			text = m.label() + ": " + text
		}
	} else if p.by.FromStatus {
		text = "not known: the status does not tell which pods give metrics"
	}
	e.step(Step{Name: StepPods, In: p.raw, Out: p.filled, Text: text})
	text = "far enough from the target to move"
	switch {
	case p.final != p.filled:
		text = fmt.Sprintf("%s is within %s of the target: too little to move", p.by.label(), c.tolerance(p.by.CorrectedRatio))
	case c.within(p.by.CorrectedRatio):
		text = fmt.Sprintf("%s is within %s of the target", p.by.label(), c.tolerance(p.by.CorrectedRatio))
	}
	e.step(Step{Name: StepTolerance, In: p.filled, Out: p.final, Text: text})
}

// held is the metric that pods without values changed the most.
func held(metrics []Metric) *Metric {
	var most *Metric
	for i := range metrics {
		m := &metrics[i]
		if m.Computed && m.Raw != m.Filled && (most == nil || abs(m.Raw-m.Filled) > abs(most.Raw-most.Filled)) {
			most = m
		}
	}
	return most
}

func abs(n int) int { return max(n, -n) }

// normalSteps are the window, the rates and the limits.
func (c *calculation) normalSteps(e *Explanation, p proposal, n normalised) {
	e.step(Step{Name: StepStabilise, In: p.final, Out: n.stabilised, Text: c.windowText(p.final, n)})
	e.step(Step{Name: StepRate, In: n.stabilised, Out: n.rated, Text: c.rateText(n)})
	text := fmt.Sprintf("%d to %d are allowed", c.min, c.max)
	switch {
	case n.n < n.rated:
		text = fmt.Sprintf("%d is the maximum", c.max)
	case n.n > n.rated:
		text = fmt.Sprintf("%d is the minimum", c.min)
	}
	e.step(Step{Name: StepLimits, In: n.rated, Out: n.n, Text: text})
}

func (c *calculation) windowText(proposed int, n normalised) string {
	up, down := short(0), short(c.flags.DownscaleWindow)
	if c.behave != nil {
		up, down = short(c.behave.up.window), short(c.behave.down.window)
	}
	switch {
	case n.stabilised == proposed && proposed < c.current:
		return fmt.Sprintf("nothing higher was wanted within the last %s", down)
	case n.stabilised == proposed:
		return "no window holds it back"
	case proposed > c.current && n.stabilised < proposed:
		return fmt.Sprintf("%d was still wanted within the last %s: the lowest of that window counts", n.held.N, up)
	}
	return fmt.Sprintf("%d was still wanted within the last %s: the highest of that window counts", max(n.held.N, n.stabilised), down)
}

func (c *calculation) rateText(n normalised) string {
	switch {
	case n.stabilised == c.current:
		return "nothing to slow down"
	case c.behave == nil && n.stabilised < c.current:
		return "nothing slows a scale-down"
	case c.behave == nil && n.rated < n.stabilised:
		return fmt.Sprintf("at most double, or up to 4, at once: %d", n.rate)
	case c.behave == nil:
		return fmt.Sprintf("up to %d at once is allowed", n.rate)
	}
	r, direction := &c.behave.up, "up"
	if n.stabilised < c.current {
		r, direction = &c.behave.down, "down"
	}
	switch {
	case r.choice == autoscalingv2.DisabledPolicySelect:
		return "scaling " + direction + " is disabled (selectPolicy: Disabled)"
	case n.by == nil:
		return "no policy allows scaling " + direction
	case n.rated == n.stabilised:
		return fmt.Sprintf("%s allows going %s to %d", policy(n.by), direction, n.rate)
	}
	return fmt.Sprintf("%s allow%s no further than %d", policy(n.by), plural(n.by), n.rate)
}

func plural(p *autoscalingv2.HPAScalingPolicy) string {
	if p.Type == autoscalingv2.PodsScalingPolicy && p.Value != 1 {
		return ""
	}
	return "s"
}

// step appends one step.
func (e *Explanation) step(s Step) { e.Steps = append(e.Steps, s) }

// stop ends the explanation where the controller ends its round.
func (e *Explanation) stop(o Outcome, summary string) {
	e.Outcome, e.Summary = o, summary
	e.Confidence = Exact
	if o == Unsure {
		e.Confidence = None
	}
	e.step(Step{Name: StepNoDecision, In: e.Current, Out: e.Current, Text: summary, Decided: true})
}

// bound sets the replicas to a limit.
func (e *Explanation) bound(n int, why string) {
	e.step(Step{Name: StepLimits, In: e.Current, Out: n, Text: why})
	e.Desired = n
	e.Predicted.AbleToScale = "SucceededRescale"
	e.Summary = fmt.Sprintf("goes from %d to %d: %s", e.Current, n, why)
}
