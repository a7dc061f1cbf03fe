package k8s

import "testing"

func TestShort(t *testing.T) {
	full := Verdict{Phase: PhaseStalling, Message: "4/5 new pods: readiness GET :8000/readyz answers 503 since 23:29; stuck at 5 of 5 updated"}
	cause := Cause{Kind: CauseReadiness, Step: 11, Text: "readiness GET :8000/readyz answers 503", Fatal: true, Count: 4, Of: 5, Which: "new"}
	for _, tc := range []struct {
		name   string
		change func(v *Verdict)
		want   string
	}{
		{"the cause before the counts", func(*Verdict) {}, "readiness GET :8000/readyz answers 503, 4/5 new pods"},
		{"one pod", func(v *Verdict) { v.Causes[0].Count, v.Causes[0].Of, v.Causes[0].Which = 1, 1, "" }, "readiness GET :8000/readyz answers 503, 1/1 pod"},
		{"what is refused has no pods", func(v *Verdict) { v.Causes[0].Step, v.Causes[0].Text = 1, "quota compute is used up" }, "quota compute is used up"},
		{"what to delete before why", func(v *Verdict) {
			v.Causes[0] = Cause{Kind: CauseOrdered, Text: "OrderedReady never replaces it", Fatal: true, Pods: []string{"web-2"}}
		}, "delete web-2: OrderedReady never replaces it"},
		{"what may pass is not put first", func(v *Verdict) { v.Causes[0].Fatal = false }, full.Message.String()},
		{"a pause matters more", func(v *Verdict) { v.Phase = PhasePaused }, full.Message.String()},
		{"no cause", func(v *Verdict) { v.Causes = nil }, full.Message.String()},
	} {
		v := full
		v.Causes = []Cause{cause}
		if tc.change(&v); v.Short() != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, v.Short(), tc.want)
		}
	}
}
