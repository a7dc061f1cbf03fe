package config

import (
	"strings"
	"testing"
)

func TestFlagUseAndExperiments(t *testing.T) {
	c, err := loadFlags(t, `
flagUse:
  annotation: shop.example.com/flags
  workloads:
  - {workload: shop/checkout, flags: [express-pay, "checkout-*"]}
experiments:
- {configMap: shop/experiments, key: experiments.yaml}
- {configMap: experiments}
- {file: /etc/experiments.yaml}
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.FlagUse.Annotation != "shop.example.com/flags" || len(c.FlagUse.Tags) != 2 || len(c.FlagUse.Workloads) != 1 || len(c.Experiments) != 3 {
		t.Errorf("%+v, %+v", c.FlagUse, c.Experiments)
	}
	if ns, name := c.Experiments[0].Place(); ns != "shop" || name != "experiments" {
		t.Errorf("%s/%s", ns, name)
	}
	if ns, name := c.Experiments[1].Place(); ns != "" || name != "experiments" {
		t.Errorf("%s/%s", ns, name)
	}
	for text, want := range map[string]string{
		"flagUse: {workloads: [{workload: checkout, flags: [a]}]}": "want NAMESPACE/NAME",
		"flagUse: {workloads: [{workload: shop/a}]}":               "shop/a has no flags",
		"flagUse: {workloads: [{workload: 'shop/[', flags: [a]}]}": "want a pattern such as",
		"flagUse: {workloads: [{workload: shop/a, flags: ['[']}]}": `flag "["`,
		"flagUse: {tags: ['']}":                                    "an empty one",
		"experiments: [{}]":                                        "want either configMap: NAMESPACE/NAME or file",
		"experiments: [{configMap: a, file: b}]":                   "want either configMap: NAMESPACE/NAME or file",
		"experiments: [{file: b, key: k}]":                         "key belongs to a configMap",
		"experiments: [{configMap: a/b/c}]":                        "want NAMESPACE/NAME",
	} {
		if _, err := loadFlags(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
