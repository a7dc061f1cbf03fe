package launchdarkly

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/foreign"
)

// millis is a time in milliseconds since 1970, as the API writes it.
type millis int64

func (m millis) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// flag is a flag of the REST API.
type flag struct {
	Key          string             `json:"key"`
	Name         string             `json:"name"`
	Description  string             `json:"description"`
	Kind         string             `json:"kind"` // boolean or multivariate
	Temporary    bool               `json:"temporary"`
	Archived     bool               `json:"archived"`
	Deprecated   bool               `json:"deprecated"`
	CreationDate millis             `json:"creationDate"`
	Tags         []string           `json:"tags"`
	Variations   []variation        `json:"variations"`
	Maintainer   *member            `json:"_maintainer"`
	Environments map[string]*config `json:"environments"`
}

type variation struct {
	ID    string          `json:"_id"`
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

type member struct {
	Email     string `json:"email"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
}

func (m *member) name() string {
	switch {
	case m == nil:
		return ""
	case m.Email != "":
		return m.Email
	}
	return m.FirstName + " " + m.LastName
}

// config is a flag's targeting in one environment: the REST API and the data
// that SDKs get write it alike.
type config struct {
	On             bool     `json:"on"`
	Archived       bool     `json:"archived"`
	Version        int      `json:"version"`
	LastModified   millis   `json:"lastModified"`
	Targets        []target `json:"targets"`
	ContextTargets []target `json:"contextTargets"`
	Rules          []rule   `json:"rules"`
	Fallthrough    serve    `json:"fallthrough"`
	OffVariation   *int     `json:"offVariation"`
	Prerequisites  []prereq `json:"prerequisites"`
	Access         *access  `json:"_access"`
	Summary        *summary `json:"_summary"`
}

type target struct {
	Values      []string `json:"values"`
	Variation   int      `json:"variation"`
	ContextKind string   `json:"contextKind"`
}

type rule struct {
	ID          string   `json:"_id"`
	SDKID       string   `json:"id"`
	Description string   `json:"description"`
	Clauses     []clause `json:"clauses"`
	serve
}

func (r *rule) id() string {
	if r.ID != "" {
		return r.ID
	}
	return r.SDKID
}

// serve is a variation or a rollout.
type serve struct {
	Variation *int     `json:"variation,omitempty"`
	Rollout   *rollout `json:"rollout,omitempty"`
}

type rollout struct {
	Kind        string   `json:"kind,omitempty"`
	Variations  []weight `json:"variations"`
	BucketBy    string   `json:"bucketBy,omitempty"`
	ContextKind string   `json:"contextKind,omitempty"`
}

type weight struct {
	Variation int `json:"variation"`
	Weight    int `json:"weight"`
}

type clause struct {
	Attribute   string `json:"attribute"`
	Op          string `json:"op"`
	Values      []any  `json:"values"`
	ContextKind string `json:"contextKind"`
	Negate      bool   `json:"negate"`
}

type prereq struct {
	Key       string `json:"key"`
	Variation int    `json:"variation"`
}

// access says what the token may do to the flag here.
type access struct {
	Denied []struct {
		Action string `json:"action"`
		Reason struct {
			RoleName string `json:"role_name"`
		} `json:"reason"`
	} `json:"denied"`
}

func (a *access) denies(action string) bool {
	if a == nil {
		return false
	}
	return slices.ContainsFunc(a.Denied, func(d struct {
		Action string `json:"action"`
		Reason struct {
			RoleName string `json:"role_name"`
		} `json:"reason"`
	}) bool {
		return d.Action == action
	})
}

// summary is what a list has in place of rules, by index of variation.
type summary struct {
	Variations map[string]struct {
		Rules         int  `json:"rules"`
		Targets       int  `json:"targets"`
		IsFallthrough bool `json:"isFallthrough"`
		IsOff         bool `json:"isOff"`
		Rollout       *int `json:"rollout"`
	} `json:"variations"`
}

// variations in the vocabulary of package flags.
func (f *flag) variations() []flags.Variation {
	out := make([]flags.Variation, 0, len(f.Variations))
	for _, v := range f.Variations {
		out = append(out, flags.Variation{ID: foreign.CleanN(v.ID, 64).String(), Name: foreign.CleanN(v.Name, 100), Value: foreign.CleanN(string(v.Value), 512)})
	}
	return out
}

// kind is the type of the values: LaunchDarkly says only whether it is boolean.
func (f *flag) kind() flags.Kind {
	if f.Kind == "boolean" {
		return flags.KindBoolean
	}
	if len(f.Variations) == 0 || len(f.Variations[0].Value) == 0 {
		return flags.KindUnknown
	}
	switch f.Variations[0].Value[0] {
	case 't', 'f':
		return flags.KindBoolean
	case '"':
		return flags.KindString
	case '{', '[':
		return flags.KindObject
	}
	return flags.KindNumber
}

// feature is the index of the variation that means "the feature": the one
// whose value is true, or the only one that is not served when off.
func (f *flag) feature(c *config) (int, bool) {
	for i, v := range f.Variations {
		if string(v.Value) == "true" {
			return i, true
		}
	}
	if len(f.Variations) == 2 && c.OffVariation != nil && (*c.OffVariation == 0 || *c.OffVariation == 1) {
		return 1 - *c.OffVariation, true
	}
	return 0, false
}

func (s *serve) weights() []ld.Weight {
	if s.Rollout == nil {
		return nil
	}
	out := make([]ld.Weight, 0, len(s.Rollout.Variations))
	for _, w := range s.Rollout.Variations {
		out = append(out, ld.Weight{Variation: w.Variation, Weight: w.Weight})
	}
	return out
}

// words is what it serves: "true", "true 5 %, false 95 % by user key".
func (s *serve) words(names []flags.Variation) foreign.Text {
	kind, by := "", ""
	if s.Rollout != nil {
		kind, by = s.Rollout.ContextKind, s.Rollout.BucketBy
	}
	return ld.Serves(names, s.Variation, s.weights(), kind, by)
}

// percent is the share of one variation; -1 when it is not a percentage.
func (s *serve) percent(variation int) float64 {
	if s.Rollout == nil {
		return -1
	}
	total := 0
	for _, w := range s.Rollout.Variations {
		if w.Variation == variation {
			total += w.Weight
		}
	}
	return float64(total) / 1000
}

func (c clause) words() foreign.Text {
	return ld.Clause{ContextKind: c.ContextKind, Attribute: c.Attribute, Op: c.Op, Values: c.Values, Negate: c.Negate}.Words()
}

// off is what everyone gets while the flag is off.
func (c *config) off(names []flags.Variation) foreign.Text {
	if c.OffVariation == nil {
		return "the default in the application's code"
	}
	return ld.Name(names, *c.OffVariation)
}

// serves is the environment's targeting in a few words.
func (c *config) serves(names []flags.Variation) foreign.Text {
	if !c.On {
		return c.off(names)
	}
	text := c.Fallthrough.words(names).String()
	if n := len(c.Rules); n > 0 {
		text += fmt.Sprintf(", but for %s", plural(n, "rule", "rules"))
	}
	if n := len(c.Targets) + len(c.ContextTargets); n > 0 {
		text += fmt.Sprintf(", but for %s", plural(n, "list of targets", "lists of targets"))
	}
	return foreign.CleanN(text, 300)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// version identifies the configuration.
func (c *config) version() string { return fmt.Sprintf("%d", c.Version) }
