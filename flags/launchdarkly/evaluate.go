package launchdarkly

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	evaluation "github.com/launchdarkly/go-server-sdk-evaluation/v3"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/foreign"
)

// Evaluate says what a context gets, from the data that the SDK holds, with
// the evaluator that the SDK uses. Nothing is sent anywhere.
func (p *Provider) Evaluate(ctx context.Context, environment string, who flags.EvalContext, keys ...string) ([]flags.Evaluation, error) {
	s, err := p.open(ctx, environment)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	subject, err := ld.Context(who)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.opts.Name, err)
	}
	if len(keys) == 0 {
		for _, f := range s.all() {
			keys = append(keys, f.Key)
		}
		slices.Sort(keys)
	}
	ev := evaluation.NewEvaluator(s)
	stale := s.stale()
	out := make([]flags.Evaluation, 0, len(keys))
	for _, key := range keys {
		out = append(out, s.evaluate(ev, s.flag(key), key, subject, stale))
	}
	return out, nil
}

// stale says why values may be old; empty when they are not.
func (s *stream) stale() foreign.Text {
	if status := s.status(); status.Status != flags.StatusReady {
		return status.Why
	}
	return ""
}

func (s *stream) evaluate(ev evaluation.Evaluator, f *ldmodel.FeatureFlag, key string, who ldcontext.Context, stale foreign.Text) flags.Evaluation {
	out := flags.Evaluation{Key: foreign.CleanN(key, 200).String()}
	if f == nil || f.Deleted {
		out.Reason, out.Code, out.Error = flags.ReasonError, flags.ErrorFlagNotFound, "no such flag"
		return out
	}
	d := ev.Evaluate(f, who, nil).Detail
	out.Reason, out.Native = ld.Reason(d.Reason, splits(f, d.Reason))
	out.Unsure = ld.Unsure(d.Reason)
	if stale != "" {
		out.Reason, out.Unsure = flags.ReasonStale, stale
	}
	if out.Code, out.Error = ld.Code(d.Reason); out.Code != flags.ErrorNone {
		return out
	}
	out.Why = why(f, d.Reason)
	i, ok := d.VariationIndex.Get()
	if !ok {
		out.Code, out.Error = flags.ErrorGeneral, "nothing: the flag is off and has no off variation, so the application's own default holds"
		return out
	}
	out.Value = foreign.CleanN(d.Value.JSONString(), 512)
	out.Variant = s.p.label(f, i, out.Value)
	return out
}

// serving is what the reason says was served from; nil for a target or off.
func serving(f *ldmodel.FeatureFlag, r ldreason.EvaluationReason) *ldmodel.VariationOrRollout {
	switch r.GetKind() {
	case ldreason.EvalReasonFallthrough:
		return &f.Fallthrough
	case ldreason.EvalReasonRuleMatch:
		if i := r.GetRuleIndex(); i >= 0 && i < len(f.Rules) {
			return &f.Rules[i].VariationOrRollout
		}
	}
	return nil
}

// splits reports whether a percentage decided.
func splits(f *ldmodel.FeatureFlag, r ldreason.EvaluationReason) bool {
	s := serving(f, r)
	return s != nil && !s.Variation.IsDefined() && len(s.Rollout.Variations) > 0
}

// why is the rule that matched, in words.
func why(f *ldmodel.FeatureFlag, r ldreason.EvaluationReason) []foreign.Text {
	if r.GetKind() == ldreason.EvalReasonFallthrough && len(f.Rules) > 0 {
		return []foreign.Text{"no rule matched"}
	}
	if r.GetKind() != ldreason.EvalReasonRuleMatch || r.GetRuleIndex() >= len(f.Rules) {
		return nil
	}
	var out []foreign.Text
	for i := range f.Rules[r.GetRuleIndex()].Clauses {
		c := &f.Rules[r.GetRuleIndex()].Clauses[i]
		values := make([]any, len(c.Values))
		for j, v := range c.Values {
			values[j] = v.AsArbitraryValue()
		}
		words := ld.Clause{ContextKind: string(c.ContextKind), Attribute: c.Attribute.String(), Op: string(c.Op), Values: values, Negate: c.Negate}.Words()
		out = append(out, words+": holds")
	}
	return out
}

// label is the name of a variation that the REST API gave, if it has been
// asked, else its value: the data of SDKs has no names.
func (p *Provider) label(f *ldmodel.FeatureFlag, i int, value foreign.Text) foreign.Text {
	p.mu.Lock()
	named := p.names[f.Key]
	p.mu.Unlock()
	if len(named) == len(f.Variations) {
		return ld.Name(named, i)
	}
	return value
}

// asREST is a flag of the SDK's data in the shape of the REST API, for when
// there is no access token: the two write targeting alike.
func (p *Provider) asREST(f *ldmodel.FeatureFlag, environment string) (*flag, error) {
	b, err := ldmodel.NewJSONDataModelSerialization().MarshalFeatureFlag(*f)
	if err != nil {
		return nil, fmt.Errorf("%s: flag %s: %w", p.opts.Name, f.Key, err)
	}
	var c config
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s: flag %s: %w", p.opts.Name, f.Key, err)
	}
	out := &flag{Key: f.Key, Environments: map[string]*config{environment: &c}}
	for _, v := range f.Variations {
		out.Variations = append(out.Variations, variation{Value: json.RawMessage(v.JSONString())})
	}
	if len(f.Variations) > 0 && f.Variations[0].Type() == ldvalue.BoolType {
		out.Kind = "boolean"
	}
	return out, nil
}
