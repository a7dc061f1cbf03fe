package tree

import (
	"fmt"
	"regexp"
	"strings"
)

// Hits are the results of a search.
type Hits struct {
	// Nodes are the matching nodes in drawing order: top to bottom, left to
	// right within a parent.
	Nodes []int32
	// Cum is the value of all stacks that contain a match, Self of those that
	// end in one.
	Cum, Self int64

	frames []bool
	t      *Tree
}

// Has reports whether node n matches.
func (h *Hits) Has(n int32) bool {
	f := h.t.Nodes[n].Frame
	return f >= 0 && h.frames[f]
}

// Matcher compiles a query: text is looked for regardless of case, "re:" asks
// for a regular expression, and "!" in front turns the answer around.
func Matcher(query string) (func(Frame) bool, error) {
	query, negate := strings.CutPrefix(query, "!")
	if pattern, ok := strings.CutPrefix(query, "re:"); ok {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("%q is no regular expression: %w", pattern, err)
		}
		return func(f Frame) bool { return re.MatchString(f.Name.String()) != negate }, nil
	}
	query = strings.ToLower(query)
	return func(f Frame) bool {
		return strings.Contains(strings.ToLower(f.Name.String()), query) != negate
	}, nil
}

// Search finds the frames that match. Each function is asked once, however
// many paths lead to it.
func (t *Tree) Search(match func(Frame) bool) *Hits {
	h := &Hits{t: t, frames: make([]bool, len(t.Frames))}
	for i := range t.Frames {
		h.frames[i] = match(t.Frames[i])
	}
	within := 0 // matches above on the path
	t.Walk(0, func(n int32, enter bool) bool {
		if !h.Has(n) {
			return true
		}
		if !enter {
			within--
			return true
		}
		if within == 0 {
			h.Cum += t.Nodes[n].Cum
		}
		within++
		h.Self += t.Nodes[n].Self
		h.Nodes = append(h.Nodes, n)
		return true
	})
	return h
}
