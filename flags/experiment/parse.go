package experiment

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"midwatch/foreign"
)

// Limits of a definition, so that a hostile file stays small in memory.
const (
	maxDocument = 1 << 20 // a ConfigMap holds at most 1 MiB
	maxVariants = 256
	maxName     = 256
)

// document is how one experiment is written.
type document struct {
	Name     string    `yaml:"name"`
	Variants []string  `yaml:"variants"`
	Percent  *fraction `yaml:"traffic_percent"`
	Traffic  *fraction `yaml:"traffic"`
	Flag     string    `yaml:"flag"`
}

// fraction also reads a number that was written as text, as Helm likes to.
type fraction float64

// UnmarshalYAML reads 0.5, "0.5", .nan.
func (f *fraction) UnmarshalYAML(n *yaml.Node) error {
	var v float64
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: traffic: want a number", n.Line)
	}
	if strings.EqualFold(n.Value, "nan") {
		*f = fraction(math.NaN())
		return nil
	}
	plain := *n // a quoted number is a number, too
	plain.Tag, plain.Style = "", 0
	if err := plain.Decode(&v); err != nil {
		return fmt.Errorf("line %d: traffic %q: want a number from 0.0 to 1.0", n.Line, n.Value)
	}
	*f = fraction(v)
	return nil
}

// Parse reads definitions from YAML or JSON: one experiment, a list of them,
// or either below "experiments", also keyed by name. from says where the text
// was read.
func Parse(raw []byte, from string) ([]Definition, error) {
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("experiments in %s: %d bytes, the limit is %d", from, len(raw), maxDocument)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(raw, &root); err != nil {
		return nil, fmt.Errorf("experiments in %s: %s", from, foreign.CleanN(strings.TrimPrefix(err.Error(), "yaml: "), 300))
	}
	if len(root.Content) == 0 {
		return nil, nil
	}
	nodes, err := experiments(root.Content[0], "")
	if err != nil {
		return nil, fmt.Errorf("experiments in %s: %w", from, err)
	}
	var out []Definition
	for _, n := range nodes {
		d, err := n.definition()
		if err != nil {
			return nil, fmt.Errorf("experiments in %s: %w", from, err)
		}
		d.From = foreign.CleanN(from, 512)
		if slices.ContainsFunc(out, func(o Definition) bool { return o.Name == d.Name }) {
			return nil, fmt.Errorf("experiments in %s: %q stands there twice", from, foreign.CleanN(d.Name, 80))
		}
		out = append(out, d)
	}
	return out, nil
}

// named is an experiment's node and the key it stands under, if any.
type named struct {
	node *yaml.Node
	key  string
}

func experiments(n *yaml.Node, key string) ([]named, error) {
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]named, 0, len(n.Content))
		for _, item := range n.Content {
			out = append(out, named{item, ""})
		}
		return out, nil
	case yaml.MappingNode:
		if inner := child(n, "experiments"); inner != nil {
			return experiments(inner, "")
		}
		if child(n, "variants") != nil {
			return []named{{n, key}}, nil
		}
		var out []named
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i+1].Kind != yaml.MappingNode {
				return nil, fmt.Errorf("line %d: want an experiment with name, variants and traffic_percent", n.Content[i].Line)
			}
			out = append(out, named{n.Content[i+1], n.Content[i].Value})
		}
		return out, nil
	}
	return nil, fmt.Errorf("line %d: want an experiment with name, variants and traffic_percent", n.Line)
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func (n named) definition() (Definition, error) {
	var doc document
	if n.node.Kind != yaml.MappingNode {
		return Definition{}, fmt.Errorf("line %d: want an experiment with name, variants and traffic_percent", n.node.Line)
	}
	if err := n.node.Decode(&doc); err != nil {
		return Definition{}, errors.New(foreign.CleanN(strings.TrimPrefix(err.Error(), "yaml: "), 300).String())
	}
	if doc.Name == "" {
		doc.Name = n.key
	}
	traffic := doc.Percent
	if traffic == nil {
		traffic = doc.Traffic
	}
	switch {
	case doc.Name == "":
		return Definition{}, fmt.Errorf("line %d: an experiment without a name", n.node.Line)
	case len(doc.Name) > maxName:
		return Definition{}, fmt.Errorf("line %d: the name is %d bytes long, the limit is %d", n.node.Line, len(doc.Name), maxName)
	case len(doc.Variants) > maxVariants:
		return Definition{}, fmt.Errorf("experiment %s: %d variants, the limit is %d", foreign.CleanN(doc.Name, 80), len(doc.Variants), maxVariants)
	case traffic == nil:
		return Definition{}, fmt.Errorf("experiment %s: traffic_percent is missing", foreign.CleanN(doc.Name, 80))
	}
	return Definition{Name: doc.Name, Variants: doc.Variants, Traffic: float64(*traffic), Flag: doc.Flag}, nil
}

// SetTraffic returns the text with an experiment's traffic changed and
// everything else as it was, comments included.
func SetTraffic(raw []byte, name string, traffic float64) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(raw, &root); err != nil {
		return nil, fmt.Errorf("read the experiments: %s", foreign.CleanN(err.Error(), 300))
	}
	if len(root.Content) == 0 {
		return nil, fmt.Errorf("experiment %s is not there any more", foreign.CleanN(name, 80))
	}
	nodes, err := experiments(root.Content[0], "")
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		d, err := n.definition()
		if err != nil || d.Name != name {
			continue
		}
		value := child(n.node, "traffic_percent")
		if value == nil {
			value = child(n.node, "traffic")
		}
		return replaceScalar(raw, value, fmt.Sprintf("%g", traffic))
	}
	return nil, fmt.Errorf("experiment %s is not there any more", foreign.CleanN(name, 80))
}

// replaceScalar replaces one plain or quoted scalar where it stands.
func replaceScalar(raw []byte, n *yaml.Node, text string) ([]byte, error) {
	at := 0
	for line := 1; line < n.Line; line++ {
		i := slices.Index(raw[at:], '\n')
		if i < 0 {
			return nil, errors.New("the traffic was not found where it was read")
		}
		at += i + 1
	}
	// Columns count characters; what stands before the value on its line may
	// not be ASCII.
	for col := 1; col < n.Column && at < len(raw); col++ {
		at++
		for at < len(raw) && raw[at]&0xc0 == 0x80 {
			at++
		}
	}
	length := len(n.Value)
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		length += 2
	}
	if at+length > len(raw) || !strings.Contains(string(raw[at:at+length]), n.Value) {
		return nil, errors.New("the traffic was not found where it was read: it is written in a form midwatch does not edit")
	}
	return slices.Concat(raw[:at], []byte(text), raw[at+length:]), nil
}
