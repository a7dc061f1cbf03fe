package rollout

import (
	"fmt"

	"github.com/pmezard/go-difflib/difflib"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"midwatch/foreign"
)

// maxDiff bounds a unified diff, in bytes.
const maxDiff = 256 << 10

// UnifiedDiff is the unified diff of two texts with three lines of context;
// empty when they are equal. It is several lines, cleaned.
func UnifiedDiff(before, after string) foreign.Text {
	if before == after {
		return ""
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(before), B: difflib.SplitLines(after), FromFile: "before", ToFile: "after", Context: 3,
	})
	if err != nil { // only writing can fail, and it writes to memory
		return foreign.Clean("cannot compare: " + err.Error())
	}
	return foreign.CleanBlock(text, maxDiff)
}

// TemplateYAMLs are two pod templates as YAML, fit to be compared and shown:
// without the controllers' own labels, and with values that look secret
// replaced by a mark that differs when they do.
func TemplateYAMLs(before, after *corev1.PodTemplateSpec) (x, y string, err error) {
	b, a := fields(before), fields(after)
	hb, _ := hideIn(b).(map[string]any)
	ha, _ := hideIn(a).(map[string]any)
	markChanged(b, a, hb, ha)
	xs, err := yaml.Marshal(hb)
	if err != nil {
		return "", "", fmt.Errorf("write the template before as YAML: %w", err)
	}
	ys, err := yaml.Marshal(ha)
	if err != nil {
		return "", "", fmt.Errorf("write the template after as YAML: %w", err)
	}
	return string(xs), string(ys), nil
}

// markChanged tells a hidden variable that changed from one that did not.
func markChanged(before, after, hiddenBefore, hiddenAfter map[string]any) {
	was := map[string]string{}
	eachEnv(before, func(key string, env map[string]any) { was[key] = nested{env}.str("value") })
	changed := map[string]bool{}
	eachEnv(after, func(key string, env map[string]any) {
		if old, ok := was[key]; ok && old != (nested{env}).str("value") {
			changed[key] = true
		}
	})
	mark := func(as string) func(string, map[string]any) {
		return func(key string, env map[string]any) {
			if changed[key] && env["value"] == Hidden {
				env["value"] = as
			}
		}
	}
	eachEnv(hiddenBefore, mark("(hidden, before)"))
	eachEnv(hiddenAfter, mark("(hidden, after)"))
}

// eachEnv calls f for every variable of every container, by container and
// name.
func eachEnv(template map[string]any, f func(key string, env map[string]any)) {
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range (nested{template}).maps("spec", list) {
			for _, env := range c.maps("env") {
				f(c.str("name")+"/"+env.str("name"), env.m)
			}
		}
	}
}
