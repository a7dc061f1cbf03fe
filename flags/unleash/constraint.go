package unleash

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"midwatch/flags"
	"midwatch/foreign"
)

// verdict is the answer of a constraint, a strategy or a flag.
type verdict uint8

const (
	no verdict = iota
	yes
	unknown
)

func of(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// subject is an evaluation context as SDKs of Unleash read it.
type subject struct {
	fields map[string]string
	now    time.Time
}

// newSubject maps OpenFeature's words: the targeting key is Unleash's userId.
func newSubject(c flags.EvalContext, environment string, now time.Time) subject {
	for _, one := range c.Multi { // Unleash has one subject: the user's
		if one.Kind == "user" || one.Kind == "" {
			return newSubject(one, environment, now)
		}
	}
	s := subject{fields: make(map[string]string, len(c.Attributes)+3), now: now}
	s.fields["environment"], s.fields["appName"] = environment, appName
	for name, v := range c.Attributes {
		s.fields[name] = asText(v)
	}
	if c.TargetingKey != "" {
		s.fields["userId"] = c.TargetingKey
	}
	if t, err := time.Parse(time.RFC3339, s.fields["currentTime"]); err == nil {
		s.now = t
	}
	return s
}

// asText is how SDKs turn an attribute into the text they compare.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return string(flags.JSONValue(v))
}

func (s subject) get(name string) (string, bool) {
	if name == "currentTime" {
		return s.now.UTC().Format(time.RFC3339), true
	}
	v, ok := s.fields[name]
	return v, ok && v != ""
}

// holds evaluates the constraint (client specification: constraints). One with
// an operator that is not known here is unknown.
func (c *constraint) holds(s subject) verdict {
	have, ok := s.get(c.ContextName)
	v := c.compare(have, ok, s)
	if v == unknown || !c.Inverted {
		return v
	}
	return of(v == no)
}

func (c *constraint) compare(have string, ok bool, s subject) verdict {
	switch c.Operator {
	case "IN":
		return of(ok && c.has(have, func(a, b string) bool { return a == b }))
	case "NOT_IN":
		return of(!ok || !c.has(have, func(a, b string) bool { return a == b }))
	case "STR_STARTS_WITH":
		return of(ok && c.has(have, strings.HasPrefix))
	case "STR_ENDS_WITH":
		return of(ok && c.has(have, strings.HasSuffix))
	case "STR_CONTAINS":
		return of(ok && c.has(have, strings.Contains))
	case "REGEX":
		return c.matches(have, ok)
	case "DATE_AFTER", "DATE_BEFORE":
		return c.date(have, ok, s)
	}
	kind, op, _ := strings.Cut(c.Operator, "_")
	switch kind {
	case "NUM":
		return c.number(have, ok, op)
	case "SEMVER":
		return c.semver(have, ok, op)
	}
	return unknown
}

func (c *constraint) has(have string, same func(a, b string) bool) bool {
	// IN and NOT_IN heed case whatever the constraint says.
	fold := c.CaseInsensitive && strings.HasPrefix(c.Operator, "STR_")
	if fold {
		have = strings.ToLower(have)
	}
	return slices.ContainsFunc(c.Values, func(v string) bool {
		if fold {
			v = strings.ToLower(v)
		}
		return same(have, v)
	})
}

func (c *constraint) value() string {
	if c.Value == nil {
		return ""
	}
	return *c.Value
}

func (c *constraint) matches(have string, ok bool) verdict {
	pattern := c.value()
	if c.CaseInsensitive {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return unknown
	}
	return of(ok && re.MatchString(have))
}

func (c *constraint) date(have string, ok bool, _ subject) verdict {
	a, errA := parseDate(have)
	b, errB := parseDate(c.value())
	if !ok || errA != nil || errB != nil {
		return no
	}
	if c.Operator == "DATE_AFTER" {
		return of(a.After(b))
	}
	return of(a.Before(b))
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("not a date")
}

func (c *constraint) number(have string, ok bool, op string) verdict {
	a, errA := strconv.ParseFloat(have, 64)
	b, errB := strconv.ParseFloat(c.value(), 64)
	if !ok || errA != nil || errB != nil {
		return no
	}
	return byOrder(cmp.Compare(a, b), op)
}

func byOrder(order int, op string) verdict {
	switch op {
	case "EQ":
		return of(order == 0)
	case "GT":
		return of(order > 0)
	case "GTE":
		return of(order >= 0)
	case "LT":
		return of(order < 0)
	case "LTE":
		return of(order <= 0)
	}
	return unknown
}

func (c *constraint) semver(have string, ok bool, op string) verdict {
	a, okA := parseSemver(have)
	b, okB := parseSemver(c.value())
	if !ok || !okA || !okB {
		return no
	}
	return byOrder(a.compare(b), op)
}

// semver is a version by semver.org 2.0.0.
type semver struct {
	core [3]uint64
	pre  []string
}

func parseSemver(s string) (v semver, ok bool) {
	s, _, _ = strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(s, "-")
	parts := strings.Split(core, ".")
	if len(parts) != 3 || hasPre && pre == "" {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil || len(p) > 1 && p[0] == '0' {
			return v, false
		}
		v.core[i] = n
	}
	if hasPre {
		v.pre = strings.Split(pre, ".")
	}
	return v, true
}

func (v semver) compare(o semver) int {
	if c := slices.Compare(v.core[:], o.core[:]); c != 0 {
		return c
	}
	switch {
	case len(v.pre) == 0 && len(o.pre) == 0:
		return 0
	case len(v.pre) == 0:
		return 1
	case len(o.pre) == 0:
		return -1
	}
	return slices.CompareFunc(v.pre, o.pre, comparePre)
}

// comparePre orders identifiers of a pre-release: numbers before words.
func comparePre(a, b string) int {
	x, errA := strconv.ParseUint(a, 10, 64)
	y, errB := strconv.ParseUint(b, 10, 64)
	switch {
	case errA == nil && errB == nil:
		return cmp.Compare(x, y)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return cmp.Compare(a, b)
}

// operators in words.
var operatorWords = map[string]string{
	"IN": "is one of", "NOT_IN": "is none of", "STR_STARTS_WITH": "starts with", "STR_ENDS_WITH": "ends with",
	"STR_CONTAINS": "contains", "NUM_EQ": "=", "NUM_GT": ">", "NUM_GTE": "≥", "NUM_LT": "<", "NUM_LTE": "≤",
	"DATE_AFTER": "is after", "DATE_BEFORE": "is before", "SEMVER_EQ": "= version", "SEMVER_GT": "> version",
	"SEMVER_LT": "< version", "SEMVER_GTE": "≥ version", "SEMVER_LTE": "≤ version", "REGEX": "matches",
}

// words is the constraint as a sentence's part: "region is one of eu, uk".
func (c *constraint) words() foreign.Text {
	op, ok := operatorWords[c.Operator]
	if !ok {
		op = c.Operator
	}
	const shown = 6
	var list string
	switch n := len(c.Values); {
	case n == 0 && c.Value == nil:
		list = "(nothing)"
	case n == 0:
		list = *c.Value
	case n > shown:
		list = fmt.Sprintf("%s and %d more", strings.Join(c.Values[:shown], ", "), n-shown)
	default:
		list = strings.Join(c.Values, ", ")
	}
	text := c.ContextName + " " + op + " " + list
	if c.Inverted {
		text = "not: " + text
	}
	return foreign.CleanN(text, 400)
}
