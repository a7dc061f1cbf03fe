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

func isObjgraph(raw []byte) bool {
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
// each type there are, and how many more than at the call before.
func decodeObjgraph(raw []byte, limits Limits) (*profiles.Profile, error) {
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
