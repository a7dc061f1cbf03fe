package flags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"midwatch/foreign"
)

// EvalContext says whom an evaluation is about (OpenFeature specification,
// evaluation context).
type EvalContext struct {
	// TargetingKey identifies the subject: a user key.
	TargetingKey string
	// Kind is what sort of subject it is; empty means user (LaunchDarkly).
	Kind string
	// Attributes are the rest: strings, numbers, booleans, lists, objects, as
	// encoding/json decodes them.
	Attributes map[string]any
	// Multi holds the subjects of a LaunchDarkly context of kind multi; the
	// other fields are then empty.
	Multi []EvalContext
}

// IsZero reports whether nobody is meant.
func (c EvalContext) IsZero() bool {
	return c.TargetingKey == "" && len(c.Attributes) == 0 && len(c.Multi) == 0
}

// Attribute returns one attribute.
func (c EvalContext) Attribute(name string) (any, bool) {
	v, ok := c.Attributes[name]
	return v, ok
}

// String is the context in a few words: "user-42 plan=pro region=eu".
func (c EvalContext) String() string { return string(c.Label()) }

// Label is String as cleaned text: a user may have pasted it from anywhere.
func (c EvalContext) Label() foreign.Text {
	var parts []string
	for _, m := range c.Multi {
		parts = append(parts, m.Kind+":"+m.String())
	}
	if c.TargetingKey != "" {
		key := c.TargetingKey
		if c.Kind != "" && c.Kind != "user" && len(c.Multi) == 0 {
			key = c.Kind + ":" + key
		}
		parts = append(parts, key)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		v, ok := c.Attributes[name].(string)
		if !ok {
			v = string(JSONValue(c.Attributes[name]))
		}
		parts = append(parts, name+"="+v)
	}
	if len(parts) == 0 {
		return "nobody"
	}
	return foreign.Clean(strings.Join(parts, " "))
}

// contextLimit bounds what is parsed as a context.
const contextLimit = 64 << 10

// ParseContext reads whom an evaluation is about, as a person types it:
//
//	user-42                                    a key
//	user-42 plan=pro beta=true                 and attributes
//	{"targetingKey":"user-42","plan":"pro"}    OpenFeature
//	{"kind":"user","key":"user-42"}            LaunchDarkly, also kind multi
//	{"userId":"user-42","properties":{…}}      Unleash
//
// In the second form a value that reads as JSON is taken for it: true, 12,
// "12" in quotes is text.
func ParseContext(text string) (EvalContext, error) {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > contextLimit:
		return EvalContext{}, fmt.Errorf("the context is %d bytes long, the limit is %d", len(text), contextLimit)
	case text == "":
		return EvalContext{}, errors.New("whom to ask about? give a user key, key=value pairs, or JSON")
	case strings.HasPrefix(text, "{"):
		return parseJSONContext(text)
	}
	return parsePairs(text)
}

func parsePairs(text string) (EvalContext, error) {
	c := EvalContext{}
	for i, word := range strings.Fields(text) {
		name, value, isPair := strings.Cut(word, "=")
		switch {
		case !isPair && i == 0:
			c.TargetingKey = word
			continue
		case !isPair || name == "":
			return EvalContext{}, fmt.Errorf("context: %q: want name=value after the user key", foreign.CleanN(word, 64))
		}
		if err := c.set(name, scalar(value)); err != nil {
			return EvalContext{}, err
		}
	}
	return c, nil
}

func scalar(s string) any {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err == nil {
		return v
	}
	return s
}

func parseJSONContext(text string) (EvalContext, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return EvalContext{}, jsonError(text, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return EvalContext{}, errors.New("context: there is more after the closing brace: want one JSON object")
	}
	return FromMap(m)
}

// jsonError names the place of a mistake, by line and column.
func jsonError(text string, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := []byte(text)[:min(int(syntax.Offset), len(text))]
		line := 1 + bytes.Count(before, []byte("\n"))
		column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
		return fmt.Errorf("context: not valid JSON at line %d, column %d: %s", line, column, foreign.CleanN(syntax.Error(), 120))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("context: the JSON ends too early: a bracket or a quote is not closed")
	}
	return fmt.Errorf("context: %s", foreign.CleanN(err.Error(), 120))
}

// FromMap makes a context of a decoded JSON object in any of the forms of
// [ParseContext].
func FromMap(m map[string]any) (EvalContext, error) {
	c := EvalContext{}
	kind, _ := m["kind"].(string)
	if kind == "multi" {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if name == "kind" {
				continue
			}
			one, ok := m[name].(map[string]any)
			if !ok {
				return c, fmt.Errorf("context: %q: want an object for each kind of a multi-context", foreign.CleanN(name, 64))
			}
			one = maps.Clone(one)
			one["kind"] = name
			part, err := FromMap(one)
			if err != nil {
				return c, err
			}
			c.Multi = append(c.Multi, part)
		}
		if len(c.Multi) == 0 {
			return c, errors.New("context: a multi-context without any kind in it")
		}
		return c, nil
	}
	_, launchDarkly := m["kind"]
	for name, v := range m {
		if launchDarkly && name == "kind" {
			c.Kind = kind
			continue
		}
		if err := c.set(name, v); err != nil {
			return c, err
		}
	}
	return c, nil
}

// set puts one member into its place.
func (c *EvalContext) set(name string, v any) error {
	switch name {
	case "targetingKey", "key", "userId":
		key, ok := v.(string)
		if !ok {
			if n, isNumber := v.(float64); isNumber {
				key, ok = string(JSONValue(n)), true
			}
		}
		if !ok {
			return fmt.Errorf("context: %s: want text", name)
		}
		if c.TargetingKey != "" && c.TargetingKey != key {
			return fmt.Errorf("context: %s is %q, and the key is given as %q too", name, foreign.CleanN(key, 64), foreign.CleanN(c.TargetingKey, 64))
		}
		c.TargetingKey = key
		return nil
	case "properties":
		if props, ok := v.(map[string]any); ok { // Unleash keeps its own apart
			for n, p := range props {
				c.attribute(n, p)
			}
			return nil
		}
	}
	c.attribute(name, v)
	return nil
}

func (c *EvalContext) attribute(name string, v any) {
	if c.Attributes == nil {
		c.Attributes = map[string]any{}
	}
	c.Attributes[name] = v
}
