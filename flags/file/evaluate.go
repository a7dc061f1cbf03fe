package file

import (
	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/foreign"
)

// evaluate says what a context gets from one flag.
func (d *data) evaluate(key string, who ldcontext.Context) flags.Evaluation {
	out := flags.Evaluation{Key: foreign.Clean(key).String()}
	e := d.flags[key]
	if e == nil || e.flag.Deleted {
		out.Reason, out.Code, out.Error = flags.ReasonError, flags.ErrorFlagNotFound, "no such flag"
		return out
	}
	detail := d.eval.Evaluate(e.flag, who, nil).Detail
	if e.value {
		out.Reason, out.Native = flags.ReasonStatic, "OFF (a plain value: it has no targeting)"
	} else {
		out.Reason, out.Native = ld.Reason(detail.Reason, e.split(detail.Reason))
		out.Unsure = ld.Unsure(detail.Reason)
		out.Why = e.why(detail.Reason)
	}
	if out.Code, out.Error = ld.Code(detail.Reason); out.Code != flags.ErrorNone {
		return out
	}
	i, ok := detail.VariationIndex.Get()
	if !ok {
		out.Code, out.Error = flags.ErrorGeneral, "nothing: the flag is off and has no off variation, so the application's own default holds"
		return out
	}
	if i < 0 || i >= len(e.names) {
		out.Value = foreign.CleanN(detail.Value.JSONString(), 512)
		return out
	}
	out.Value, out.Variant = e.names[i].Value, e.names[i].Label()
	return out
}

// split reports whether a percentage decided.
func (e *entry) split(r ldreason.EvaluationReason) bool {
	switch r.GetKind() {
	case ldreason.EvalReasonFallthrough:
		return e.flag.Fallthrough.Rollout.Variations != nil && !e.flag.Fallthrough.Variation.IsDefined()
	case ldreason.EvalReasonRuleMatch:
		if i := r.GetRuleIndex(); i >= 0 && i < len(e.flag.Rules) {
			rule := &e.flag.Rules[i]
			return rule.Rollout.Variations != nil && !rule.Variation.IsDefined()
		}
	}
	return false
}

// why explains the reason in the flag's own rules.
func (e *entry) why(r ldreason.EvaluationReason) []foreign.Text {
	switch r.GetKind() {
	case ldreason.EvalReasonRuleMatch:
		if i := r.GetRuleIndex(); i >= 0 && i < len(e.flag.Rules) {
			return e.words[i]
		}
	case ldreason.EvalReasonFallthrough:
		if len(e.flag.Rules) > 0 {
			return []foreign.Text{"no rule matched"}
		}
	}
	return nil
}

func clauses(list []ldmodel.Clause) []foreign.Text {
	out := make([]foreign.Text, 0, len(list))
	for i := range list {
		c := &list[i]
		values := make([]any, len(c.Values))
		for j, v := range c.Values {
			values[j] = v.AsArbitraryValue()
		}
		out = append(out, ld.Clause{ContextKind: string(c.ContextKind), Attribute: c.Attribute.String(), Op: string(c.Op), Values: values, Negate: c.Negate}.Words())
	}
	return out
}
