package rollout

import (
	"fmt"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// argo judges an Argo Rollout (argo-rollouts utils/rollout/rolloututil.go
// GetRolloutPhase, utils/conditions). The controller sums up itself in
// status.phase; what it says is refined, never overruled.
func (a *assessment) argo() k8s.Verdict {
	o := a.o
	for _, rs := range a.Sets {
		if rs.Hash != "" && rs.Hash == o.Argo.PodHash {
			a.current = rs
		}
	}
	a.setRevisions()
	s := &a.status
	a.stableBefore()
	s.Surge, s.Unavailable = limits(o.MaxSurge, o.MaxUnavailable, o.Replicas)
	if o.Strategy == blueGreen {
		// The new pods come up beside the old ones, all of them.
		s.Surge, s.Unavailable = o.Replicas, 0
	}
	a.needed = o.Replicas - s.Unavailable
	s.Step, s.Steps, s.Weight = o.Argo.Step, o.Argo.Steps, a.weight()
	a.sortPods(func(p *k8s.PodRow) bool { return p.Revision == o.Argo.PodHash })
	if v, ok := a.common(); ok {
		return v
	}
	lost := 0
	if a.current != nil {
		lost = a.current.Replicas - len(a.own)
	}
	a.lookAtPods(lost)
	v := a.argoPhase()
	for _, run := range o.Argo.Analyses {
		v.Evidence = append(v.Evidence, run.evidence(o.Ref))
	}
	return v
}

// stableBefore makes the stable revision the previous one: it is what serves
// and what an abort goes back to, whatever its number.
func (a *assessment) stableBefore() {
	if a.o.Argo.StableHash == a.o.Argo.PodHash {
		return
	}
	for _, r := range a.status.Revisions {
		if r.Hash == a.o.Argo.StableHash && !r.New {
			a.status.PreviousRevision = r
		}
	}
}

// weight is the canary's share in per cent: what the traffic router set, else
// its share of the available pods; 0 when there is no canary.
func (a *assessment) weight() int {
	o := a.o
	switch {
	case o.Strategy != canary || o.Argo.PodHash == o.Argo.StableHash:
		return 0
	case o.Argo.Weight >= 0:
		return o.Argo.Weight
	case o.Status.Available > 0:
		return min(a.status.Available*100/o.Status.Available, 100)
	}
	return 0
}

// at is " at step 3/8, weight 25%": steps are counted from one, as kubectl
// argo rollouts does after the step index was reached.
func (a *assessment) at() string {
	r := a.o.Argo
	if a.o.Strategy != canary || r.Steps == 0 || r.PodHash == r.StableHash {
		return ""
	}
	return fmt.Sprintf(" at step %d/%d, weight %d%%", min(r.Step, r.Steps), r.Steps, a.status.Weight)
}

// argoPhase looks for the phases in the order in which they overrule each
// other: an invalid spec and an abort before pods, pods before a pause.
func (a *assessment) argoPhase() k8s.Verdict {
	o, r := a.o, a.o.Argo
	if v, ok := a.argoFailed(); ok {
		return v
	}
	switch {
	case o.Replicas == 0:
		return a.scaledToZero()
	case r.Referenced && !r.ReferentSeen:
		return verdict(live.Info, k8s.PhaseNotObserved, "NotObserved", time.Time{}, "the newest change of the workload it takes its template from is not yet seen")
	}
	if c := a.argoEstimated(); c != nil {
		a.status.Deadline = c.Updated.Add(o.Deadline)
	}
	if a.argoSettled() {
		if o.Status.Available >= o.Replicas && a.argoHealthy() {
			return a.done("Healthy", a.healthySince(), allUp(o.Replicas))
		}
		if o.Status.Available < o.Replicas && !o.Paused {
			return a.shortage(o.Status.Available, o.Replicas, "pod", a.unavailableSince())
		}
	}
	if g := a.fatal(); g != nil {
		a.status.BlockedBy = a.waiting()
		v := verdict(a.severity(o.Status.Available), k8s.PhaseStalling, g.reason, g.since, "%s", a.withCause("stuck"+a.at(), g))
		v.Evidence = a.evidence()
		return v
	}
	switch {
	case o.Paused:
		return verdict(live.Info, k8s.PhasePaused, "Paused", o.Changed, "paused by its spec%s", a.at())
	case r.ControllerPause && len(r.Pauses) == 0:
		return verdict(live.Info, k8s.PhaseProgressing, "Unpausing", a.rolloutStart(), "waiting to unpause%s", a.at())
	case len(r.Pauses) > 0:
		return a.argoPaused()
	case r.Phase == "Degraded":
		v := verdict(a.severity(o.Status.Available), k8s.PhaseDegraded, "Degraded", a.rolloutStart(), "%s", withWords("degraded"+a.at(), r.Message.String()))
		v.Evidence = a.evidence()
		return v
	}
	return a.argoMoving()
}

// argoFailed are the states from which only a new spec, a retry or a rollback
// leads out. After an abort the stable pods serve again, so users are hit only
// if too few of them are available.
func (a *assessment) argoFailed() (k8s.Verdict, bool) {
	o := a.o
	for i := range o.Conditions {
		c := &o.Conditions[i]
		var v k8s.Verdict
		switch {
		case c.Type == "InvalidSpec" && c.Status == "True":
			v = verdict(live.Fail, k8s.PhaseFailed, "InvalidSpec", c.Since, "%s", withWords("its spec is invalid", c.Message.String()))
		case c.Reason == "RolloutAborted" || (o.Argo.Aborted && c.Type == "Progressing" && c.Reason != deadlineExceeded):
			since := o.Argo.AbortedAt
			if since.IsZero() {
				since = c.Since
			}
			v = verdict(a.severity(o.Status.Available), k8s.PhaseFailed, "RolloutAborted", since, "%s", withWords("aborted, back to the stable pods", a.abortWords(c)))
		case c.Reason == deadlineExceeded:
			v = verdict(live.Fail, k8s.PhaseFailed, deadlineExceeded, c.Since, "rollout failed%s: no progress within the deadline", a.at())
			if g := a.fatal(); g != nil {
				v.Message = cleaned(a.withCause("rollout failed"+a.at(), g))
			}
			a.status.BlockedBy = a.waiting()
		default:
			continue
		}
		v.Evidence = a.evidence()
		return v, true
	}
	return k8s.Verdict{}, false
}

// abortWords is why: a failed analysis in its own words, else what the
// controller says.
func (a *assessment) abortWords(c *Condition) string {
	for _, run := range a.o.Argo.Analyses {
		if run.failed() {
			return run.Kind + " analysis " + run.Status + ": " + orWord(run.Message.String(), run.Name)
		}
	}
	return orWord(c.Message.String(), a.o.Argo.Message.String())
}

// argoHealthy is the controller's own word where it gives one.
func (a *assessment) argoHealthy() bool {
	r := a.o.Argo
	if r.Phase == "" {
		return len(r.Pauses) == 0 && a.o.Status.Updated >= a.o.Replicas
	}
	return r.Phase == "Healthy"
}

// argoSettled reports whether there is nothing to roll out.
func (a *assessment) argoSettled() bool {
	r := a.o.Argo
	return r.PodHash != "" && r.PodHash == r.StableHash
}

// argoEstimated is the Progressing condition while the controller watches the
// deadline: not while paused, failed or complete.
func (a *assessment) argoEstimated() *Condition {
	c := a.o.condition("Progressing")
	if c == nil || a.o.Deadline == 0 || a.o.Paused || len(a.o.Argo.Pauses) > 0 || a.argoSettled() || c.Status != "True" {
		return nil
	}
	return c
}

func (a *assessment) healthySince() time.Time {
	for _, kind := range []string{"Healthy", "Completed", "Progressing"} {
		if c := a.o.condition(kind); c != nil && c.Status == "True" {
			return c.Since
		}
	}
	return a.status.Revision.Created
}

func (a *assessment) unavailableSince() time.Time {
	for _, kind := range []string{"Healthy", "Available"} {
		if c := a.o.condition(kind); c != nil && c.Status == "False" {
			return c.Since
		}
	}
	return time.Time{}
}

// argoPaused is a pause of the controller's: at a step, before a promotion, or
// because an analysis could not tell. A pause with a length ends by itself.
func (a *assessment) argoPaused() k8s.Verdict {
	r, sev := a.o.Argo, live.Info
	pause := r.Pauses[0]
	for _, p := range r.Pauses {
		if p.Reason == "InconclusiveAnalysis" {
			pause, sev = p, live.Warn
		}
	}
	var text string
	switch pause.Reason {
	case "CanaryPauseStep":
		text = "paused" + a.at() + " until it is promoted"
		if r.StepPause > 0 {
			text = "paused" + a.at() + " for " + r.StepPause.String()
			a.within(pause.Start, r.StepPause)
		}
	case "BlueGreenPause":
		text = "paused: the preview is up and waits to be promoted"
	case "InconclusiveAnalysis":
		text = "paused" + a.at() + ": an analysis was inconclusive; promote or abort"
	default:
		text = "paused" + a.at() + ": " + pause.Reason
	}
	return verdict(sev, k8s.PhasePaused, orWord(pause.Reason, "Paused"), pause.Start, "%s", text)
}

func (a *assessment) argoMoving() k8s.Verdict {
	o, s, r := a.o, &a.status, a.o.Argo
	s.BlockedBy = a.waiting()
	text := fmt.Sprintf("rolling out%s: %d of %d updated, %d of those available", a.at(), s.Updated, o.Replicas, s.Available)
	switch {
	case len(a.troubles) > 0:
		text += a.troubles[0].waitingFor()
	case r.Message != "":
		text = withWords(text, r.Message.String())
	}
	if c := a.argoEstimated(); c != nil && a.silent() && !a.within(c.Updated, min(o.ProbeBudget()+o.MinReady+creatingGrace, o.Deadline)) {
		for _, run := range r.Analyses {
			if run.Kind == "step" && run.Status == "Running" {
				return verdict(live.Info, k8s.PhaseProgressing, "AnalysisRunning", c.Updated, "analysing%s: %s", a.at(), run.Name)
			}
		}
		return verdict(a.severity(o.Status.Available), k8s.PhaseStalling, "NoProgress", c.Updated, "no progress%s: %d of %d updated, %d of those available", a.at(), s.Updated, o.Replicas, s.Available)
	}
	return verdict(live.Info, k8s.PhaseProgressing, orWord(r.Phase, "Progressing"), a.rolloutStart(), "%s", text)
}

// evidence of an AnalysisRun.
func (r *ArgoAnalysis) evidence(o k8s.Ref) live.Evidence {
	text := r.Kind + " analysis: " + r.Status
	if r.Message != "" {
		text += ": " + r.Message.String()
	}
	ref := k8s.Ref{Kind: "AnalysisRun", Namespace: o.Namespace, Name: r.Name}
	return live.Evidence{Kind: "analysis", Ref: ref.String(), Text: foreign.CleanN(text, maxText)}
}
