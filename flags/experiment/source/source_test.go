package source_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midwatch/demo/apiserver"
	"midwatch/flags/experiment"
	"midwatch/flags/experiment/source"
	"midwatch/k8s"
	"midwatch/live"
)

func flow() experiment.Definition {
	return experiment.Definition{Name: "checkout-flow", Variants: []string{"control", "variant_a", "variant_b"}, Traffic: .5}
}

func TestAReportJoinsDefinitionsAndWhatPodsLogged(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "experiments", map[string]string{"experiments.yaml": definitions})
	ref := w.workload(t, k8s.Deployment, "checkout", "checkout-1", "checkout-2")
	w.workload(t, k8s.Deployment, "cart", "cart-1")
	w.serve(t, flow(), 400, "checkout-1", "checkout-2")
	w.exposed("checkout-1", "nobody-defined-it", "b", "user-1")
	w.exposed("cart-1", "checkout-flow", "variant_a", "a-user-of-the-cart")

	rep := w.report(t, ref, source.Place{ConfigMap: "experiments"})
	if rep.Pods != 2 || rep.Of != 2 || rep.Lines != 401 || len(rep.Notes) != 0 || len(rep.Experiments) != 4 || rep.At.Sub(rep.Since) != time.Hour {
		t.Errorf("%d of %d pods, %d lines, %d experiments, notes %q", rep.Pods, rep.Of, rep.Lines, len(rep.Experiments), rep.Notes)
	}
	e := named(t, rep, "checkout-flow")
	if e.Exposures == nil || e.Exposures.Users != 400 || e.Exposures.Differ != 0 || e.Split == nil || e.Split.Health != experiment.Balanced {
		t.Errorf("exposures %+v, split %+v", e.Exposures, e.Split)
	}
	if e.ChangedBy != "growth-admin" || e.Changed.IsZero() || e.Definition.From != "ConfigMap shop/experiments, key experiments.yaml" {
		t.Errorf("changed %v by %s, from %s", e.Changed, e.ChangedBy, e.Definition.From)
	}
	if e.Kill.By != source.KillByConfigMap || !strings.Contains(e.Kill.Text, "set traffic_percent to -1") || !strings.Contains(e.Kill.Text, "0 would still let one user of ten thousand in") {
		t.Errorf("kill %+v", e.Kill)
	}
	if e := named(t, rep, "gated"); e.Kill.By != source.KillByFlag || e.Kill.Flag != "gated-experiment" || e.Exposures != nil || e.Split != nil {
		t.Errorf("gated: %+v", e)
	}
	if e := named(t, rep, "over"); e.Kill.By != source.KillByHand || !strings.Contains(e.Kill.Text, "nothing to end") {
		t.Errorf("over: %+v", e.Kill)
	}
	if e := named(t, rep, "nobody-defined-it"); e.Definition != nil || e.Severity() != live.Unknown || e.Kill.By != source.KillByHand || e.Exposures.Users != 1 {
		t.Errorf("only seen: %+v", e)
	}
}

// TestASplitThatIsNotTheOneMeant: the pods run another definition than the one
// that is written down.
func TestASplitThatIsNotTheOneMeant(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "experiments", map[string]string{"experiments.yaml": definitions})
	ref := w.workload(t, k8s.StatefulSet, "checkout", "checkout-0")
	other := flow()
	other.Traffic = 0.1
	w.serve(t, other, 400, "checkout-0")
	e := named(t, w.report(t, ref, source.Place{ConfigMap: "experiments"}), "checkout-flow")
	if e.Split == nil || e.Split.Health != experiment.Mismatch || e.Exposures.Differ == 0 || e.Severity() != live.Fail {
		t.Errorf("split %+v, exposures %+v", e.Split, e.Exposures)
	}
}

func TestWhatCannotBeReadIsANote(t *testing.T) {
	file := filepath.Join(t.TempDir(), "experiments.yaml")
	if err := os.WriteFile(file, []byte("experiments:\n- {name: from-a-file, variants: [control, b], traffic_percent: 0.2}\n- {name: checkout-flow, variants: [x], traffic_percent: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.configMap(t, "experiments", map[string]string{"experiments.yaml": definitions, "other.yaml": ""})
	w.configMap(t, "broken", map[string]string{"experiments.yaml": "experiments: [{name: x"})
	w.configMap(t, "secret", map[string]string{"experiments.yaml": definitions})
	remove := w.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Resource == "configmaps" && r.Name == "secret" {
			return apiserver.Denied()
		}
		return nil
	})
	defer remove()
	ref := w.workload(t, k8s.DaemonSet, "agent")
	rep := w.report(t, ref,
		source.Place{ConfigMap: "experiments", Key: "experiments.yaml"}, source.Place{File: file},
		source.Place{ConfigMap: "experiments", Key: "nonesuch"}, source.Place{ConfigMap: "nowhere"}, source.Place{ConfigMap: "broken"},
		source.Place{Namespace: "shop", ConfigMap: "secret"}, source.Place{File: file + ".gone"})
	for _, want := range []string{
		"experiment checkout-flow is defined twice; " + file + " is left out", "ConfigMap shop/experiments has no key nonesuch", "ConfigMap shop/nowhere is not there",
		"ConfigMap shop/secret: forbidden: get configmaps in shop", "ConfigMap shop/broken", "no such file", "DaemonSet shop/agent has no pods",
	} {
		if !strings.Contains(notes(rep), want) {
			t.Errorf("no note %q in\n%s", want, notes(rep))
		}
	}
	if e := named(t, rep, "from-a-file"); e.Kill.By != source.KillByHand || !strings.Contains(e.Kill.Text, "set traffic_percent to -1 in "+file+", by hand") {
		t.Errorf("%+v", e.Kill)
	}
	if len(rep.Experiments) != 4 {
		t.Errorf("%d experiments", len(rep.Experiments))
	}
}

// TestNothingToReadIsAnError: without a definition there is nothing to show
// beside the reason.
func TestNothingToReadIsAnError(t *testing.T) {
	w := newWorld(t)
	r := source.Reader{Cluster: w}
	for name, ref := range map[string]k8s.Ref{
		`deployments.apps "nonesuch" not found`:    {Kind: k8s.Deployment, Namespace: "shop", Name: "nonesuch"},
		"the pods of a cronjob are not looked for": {Kind: "CronJob", Namespace: "shop", Name: "nightly"},
	} {
		if rep, err := r.Read(t.Context(), ref); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %+v, %v", ref, rep, err)
		}
	}
}
