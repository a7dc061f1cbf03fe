package source_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/flags/experiment"
	"midwatch/flags/experiment/source"
	"midwatch/k8s"
)

// TestEndingAnExperimentLetsNobodyInAndCanBeUndone: through the gate, to the
// byte.
func TestEndingAnExperimentLetsNobodyInAndCanBeUndone(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "experiments", map[string]string{"experiments.yaml": definitions})
	ref := w.workload(t, k8s.Deployment, "checkout")
	place := source.Place{ConfigMap: "experiments"}
	e := named(t, w.report(t, ref, place), "checkout-flow")
	plan, err := e.PlanKill(t.Context(), w.planner)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Title != "End the experiment checkout-flow?" || plan.Danger != action.DangerName || plan.Target.Name != "experiments" ||
		!strings.HasPrefix(plan.Blast, "50.01 % of all users are let in now; afterwards everyone gets control.") {
		t.Errorf("plan %+v", plan)
	}
	w.lock.Lock()
	if err := w.run(t.Context(), plan); !errors.Is(err, action.ErrLocked) || w.text(t, "experiments", "experiments.yaml") != definitions {
		t.Fatalf("locked: %v", err)
	}
	w.lock.Open()
	if err := w.run(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(definitions, "traffic_percent: 0.5 ", "traffic_percent: -1 ", 1)
	if got := w.text(t, "experiments", "experiments.yaml"); got != want {
		t.Errorf("the ConfigMap says\n%s", got)
	}
	ended := named(t, w.report(t, ref, place), "checkout-flow")
	if ended.Definition.Admitted() != 0 || ended.Kill.By != source.KillByHand || ended.ChangedBy != "midwatch" {
		t.Errorf("ended: %+v", ended)
	}
	for i := range 20_000 { // user 11810 is in bucket 0, whom a traffic of 0 lets in
		if a, err := ended.Definition.Assign(fmt.Sprint("u", i)); err != nil || a.Variant != experiment.Control {
			t.Fatalf("user u%d gets %+v, %v", i, a, err)
		}
	}
	undo, err := w.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(t.Context(), undo); err != nil {
		t.Fatal(err)
	}
	if got := w.text(t, "experiments", "experiments.yaml"); got != definitions {
		t.Errorf("the undo left\n%s", got)
	}
}

// TestAnExperimentThatChangedMeanwhileIsNotEnded: what was confirmed is what
// was shown.
func TestAnExperimentThatChangedMeanwhileIsNotEnded(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "experiments", map[string]string{"experiments.yaml": definitions})
	e := named(t, w.report(t, w.workload(t, k8s.Deployment, "checkout"), source.Place{ConfigMap: "experiments"}), "checkout-flow")
	plan, err := e.PlanKill(t.Context(), w.planner)
	if err != nil {
		t.Fatal(err)
	}
	set := func(text string) {
		key := apiserver.Key{Resource: schema.GroupResource{Resource: "configmaps"}, Namespace: "shop", Name: "experiments"}
		if _, err := w.Store().Modify(key, apiserver.WriteOptions{Manager: "growth-admin"}, func(o apiserver.Object) (apiserver.Object, error) {
			o.(*corev1.ConfigMap).Data["experiments.yaml"] = text
			return o, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	theirs := strings.Replace(definitions, "0.5", "0.6", 1)
	set(theirs)
	if err := w.run(t.Context(), plan); !errors.Is(err, action.ErrChanged) || w.text(t, "experiments", "experiments.yaml") != theirs {
		t.Errorf("got %v", err)
	}
	set("experiments: []\n")
	if _, err := e.PlanKill(t.Context(), w.planner); err == nil || !strings.Contains(err.Error(), "end the experiment checkout-flow: experiment checkout-flow is not there any more") {
		t.Errorf("gone: %v", err)
	}
}

func TestWhatIsEndedElsewhereIsNotPlannedHere(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "experiments", map[string]string{"experiments.yaml": definitions})
	rep := w.report(t, w.workload(t, k8s.Deployment, "checkout"), source.Place{ConfigMap: "experiments"})
	for name, want := range map[string]string{"gated": "turn off the flag gated-experiment", "over": "it lets nobody in"} {
		if _, err := named(t, rep, name).PlanKill(t.Context(), w.planner); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
