package unleash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// loose is a parameter's value: text by the API's schema, and a number in
// what older clients wrote.
type loose string

func (l *loose) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*l = loose(s)
		return nil
	}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	*l = loose(b)
	return nil
}

// feature is a flag as the admin API and the client API write it. The client
// API has it for one environment, with Enabled and Strategies at the top.
type feature struct {
	Name         string       `json:"name"`
	Type         string       `json:"type"`
	Description  string       `json:"description"`
	Project      string       `json:"project"`
	Stale        bool         `json:"stale"`
	Archived     bool         `json:"archived"`
	CreatedAt    time.Time    `json:"createdAt"`
	CreatedBy    *person      `json:"createdBy"`
	Environments []envState   `json:"environments"`
	Dependencies []dependency `json:"dependencies"`
	Children     []string     `json:"children"`
	Tags         []tag        `json:"tags"`

	Enabled    bool       `json:"enabled"`
	Strategies []strategy `json:"strategies"`
	Variants   []variant  `json:"variants"`
}

type person struct {
	Name string `json:"name"`
}

type tag struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// dependency is a parent flag; Enabled is nil for true.
type dependency struct {
	Feature  string   `json:"feature"`
	Enabled  *bool    `json:"enabled"`
	Variants []string `json:"variants"`
}

// envState is a flag in one environment. The list has no strategies in it,
// only whether there are any.
type envState struct {
	Name                 string     `json:"name"`
	Type                 string     `json:"type"`
	Enabled              bool       `json:"enabled"`
	LastSeenAt           *time.Time `json:"lastSeenAt"`
	Yes                  int64      `json:"yes"`
	No                   int64      `json:"no"`
	Strategies           []strategy `json:"strategies"`
	Variants             []variant  `json:"variants"`
	HasStrategies        bool       `json:"hasStrategies"`
	HasEnabledStrategies bool       `json:"hasEnabledStrategies"`
	ChangeRequestIDs     []int      `json:"changeRequestIds"`
}

// strategy is one rule: all constraints hold and the percentage includes.
type strategy struct {
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	Title       string           `json:"title"`
	Disabled    bool             `json:"disabled"`
	Constraints []constraint     `json:"constraints"`
	Segments    []int            `json:"segments"`
	Parameters  map[string]loose `json:"parameters"`
	Variants    []variant        `json:"variants"`

	// canonical is all of it as the server wrote it, with sorted names.
	canonical []byte
}

func (s *strategy) UnmarshalJSON(b []byte) error {
	type plain strategy
	if err := json.Unmarshal(b, (*plain)(s)); err != nil {
		return err
	}
	var all any
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	var err error
	s.canonical, err = json.Marshal(all)
	return err
}

type constraint struct {
	ContextName     string   `json:"contextName"`
	Operator        string   `json:"operator"`
	Values          []string `json:"values"`
	Value           *string  `json:"value"`
	Inverted        bool     `json:"inverted"`
	CaseInsensitive bool     `json:"caseInsensitive"`
}

type variant struct {
	Name       string     `json:"name"`
	Weight     int        `json:"weight"`
	WeightType string     `json:"weightType"`
	Stickiness string     `json:"stickiness"`
	Payload    *payload   `json:"payload"`
	Overrides  []override `json:"overrides"`
}

type payload struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type override struct {
	ContextName string   `json:"contextName"`
	Values      []string `json:"values"`
}

type segment struct {
	ID          int          `json:"id"`
	Name        string       `json:"name"`
	Constraints []constraint `json:"constraints"`
}

// in returns the flag in an environment.
func (f *feature) in(environment string) (*envState, bool) {
	i := slices.IndexFunc(f.Environments, func(e envState) bool { return e.Name == environment })
	if i < 0 {
		return nil, false
	}
	return &f.Environments[i], true
}

// fingerprint identifies what is configured: on or off, the strategies with
// all they have, the variants. How often and when it was seen is left out.
func (e *envState) fingerprint() string {
	h := sha256.New()
	fmt.Fprintln(h, e.Enabled)
	for _, s := range e.Strategies {
		fmt.Fprintf(h, "%s\n", s.canonical)
	}
	b, err := json.Marshal(e.Variants)
	if err != nil {
		b = []byte(err.Error()) // plain fields: it cannot fail
	}
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// active are the strategies that are not disabled.
func active(all []strategy) []strategy {
	var out []strategy
	for _, s := range all {
		if !s.Disabled {
			out = append(out, s)
		}
	}
	return out
}

func ids(all []strategy) []string {
	var out []string
	for _, s := range all {
		out = append(out, s.ID)
	}
	return out
}

// rollout is the strategy's percentage, as an SDK reads it: a whole number.
// ok is false for a strategy without one.
func (s *strategy) rollout() (percent int, ok bool) {
	for _, name := range []string{"rollout", "percentage"} {
		if v, has := s.Parameters[name]; has {
			n, err := strconv.ParseFloat(string(v), 64)
			if err != nil {
				return 0, true
			}
			return int(n), true
		}
	}
	return 0, false
}

// event is an entry of the audit log.
type event struct {
	ID              int64     `json:"id"`
	Type            string    `json:"type"`
	CreatedBy       string    `json:"createdBy"`
	CreatedByUserID int64     `json:"createdByUserId"`
	CreatedAt       time.Time `json:"createdAt"`
	Data            any       `json:"data"`
	PreData         any       `json:"preData"`
	FeatureName     string    `json:"featureName"`
	Environment     string    `json:"environment"`
	Label           string    `json:"label"`
	Summary         string    `json:"summary"`
}
