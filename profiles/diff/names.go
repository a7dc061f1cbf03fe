package diff

import (
	"regexp"
	"slices"
	"strings"

	"midwatch/foreign"
)

// What differs between two builds of the same code: numbers of closures and
// wrappers, method values, range functions, type arguments, versions.
var (
	closures = regexp.MustCompile(`\.(func|gowrap|deferwrap)\d+(\.\d+)*`)
	marks    = regexp.MustCompile(`-(fm|range\d+)`)
	versions = regexp.MustCompile(`/v\d+([./])`)
)

// canonicalName removes what changes between builds without meaning.
func canonicalName(name string) string {
	if i := strings.Index(name, "/vendor/"); i >= 0 {
		name = name[i+len("/vendor/"):]
	}
	name = withoutBrackets(name)
	name = closures.ReplaceAllString(name, ".$1")
	name = marks.ReplaceAllString(name, "")
	return versions.ReplaceAllString(name, "$1")
}

// withoutBrackets removes type arguments, which may nest.
func withoutBrackets(s string) string {
	if !strings.Contains(s, "[") || strings.HasPrefix(s, "[") {
		return s
	}
	var b strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '[':
			depth++
		case r == ']' && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// canonical finds names that only one side has and that agree with one of
// the other side's once build numbers are removed. Names both sides have are
// left alone: func2 may well be func2.
func (c *comparer) canonical() map[foreign.Text]foreign.Text {
	var has [2]map[foreign.Text]bool
	for side := range c.sides {
		has[side] = map[foreign.Text]bool{}
		for _, p := range c.sides[side] {
			for _, f := range p.t.Frames {
				has[side][alignKey(f)] = true
			}
		}
	}
	var alone [2]map[string][]foreign.Text
	for side := range has {
		alone[side] = map[string][]foreign.Text{}
		for name := range has[side] {
			if !has[1-side][name] {
				k := canonicalName(name.String())
				alone[side][k] = append(alone[side][k], name)
			}
		}
	}
	renamed := map[foreign.Text]foreign.Text{}
	for k, names := range alone[0] {
		for _, n := range append(slices.Clone(names), alone[1][k]...) {
			if len(alone[1][k]) > 0 {
				renamed[n] = foreign.Text(k)
			}
		}
	}
	return renamed
}

func isScript(file string) bool { return strings.HasSuffix(file, ".py") }
