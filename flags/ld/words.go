package ld

import (
	"encoding/json"
	"fmt"
	"strings"

	"midwatch/flags"
	"midwatch/foreign"
)

// Clause is one condition of a rule, as LaunchDarkly writes it in its REST API
// and in its flag data alike.
type Clause struct {
	ContextKind string
	Attribute   string
	Op          string
	Values      []any
	Negate      bool
}

// shown is how many of many values are named.
const shown = 4

// Words says a clause as a person would: "plan is pro or team".
func (c Clause) Words() foreign.Text {
	subject := c.Attribute
	if c.ContextKind != "" && c.ContextKind != "user" {
		subject = c.ContextKind + " " + subject
	}
	verb, negated := operator(c.Op)
	if c.Negate {
		verb = negated
	}
	if c.Op == "segmentMatch" {
		subject = c.ContextKind
		if subject == "" {
			subject = "user"
		}
	}
	values := make([]string, len(c.Values))
	for i, v := range c.Values {
		values[i] = plain(v)
	}
	return foreign.CleanN(subject+" "+verb+" "+oneOf(values), 400)
}

func operator(op string) (verb, negated string) {
	switch op {
	case "in":
		return "is", "is not"
	case "startsWith":
		return "starts with", "does not start with"
	case "endsWith":
		return "ends with", "does not end with"
	case "contains":
		return "contains", "does not contain"
	case "matches":
		return "matches", "does not match"
	case "lessThan":
		return "<", "is not <"
	case "lessThanOrEqual":
		return "<=", "is not <="
	case "greaterThan":
		return ">", "is not >"
	case "greaterThanOrEqual":
		return ">=", "is not >="
	case "before":
		return "is before", "is not before"
	case "after":
		return "is after", "is not after"
	case "segmentMatch":
		return "is in segment", "is not in segment"
	case "semVerEqual":
		return "is version", "is not version"
	case "semVerLessThan":
		return "is a version below", "is not a version below"
	case "semVerGreaterThan":
		return "is a version above", "is not a version above"
	}
	return op, "not " + op
}

func plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// oneOf is "a", "a or b", "a, b or c", "a, b, c, d or 12 more".
func oneOf(values []string) string {
	rest := len(values) - shown
	if rest > 1 {
		values = append(values[:shown:shown], fmt.Sprintf("%d more", rest))
	}
	switch n := len(values); n {
	case 0:
		return "nothing"
	case 1:
		return values[0]
	default:
		return strings.Join(values[:n-1], ", ") + " or " + values[n-1]
	}
}

// Targets says which keys a list of targets names: "user is alice or bob".
func Targets(contextKind string, keys []string) foreign.Text {
	if contextKind == "" {
		contextKind = "user"
	}
	return foreign.CleanN(contextKind+" is "+oneOf(keys), 400)
}

// Weight is a share of a percentage rollout, in thousandths of a per cent.
type Weight struct{ Variation, Weight int }

// Whole is the sum of the weights of a rollout.
const Whole = 100_000

// Serves says what a rule or a default gives: "true", or "true 5 %, false
// 95 % by user key". bucketBy and contextKind may be empty.
func Serves(variations []flags.Variation, variation *int, weights []Weight, contextKind, bucketBy string) foreign.Text {
	if variation != nil {
		return Name(variations, *variation)
	}
	if len(weights) == 0 {
		return "nothing: neither a variation nor a rollout is set"
	}
	var parts []string
	for _, w := range weights {
		parts = append(parts, string(Name(variations, w.Variation))+" "+Share(w.Weight))
	}
	by := "key"
	if bucketBy != "" {
		by = bucketBy
	}
	if contextKind == "" {
		contextKind = "user"
	}
	return foreign.CleanN(strings.Join(parts, ", ")+" by "+contextKind+" "+by, 400)
}

// Share writes a weight: "5 %".
func Share(weight int) string { return flags.Percent(float64(weight) / 1000) }

// Name is a variation's label by its index.
func Name(variations []flags.Variation, i int) foreign.Text {
	if i < 0 || i >= len(variations) {
		return foreign.Text(fmt.Sprintf("variation %d, which does not exist", i))
	}
	return variations[i].Label()
}
