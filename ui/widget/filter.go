package widget

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Filter is what narrows a list: text (anywhere, case ignored), re:EXPR (a
// regular expression, RE2 syntax, case counts), and ! in front of either for
// what does not match. The zero value lets everything through.
type Filter struct {
	expr   string
	negate bool
	text   string // lower case
	re     *regexp.Regexp
}

// ParseFilter reads an expression. The error says what is wrong with it.
func ParseFilter(expr string) (Filter, error) {
	f := Filter{expr: expr}
	rest, negate := strings.CutPrefix(expr, "!")
	f.negate = negate
	if pattern, ok := strings.CutPrefix(rest, "re:"); ok {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return Filter{}, fmt.Errorf("filter %q: %w", expr, err)
		}
		f.re = re
		return f, nil
	}
	f.text = strings.ToLower(rest)
	return f, nil
}

// String is the expression as it was typed.
func (f Filter) String() string { return f.expr }

// Active reports whether the filter can hold anything back.
func (f Filter) Active() bool { return f.text != "" || f.re != nil && f.re.String() != "" }

// Match reports whether a row with these texts gets through: one of them
// matches, or with ! none does.
func (f Filter) Match(texts ...string) bool {
	if !f.Active() {
		return true
	}
	for _, s := range texts {
		if start, _ := f.find(s); start >= 0 {
			return !f.negate
		}
	}
	return f.negate
}

// Hits are the places in s to highlight, as byte ranges. A negated filter
// highlights nothing.
func (f Filter) Hits(s string) [][2]int {
	if !f.Active() || f.negate {
		return nil
	}
	var hits [][2]int
	for at := 0; at < len(s); {
		start, end := f.find(s[at:])
		if start < 0 {
			break
		}
		if end == start { // an expression that matches nothing, like x*
			_, n := utf8.DecodeRuneInString(s[at+start:])
			at += start + max(n, 1)
			continue
		}
		hits = append(hits, [2]int{at + start, at + end})
		at += end
	}
	return hits
}

// find is the first match in s as a byte range, or -1.
func (f Filter) find(s string) (start, end int) {
	if f.re != nil {
		if loc := f.re.FindStringIndex(s); loc != nil {
			return loc[0], loc[1]
		}
		return -1, -1
	}
	if i := indexFold(s, f.text); i >= 0 {
		return i, i + len(f.text)
	}
	return -1, -1
}

// indexFold finds lower, which is lower case, in s whatever the case of s.
// ASCII, nearly always the case, is compared in place.
func indexFold(s, lower string) int {
	if !isPlain(s) || !isPlain(lower) {
		folded := strings.ToLower(s)
		if len(folded) != len(s) { // a place in it would not be a place in s
			if strings.Contains(folded, lower) {
				return 0
			}
			return -1
		}
		return strings.Index(folded, lower)
	}
	if lower == "" {
		return 0
	}
	first := lower[0]
	for i := 0; i+len(lower) <= len(s); i++ {
		if fold(s[i]) == first && equalFold(s[i:i+len(lower)], lower) {
			return i
		}
	}
	return -1
}

func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func equalFold(s, lower string) bool {
	for i := range len(lower) {
		if fold(s[i]) != lower[i] {
			return false
		}
	}
	return true
}
