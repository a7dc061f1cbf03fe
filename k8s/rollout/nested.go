package rollout

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// nested reads fields of an unstructured object; what is missing or of
// another type reads as the zero value, as custom resources are anybody's.
type nested struct{ m map[string]any }

func (n nested) value(path ...string) (any, bool) {
	var v any = n.m
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[p]; !ok {
			return nil, false
		}
	}
	return v, v != nil
}

func (n nested) str(path ...string) string {
	v, _ := n.value(path...)
	s, _ := v.(string)
	return s
}

func (n nested) boolean(path ...string) bool {
	v, _ := n.value(path...)
	b, _ := v.(bool)
	return b
}

func (n nested) list(path ...string) []any {
	v, _ := n.value(path...)
	l, _ := v.([]any)
	return l
}

// maps are the objects of a list; what is no object is left out.
func (n nested) maps(path ...string) []nested {
	var out []nested
	for _, v := range n.list(path...) {
		if m, ok := v.(map[string]any); ok {
			out = append(out, nested{m})
		}
	}
	return out
}

// object is the object at path; nil when there is none.
func (n nested) object(path ...string) map[string]any {
	v, _ := n.value(path...)
	m, _ := v.(map[string]any)
	return m
}

// annotation is one of the object's own; its key may hold dots.
func (n nested) annotation(key string) string { return n.str("metadata", "annotations", key) }

func (n nested) num(path ...string) int {
	v, _ := n.value(path...)
	return number(v)
}

func (n nested) time(path ...string) time.Time {
	t, _ := time.Parse(time.RFC3339, n.str(path...))
	return t
}

func (n nested) intOrString(path ...string) *intstr.IntOrString {
	v, ok := n.value(path...)
	if !ok {
		return nil
	}
	if s, ok := v.(string); ok {
		x := intstr.FromString(s)
		return &x
	}
	x := intstr.FromInt32(int32(number(v)))
	return &x
}

func number(v any) int {
	switch n := v.(type) {
	case int64:
		return int(n)
	case float64:
		return int(n)
	case int:
		return n
	}
	return 0
}

func fromUnstructured(m map[string]any, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(m, into)
}
