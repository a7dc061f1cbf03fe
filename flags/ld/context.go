package ld

import (
	"fmt"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"

	"midwatch/flags"
	"midwatch/foreign"
)

// Context makes LaunchDarkly's context of whom an evaluation is about.
func Context(who flags.EvalContext) (ldcontext.Context, error) {
	if len(who.Multi) == 0 {
		return single(who)
	}
	b := ldcontext.NewMultiBuilder()
	for _, part := range who.Multi {
		c, err := single(part)
		if err != nil {
			return ldcontext.Context{}, err
		}
		b.Add(c)
	}
	c := b.Build()
	return c, explain(c.Err())
}

func single(who flags.EvalContext) (ldcontext.Context, error) {
	b := ldcontext.NewBuilder(who.TargetingKey)
	if who.Kind != "" {
		b.Kind(ldcontext.Kind(who.Kind))
	}
	for name, v := range who.Attributes {
		if name == "_meta" {
			continue // what not to record, which nothing here does
		}
		if !b.TrySetValue(name, ldvalue.CopyArbitraryValue(v)) {
			return ldcontext.Context{}, fmt.Errorf("context: attribute %s cannot be %s", foreign.CleanN(name, 64), flags.JSONValue(v))
		}
	}
	c := b.Build()
	return c, explain(c.Err())
}

func explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("context: %s", foreign.CleanN(err.Error(), 200))
}
