package unleash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/foreign"
)

// tri is a boolean, or "unknown" for what only the application can decide.
type tri verdict

func (t *tri) UnmarshalJSON(b []byte) error {
	var on bool
	if err := json.Unmarshal(b, &on); err != nil {
		*t = tri(unknown) // "unknown", or what a later version says
		return nil
	}
	*t = tri(of(on))
	return nil
}

// played is the playground's answer for one flag.
type played struct {
	Name         string  `json:"name"`
	IsEnabled    tri     `json:"isEnabled"`
	Environment  bool    `json:"isEnabledInCurrentEnvironment"`
	Unsatisfied  bool    `json:"hasUnsatisfiedDependency"`
	Variant      *chosen `json:"variant"`
	StrategyInfo struct {
		Result tri              `json:"result"`
		Data   []playedStrategy `json:"data"`
	} `json:"strategies"`
}

type chosen struct {
	Name    string   `json:"name"`
	Enabled bool     `json:"enabled"`
	Payload *payload `json:"payload"`
}

type playedStrategy struct {
	Name       string           `json:"name"`
	Title      string           `json:"title"`
	Disabled   bool             `json:"disabled"`
	Parameters map[string]loose `json:"parameters"`
	Variants   []variant        `json:"variants"`
	Result     struct {
		Enabled  tri       `json:"enabled"`
		Status   string    `json:"evaluationStatus"`
		Variant  *chosen   `json:"variant"`
		Variants []variant `json:"variants"`
	} `json:"result"`
	Constraints []playedConstraint `json:"constraints"`
	Segments    []struct {
		Name   string `json:"name"`
		Result tri    `json:"result"`
	} `json:"segments"`
}

type playedConstraint struct {
	constraint
	Result bool `json:"result"`
}

// playground asks the server what a context gets. It counts as no evaluation
// in the server's statistics.
func (p *Provider) playground(ctx context.Context, environment string, who flags.EvalContext) (map[string]flags.Evaluation, error) {
	s := newSubject(who, environment, p.opts.Clock.Now())
	asked := map[string]any{"appName": appName}
	properties := map[string]string{}
	for name, v := range s.fields {
		switch name {
		case "environment":
		case "appName", "userId", "sessionId", "remoteAddress", "currentTime":
			asked[name] = v
		default:
			properties[name] = v
		}
	}
	if len(properties) > 0 {
		asked["properties"] = properties
	}
	var got struct {
		Features []played `json:"features"`
	}
	_, err := p.admin.Do(ctx, rest.Call{
		Doing: "evaluate in the playground", Method: http.MethodPost, Asks: true, Path: "/api/admin/playground", Out: &got,
		Body: map[string]any{"environment": environment, "projects": []string{p.opts.Project}, "context": asked},
	})
	p.note(err)
	if err != nil {
		return nil, err
	}
	out := make(map[string]flags.Evaluation, len(got.Features))
	for i := range got.Features {
		e := got.Features[i].evaluation()
		out[e.Key] = e
	}
	return out, nil
}

func (f *played) evaluation() flags.Evaluation {
	e := flags.Evaluation{Key: foreign.CleanN(f.Name, 200).String(), Value: "false", Reason: flags.ReasonDefault, Native: "no strategy applies"}
	switch {
	case !f.Environment:
		e.Reason, e.Native = flags.ReasonDisabled, "off in this environment"
		return e
	case f.Unsatisfied:
		e.Reason, e.Native = flags.ReasonPrerequisite, "hasUnsatisfiedDependency"
		return e
	case verdict(f.IsEnabled) == unknown:
		e.Value, e.Reason = "", flags.ReasonUnknown
		e.Unsure = "only the application can evaluate one of its strategies"
	case verdict(f.IsEnabled) == yes:
		e.Value, e.Reason, e.Native = "true", flags.ReasonStatic, "on, without a strategy"
	}
	f.strategies(&e)
	if f.Variant != nil && f.Variant.Enabled && e.Value == "true" {
		e.Variant = foreign.CleanN(f.Variant.Name, 100)
		if p := f.Variant.Payload; p != nil {
			e.Why = append(e.Why, foreign.CleanN(fmt.Sprintf("variant %s carries the %s %s", f.Variant.Name, p.Type, p.Value), 400))
		}
	}
	return e
}

// strategies adds what each of them came to, and the reason of the one that
// decided.
func (f *played) strategies(e *flags.Evaluation) {
	decided := false
	for i := range f.StrategyInfo.Data {
		s := &f.StrategyInfo.Data[i]
		name := s.Title
		if name == "" {
			name = s.Name
		}
		if s.Disabled {
			e.Why = append(e.Why, foreign.Clean(name+": disabled, skipped"))
			continue
		}
		for j := range s.Constraints {
			word := ": does not hold"
			if s.Constraints[j].Result {
				word = ": holds"
			}
			e.Why = append(e.Why, s.Constraints[j].words()+foreign.Text(word))
		}
		for _, seg := range s.Segments {
			e.Why = append(e.Why, verdictText("in segment "+seg.Name, verdict(seg.Result)))
		}
		if verdict(s.Result.Enabled) == yes && !decided {
			decided = true
			e.Native, e.Reason = foreign.Clean(fmt.Sprintf("strategy %d %s", i+1, name)), s.reason()
		}
	}
}

func (s *playedStrategy) reason() flags.Reason {
	percent, ok := (&strategy{Parameters: s.Parameters}).rollout()
	switch {
	case ok && percent < 100, len(s.Variants)+len(s.Result.Variants) > 0:
		return flags.ReasonSplit
	case len(s.Constraints)+len(s.Segments) > 0, s.Name == "userWithId":
		return flags.ReasonTargetingMatch
	}
	return flags.ReasonStatic
}

// Evaluate says what a context gets: from the SDK's own view of the flags when
// there is a backend token for the environment, else from the playground.
func (p *Provider) Evaluate(ctx context.Context, environment string, who flags.EvalContext, keys ...string) ([]flags.Evaluation, error) {
	if v, stale := p.viewFor(ctx, environment); v != nil {
		return v.evaluate(newSubject(who, environment, p.opts.Clock.Now()), keys, stale), nil
	}
	if _, err := p.environment(ctx, environment); err != nil { // the playground knows every name
		return nil, err
	}
	got, err := p.playground(ctx, environment, who)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		for key := range got {
			keys = append(keys, key)
		}
		slices.Sort(keys)
	}
	out := make([]flags.Evaluation, 0, len(keys))
	for _, key := range keys {
		e, ok := got[key]
		if !ok {
			e = notFound(key)
		}
		out = append(out, e)
	}
	return out, nil
}

func notFound(key string) flags.Evaluation {
	return flags.Evaluation{Key: key, Reason: flags.ReasonError, Code: flags.ErrorFlagNotFound, Error: "no such flag"}
}
