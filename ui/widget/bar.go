package widget

import (
	"strings"

	"midwatch/ui/theme"
)

// Segment is one part of a progress bar.
type Segment struct {
	N     int
	Token theme.Token
	// Fill says how solid it is drawn, so that parts differ without colour.
	Fill Fill
}

// Fill is how solid a segment is drawn.
type Fill uint8

// The fills, the most solid first.
const (
	Solid  Fill = iota // done for good: available
	Dense              // nearly: ready
	Light              // begun: not ready
	Hollow             // missing
	Extra              // more than wanted: surge
)

func (f Fill) glyph(st *theme.Styles) string {
	if st.Options.ASCII {
		return [...]string{"#", "=", "-", ".", "+"}[f]
	}
	return [...]string{"█", "▓", "▒", "░", "▪"}[f]
}

// Bar draws segments in proportion in exactly w cells. A segment that is not
// empty keeps at least one cell as long as there are enough cells: the one
// pod that is missing of a thousand is the news. Nothing at all is drawn
// hollow.
func Bar(st *theme.Styles, segments []Segment, w int) Rich {
	if w <= 0 {
		return nil
	}
	cells := share(segments, w)
	var out Rich
	for i, n := range cells {
		if n > 0 {
			out = append(out, Piece{segments[i].Token, strings.Repeat(segments[i].Fill.glyph(st), n)})
		}
	}
	if len(out) == 0 {
		out = Say(theme.Faint, strings.Repeat(Hollow.glyph(st), w))
	}
	return out
}

// share divides w cells among segments by largest remainder (Hare), with one
// cell for each segment that is not empty where there is room.
func share(segments []Segment, w int) []int {
	cells, sum := make([]int, len(segments)), 0
	for _, s := range segments {
		sum += max(s.N, 0)
	}
	if sum == 0 {
		return cells
	}
	left := w
	rest := make([]int, len(segments)) // what rounding down took away, in 1/sum cells
	for i, s := range segments {
		n := max(s.N, 0)
		cells[i], rest[i] = n*w/sum, n*w%sum
		left -= cells[i]
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rest {
			if rest[i] > rest[best] {
				best = i
			}
		}
		cells[best]++
		rest[best] = -1
	}
	for i, s := range segments {
		if s.N > 0 && cells[i] == 0 {
			if from := largest(cells); cells[from] > 1 {
				cells[from]--
				cells[i]++
			}
		}
	}
	return cells
}

func largest(cells []int) int {
	best := 0
	for i, n := range cells {
		if n > cells[best] {
			best = i
		}
	}
	return best
}
