package secrets

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
)

// The fields of objects whose types are not linked in. A field that is missing
// or of another type than expected is the zero value: a newer operator must
// not break the whole row.

func str(o *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, path...)
	return s
}

func boolean(o *unstructured.Unstructured, path ...string) bool {
	b, _, _ := unstructured.NestedBool(o.Object, path...)
	return b
}

// number reads an integer that JSON may have made a float.
func number(o *unstructured.Unstructured, path ...string) int64 {
	v, _, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
	switch n := v.(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

func instant(o *unstructured.Unstructured, path ...string) time.Time {
	t, err := time.Parse(time.RFC3339, str(o, path...))
	if err != nil {
		return time.Time{}
	}
	return t
}

func maps(o *unstructured.Unstructured, path ...string) []map[string]any {
	list, _, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
	items, _ := list.([]any)
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func text(m map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(m, path...)
	return s
}

// conditions by their type.
func conditions(o *unstructured.Unstructured) map[string]condition {
	out := map[string]condition{}
	for _, m := range maps(o, "status", "conditions") {
		at, _ := time.Parse(time.RFC3339, text(m, "lastTransitionTime"))
		out[text(m, "type")] = condition{status: text(m, "status"), reason: text(m, "reason"), message: foreign.Clean(text(m, "message")), at: at}
	}
	return out
}

// cleaned sorts and cleans names, each once.
func cleaned(names []string) []foreign.Text {
	slices.Sort(names)
	out := make([]foreign.Text, 0, len(names))
	for _, n := range slices.Compact(names) {
		if n != "" {
			out = append(out, foreign.Clean(n))
		}
	}
	return out
}
