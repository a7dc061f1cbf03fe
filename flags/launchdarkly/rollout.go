package launchdarkly

import (
	"errors"
	"fmt"
	"slices"

	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// findSpot is what a rollout changes, and the weights it gets.
func (x *change) findSpot() error {
	x.spot = &x.was.Fallthrough
	if x.edit.RuleID != "" {
		i := slices.IndexFunc(x.was.Rules, func(r rule) bool { return r.id() == x.edit.RuleID })
		if i < 0 {
			return fmt.Errorf("%w: rule %s is not there any more", flags.ErrConflict, x.edit.RuleID)
		}
		x.rule = &x.was.Rules[i]
		x.spot = &x.rule.serve
	}
	if x.to != nil { // an undo knows exactly
		return nil
	}
	feature, err := x.feature()
	if err != nil {
		return err
	}
	if x.weights, err = x.newWeights(feature); err != nil {
		return err
	}
	if x.rolloutWanted(x.was) {
		return flags.ErrAlready
	}
	return nil
}

// feature is the variation whose share is set.
func (x *change) feature() (int, error) {
	if v := x.edit.Variation; v != "" {
		i := slices.IndexFunc(x.names, func(n flags.Variation) bool { return n.ID == v || n.Name.String() == v || n.Value.String() == v })
		if i < 0 {
			return 0, fmt.Errorf("it has no variation %q", foreign.CleanN(v, 64))
		}
		return i, nil
	}
	if i, ok := x.flag.feature(x.was); ok {
		return i, nil
	}
	return 0, fmt.Errorf("it has %d variations: say which one gets the percentage", len(x.names))
}

// newWeights gives the variation its share and keeps the proportion of the
// others; with none so far, the rest goes to what is served when off.
func (x *change) newWeights(feature int) ([]int, error) {
	n := len(x.names)
	if feature >= n {
		return nil, errors.New("it has no such variation")
	}
	out := make([]int, n)
	out[feature] = int(x.edit.Percent*1000 + 0.5)
	left := ld.Whole - out[feature]
	others, sum := make([]int, n), 0
	for _, w := range x.spot.weights() {
		if w.Variation != feature && w.Variation >= 0 && w.Variation < n {
			others[w.Variation] += w.Weight
			sum += w.Weight
		}
	}
	if sum == 0 {
		to, err := x.fallback(feature)
		if err != nil {
			return nil, err
		}
		out[to] = left
		return out, nil
	}
	rest, last := left, -1
	for i, w := range others {
		if w > 0 {
			out[i] = int(int64(left) * int64(w) / int64(sum))
			rest -= out[i]
			last = i
		}
	}
	out[last] += rest
	return out, nil
}

// fallback is who gets the rest where nobody had a share.
func (x *change) fallback(feature int) (int, error) {
	switch off := x.was.OffVariation; {
	case len(x.names) == 2:
		return 1 - feature, nil
	case x.spot.Variation != nil && *x.spot.Variation != feature:
		return *x.spot.Variation, nil
	case off != nil && *off != feature:
		return *off, nil
	}
	return 0, errors.New("it is not clear which variation gets the rest: set the percentages in LaunchDarkly")
}

// target is what the spot will serve.
func (x *change) target() serve {
	if x.to != nil {
		return *x.to
	}
	out := serve{Rollout: &rollout{}}
	if old := x.spot.Rollout; old != nil {
		out.Rollout.BucketBy, out.Rollout.ContextKind = old.BucketBy, old.ContextKind
	}
	for i, w := range x.weights {
		out.Rollout.Variations = append(out.Rollout.Variations, weight{Variation: i, Weight: w})
	}
	return out
}

func (x *change) describeRollout(d *toggle.Draft) {
	target := x.target()
	where := "default"
	if x.rule != nil {
		where = "rule " + x.rule.Description
	}
	d.Changes = []action.Field{{Path: where, Before: x.spot.words(x.names), After: target.words(x.names)}}
	d.Effect = fmt.Sprintf("Those it is for get %s.", target.words(x.names))
	if x.spot.Rollout != nil && x.spot.Rollout.Kind == "experiment" {
		d.Warnings = append(d.Warnings, "an experiment's allocation is changed: its result is spoilt")
	}
	d.Undo = fmt.Sprintf("Undo serves %s again.", x.spot.words(x.names))
}

// rolloutBody is a semantic patch: it names variations by ID, so that it means
// the same when their order changed.
func (x *change) rolloutBody(comment string) any {
	instruction := map[string]any{"kind": "updateFallthroughVariationOrRollout"}
	if x.rule != nil {
		instruction["kind"], instruction["ruleId"] = "updateRuleVariationOrRollout", x.rule.id()
	}
	target := x.target()
	if target.Rollout == nil {
		if v := target.Variation; v != nil && *v < len(x.names) {
			instruction["variationId"] = x.names[*v].ID
		}
	} else {
		weights := map[string]int{}
		for _, w := range target.Rollout.Variations {
			if w.Variation < len(x.names) {
				weights[x.names[w.Variation].ID] += w.Weight
			}
		}
		instruction["rolloutWeights"] = weights
		if by := target.Rollout.BucketBy; by != "" {
			instruction["rolloutBucketBy"] = by
		}
		if kind := target.Rollout.ContextKind; kind != "" {
			instruction["rolloutContextKind"] = kind
		}
	}
	return struct {
		EnvironmentKey string           `json:"environmentKey"`
		Comment        string           `json:"comment,omitempty"`
		Instructions   []map[string]any `json:"instructions"`
	}{x.edit.Environment, comment, []map[string]any{instruction}}
}

// at is the same spot in another reading of the flag.
func (x *change) at(c *config) *serve {
	if x.rule == nil {
		return &c.Fallthrough
	}
	for i := range c.Rules {
		if c.Rules[i].id() == x.rule.id() {
			return &c.Rules[i].serve
		}
	}
	return nil
}

// rolloutWanted reports whether the spot serves what was planned.
func (x *change) rolloutWanted(c *config) bool {
	s := x.at(c)
	if s == nil {
		return false
	}
	target := x.target()
	return slices.Equal(target.shares(len(x.names)), s.shares(len(x.names)))
}

// shares are the weights by variation; one variation alone has all.
func (s *serve) shares(n int) []int {
	out := make([]int, n)
	if s.Rollout == nil {
		if s.Variation != nil && *s.Variation >= 0 && *s.Variation < n {
			out[*s.Variation] = ld.Whole
		}
		return out
	}
	for _, w := range s.Rollout.Variations {
		if w.Variation >= 0 && w.Variation < n {
			out[w.Variation] += w.Weight
		}
	}
	return out
}

// rolloutModel is the flag of the stream with the new weights.
func (x *change) rolloutModel(f ldmodel.FeatureFlag) ldmodel.FeatureFlag {
	set := func(old ldmodel.VariationOrRollout) ldmodel.VariationOrRollout {
		target := x.target()
		if target.Rollout == nil {
			return ldmodel.VariationOrRollout{Variation: ldvalue.NewOptionalInt(*target.Variation)}
		}
		out := ldmodel.VariationOrRollout{Rollout: old.Rollout}
		out.Rollout.Variations = nil
		for _, w := range target.Rollout.Variations {
			out.Rollout.Variations = append(out.Rollout.Variations, ldmodel.WeightedVariation{Variation: w.Variation, Weight: w.Weight})
		}
		return out
	}
	if x.rule == nil {
		f.Fallthrough = set(f.Fallthrough)
		return f
	}
	f.Rules = slices.Clone(f.Rules)
	for i := range f.Rules {
		if f.Rules[i].ID == x.rule.id() {
			f.Rules[i].VariationOrRollout = set(f.Rules[i].VariationOrRollout)
		}
	}
	return f
}

// rolloutSeen reports whether the stream has the new weights.
func (x *change) rolloutSeen(f *ldmodel.FeatureFlag) bool {
	have := f.Fallthrough
	if x.rule != nil {
		i := slices.IndexFunc(f.Rules, func(r ldmodel.FlagRule) bool { return r.ID == x.rule.id() })
		if i < 0 {
			return false
		}
		have = f.Rules[i].VariationOrRollout
	}
	out := make([]int, len(x.names))
	if v, ok := have.Variation.Get(); ok {
		if v >= 0 && v < len(out) {
			out[v] = ld.Whole
		}
	} else {
		for _, w := range have.Rollout.Variations {
			if w.Variation >= 0 && w.Variation < len(out) {
				out[w.Variation] += w.Weight
			}
		}
	}
	target := x.target()
	return slices.Equal(out, target.shares(len(x.names)))
}
