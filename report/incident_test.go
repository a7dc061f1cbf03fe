package report

import (
	"strings"
	"testing"
	"time"

	"midwatch/k8s"
	"midwatch/live"
)

// incident is the report about one workload, without its evidence.
func incident(t *testing.T, w *k8s.Workload) string {
	t.Helper()
	var b strings.Builder
	if err := New(at, "prod", []string{"shop"}, []*k8s.Workload{w}, nil).Incident(&b); err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(b.String(), "\n\nEvidence:")
	return text
}

func troubled() *k8s.Workload {
	w := workload("api", live.Warn, k8s.PhaseStalling)
	w.Rollout = k8s.RolloutStatus{
		Revision:         k8s.Revision{Number: 7, Images: []k8s.Image{{Container: "api", Image: "shop/api:2"}}, Cause: "helm upgrade"},
		PreviousRevision: k8s.Revision{Number: 6, Images: []k8s.Image{{Container: "api", Image: "shop/api:1"}}},
		Started:          at.Add(-6 * time.Minute), Desired: 3, TotalAvailable: 3, Available: 0, Deadline: at.Add(4 * time.Minute),
	}
	w.Verdict.Delete = nil
	return w
}

func TestIncidentReadsLikeOne(t *testing.T) {
	want := `## shop/api: rollout stuck

**1 of 1 new pod is not available: OOMKilled at its 512Mi limit** (container api), since 02:59 UTC (5m ago), after 3 restarts, next start at 03:05 UTC. ` +
		"Before it, revision 6 was replaced by 7 at 02:58 UTC (6m ago): api `shop/api:1` → `shop/api:2` (helm upgrade). " +
		"3 of 3 wanted pods are available: the old revision still serves, and users should not notice yet. It counts as failed at 03:08 UTC if nothing moves. " +
		"Next: Undo. The undo is `kubectl -n shop rollout undo deployment/api`."
	if got := incident(t, troubled()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestIncidentSaysWhenItIsNotTheRollout(t *testing.T) {
	w := troubled()
	w.Verdict.Causes[0].OldToo = 2
	w.Rollout.TotalAvailable, w.Rollout.Started = 0, at.Add(-time.Minute)
	got := incident(t, w)
	for _, want := range []string{
		"Pods of the old revision fail the same way, so this rollout is not the cause.", "Since then, revision 6 was replaced by 7",
		"Nothing is available: everybody who needs it is affected.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "rollout undo") {
		t.Errorf("an undo would not help:\n%s", got)
	}
}

func TestIncidentOfWhatIsWellAndOfWhatWasRefused(t *testing.T) {
	well := troubled()
	well.Verdict = k8s.Verdict{Severity: live.OK, Phase: k8s.PhaseDone, Message: "all 3 pods are up to date and available", Since: at.Add(-49 * time.Hour)}
	if got := incident(t, well); !strings.Contains(got, "## shop/api: well\n\n**All 3 pods are up to date and available.** Since 2026-11-22 02:04 UTC (2d ago).") {
		t.Errorf("got\n%s", got)
	}
	refused := troubled()
	refused.Verdict.Causes = []k8s.Cause{{Kind: k8s.CauseQuota, Step: 1, Text: "quota compute is used up: pods 3 of 3, wants 1", Count: 3, Of: 3, Which: "new", Since: at.Add(-time.Minute), Next: "Raise it."}}
	if got := incident(t, refused); !strings.Contains(got, "**The API server refuses the pods: quota compute is used up: pods 3 of 3, wants 1.** 3 of 3 new pods are missing, since 03:03 UTC (1m ago).") {
		t.Errorf("got\n%s", got)
	}
}
