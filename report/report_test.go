package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

var at = time.Date(2026, 11, 24, 3, 4, 5, 0, time.UTC)

func workload(name string, sev live.Severity, phase k8s.Phase) *k8s.Workload {
	return &k8s.Workload{
		Ref: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: name},
		Verdict: k8s.Verdict{
			Severity: sev, Phase: phase, Reason: "ImagePullBackOff",
			Message: foreign.Clean("1 new pod | cannot pull \x1b[31mits image"), Since: at.Add(-5 * time.Minute),
			Evidence: []live.Evidence{{Kind: "pod", Ref: "Pod shop/api-1", Text: "waiting"}},
			Causes: []k8s.Cause{{
				Kind: k8s.CauseOOM, Step: 8, Text: "OOMKilled at its 512Mi limit", Fatal: true, Reason: "CrashLoopBackOff", Count: 1, Of: 1, Which: "new", Pods: []string{"api-1"},
				Container: "api", Restarts: 3, Since: at.Add(-5 * time.Minute), NextStart: at.Add(time.Minute),
				Exit: &k8s.Exit{Code: 137, Reason: "OOMKilled", Words: "OOMKilled", MemoryLimit: 512 << 20, At: at.Add(-time.Minute)}, Next: "Undo.",
			}},
			Delete: []k8s.Ref{{Kind: "Pod", Namespace: "shop", Name: "api-1"}},
		},
		Rollout: k8s.RolloutStatus{
			Revision:         k8s.Revision{Number: 4, Images: []k8s.Image{{Container: "api", Image: "registry.example.com/api:v2"}}},
			PreviousRevision: k8s.Revision{Name: "api-6d5"}, Strategy: "RollingUpdate",
			Desired: 3, Updated: 1, Available: 0, Surge: 1, Deadline: at.Add(time.Minute), BlockedBy: []string{"api-1"},
		},
		HPA:       &k8s.HPAStatus{Name: name, Min: 3, Max: 20, Current: 20, Desired: 20, AtMax: true},
		PodsKnown: true,
	}
}

func board(ws ...*k8s.Workload) *Status {
	return New(at, "prod", []string{"shop"}, ws, []live.Source{
		{Name: "deployments", State: live.Ready, Since: at},
		{Name: "events", State: live.Forbidden, Err: "forbidden: list events in shop"},
	})
}

func TestStatusMatchesItsSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../docs/schema/status.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	minimal := &k8s.Workload{Ref: k8s.Ref{Kind: k8s.DaemonSet, Namespace: "platform", Name: "agent"}, Verdict: k8s.Verdict{Message: "not judged", Phase: k8s.PhaseUnknown}}
	raw, err := json.Marshal(board(workload("api", live.Fail, k8s.PhaseFailed), minimal))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if strings.Contains(string(raw), "0001-01-01") {
		t.Errorf("an unknown time must be left out: %s", raw)
	}
}

func TestExitCode(t *testing.T) {
	ok := workload("api", live.OK, k8s.PhaseDone)
	blind := board(ok)
	blind.Sources[0].State = live.Forbidden
	both := board(ok, workload("cart", live.Warn, k8s.PhaseStalling))
	both.Sources[0].State = live.Unreachable
	for _, tc := range []struct {
		name string
		s    *Status
		want int
	}{
		{"all well although events are forbidden", board(ok), ExitWell},
		{"moving is not trouble", board(ok, workload("cart", live.Info, k8s.PhaseProgressing)), ExitWell},
		{"a warning is trouble", board(ok, workload("cart", live.Warn, k8s.PhaseStalling)), ExitTrouble},
		{"a failure is trouble", board(workload("cart", live.Fail, k8s.PhaseFailed)), ExitTrouble},
		{"an unjudged workload is not well", board(ok, workload("cart", live.Unknown, k8s.PhaseUnknown)), ExitUnknown},
		{"deployments could not be read", blind, ExitUnknown},
		{"trouble seen outweighs what could not be seen", both, ExitTrouble},
	} {
		if got := tc.s.ExitCode(); got != tc.want {
			t.Errorf("%s: exit %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestTableSaysWhatWasNotSeen(t *testing.T) {
	var b strings.Builder
	if err := board(workload("api", live.Fail, k8s.PhaseFailed)).Table(&b); err != nil {
		t.Fatal(err)
	}
	want := `STATE   NAMESPACE  WORKLOAD        READY  HPA             SINCE  WHY
x fail  shop       deployment/api  0/3    20/3-20 at max  5m     1 new pod | cannot pull ␛[31mits image
1 workload in namespace shop · 1 failing
events: forbidden: list events in shop
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestMarkdownKeepsForeignTextInItsCell(t *testing.T) {
	var b strings.Builder
	if err := board(workload("api", live.Fail, k8s.PhaseFailed)).Markdown(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `1 new pod \| cannot pull`) {
		t.Errorf("the bar is not escaped:\n%s", b.String())
	}
}

func TestEmptyBoardSaysSo(t *testing.T) {
	var b strings.Builder
	if err := New(at, "prod", nil, nil, nil).Table(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != "no workloads in all namespaces\n" {
		t.Errorf("got %q", got)
	}
}
