package widget

import (
	"strings"
	"unicode"
)

// Fuzzy reports whether the letters of query stand in text in their order,
// and how well: a prefix beats the start of a word, which beats letters found
// somewhere. Case does not matter; an empty query matches everything.
func Fuzzy(query, text string) (score int, ok bool) {
	q, t := []rune(strings.ToLower(query)), []rune(strings.ToLower(text))
	if len(q) == 0 {
		return 0, true
	}
	switch i := strings.Index(string(t), string(q)); {
	case len(q) == len(t) && i == 0:
		return 1000, true
	case i == 0:
		return 800 - len(t), true
	case i > 0:
		return 500 - len(t), true
	}
	n, before := 0, -2
	for i, r := range t {
		if n == len(q) || r != q[n] {
			continue
		}
		switch {
		case i == before+1:
			score += 8
		case i == 0 || !unicode.IsLetter(t[i-1]):
			score += 6
		default:
			score++
		}
		before = i
		n++
	}
	return score - len(t)/4, n == len(q)
}
