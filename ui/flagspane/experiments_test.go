package flagspane_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/experiment"
	"midwatch/flags/experiment/source"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/ui/flagspane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

// lab is what reads experiments, as the pane sees it.
type lab struct {
	bench *panetest.Bench
	err   error
	ended []string
	reads int
}

func defined(name, flag string, traffic float64, variants ...string) *source.Experiment {
	d := &experiment.Definition{Name: name, Variants: variants, Traffic: traffic, Flag: flag, From: foreign.Text("ConfigMap shop/experiments, key experiments.yaml")}
	return &source.Experiment{
		Name: name, Definition: d, Lints: d.Lint(), Shares: d.Shares(), Changed: panetest.Ago(6 * 24 * time.Hour), ChangedBy: "growth-admin",
		Kill: source.Kill{By: source.KillByConfigMap, Text: "set traffic_percent to -1 in ConfigMap shop/experiments"},
	}
}

func (l *lab) Read(_ context.Context, ref k8s.Ref) (*source.Report, error) {
	l.bench.OffUI("reading experiments")
	l.reads++
	if l.err != nil {
		return nil, l.err
	}
	flow := defined("checkout-flow", "", .5, "control", "variant_a", "variant_b")
	flow.Exposures = &experiment.Exposures{Experiment: flow.Name, Lines: 5013, Users: 4073, ByVariant: map[string]int{"control": 2852, "variant_a": 473, "variant_b": 748}, Differ: 12, Sampled: 1, First: panetest.Ago(time.Hour), Last: panetest.Ago(5 * time.Second)}
	split := flow.Definition.Split(flow.Exposures.ByVariant)
	flow.Split = &split
	gated := defined("gated", "express-pay", 1, "control", "new")
	gated.Kill = source.Kill{By: source.KillByFlag, Flag: "express-pay", Text: "turn off the flag express-pay, which gates it"}
	seen := &source.Experiment{Name: "seen␛[2J-only", Exposures: &experiment.Exposures{Users: 1, Lines: 1, ByVariant: map[string]int{"b": 1}, Sampled: 1}, Kill: source.Kill{By: source.KillByHand, Text: "where it is defined is not known"}}
	return &source.Report{
		Ref: ref, At: panetest.Ago(5 * time.Second), Pods: 5, Of: 5, Lines: 16496, Since: panetest.Ago(time.Hour), Notes: []foreign.Text{"ConfigMap shop/nowhere is not there"},
		Experiments: []*source.Experiment{flow, gated, seen},
	}, nil
}

func (l *lab) PlanKill(_ context.Context, e *source.Experiment) (*action.Plan, error) {
	l.bench.OffUI("planning to end an experiment")
	l.ended = append(l.ended, e.Name)
	return action.New(action.Plan{Verb: "end experiment", Title: "End the experiment " + e.Name + "?", Target: action.Target{Kind: "ConfigMap", Name: "experiments"}}, action.Steps{Apply: func(context.Context) error { return nil }}), nil
}

// experiments opens the experiments of the workload.
func experiments(t *testing.T, adjust ...func(*lab)) (*panetest.Bench, *flagSource, *lab) {
	t.Helper()
	s, l := &flagSource{}, &lab{}
	for _, f := range adjust {
		f(l)
	}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		s.bench, l.bench = b, b
		s.provider = &provider{bench: b, info: board(ready()).Providers[0].Info, status: ready()}
		return flagspane.New("flags", s, l, k8s.Ref{})
	})
	b.Do(func() tea.Cmd { return b.Pane.(pane.Targeted).SetTarget(b.Env, checkout()) })
	b.Feed(full()).Press("x")
	return b, s, l
}

func TestGoldensOfExperiments(t *testing.T) {
	b, _, _ := experiments(t)
	b.GoldenAll("experiments")
	b.Boxed()
	b.Bindings()
	b.Press("enter")
	b.Do(func() tea.Cmd { b.Press("s"); return panetest.Last[pane.PromptMsg](b).Done("user-42") })
	b.GoldenAll("experiment")
	b.Boxed()
	b.Bindings()
	b.BoxedEverywhere()
	failed, _, _ := experiments(t, func(l *lab) { l.err = errors.New(`deployments.apps "checkout" is forbidden`) })
	failed.Golden("experiments that cannot be read")
	failed.Boxed()
}

func TestExperimentsHaveAFilterOfTheirOwn(t *testing.T) {
	b, _, _ := experiments(t)
	b.SetFilter("flow")
	if f := b.Plain(160, 24); !strings.Contains(f, "checkout-flow") || strings.Contains(f, "gated") || !strings.Contains(f, "1 of 6 shown") {
		t.Errorf("flow:\n%s", f)
	}
	b.SetFilter("kafka")
	if f := b.Plain(160, 24); !strings.Contains(f, "None of 6 experiments matches kafka") {
		t.Errorf("kafka:\n%s", f)
	}
	b.Press("esc")
	if f := b.Plain(160, 24); !strings.Contains(f, "express-pay") || strings.Contains(f, "kafka") {
		t.Errorf("the flags are filtered by the experiments' filter:\n%s", f)
	}
	b.SetFilter("express").Press("x")
	if f := b.Plain(160, 24); !strings.Contains(f, "None of 6 experiments matches kafka") {
		t.Errorf("the filter of the experiments is forgotten:\n%s", f)
	}
}

// TestExperimentsWithoutAFlagProvider: neither needs the other.
func TestExperimentsWithoutAFlagProvider(t *testing.T) {
	l := &lab{}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		l.bench = b
		return flagspane.New("flags", nil, l, k8s.Ref{})
	})
	b.Do(func() tea.Cmd { return b.Pane.(pane.Targeted).SetTarget(b.Env, checkout()) })
	b.Press("x", "R")
	if f := b.Plain(160, 24); l.reads != 2 || !strings.Contains(f, "checkout-flow") {
		t.Errorf("%d reads\n%s", l.reads, f)
	}
	b.Press("j", "K")
	if b.Reason != "the flag express-pay is not known here" {
		t.Errorf("one that a flag gates: %q", b.Reason)
	}
	b.Boxed()
}

func TestEndingAnExperimentIsOneAction(t *testing.T) {
	b, s, l := experiments(t)
	b.Press("K")
	if m := panetest.Last[pane.ConfirmMsg](b); m.Plan.Title != "End the experiment checkout-flow?" || len(l.ended) != 1 {
		t.Errorf("%+v, ended %v", m.Plan, l.ended)
	}
	b.Press("j", "K")
	if len(s.edits) != 1 || s.edits[0].Key != "express-pay" || s.edits[0].Kind != flags.TurnOff || len(l.ended) != 1 {
		t.Errorf("one that a flag gates: %+v, ended %v", s.edits, l.ended)
	}
	if b.Press("j", "K"); b.Reason != "where it is defined is not known" {
		t.Errorf("by hand: %q", b.Reason)
	}
	if b.Press("j", "s"); !strings.HasPrefix(b.Reason, "the provider assigns") {
		t.Errorf("a provider's: %q", b.Reason)
	}
	b.Press("K")
	if len(s.edits) != 2 || s.edits[1].Kind != flags.TurnOff {
		t.Errorf("a provider's: %+v", s.edits)
	}
	if b.Press("R"); l.reads != 2 {
		t.Errorf("%d reads", l.reads)
	}
}
