package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// fieldSet is a set of field paths in the shape FieldsV1 has on the wire: "f:<field>", "k:{<key>}" and "." for the item itself.
type fieldSet map[string]fieldSet

// recordManager sets obj.metadata.managedFields after a write by o.Manager: the manager owns what it changed, everyone else
// loses it. It is the Update half of k8s.io/apimachinery pkg/util/managedfields without schemas: lists whose items carry a known
// key are followed into, all other lists are one field. old is nil on create.
func recordManager(old, obj Object, o WriteOptions, at metav1.Time) {
	if o.Manager == "" {
		return
	}
	entries := append([]metav1.ManagedFieldsEntry(nil), obj.GetManagedFields()...)
	own := -1
	for i, e := range entries {
		if e.Manager == o.Manager && e.Subresource == o.Subresource && e.Operation == metav1.ManagedFieldsOperationUpdate {
			own = i
		}
	}
	// Status is rewritten all the time by one writer: its set of fields is taken once, afterwards only the time moves.
	if own >= 0 && o.Subresource == "status" {
		entries[own].Time = &at
		obj.SetManagedFields(entries)
		return
	}
	changed, present := changedFields(old, obj, o.Subresource)
	if own < 0 {
		entries = append(entries, metav1.ManagedFieldsEntry{
			Manager: o.Manager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: o.Subresource,
			APIVersion: obj.GetObjectKind().GroupVersionKind().GroupVersion().String(), FieldsType: "FieldsV1",
		})
		own = len(entries) - 1
	}
	kept := entries[:0]
	for i, e := range entries {
		// A status and the rest of an object have no fields in common.
		if (e.Subresource == "status") != (o.Subresource == "status") {
			kept = append(kept, e)
			continue
		}
		set := decodeFields(e.FieldsV1)
		if i == own {
			merge(set, changed)
			e.Time = &at
		} else {
			subtract(set, changed)
		}
		prune(set, present)
		if len(set) > 0 {
			e.FieldsV1 = encodeFields(set)
			kept = append(kept, e)
		}
	}
	obj.SetManagedFields(kept)
}

// changedFields returns the paths that differ between old and obj and the paths that exist in obj, within the part of the object
// the write is about.
func changedFields(old, obj Object, subresource string) (changed, present fieldSet) {
	after := managedContent(obj, subresource)
	present = diffMap(nil, after)
	if old == nil {
		return present, present
	}
	return diffMap(managedContent(old, subresource), after), present
}

// managedContent is the part of an object a write is about, without what the server owns: the status, or all but the status.
func managedContent(o Object, subresource string) map[string]any {
	if subresource == "status" {
		if status := statusContent(o); status != nil {
			return map[string]any{"status": status}
		}
		return nil
	}
	m := mainContent(o)
	delete(m, "apiVersion")
	delete(m, "kind")
	delete(m, "status")
	meta, _ := m["metadata"].(map[string]any)
	managed := map[string]any{}
	for _, k := range []string{"labels", "annotations", "ownerReferences", "finalizers", "generateName"} {
		if v, ok := meta[k]; ok {
			managed[k] = v
		}
	}
	m["metadata"] = managed
	return m
}

func statusContent(o Object) map[string]any {
	if u, ok := o.(*unstructured.Unstructured); ok {
		m, _ := u.Object["status"].(map[string]any)
		return m
	}
	f := reflect.ValueOf(o).Elem().FieldByName("Status")
	if !f.IsValid() {
		return nil
	}
	return convert(f.Addr().Interface())
}

// mainContent leaves a typed status out before converting: it is most of many objects.
func mainContent(o Object) map[string]any {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return maps.Clone(u.Object)
	}
	shallow := shallowCopy(o)
	clearStatus(shallow)
	shallow.SetManagedFields(nil)
	return convert(shallow)
}

func convert(v any) map[string]any {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v)
	if err != nil {
		return map[string]any{} // only types the scheme does not know fail, and those are unstructured already
	}
	return m
}

// diffMap returns the paths of after that are new or differ from before. What was only removed belongs to nobody.
func diffMap(before, after map[string]any) fieldSet {
	set := fieldSet{}
	for k, v := range after {
		b, had := before[k]
		if had && reflect.DeepEqual(b, v) {
			continue
		}
		if sub, changed := diffValue(b, v); changed || !had {
			set["f:"+k] = sub
		}
	}
	return set
}

// diffValue returns the paths below a value that changed, and whether anything did besides removals.
func diffValue(before, after any) (fieldSet, bool) {
	switch a := after.(type) {
	case map[string]any:
		b, _ := before.(map[string]any)
		sub := diffMap(b, a)
		return sub, len(sub) > 0
	case []any:
		b, _ := before.([]any)
		return diffList(b, a)
	}
	return fieldSet{}, true
}

// diffList follows lists of maps with a merge key; of all others the list as a whole is the field.
func diffList(before, after []any) (fieldSet, bool) {
	set := fieldSet{}
	old := map[string]any{}
	for _, item := range before {
		if k, ok := itemKey(item); ok {
			old[k] = item
		}
	}
	for _, item := range after {
		k, ok := itemKey(item)
		if !ok {
			return fieldSet{}, true
		}
		b, had := old[k]
		if had && reflect.DeepEqual(b, item) {
			continue
		}
		sub, changed := diffValue(b, item)
		if !had {
			sub["."] = fieldSet{}
		}
		if changed || !had {
			set[k] = sub
		}
	}
	return set, len(set) > 0
}

// itemKey returns the FieldsV1 key of a list item, by the merge keys the built-in types use.
func itemKey(item any) (string, bool) {
	m, ok := item.(map[string]any)
	if !ok {
		return "", false
	}
	for _, keys := range [][]string{{"containerPort", "protocol"}, {"uid"}, {"mountPath"}, {"name"}, {"type"}} {
		id := map[string]any{}
		for _, k := range keys {
			if v, has := m[k]; has && isScalar(v) {
				id[k] = v
			}
		}
		if len(id) == len(keys) {
			b, err := json.Marshal(id)
			return "k:" + string(b), err == nil
		}
	}
	return "", false
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func merge(into, add fieldSet) {
	for k, v := range add {
		if into[k] == nil {
			into[k] = fieldSet{}
		}
		merge(into[k], v)
	}
}

func subtract(from, gone fieldSet) {
	for k, v := range gone {
		have, ok := from[k]
		if !ok {
			continue
		}
		if len(v) == 0 {
			delete(from, k)
			continue
		}
		subtract(have, v)
		if len(have) == 0 {
			delete(from, k)
		}
	}
}

// prune drops paths that the object no longer has.
func prune(set, present fieldSet) {
	for k, v := range set {
		p, ok := present[k]
		if !ok {
			delete(set, k)
			continue
		}
		if len(p) > 0 && len(v) > 0 {
			prune(v, p)
			if len(v) == 0 {
				delete(set, k)
			}
		}
	}
}

func decodeFields(f *metav1.FieldsV1) fieldSet {
	set := fieldSet{}
	if f == nil {
		return set
	}
	if err := json.Unmarshal(f.GetRawBytes(), &set); err != nil {
		return fieldSet{}
	}
	return set
}

func encodeFields(set fieldSet) *metav1.FieldsV1 {
	b, err := json.Marshal(set)
	if err != nil {
		panic(fmt.Sprintf("encode a field set: %v", err)) // maps of strings always encode
	}
	return metav1.NewFieldsV1(string(b))
}
