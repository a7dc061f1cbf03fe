// Package metrics reads one number out of a page of Prometheus metrics: how
// many requests were served, which a comparison of profiles per request needs.
package metrics

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Selector names a metric, perhaps with values of labels:
// http_requests_total{code="200"}.
type Selector struct {
	Name   string
	Labels map[string]string
}

var (
	named   = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?$`)
	labeled = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)`)
)

// Parse reads a selector.
func Parse(text string) (Selector, error) {
	m := named.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return Selector{}, fmt.Errorf("%q: want the name of a metric, as http_requests_total or http_requests_total{code=\"200\"}", text)
	}
	labels, err := parseLabels(m[2])
	if err != nil {
		return Selector{}, fmt.Errorf("%q: %w", text, err)
	}
	return Selector{Name: m[1], Labels: labels}, nil
}

func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for strings.TrimSpace(text) != "" {
		m := labeled.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("labels: want name=\"value\", separated by commas")
		}
		labels[m[1]] = unescape.Replace(m[2])
		text = text[len(m[0]):]
	}
	return labels, nil
}

var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// Reading is the sum of a metric's series.
type Reading struct {
	Value float64
	// Series is how many there are; 0 when the page has no such metric.
	Series int
	// Gauge says that the value is no counter.
	Gauge bool
}

// Read sums the series that the selector names on a page in Prometheus' text
// format or OpenMetrics'. A line that is neither is passed over.
func (s Selector) Read(page string) Reading {
	var r Reading
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if kind, ok := strings.CutPrefix(line, "# TYPE "+s.Name+" "); ok {
			r.Gauge = strings.TrimSpace(kind) == "gauge"
		}
		rest, ok := strings.CutPrefix(line, s.Name)
		if !ok || rest == "" || line[0] == '#' {
			continue
		}
		var labels string
		if rest[0] == '{' {
			end := labelsEnd(rest)
			if end < 0 {
				continue
			}
			labels, rest = rest[1:end], rest[end+1:]
		} else if rest[0] != ' ' && rest[0] != '\t' {
			continue // a longer name
		}
		if !s.matches(labels) {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		r.Value += v
		r.Series++
	}
	return r
}

// labelsEnd is where the braces close; quotes may hold others.
func labelsEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return i
		}
	}
	return -1
}

func (s Selector) matches(text string) bool {
	if len(s.Labels) == 0 {
		return true
	}
	have, err := parseLabels(text)
	if err != nil {
		return false
	}
	for k, v := range s.Labels {
		if have[k] != v {
			return false
		}
	}
	return true
}

// Between is how many requests there were between two readings of one pod,
// seconds apart. An error says why that cannot be known.
func Between(before, after Reading, seconds float64) (float64, error) {
	switch {
	case before.Series == 0 || after.Series == 0:
		return 0, fmt.Errorf("the page of metrics does not have it")
	case after.Gauge:
		return (before.Value + after.Value) / 2 * seconds, nil // requests per second
	case after.Value < before.Value:
		return 0, fmt.Errorf("the counter began anew meanwhile")
	case after.Value == before.Value:
		return 0, fmt.Errorf("it counted no request meanwhile")
	}
	return after.Value - before.Value, nil
}
