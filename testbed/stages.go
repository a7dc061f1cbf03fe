package testbed

import (
	"embed"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// ScenarioAnnotation on a pod template chooses what its pods go through. The
// scenarios, and the annotations that set their times, are described in
// stages/README.md.
const ScenarioAnnotation = "midwatch.test/scenario"

// The scenarios.
const (
	ScenarioDefault      = "default"       // ready after a second
	ScenarioInstant      = "instant"       // ready in one step, for thousands of pods
	ScenarioSlowReady    = "slow-ready"    // started, ready much later
	ScenarioNeverReady   = "never-ready"   // the readiness probe fails
	ScenarioNeverStarted = "never-started" // the startup probe fails
	ScenarioCrash        = "crash"         // exits 1, CrashLoopBackOff
	ScenarioOOM          = "oom"           // OOMKilled, CrashLoopBackOff
	ScenarioLiveness     = "liveness"      // killed by its liveness probe now and then
	ScenarioImageError   = "image-error"   // ErrImagePull, ImagePullBackOff
	ScenarioConfigError  = "config-error"  // a Secret is missing
)

//go:embed stages/*.yaml stages/prelude.tpl
var stageFiles embed.FS

// stageMacros are what $(NAME) stands for in the stages' jq expressions.
// unpullable is the only thing about images that the scenarios know.
var stageMacros = strings.NewReplacer(
	"$(SCENARIO)", `(if any(.spec.containers[].image; `+unpullable+`) then "image-error"`+
		` else (.metadata.annotations["midwatch.test/scenario"] // "default") end)`,
	"$(FAILING)", `((.metadata.annotations["midwatch.test/container"]`+
		` // ([.spec.containers[] | select(.image | `+unpullable+`) | .name] + [.spec.containers[0].name])[0])`+
		` as $failing | .status.containerStatuses[]? | select(.name == $failing))`,
)

const unpullable = `test("bad|does-not-exist")`

// podStages returns the stages of stages/ as kwok wants them: macros replaced,
// the prelude in front of every template.
func podStages() ([]string, error) {
	prelude, err := stageFiles.ReadFile("stages/prelude.tpl")
	if err != nil {
		return nil, fmt.Errorf("read the pod stages: %w", err)
	}
	entries, err := stageFiles.ReadDir("stages")
	if err != nil {
		return nil, fmt.Errorf("read the pod stages: %w", err)
	}
	var docs []string
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".yaml") {
			continue
		}
		data, err := stageFiles.ReadFile("stages/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read the pod stages: %w", err)
		}
		stages, err := parseYAML(stageMacros.Replace(string(data)))
		if err != nil {
			return nil, fmt.Errorf("stages/%s: %w", entry.Name(), err)
		}
		for _, stage := range stages {
			if err := prependToTemplates(stage, string(prelude)); err != nil {
				return nil, fmt.Errorf("stages/%s: stage %s: %w", entry.Name(), stage.GetName(), err)
			}
			doc, err := yaml.Marshal(stage.Object)
			if err != nil {
				return nil, fmt.Errorf("stages/%s: %w", entry.Name(), err)
			}
			docs = append(docs, string(doc))
		}
	}
	return docs, nil
}

func prependToTemplates(stage *unstructured.Unstructured, prelude string) error {
	patches, found, err := unstructured.NestedSlice(stage.Object, "spec", "next", "patches")
	if err != nil || !found {
		return err
	}
	for _, patch := range patches {
		fields, ok := patch.(map[string]any)
		if !ok {
			return fmt.Errorf("a patch is no object but %T", patch)
		}
		template, ok := fields["template"].(string)
		if !ok {
			return fmt.Errorf("a patch has no template")
		}
		fields["template"] = prelude + template
	}
	return unstructured.SetNestedSlice(stage.Object, patches, "spec", "next", "patches")
}
