package rollout

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// equalIgnoreHash is the Deployment controller's rule
// (deployment_util.go EqualIgnoreHash).
func equalIgnoreHash(a, b *corev1.PodTemplateSpec) bool {
	x, y := a.DeepCopy(), b.DeepCopy()
	delete(x.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(y.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return apiequality.Semantic.DeepEqual(x, y)
}

func template(edit func(*corev1.PodTemplateSpec)) *corev1.PodTemplateSpec {
	t := &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "api"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "api", Image: "shop/api:1",
			Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse("1Gi"), "cpu": resource.MustParse("500m")}},
			Env:       []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
		}}},
	}
	if edit != nil {
		edit(t)
	}
	return t
}

func TestFingerprintFollowsTheControllersEquality(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*corev1.PodTemplateSpec)
		same bool
	}{
		{"nothing", func(*corev1.PodTemplateSpec) {}, true},
		{"the controller's label", func(t *corev1.PodTemplateSpec) { t.Labels["pod-template-hash"] = "6d5c" }, true},
		{"an empty map for none", func(t *corev1.PodTemplateSpec) { t.Annotations = map[string]string{} }, true},
		{"an empty list for none", func(t *corev1.PodTemplateSpec) { t.Spec.Tolerations = []corev1.Toleration{} }, true},
		{"the same amount in bytes", func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Resources.Limits["memory"] = resource.MustParse("1073741824")
		}, true},
		{"the same amount in Mi", func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Resources.Limits["memory"] = resource.MustParse("1024Mi")
		}, true},
		{"the same share as a decimal", func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Resources.Limits["cpu"] = resource.MustParse("0.5")
		}, true},
		{"another amount", func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Resources.Limits["memory"] = resource.MustParse("1G")
		}, false},
		{"another image", func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Image = "shop/api:2" }, false},
		{"another order of variables", func(t *corev1.PodTemplateSpec) {
			e := t.Spec.Containers[0].Env
			e[0], e[1] = e[1], e[0]
		}, false},
		{"another label", func(t *corev1.PodTemplateSpec) { t.Labels["tier"] = "web" }, false},
		{"a restart", func(t *corev1.PodTemplateSpec) {
			t.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "2026-11-24T10:00:00Z"}
		}, false},
		{"an empty object for none", func(t *corev1.PodTemplateSpec) { t.Spec.SecurityContext = &corev1.PodSecurityContext{} }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := template(nil), template(tc.edit)
			if got := equalIgnoreHash(a, b); got != tc.same {
				t.Fatalf("the controller says equal: %v; the case is wrong", got)
			}
			if got := fingerprint(a) == fingerprint(b); got != tc.same {
				t.Errorf("same fingerprint: %v, want %v", got, tc.same)
			}
		})
	}
}

// Every field of a template must count, and no spelling may: a template filled
// at random is changed in one field at a time, and the fingerprint must notice
// exactly when the controller does.
func TestFingerprintNoticesEveryField(t *testing.T) {
	f := &filler{rand.New(rand.NewPCG(1, 1)), true}
	base := &corev1.PodTemplateSpec{}
	f.fill(reflect.ValueOf(base).Elem(), 0)
	want := fingerprint(base)
	leaves := countLeaves(reflect.ValueOf(base).Elem())
	if leaves < 500 {
		t.Fatalf("only %d fields filled", leaves)
	}
	for i := range leaves {
		changed := base.DeepCopy()
		n := i
		path, ok := mutate(reflect.ValueOf(changed).Elem(), "template", &n)
		if !ok {
			t.Fatalf("leaf %d not found", i)
		}
		if equal, same := equalIgnoreHash(base, changed), fingerprint(changed) == want; equal != same {
			t.Errorf("%s: equal %v, same fingerprint %v", path, equal, same)
		}
	}
}

func FuzzFingerprint(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, seed)
		f.Add(seed, seed+1)
	}
	f.Fuzz(func(t *testing.T, x, y uint64) {
		a, b := &corev1.PodTemplateSpec{}, &corev1.PodTemplateSpec{}
		(&filler{rand.New(rand.NewPCG(x, 1)), false}).fill(reflect.ValueOf(a).Elem(), 0)
		(&filler{rand.New(rand.NewPCG(y, 1)), false}).fill(reflect.ValueOf(b).Elem(), 0)
		if equal, same := equalIgnoreHash(a, b), fingerprint(a) == fingerprint(b); equal != same {
			t.Errorf("seeds %d and %d: equal %v, same fingerprint %v", x, y, equal, same)
		}
		before := a.DeepCopy()
		if !apiequality.Semantic.DeepEqual(before, a) || fingerprint(before) != fingerprint(a) {
			t.Error("a copy has another fingerprint")
		}
	})
}

// filler fills values at random, quantities in every spelling.
// With every set, no pointer is left nil.
type filler struct {
	*rand.Rand
	every bool
}

var (
	quantityType = reflect.TypeOf(resource.Quantity{})
	timeType     = reflect.TypeOf(metav1.Time{})
)

func (f *filler) fill(v reflect.Value, depth int) {
	switch v.Type() {
	case quantityType:
		spell := []string{"1Gi", "500m", "1e3", "1500", "0.25", "2Ti", "1k", "0"}
		v.Set(reflect.ValueOf(resource.MustParse(spell[f.IntN(len(spell))])))
		return
	case timeType:
		v.Set(reflect.ValueOf(metav1.NewTime(time.Unix(f.Int64N(1e9), 0))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("s%d", f.IntN(100)))
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(f.Int64N(1000))
	case reflect.Uint8:
		v.SetUint(uint64(f.IntN(255)))
	case reflect.Pointer:
		if depth < 16 && (f.every || f.IntN(4) > 0) {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		for i := range v.Len() {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, depth+1)
		f.fill(value, depth+1)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), depth+1)
		}
	}
}

func isLeaf(v reflect.Value) bool {
	switch v.Type() {
	case quantityType, timeType:
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil()
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct, reflect.Array:
		return false
	}
	return true
}

func countLeaves(v reflect.Value) int {
	if isLeaf(v) {
		return 1
	}
	n := 0
	each(v, "", func(child reflect.Value, _ string) bool { n += countLeaves(child); return true })
	return n
}

// each calls f for the parts of a value; the value of a map is a copy.
func each(v reflect.Value, path string, f func(reflect.Value, string) bool) {
	switch v.Kind() {
	case reflect.Pointer:
		f(v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			if !f(v.Index(i), fmt.Sprintf("%s[%d]", path, i)) {
				return
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			child := reflect.New(v.Type().Elem()).Elem()
			child.Set(v.MapIndex(k))
			goOn := f(child, fmt.Sprintf("%s[%v]", path, k))
			v.SetMapIndex(k, child)
			if !goOn {
				return
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !f(v.Field(i), path+"."+v.Type().Field(i).Name) {
				return
			}
		}
	}
}

// mutate changes the n-th leaf.
func mutate(v reflect.Value, path string, n *int) (string, bool) {
	if isLeaf(v) {
		if *n > 0 {
			*n--
			return "", false
		}
		change(v)
		return path, true
	}
	found, ok := "", false
	each(v, path, func(child reflect.Value, p string) bool {
		found, ok = mutate(child, p, n)
		return !ok
	})
	return found, ok
}

func change(v reflect.Value) {
	switch v.Type() {
	case quantityType:
		// The same amount, spelled in bytes; the controller sees no change.
		q := v.Interface().(resource.Quantity)
		v.Set(reflect.ValueOf(*resource.NewDecimalQuantity(*q.AsDec(), resource.DecimalExponent)))
		return
	case timeType:
		v.Set(reflect.ValueOf(metav1.NewTime(v.Interface().(metav1.Time).Add(time.Hour))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8:
		v.SetUint(uint64(uint8(v.Uint()) + 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	}
}
