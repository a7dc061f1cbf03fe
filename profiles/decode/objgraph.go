package decode

import (
	"bytes"
	"regexp"
	"strings"

	"midwatch/profiles"
)

// growth is a line of objgraph.show_growth: name, total and delta, padded as
// '%-*s%9d %+9d'.
var growth = regexp.MustCompile(`^(\S.*?)\s+(\d+)\s+([+-]\d+)$`)

// commonest is a line of objgraph.show_most_common_types: '%-*s %i'.
var commonest = regexp.MustCompile(`^([A-Za-z_][\w.]*) +(\d+)$`)

// isCommonest reports whether every line is a type and a count, the counts
// beginning in one column.
func isCommonest(raw []byte) bool {
	column, good := -1, 0
	for line := range bytes.Lines(raw[:min(len(raw), 8192)]) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		m := commonest.FindSubmatchIndex(line)
		if m == nil || column >= 0 && m[4] != column {
			return false
		}
		column = m[4]
		good++
	}
	return good >= 3
}

// isObjgraph reports whether raw is what objgraph prints of types.
func isObjgraph(raw []byte) bool { return isGrowth(raw) || isCommonest(raw) }

func isGrowth(raw []byte) bool {
	good := 0
	for line := range bytes.Lines(raw[:min(len(raw), 8192)]) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if !growth.Match(line) {
			return good > 2 && bytes.LastIndexByte(raw[:min(len(raw), 8192)], '\n') < 0
		}
		good++
	}
	return good > 0
}

// decodeObjgraph reads what objgraph.show_growth prints: how many objects of
// each type there are, and how many more than at the call before; or what
// show_most_common_types prints, which has no growth.
func decodeObjgraph(raw []byte, limits Limits) (*profiles.Profile, error) {
	if !isGrowth(raw) {
		return decodeCommonest(raw, limits)
	}
	b := newBuilder(limits, profiles.Objgraph, profiles.FlatOnly,
		profiles.ValueType{Type: "inuse_objects", Unit: "count"}, profiles.ValueType{Type: "growth", Unit: "count"})
	var rows int64
	for line := range strings.Lines(string(raw)) {
		m := growth.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		if rows++; rows > limits.Samples {
			return nil, tooLarge("the list has more than %d types", limits.Samples)
		}
		total, _ := digits(m[2])
		delta, _ := digits(m[3][1:])
		if m[3][0] == '-' {
			delta = -delta
		}
		b.Add(b.Child(0, b.Frame(m[1], "", 0)), 0, total, delta)
	}
	return b.Profile(), nil
}

func decodeCommonest(raw []byte, limits Limits) (*profiles.Profile, error) {
	b := newBuilder(limits, profiles.Objgraph, profiles.FlatOnly, profiles.ValueType{Type: "inuse_objects", Unit: "count"})
	var rows int64
	for line := range strings.Lines(string(raw)) {
		m := commonest.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		if rows++; rows > limits.Samples {
			return nil, tooLarge("the list has more than %d types", limits.Samples)
		}
		n, _ := digits(m[2])
		b.Add(b.Child(0, b.Frame(m[1], "", 0)), 0, n)
	}
	return b.Profile(), nil
}
