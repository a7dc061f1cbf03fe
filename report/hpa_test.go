package report_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/hpa"
	"midwatch/live"
	"midwatch/report"
)

func TestAnExplainedAutoscaler(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)
	w := &k8s.Workload{
		Ref:     k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "api", UID: "u"},
		Verdict: k8s.Verdict{Severity: live.OK, Phase: k8s.PhaseDone, Message: "all 7 pods are up to date"},
		HPA:     &k8s.HPAStatus{Name: "api", Min: 3, Max: 20, Current: 7, Desired: 7, Stabilising: true},
	}
	doc := report.New(at, "demo", nil, []*k8s.Workload{w}, nil)
	if got := doc.Workloads[0].HPA; got.LimitedBy != "stabilisation" || got.Wants != nil {
		t.Errorf("before it is explained: %+v", got)
	}
	doc.Explained(map[string]*hpa.Explanation{w.Key(): {
		Name: "api", Min: 3, Max: 20, Current: 7, Wants: 12, Desired: 7, Outcome: hpa.Stays, Confidence: hpa.Exact, LimitedBy: hpa.StepPods,
		Summary: "7, and not 12: 3 pods give no metric, so the scale-up is cancelled",
		Metrics: []hpa.Metric{
			{Name: "cpu", Type: "Resource", State: hpa.Live, Computed: true, Current: 118, Target: 70, Unit: hpa.Percent, Ratio: math.Inf(1), Proposal: 7,
				Groups: hpa.Groups{Ready: make([]string, 4), Missing: make([]string, 3)}},
			{Name: "queue", Type: "External", State: hpa.Absent, Problem: "the cluster has no external.metrics.k8s.io", Target: 4000},
		},
		Steps:    []hpa.Step{{Name: hpa.StepPods, In: 12, Out: 7, Text: "3 pods give no metric", Decided: true}},
		Forecast: &hpa.Forecast{Text: "it stays", Points: []hpa.Point{{At: at, N: 7}}},
	}})
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err) // an infinite ratio has no JSON
	}
	for _, want := range []string{
		`"wants":12,"next":7,"outcome":"stays","confidence":"exact"`, `"current":"118 %","target":"70 %","ratio":1000000000,"proposal":7,"ready":4,"unready":0,"missing":3`,
		`"state":"absent","target":"4","ratio":0,"ready":0`, `{"name":"pods","in":12,"out":7,"text":"3 pods give no metric","decided":true}`,
		`"points":[{"at":"2026-11-24T03:12:00Z","n":7}]`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in\n%s", want, raw)
		}
	}
	var md strings.Builder
	if err := doc.Incident(&md); err != nil || !strings.Contains(md.String(), "Its autoscaler: 7, and not 12: 3 pods give no metric") {
		t.Errorf("%v\n%s", err, md.String())
	}
}
