package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"midwatch/flags"
	"midwatch/foreign"
)

// assignment sets one member of a flag.
type assignment struct {
	path  []string // below the flag: {"on"}, {"rules", "2", "rollout"}
	value any
}

// assignments are what an edit sets. The version goes up with every one: the
// SDKs raise no change event otherwise.
func (e *entry) assignments(edit flags.Edit) ([]assignment, error) {
	set := []assignment{{[]string{"version"}, e.flag.Version + 1}}
	switch edit.Kind {
	case flags.TurnOn, flags.TurnOff:
		return append(set, assignment{[]string{"on"}, edit.Kind == flags.TurnOn}), nil
	case flags.SetRollout:
		a, err := e.rolloutTo(edit)
		return append(set, a...), err
	}
	return nil, edit.Validate()
}

// rolloutTo sets the percentage of the feature in the default or in a rule.
func (e *entry) rolloutTo(edit flags.Edit) ([]assignment, error) {
	feature := e.feature()
	if edit.Variation != "" {
		feature = slices.IndexFunc(e.variations(), func(v flags.Variation) bool { return v.ID == edit.Variation || string(v.Label()) == edit.Variation })
	}
	if feature < 0 {
		return nil, errors.New("which variation gets the percentage? The flag has none that is true, and more than two")
	}
	at, place, ok := e.place(edit.RuleID)
	if !ok {
		return nil, fmt.Errorf("%w: the flag has no rule %s", flags.ErrConflict, foreign.CleanN(edit.RuleID, 80))
	}
	rollout, _ := place["rollout"].(map[string]any)
	if rollout == nil && (edit.Percent == 0 || edit.Percent == 100) {
		other, err := e.other(feature)
		if err != nil {
			return nil, err
		}
		i := feature
		if edit.Percent == 0 {
			i = other
		}
		return []assignment{{append(at, "variation"), i}}, nil
	}
	weights, err := e.weights(rollout, feature, edit.Percent)
	if err != nil {
		return nil, err
	}
	next := map[string]any{"variations": weights}
	for k, v := range rollout {
		if k != "variations" {
			next[k] = v
		}
	}
	out := []assignment{{append(slices.Clone(at), "rollout"), next}}
	if _, fixed := place["variation"]; fixed {
		out = append(out, assignment{append(slices.Clone(at), "variation"), nil})
	}
	return out, nil
}

// place is where a rollout is written: the default, or a rule by its ID.
func (e *entry) place(rule string) (path []string, m map[string]any, ok bool) {
	if rule == "" {
		m, ok = e.doc["fallthrough"].(map[string]any)
		if !ok && e.doc["fallthrough"] == nil {
			return []string{"fallthrough"}, map[string]any{}, true
		}
		return []string{"fallthrough"}, m, ok
	}
	list, _ := e.doc["rules"].([]any)
	for i, r := range list {
		if m, ok = r.(map[string]any); ok && m["id"] == rule {
			return []string{"rules", strconv.Itoa(i)}, m, true
		}
	}
	return nil, nil, false
}

// other is the variation that those who do not get the feature get.
func (e *entry) other(feature int) (int, error) {
	if off, ok := e.flag.OffVariation.Get(); ok && off != feature {
		return off, nil
	}
	for i := range e.flag.Variations {
		if i != feature {
			return i, nil
		}
	}
	return 0, errors.New("the flag has one variation only: there is nothing to split")
}

// weights gives the feature its percentage and shares the rest among the
// others as before.
func (e *entry) weights(rollout map[string]any, feature int, percent float64) ([]any, error) {
	other, err := e.other(feature)
	if err != nil {
		return nil, err
	}
	old, _ := rollout["variations"].([]any)
	weight := map[int]float64{}
	var order []int
	rest := 0.0
	for _, o := range old {
		w, _ := o.(map[string]any)
		i, n := int(number(w["variation"])), number(w["weight"])
		if _, twice := weight[i]; !twice {
			order = append(order, i)
		}
		weight[i] += n
		if i != feature {
			rest += n
		}
	}
	for _, i := range []int{feature, other} {
		if _, there := weight[i]; !there {
			weight[i] = 0
			order = append(order, i)
		}
	}
	mine := math.Round(percent * 1000)
	left := 100_000 - mine
	if rest == 0 {
		weight[other], rest = 1, 1
	}
	var out []any
	last := -1
	for _, i := range order {
		if i == feature {
			out = append(out, map[string]any{"variation": i, "weight": int(mine)})
			continue
		}
		n := math.Floor(left * weight[i] / rest)
		out = append(out, map[string]any{"variation": i, "weight": int(n)})
		last = len(out) - 1
	}
	sum := 0
	for _, o := range out {
		sum += o.(map[string]any)["weight"].(int)
	}
	m := out[last].(map[string]any)
	m["weight"] = m["weight"].(int) + 100_000 - sum // what rounding left
	return out, nil
}

func number(v any) float64 {
	f, _ := v.(float64)
	return f
}

// rewrite returns the text with a flag changed. In JSON everything else stays
// byte for byte; YAML is written again with its comments.
func rewrite(raw []byte, key string, set []assignment) ([]byte, error) {
	if !isJSON(raw) {
		return rewriteYAML(raw, key, set)
	}
	for _, a := range set {
		var err error
		if raw, err = setJSON(raw, append([]string{"flags", key}, a.path...), a.value); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// setJSON replaces the value at a path, or adds the last member to its object.
// A nil value takes the member out.
func setJSON(raw []byte, path []string, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	from, to, ok := find(raw, path)
	switch {
	case ok && value == nil:
		return takeOut(raw, path)
	case ok:
		return slices.Concat(raw[:from], text, raw[to:]), nil
	case value == nil:
		return raw, nil
	}
	from, to, ok = find(raw, path[:len(path)-1])
	if !ok {
		if len(path) < 2 {
			return nil, errors.New("the flag is not where it was read")
		}
		return setJSON(raw, path[:len(path)-1], map[string]any{path[len(path)-1]: value})
	}
	if raw[from] != '{' {
		return nil, errors.New("the flag is not where it was read")
	}
	name, err := json.Marshal(path[len(path)-1])
	if err != nil {
		return nil, err
	}
	member := slices.Concat(name, []byte(": "), text)
	inside := bytes.TrimLeft(raw[from+1:to-1], " \t\r\n")
	if len(inside) > 0 {
		space := raw[from+1 : to-1-len(inside)] // the line break and indent before the first member
		member = slices.Concat(space, member, []byte(","))
		if len(space) == 0 {
			member = append(member, ' ')
		}
	}
	return slices.Concat(raw[:from+1], member, raw[from+1:]), nil
}

// takeOut writes an object again without one of its members.
func takeOut(raw []byte, path []string) ([]byte, error) {
	from, to, ok := find(raw, path[:len(path)-1])
	if !ok {
		return raw, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw[from:to], &m); err != nil {
		return nil, errors.New("the flag is not where it was read")
	}
	delete(m, path[len(path)-1])
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return slices.Concat(raw[:from], text, raw[to:]), nil
}

// find is where the value at a path stands. Of members that stand twice the
// last one counts, as for encoding/json.
func find(raw []byte, path []string) (from, to int, ok bool) {
	var value json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(raw))
	if len(path) == 0 {
		if err := dec.Decode(&value); err != nil {
			return 0, 0, false
		}
		end := int(dec.InputOffset())
		return end - len(value), end, true
	}
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') && t != json.Delim('[') {
		return 0, 0, false
	}
	for i := 0; dec.More(); i++ {
		name := strconv.Itoa(i)
		if t == json.Delim('{') {
			k, err := dec.Token()
			if err != nil {
				return 0, 0, false
			}
			name, _ = k.(string)
		}
		if err := dec.Decode(&value); err != nil {
			return 0, 0, false
		}
		if name != path[0] {
			continue
		}
		end := int(dec.InputOffset())
		start := end - len(value)
		if f, t, found := find(raw[start:end], path[1:]); found {
			from, to, ok = start+f, start+t, true
		} else {
			ok = false
		}
	}
	return from, to, ok
}

func rewriteYAML(raw []byte, key string, set []assignment) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(raw, &root); err != nil || len(root.Content) == 0 {
		return nil, errors.New("the flag is not where it was read")
	}
	flag := child(child(root.Content[0], "flags"), key)
	if flag == nil {
		return nil, errors.New("the flag is not where it was read: YAML anchors and aliases are not edited")
	}
	for _, a := range set {
		if err := setYAML(flag, a.path, a.value); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&root), enc.Close()); err != nil {
		return nil, fmt.Errorf("write the flag file: %w", err)
	}
	return out.Bytes(), nil
}

func child(n *yaml.Node, name string) *yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

func setYAML(n *yaml.Node, path []string, value any) error {
	for _, name := range path[:len(path)-1] {
		next := child(n, name)
		if next == nil {
			next = &yaml.Node{Kind: yaml.MappingNode}
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, next)
		}
		n = next
	}
	name := path[len(path)-1]
	if n.Kind != yaml.MappingNode {
		return errors.New("the flag is not where it was read: YAML anchors and aliases are not edited")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != name {
			continue
		}
		if value == nil {
			n.Content = slices.Delete(n.Content, i, i+2)
			return nil
		}
		old := n.Content[i+1]
		next := &yaml.Node{}
		if err := next.Encode(value); err != nil {
			return err
		}
		next.LineComment, next.HeadComment, next.FootComment = old.LineComment, old.HeadComment, old.FootComment
		n.Content[i].Style = keyStyle(name)
		n.Content[i+1] = next
		return nil
	}
	if value == nil {
		return nil
	}
	next := &yaml.Node{}
	if err := next.Encode(value); err != nil {
		return err
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name, Style: keyStyle(name)}, next)
	return nil
}

// keyStyle quotes "on": without quotes it is the word true in YAML 1.1, which
// LaunchDarkly's SDKs read, and the flag would stay as it was.
func keyStyle(name string) yaml.Style {
	if name == "on" {
		return yaml.DoubleQuotedStyle
	}
	return 0
}
