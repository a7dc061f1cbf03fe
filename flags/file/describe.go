package file

import (
	"fmt"
	"slices"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/foreign"
)

// variations are what the flag can serve.
func (e *entry) variations() []flags.Variation {
	out := make([]flags.Variation, len(e.flag.Variations))
	for i, v := range e.flag.Variations {
		out[i] = flags.Variation{ID: fmt.Sprint(i), Value: foreign.CleanN(v.JSONString(), 512)}
		if i < len(e.more.Variations) {
			out[i].Name = foreign.CleanN(e.more.Variations[i], 80)
		}
	}
	return out
}

func (e *entry) kind() flags.Kind {
	if len(e.flag.Variations) == 0 {
		return flags.KindUnknown
	}
	switch e.flag.Variations[0].Type() {
	case ldvalue.BoolType:
		return flags.KindBoolean
	case ldvalue.StringType:
		return flags.KindString
	case ldvalue.NumberType:
		return flags.KindNumber
	case ldvalue.ObjectType, ldvalue.ArrayType:
		return flags.KindObject
	}
	return flags.KindUnknown
}

// on is whether it is on. A plain value is not targeted and always served.
func (e *entry) on() bool { return e.flag.On || e.value }

// serves says what the flag does, in a few words.
func (e *entry) serves() foreign.Text {
	names := e.names
	switch {
	case e.value:
		return names[0].Label() + " to everyone"
	case !e.flag.On:
		return e.off()
	}
	text := serving(names, e.flag.Fallthrough)
	switch n := len(e.flag.Rules); {
	case n == 1:
		text += ", after one rule"
	case n > 1:
		text += foreign.Text(fmt.Sprintf(", after %d rules", n))
	}
	return text
}

func (e *entry) off() foreign.Text {
	i, ok := e.flag.OffVariation.Get()
	if !ok {
		return "the application's default"
	}
	return ld.Name(e.names, i)
}

func serving(names []flags.Variation, v ldmodel.VariationOrRollout) foreign.Text {
	if i, ok := v.Variation.Get(); ok {
		return ld.Serves(names, &i, nil, "", "")
	}
	weights := make([]ld.Weight, len(v.Rollout.Variations))
	for i, w := range v.Rollout.Variations {
		weights[i] = ld.Weight{Variation: w.Variation, Weight: w.Weight}
	}
	return ld.Serves(names, nil, weights, string(v.Rollout.ContextKind), v.Rollout.BucketBy.String())
}

// rollout is the percentage that gets the feature, or -1.
func (e *entry) rollout(v ldmodel.VariationOrRollout) float64 {
	feature := e.feature()
	if feature < 0 {
		return -1
	}
	if i, ok := v.Variation.Get(); ok {
		if i == feature {
			return 100
		}
		return 0
	}
	sum := 0
	for _, w := range v.Rollout.Variations {
		if w.Variation == feature {
			sum += w.Weight
		}
	}
	return float64(sum) / 1000
}

// feature is the index of the variation that means "the feature": true, or the
// one of two that is not served while the flag is off; -1 when there is none.
func (e *entry) feature() int {
	if e.kind() == flags.KindBoolean {
		return slices.IndexFunc(e.flag.Variations, func(v ldvalue.Value) bool { return v.BoolValue() })
	}
	if off, ok := e.flag.OffVariation.Get(); ok && len(e.flag.Variations) == 2 && (off == 0 || off == 1) {
		return 1 - off
	}
	return -1
}

// flag describes an entry; changed is what is known of its last change.
func (e *entry) describe(key, environment string) flags.Flag {
	f := flags.Flag{
		Key: foreign.Clean(key).String(), Name: foreign.CleanN(e.more.Name, 200), Description: foreign.CleanN(e.more.Description, 400),
		Kind: e.kind(), Type: foreign.CleanN(e.more.Type, 40), Variations: e.names, Maintainer: foreign.CleanN(e.more.Maintainer, 80), Created: e.more.Created,
	}
	for _, t := range e.more.Tags {
		f.Tags = append(f.Tags, foreign.CleanN(t, 80))
	}
	f.States = []flags.EnvState{{Environment: environment, On: e.on(), Serves: e.serves(), Version: e.version}}
	return f
}

// Split says how each flag of a text divides its users by its default, by the
// name of the variation: what a flag that is off, or serves one variation,
// gives to everyone, or the weights of its rollout. Rules are left out: how
// many users they match nobody knows.
func Split(raw []byte) (map[string]map[foreign.Text]float64, error) {
	d, err := parse(raw, time.Time{})
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[foreign.Text]float64, len(d.keys))
	for _, key := range d.keys {
		out[key] = d.flags[key].shares()
	}
	return out, nil
}

func (e *entry) shares() map[foreign.Text]float64 {
	one := func(i int) map[foreign.Text]float64 { return map[foreign.Text]float64{ld.Name(e.names, i): 1} }
	if !e.flag.On {
		i, _ := e.flag.OffVariation.Get()
		return one(i)
	}
	if i, ok := e.flag.Fallthrough.Variation.Get(); ok {
		return one(i)
	}
	out := map[foreign.Text]float64{}
	for _, w := range e.flag.Fallthrough.Rollout.Variations {
		out[ld.Name(e.names, w.Variation)] += float64(w.Weight) / ld.Whole
	}
	return out
}

// lifetime is how long a flag of a type is expected to live, in days, as
// Unleash has it (feature-toggle types); 0 for ever.
func lifetime(kind string) int {
	switch kind {
	case "release", "experiment", "temporary":
		return 40
	}
	return 0
}

// age says whether a flag has outlived its type.
func (e *entry) age(f *flags.Flag, now time.Time) {
	days := lifetime(e.more.Type)
	old := int(now.Sub(e.more.Created).Hours() / 24)
	if days > 0 && !e.more.Created.IsZero() && old > days {
		f.Stale = true
		f.StaleWhy = foreign.CleanN(fmt.Sprintf("%s flags live %d days, this one %d", e.more.Type, days, old), 120)
	}
}

// rules are the targets and rules in the order in which they are tried.
func (e *entry) rules() []flags.Rule {
	names := e.names
	var out []flags.Rule
	targets := e.flag.ContextTargets
	if len(targets) == 0 {
		targets = e.flag.Targets
	}
	for _, t := range targets {
		values := t.Values
		if len(values) == 0 { // a context target without values points at the user target of its variation
			for _, u := range e.flag.Targets {
				if u.Variation == t.Variation {
					values = u.Values
				}
			}
		}
		if len(values) > 0 {
			out = append(out, flags.Rule{Name: "targets", When: []foreign.Text{ld.Targets(string(t.ContextKind), values)}, Serves: ld.Name(names, t.Variation), Rollout: -1})
		}
	}
	for i := range e.flag.Rules {
		r := &e.flag.Rules[i]
		out = append(out, flags.Rule{
			ID: foreign.Clean(r.ID).String(), Name: foreign.Text(fmt.Sprintf("rule %d", i+1)), When: e.words[i],
			Serves: serving(names, r.VariationOrRollout), Rollout: e.rollout(r.VariationOrRollout),
		})
	}
	return out
}

// detail is everything about one flag.
func (d *data) detail(key, environment string) *flags.Detail {
	e := d.flags[key]
	out := &flags.Detail{Flag: e.describe(key, environment)}
	out.State = out.States[0]
	if e.value {
		out.Default = e.serves()
		out.Notes = append(out.Notes, "a plain value of flagValues: it has no targeting and cannot be switched")
		return out
	}
	out.Rules, out.Default, out.Off = e.rules(), serving(e.names, e.flag.Fallthrough), e.off()
	for _, p := range e.flag.Prerequisites {
		want := foreign.Text(fmt.Sprintf("variation %d", p.Variation))
		if other := d.flags[p.Key]; other != nil {
			want = ld.Name(other.names, p.Variation)
		}
		out.Prerequisites = append(out.Prerequisites, foreign.Clean(p.Key)+" is "+want)
	}
	for _, other := range d.keys {
		for _, p := range d.flags[other].flag.Prerequisites {
			if p.Key == key {
				out.Dependants = append(out.Dependants, foreign.Clean(other).String())
			}
		}
	}
	if _, trap := e.doc["true"]; trap && e.doc["on"] == nil {
		out.Notes = append(out.Notes, `it is off whatever the file says: on: without quotes is the word true in YAML 1.1, which LaunchDarkly's SDKs read; write "on":`)
	}
	if e.flag.Key != key {
		out.Notes = append(out.Notes, "its own key says "+foreign.CleanN(e.flag.Key, 80)+", which is what percentages are computed from")
	}
	if e.flag.Fallthrough.Rollout.IsExperiment() {
		out.Experiments = append(out.Experiments, e.experiment())
	}
	return out
}

// experiment is the one in the default rollout.
func (e *entry) experiment() flags.RunningExperiment {
	x := flags.RunningExperiment{Key: foreign.Clean(e.flag.Key).String(), Name: foreign.CleanN(e.more.Name, 200), Status: "running", Unit: foreign.Clean(string(e.flag.Fallthrough.Rollout.ContextKind))}
	if x.Unit == "" {
		x.Unit = "user"
	}
	for _, w := range e.flag.Fallthrough.Rollout.Variations {
		if w.Weight > 0 {
			x.Arms = append(x.Arms, flags.Arm{Name: ld.Name(e.names, w.Variation), Percent: float64(w.Weight) / 1000})
		}
	}
	return x
}
