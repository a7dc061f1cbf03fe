package rollout

import (
	"bufio"
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midwatch/k8s"
	"midwatch/live"
)

func newReader(raw []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(raw)) }

func TestAssess(t *testing.T) {
	for _, s := range situations(t) {
		t.Run(s.name(), func(t *testing.T) {
			got := told(Assess(s.input))
			var early *expectation
			if s.WithoutPods != nil {
				e := told(Assess(withoutPods(s.input)))
				early = &e
			}
			if *update {
				s.Expect, s.WithoutPods = got, early
				s.write(t)
				return
			}
			if diff := cmp.Diff(s.Expect, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", s.What, diff)
			}
			if diff := cmp.Diff(s.WithoutPods, early); diff != "" {
				t.Errorf("without pods (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(loadSituation(t, s.file).input, s.input); diff != "" {
				t.Errorf("Assess wrote its input:\n%s", diff)
			}
			for _, in := range []Input{s.input, withoutPods(s.input)} {
				checkComplete(t, in)
				checkHolds(t, in)
			}
			checkAgreesWithKubectl(t, s)
		})
	}
}

func withoutPods(in Input) Input {
	in.Pods, in.PodsKnown = nil, false
	return in
}

// checkHolds: a verdict may change by itself only at the time it says.
func checkHolds(t *testing.T, in Input) {
	t.Helper()
	v, status := Assess(in)
	later := in
	later.Now = in.Now.Add(24 * time.Hour)
	if !v.Recheck.IsZero() {
		later.Now = v.Recheck.Add(-time.Nanosecond)
	}
	w, laterStatus := Assess(later)
	if !w.Recheck.Equal(v.Recheck) {
		t.Errorf("recheck moved from %s to %s", v.Recheck, w.Recheck)
	}
	if diff := cmp.Diff(v, w); diff != "" {
		t.Errorf("at %s, before the recheck at %s, the verdict is another (pods known: %v):\n%s", later.Now, v.Recheck, in.PodsKnown, diff)
	}
	if diff := cmp.Diff(status, laterStatus); diff != "" {
		t.Errorf("the status is another:\n%s", diff)
	}
	if !v.Recheck.IsZero() && !v.Recheck.After(in.Now) {
		t.Errorf("recheck %s is not after now %s", v.Recheck, in.Now)
	}
}

// relative matches ages and countdowns: they go stale in a sentence, and are
// drawn by the screen.
var relative = regexp.MustCompile(`\b\d+[smhd]\b|\bago\b`)

// checkComplete: every verdict says all it has to, within bounds.
func checkComplete(t *testing.T, in Input) {
	t.Helper()
	v, status := Assess(in)
	if v.Severity == live.Unknown || v.Phase == "" || v.Reason == "" || v.Message == "" {
		t.Errorf("verdict %+v leaves something out", v)
	}
	if m := v.Message.String(); relative.MatchString(m) || len([]rune(m)) > 150 {
		t.Errorf("message of %d characters, or with a relative time: %s", len([]rune(m)), m)
	}
	if v.Since.After(in.Now) || v.Since.Equal(in.Now) {
		t.Errorf("since %s is not before now", v.Since)
	}
	if len(v.Evidence) > maxEvidence {
		t.Errorf("%d pieces of evidence", len(v.Evidence))
	}
	for i := range v.Causes {
		c := &v.Causes[i]
		if c.Text == "" || c.Next == "" || rungOf(c.Kind).Kind != c.Kind || c.Count > c.Of || len(c.Pods) > maxCausePods || relative.MatchString(c.Text.String()) {
			t.Errorf("cause %+v leaves something out", c)
		}
	}
	if len(v.Clues) > maxClues {
		t.Errorf("%d clues", len(v.Clues))
	}
	for _, e := range v.Evidence {
		if e.Kind == "" || e.Ref == "" || e.Text == "" {
			t.Errorf("evidence %+v cannot be opened", e)
		}
	}
	if status.Desired != in.Object.Replicas || status.Strategy == "" {
		t.Errorf("status %+v", status)
	}
	if !in.PodsKnown && len(status.BlockedBy) > 0 {
		t.Errorf("names pods %v it cannot know", status.BlockedBy)
	}
	if (v.Phase == k8s.PhaseStalling || v.Phase == k8s.PhaseBlocked) && v.Severity.Rank() > live.Warn.Rank() {
		t.Errorf("%s is only %s", v.Phase, v.Severity)
	}
}

func TestAssessOfWhatNobodyJudges(t *testing.T) {
	v, _ := Assess(Input{Object: &Object{Ref: k8s.Ref{Kind: "Job", Name: "x"}}})
	if v.Phase != k8s.PhaseUnknown || v.Severity != live.Unknown || v.Message != "midwatch does not judge a Job" {
		t.Errorf("verdict %+v", v)
	}
	if v, _ := Assess(Input{}); v.Phase != k8s.PhaseUnknown {
		t.Errorf("verdict on nothing: %+v", v)
	}
}
