package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	evaluation "github.com/launchdarkly/go-server-sdk-evaluation/v3"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	"sigs.k8s.io/yaml"

	"midwatch/flags"
	"midwatch/foreign"
)

// maxFile bounds a flag file.
const maxFile = 64 << 20

// data is one good reading of a file. It is immutable.
type data struct {
	raw      []byte
	hash     string
	modified time.Time
	flags    map[string]*entry
	keys     []string // sorted
	segments map[string]*ldmodel.Segment
	eval     evaluation.Evaluator
}

// entry is one flag.
type entry struct {
	flag *ldmodel.FeatureFlag
	more extra
	// value is true for an entry of flagValues: one value, no targeting.
	value bool
	// version is a hash of the flag as it is written.
	version string
	doc     map[string]any
	// What every evaluation says again: variations, and rules in words.
	names []flags.Variation
	words [][]foreign.Text // of each rule's clauses
}

// extra is what a flag may say beside what LaunchDarkly's evaluation reads.
// The SDKs ignore it.
type extra struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Type        string    `json:"type"`
	Tags        []string  `json:"tags"`
	Maintainer  string    `json:"maintainer"`
	Created     time.Time `json:"created"`
	// Variations are names in the order of the variations.
	Variations []string `json:"variationNames"`
}

// hashOf is what a text is compared by.
func hashOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// parse reads a text. The error says what is wrong, and where if the format's
// reader knows.
func parse(raw []byte, modified time.Time) (*data, error) {
	d := &data{raw: raw, hash: hashOf(raw), modified: modified, flags: map[string]*entry{}, segments: map[string]*ldmodel.Segment{}}
	text, err := asJSON(raw)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Flags    map[string]json.RawMessage `json:"flags"`
		Values   map[string]json.RawMessage `json:"flagValues"`
		Segments map[string]json.RawMessage `json:"segments"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, explain(text, err)
	}
	for key, one := range doc.Flags {
		if d.flags[key], err = parseFlag(one); err != nil {
			return nil, fmt.Errorf("flag %s: %w", foreign.CleanN(key, 80), err)
		}
	}
	for key, one := range doc.Values {
		if _, twice := d.flags[key]; twice {
			return nil, fmt.Errorf("flag %s stands both in flags and in flagValues", foreign.CleanN(key, 80))
		}
		if d.flags[key], err = constant(key, one); err != nil {
			return nil, fmt.Errorf("flag %s: %w", foreign.CleanN(key, 80), err)
		}
	}
	for key, one := range doc.Segments {
		segment, err := ldmodel.NewJSONDataModelSerialization().UnmarshalSegment(one)
		if err != nil {
			return nil, fmt.Errorf("segment %s: %s", foreign.CleanN(key, 80), foreign.CleanN(err.Error(), 200))
		}
		d.segments[key] = &segment
	}
	d.keys = slices.Sorted(maps.Keys(d.flags))
	d.eval = evaluation.NewEvaluator(provider{d})
	return d, nil
}

// isJSON reports whether a text is JSON and not YAML, by its first sign.
func isJSON(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n\ufeff"), []byte("{"))
}

func asJSON(raw []byte) ([]byte, error) {
	switch {
	case len(raw) > maxFile:
		return nil, fmt.Errorf("it is %d bytes long, the limit is %d", len(raw), maxFile)
	case len(bytes.TrimSpace(raw)) == 0:
		return nil, errors.New("it is empty: want flags, flagValues or segments in it")
	case isJSON(raw):
		return raw, nil
	}
	text, err := yaml.YAMLToJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("not valid YAML: %s", foreign.CleanN(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: "), 200))
	}
	return text, nil
}

// explain names the line of a mistake in JSON.
func explain(text []byte, err error) error {
	at := -1
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = int(syntax.Offset)
	case errors.As(err, &typed):
		at = int(typed.Offset)
	}
	if at < 0 || at > len(text) {
		return fmt.Errorf("not valid JSON: %s", foreign.CleanN(err.Error(), 200))
	}
	return fmt.Errorf("not valid JSON at line %d: %s", 1+bytes.Count(text[:at], []byte("\n")), foreign.CleanN(err.Error(), 200))
}

func parseFlag(raw json.RawMessage) (*entry, error) {
	flag, err := ldmodel.NewJSONDataModelSerialization().UnmarshalFeatureFlag(raw)
	if err != nil {
		return nil, errors.New(foreign.CleanN(err.Error(), 200).String())
	}
	e := &entry{flag: &flag}
	if err := json.Unmarshal(raw, &e.doc); err != nil {
		return nil, errors.New(foreign.CleanN(err.Error(), 200).String())
	}
	// What midwatch alone reads must not make a file unusable.
	_ = json.Unmarshal(raw, &e.more)
	e.names = e.variations()
	e.words = make([][]foreign.Text, len(flag.Rules))
	for i := range flag.Rules {
		e.words[i] = clauses(flag.Rules[i].Clauses)
	}
	e.version, err = canonical(raw)
	return e, err
}

// constant is an entry of flagValues: a flag with one variation, as the SDK's
// own file source makes it (ldfiledata, makeFlagWithValue).
func constant(key string, raw json.RawMessage) (*entry, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, errors.New(foreign.CleanN(err.Error(), 200).String())
	}
	doc := map[string]any{"key": key, "on": false, "offVariation": 0, "variations": []any{value}}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	e, err := parseFlag(text)
	if err != nil {
		return nil, err
	}
	e.value = true
	return e, nil
}

// canonical is a hash that does not change with white space or the order of
// members.
func canonical(raw json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return hashOf(text)[:16], nil
}

// provider hands flags and segments to LaunchDarkly's evaluator.
type provider struct{ d *data }

func (p provider) GetFeatureFlag(key string) *ldmodel.FeatureFlag {
	if e := p.d.flags[key]; e != nil && !e.flag.Deleted {
		return e.flag
	}
	return nil
}

func (p provider) GetSegment(key string) *ldmodel.Segment {
	if s := p.d.segments[key]; s != nil && !s.Deleted {
		return s
	}
	return nil
}
