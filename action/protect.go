package action

import "strings"

// Protected reports whether a context's name matches one of the patterns: "*"
// stands for any text (slashes and colons too, since an EKS context is an
// ARN), "?" for one character, and case does not matter.
func Protected(context string, patterns []string) bool {
	name := []rune(strings.ToLower(context))
	for _, p := range patterns {
		if p != "" && glob([]rune(strings.ToLower(p)), name) {
			return true
		}
	}
	return false
}

// glob matches in linear space and without backtracking over more than the
// last star.
func glob(pattern, name []rune) bool {
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
