package source

import (
	"context"
	"errors"
	"fmt"

	"midwatch/action"
	"midwatch/flags/experiment"
	"midwatch/k8s/change"
)

// KillBy is what ends an experiment.
type KillBy string

// The ways, the quickest first.
const (
	KillByFlag      KillBy = "flag"      // its flag is turned off
	KillByConfigMap KillBy = "configmap" // its traffic is set below zero
	KillByHand      KillBy = "by hand"   // a file, or a definition nobody has seen
)

// Kill is the one action that ends an experiment, and what it means.
type Kill struct {
	By KillBy
	// Flag is the key of the flag to turn off.
	Flag string
	// Text says what it does and what everyone gets afterwards.
	Text string
}

func (e *Experiment) kill() Kill {
	gets := "everyone then gets " + experiment.Control
	switch {
	case e.Definition == nil:
		return Kill{By: KillByHand, Text: "where it is defined is not known: name the place under experiments in the settings"}
	case e.Definition.Flag != "":
		return Kill{By: KillByFlag, Flag: e.Definition.Flag, Text: "turn off the flag " + e.Definition.Flag + ", which gates it"}
	case e.Definition.Admitted() == 0:
		return Kill{By: KillByHand, Text: "it lets nobody in: there is nothing to end"}
	case e.object != nil:
		return Kill{By: KillByConfigMap, Text: "set traffic_percent to -1 in " + e.place.String() + "; " + gets + ", once the pods have read it again. 0 would still let one user of ten thousand in"}
	}
	return Kill{By: KillByHand, Text: "set traffic_percent to -1 in " + e.place.String() + ", by hand; " + gets}
}

// PlanKill plans to set the traffic of an experiment in a ConfigMap below
// zero.
func (e *Experiment) PlanKill(ctx context.Context, p *change.Planner) (*action.Plan, error) {
	if e.Kill.By != KillByConfigMap {
		return nil, errors.New(e.Kill.Text)
	}
	name := e.Definition.Name
	plan, err := p.PlanConfigMap(ctx, e.place.Namespace, e.place.ConfigMap, e.place.Key, func(text string) (string, error) {
		changed, err := experiment.SetTraffic([]byte(text), name, -1)
		return string(changed), err
	}, change.ConfigMapWords{
		Verb: "end experiment", Title: fmt.Sprintf("End the experiment %s?", e.Name),
		Field: e.Name + " traffic_percent", Before: fmt.Sprintf("%g", e.Definition.Traffic), After: "-1",
		Blast:    fmt.Sprintf("%s of all users are let in now; afterwards everyone gets %s. Nobody is moved before the pods have read the ConfigMap again.", percent(e.Definition), experiment.Control),
		Warnings: []string{"an application that reads its settings only when it starts has to be restarted"},
	})
	if err != nil {
		return nil, fmt.Errorf("end the experiment %s: %w", e.Name, err)
	}
	return plan, nil
}

func percent(d *experiment.Definition) string {
	return fmt.Sprintf("%g %%", float64(d.Admitted())/(experiment.Buckets/100))
}
