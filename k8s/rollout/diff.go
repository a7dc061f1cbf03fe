package rollout

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"midwatch/foreign"
)

// ChangeKind says what happened to a field between two templates.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// TemplateChange is one field that differs between two pod templates.
type TemplateChange struct {
	// Path names the field as people do: containers[api].image,
	// containers[api].env[LOG_LEVEL], annotations[example.com/team].
	Path foreign.Text
	Kind ChangeKind
	// Before is empty when Added, After when Removed. Values that look secret
	// are [Hidden].
	Before, After foreign.Text
}

// DiffTemplates lists what differs between two pod templates: images first,
// then by path. Lists whose items have a name are matched by it, so a
// container that moved is not a change; what the Deployment controller does
// not call a change (its own label, 1Gi against 1024Mi, nil against empty) is
// none either. The templates are not modified.
func DiffTemplates(before, after *corev1.PodTemplateSpec) []TemplateChange {
	d := &differ{}
	x, y := fields(before), fields(after)
	for _, part := range []string{"labels", "annotations"} {
		d.compare(part, nested{x}.at("metadata", part), nested{y}.at("metadata", part))
	}
	d.compare("", nested{x}.at("spec"), nested{y}.at("spec"))
	slices.SortStableFunc(d.changes, func(a, b TemplateChange) int {
		return cmp.Or(cmp.Compare(changeRank(a.Path), changeRank(b.Path)), cmp.Compare(a.Path, b.Path))
	})
	return d.changes
}

// changeRank puts what most often is the cause first: images, then the spec,
// then labels and annotations.
func changeRank(path foreign.Text) int {
	switch s := string(path); {
	case strings.HasSuffix(s, ".image"):
		return 0
	case strings.HasPrefix(s, "labels"), strings.HasPrefix(s, "annotations"):
		return 2
	}
	return 1
}

// fields is the template as JSON has it, without what is not part of it.
func fields(t *corev1.PodTemplateSpec) map[string]any {
	if t == nil {
		return nil
	}
	c := t.DeepCopy()
	delete(c.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(c.Labels, argoHashLabel)
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c)
	if err != nil {
		// Only a quantity that was never parsed fails to convert; what cannot
		// be read is shown as one difference rather than hidden.
		return map[string]any{"spec": map[string]any{"unreadable": err.Error()}}
	}
	return m
}

func (n nested) at(path ...string) any {
	v, _ := n.value(path...)
	return v
}

// differ gathers changes.
type differ struct{ changes []TemplateChange }

func (d *differ) compare(path string, x, y any) {
	if reflect.DeepEqual(x, y) || isEmpty(x) && isEmpty(y) {
		return
	}
	xm, xIsMap := x.(map[string]any)
	ym, yIsMap := y.(map[string]any)
	if (xIsMap || x == nil && !isItem(path)) && (yIsMap || y == nil && !isItem(path)) {
		d.compareMaps(path, xm, ym)
		return
	}
	xl, xIsList := x.([]any)
	yl, yIsList := y.([]any)
	if (xIsList || x == nil) && (yIsList || y == nil) {
		d.compareLists(path, xl, yl)
		return
	}
	if sameQuantity(path, x, y) {
		return
	}
	d.add(path, x, y)
}

func (d *differ) compareMaps(path string, x, y map[string]any) {
	keys := map[string]bool{}
	for k := range x {
		keys[k] = true
	}
	for k := range y {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		d.compare(join(path, k), x[k], y[k])
	}
}

// compareLists matches items by what identifies them; lists of plain values,
// such as arguments, are one value.
func (d *differ) compareLists(path string, x, y []any) {
	key := itemKey(path)
	if key == nil {
		d.add(path, listOrNil(x), listOrNil(y))
		return
	}
	xs, ys := byKey(x, key), byKey(y, key)
	names := maps.Clone(xs)
	maps.Copy(names, ys)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		item := path + "[" + name + "]"
		if strings.HasSuffix(path, ".env") {
			d.compareEnv(item, name, xs[name], ys[name])
			continue
		}
		d.compare(item, orUntyped(xs, name), orUntyped(ys, name))
	}
}

// compareEnv shows a variable as one value. A literal one whose name looks
// secret is only said to have changed.
func (d *differ) compareEnv(path, name string, x, y any) {
	if reflect.DeepEqual(x, y) {
		return
	}
	d.append(path, kindOf(x, y), envText(name, x), envText(name, y))
}

func (d *differ) add(path string, x, y any) {
	d.append(path, kindOf(x, y), text(path, x), text(path, y))
}

// maxValue bounds a value that is shown, in bytes.
const maxValue = 1024

func (d *differ) append(path string, kind ChangeKind, before, after string) {
	d.changes = append(d.changes, TemplateChange{
		Path: foreign.CleanN(path, maxValue), Kind: kind,
		Before: foreign.CleanN(before, maxValue), After: foreign.CleanN(after, maxValue),
	})
}

func kindOf(x, y any) ChangeKind {
	switch {
	case x == nil:
		return Added
	case y == nil:
		return Removed
	}
	return Changed
}

// join is path.key, and path[key] for keys that are anybody's.
func join(path, key string) string {
	switch {
	case path == "":
		return key
	case path == "labels" || path == "annotations" || strings.HasSuffix(path, "nodeSelector") || strings.ContainsAny(key, "./"):
		return path + "[" + key + "]"
	}
	return path + "." + key
}

// isItem reports whether path ends in a list's item: one that was added or
// removed is one change.
func isItem(path string) bool { return strings.HasSuffix(path, "]") }

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func listOrNil(l []any) any {
	if len(l) == 0 {
		return nil
	}
	return l
}

func orUntyped(items map[string]any, name string) any {
	if v, ok := items[name]; ok {
		return v
	}
	return nil
}

// itemKey is what identifies an item of the list at path: the merge key the
// API declares for it (k8s.io/api core/v1 patchMergeKey); nil for others.
func itemKey(path string) func(map[string]any) string {
	field := path[strings.LastIndexByte(path, '.')+1:]
	by := func(names ...string) func(map[string]any) string {
		return func(m map[string]any) string {
			var parts []string
			for _, n := range names {
				if v, ok := m[n]; ok {
					parts = append(parts, fmt.Sprint(v))
				}
			}
			return strings.Join(parts, "/")
		}
	}
	switch field {
	case "containers", "initContainers", "ephemeralContainers", "volumes", "env", "imagePullSecrets", "resourceClaims":
		return by("name")
	case "ports":
		return by("containerPort", "protocol")
	case "volumeMounts":
		return by("mountPath")
	case "volumeDevices":
		return by("devicePath")
	case "topologySpreadConstraints":
		return by("topologyKey", "whenUnsatisfiable")
	case "hostAliases":
		return by("ip")
	}
	return nil
}

// byKey indexes a list; items of equal keys are told apart by their place.
func byKey(list []any, key func(map[string]any) string) map[string]any {
	out := make(map[string]any, len(list))
	for _, item := range list {
		m, _ := item.(map[string]any)
		name := key(m)
		for n := 2; out[name] != nil; n++ {
			name = fmt.Sprintf("%s#%d", key(m), n)
		}
		out[name] = item
	}
	return out
}

// sameQuantity reports whether two resource amounts differ in spelling only.
func sameQuantity(path string, x, y any) bool {
	if !strings.Contains(path, "resources.") && !strings.Contains(path, "overhead") && !strings.HasSuffix(path, "sizeLimit") && !strings.HasSuffix(path, "divisor") {
		return false
	}
	xs, xok := x.(string)
	ys, yok := y.(string)
	if !xok || !yok {
		return false
	}
	xq, xerr := resource.ParseQuantity(xs)
	yq, yerr := resource.ParseQuantity(ys)
	return xerr == nil && yerr == nil && xq.Cmp(yq) == 0
}

// text is a value on one line, without what looks secret.
func text(path string, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return hideCredentials(v)
	case []any:
		if strings.HasSuffix(path, "args") || strings.HasSuffix(path, "command") {
			return strings.TrimSpace(fmt.Sprintln(arguments(v)...))
		}
	case map[string]any:
		if image, ok := v["image"].(string); ok {
			return image // a container that was added or removed
		}
	}
	raw, err := json.Marshal(hideIn(v))
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
