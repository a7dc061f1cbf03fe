package hpa

import "fmt"

// finish marks the step that decided, adds the last two, and says it all in a
// sentence.
func (e *Explanation) finish() {
	if e.Outcome == Cannot || e.Outcome == Disabled || len(e.Steps) == 1 && e.Steps[0].Name == StepNoDecision {
		return
	}
	decided := 0
	for i := range e.Steps {
		if e.Steps[i].In != e.Steps[i].Out {
			decided = i
		}
	}
	e.Steps[decided].Decided = true
	if e.Wants >= 0 && e.Desired != e.Wants {
		e.LimitedBy = e.Steps[decided].Name
	}
	text := fmt.Sprintf("it keeps %d", e.Desired)
	if e.Desired != e.Current {
		text = fmt.Sprintf("it sets %d", e.Desired)
	}
	e.step(Step{Name: StepDesired, In: e.Current, Out: e.Desired, Text: text})
	text = counting(e.Actual, "replica")
	if e.Ready >= 0 {
		text += fmt.Sprintf(", %d ready", e.Ready)
	}
	e.step(Step{Name: StepActual, In: e.Desired, Out: e.Actual, Text: text})
	if e.Summary == "" {
		e.Summary = e.sentence(&e.Steps[decided])
	}
}

// sentence is the explanation in one: what comes out, what the load alone
// would have given, and the step that made the difference.
func (e *Explanation) sentence(decided *Step) string {
	first := e.Steps[0].Text
	move := fmt.Sprintf("stays at %d", e.Desired)
	if e.Desired != e.Current {
		move = fmt.Sprintf("goes from %d to %d", e.Current, e.Desired)
	}
	switch {
	case e.Desired != e.Wants:
		if e.Desired != e.Current {
			move = fmt.Sprintf("goes from %d to %d, and not %d", e.Current, e.Desired, e.Wants)
		} else {
			move = fmt.Sprintf("%d, and not %d", e.Desired, e.Wants)
		}
		return move + ": " + decided.Text
	case decided.Name != StepMetrics:
		return move + ": " + decided.Text
	}
	return move + ": " + first
}
