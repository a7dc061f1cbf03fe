package change

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"midwatch/action"
	"midwatch/foreign"
)

// templateDiff is how two templates differ: the images, which is what people
// look for, and everything as a unified diff.
type templateDiff struct {
	fields  []action.Field
	unified foreign.Text
}

// maxDiff bounds the diff's text, in bytes.
const maxDiff = 64 << 10

func diffTemplates(before, after *corev1.PodTemplateSpec) (templateDiff, error) {
	old, err := templateYAML(before)
	if err != nil {
		return templateDiff{}, err
	}
	now, err := templateYAML(after)
	if err != nil {
		return templateDiff{}, err
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(old), B: difflib.SplitLines(now), FromFile: "now", ToFile: "then", Context: 3,
	})
	if err != nil {
		return templateDiff{}, fmt.Errorf("compare the templates: %w", err)
	}
	return templateDiff{fields: imageFields(before, after), unified: foreign.CleanBlock(text, maxDiff)}, nil
}

func imageFields(before, after *corev1.PodTemplateSpec) []action.Field {
	was := map[string]string{}
	for _, c := range containers(before) {
		was[c.Name] = c.Image
	}
	var out []action.Field
	for _, c := range containers(after) {
		if old, ok := was[c.Name]; ok && old != c.Image {
			path := "containers[" + foreign.CleanN(c.Name, 64).String() + "].image"
			out = append(out, action.Field{Path: path, Before: foreign.Clean(old), After: foreign.Clean(c.Image)})
		}
	}
	return out
}

func containers(t *corev1.PodTemplateSpec) []corev1.Container {
	return append(append([]corev1.Container(nil), t.Spec.InitContainers...), t.Spec.Containers...)
}

// templateYAML is a template for reading: literal values of environment
// variables that are named like secrets are not in it.
func templateYAML(t *corev1.PodTemplateSpec) (string, error) {
	t = t.DeepCopy()
	secret := regexp.MustCompile(`(?i)token|passw|secret|key|credential|dsn|auth`)
	for _, list := range [][]corev1.Container{t.Spec.InitContainers, t.Spec.Containers} {
		for i := range list {
			for j := range list[i].Env {
				if e := &list[i].Env[j]; e.Value != "" && secret.MatchString(e.Name) {
					e.Value = "(not shown)"
				}
			}
		}
	}
	b, err := yaml.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write the template as YAML: %w", err)
	}
	return strings.ReplaceAll(string(b), "  creationTimestamp: null\n", ""), nil
}
