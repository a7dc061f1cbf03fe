package emulator

import "strings"

// Cell is one cell of the screen.
type Cell struct {
	Text  string // a grapheme cluster; "" is blank
	Style Style
	// Continued marks the right half of a wide character, whose Text is empty.
	Continued bool
}

// screen is the main or the alternate screen with its scroll region.
type screen struct {
	cols, rows  int
	lines       [][]Cell
	top, bottom int // of the scroll region, both included
}

func newScreen(cols, rows int) *screen {
	s := &screen{}
	s.resize(cols, rows)
	return s
}

func (s *screen) resize(cols, rows int) {
	lines := make([][]Cell, rows)
	for y := range lines {
		lines[y] = make([]Cell, cols)
		if y < len(s.lines) {
			copy(lines[y], s.lines[y])
		}
	}
	*s = screen{cols: cols, rows: rows, lines: lines, top: 0, bottom: rows - 1}
}

func (s *screen) cell(x, y int) Cell {
	if x < 0 || y < 0 || x >= s.cols || y >= s.rows {
		return Cell{}
	}
	return s.lines[y][x]
}

func (s *screen) put(x, y int, text string, width int, style Style) {
	for i := range width {
		s.release(x+i, y)
	}
	if x+width > s.cols {
		return
	}
	s.lines[y][x] = Cell{Text: text, Style: style}
	for i := 1; i < width; i++ {
		s.lines[y][x+i] = Cell{Style: style, Continued: true}
	}
}

// release blanks the other half of a wide character before one half of it is
// overwritten.
func (s *screen) release(x, y int) {
	if x >= s.cols {
		return
	}
	line := s.lines[y]
	if line[x].Continued && x > 0 {
		line[x-1].Text = ""
	}
	if x+1 < s.cols && line[x+1].Continued {
		line[x+1].Continued = false
	}
}

func (s *screen) combine(x, y int, text string) {
	for x > 0 && s.cell(x, y).Continued {
		x--
	}
	if x >= 0 && x < s.cols {
		s.lines[y][x].Text += text
	}
}

// erase blanks cells from x0 to x1, not included, in the pen's background.
func (s *screen) erase(y, x0, x1 int, pen Style) {
	for x := max(0, x0); x < min(x1, s.cols); x++ {
		s.release(x, y)
		s.lines[y][x] = Cell{Style: Style{Background: pen.Background}}
	}
}

func (s *screen) insert(x, y, n int, pen Style) {
	line := s.lines[y]
	n = min(n, s.cols-x)
	copy(line[x+n:], line[x:s.cols-n])
	s.erase(y, x, x+n, pen)
}

func (s *screen) remove(x, y, n int, pen Style) {
	line := s.lines[y]
	n = min(n, s.cols-x)
	copy(line[x:], line[x+n:])
	s.erase(y, s.cols-n, s.cols, pen)
}

// scrollUp drops n lines at from and makes room above the region's bottom.
func (s *screen) scrollUp(from, n int, pen Style) {
	for range min(n, s.bottom-from+1) {
		first := s.lines[from]
		copy(s.lines[from:s.bottom], s.lines[from+1:s.bottom+1])
		s.lines[s.bottom] = first
		s.erase(s.bottom, 0, s.cols, pen)
	}
}

// scrollDown makes room for n lines at from and drops the region's last ones.
func (s *screen) scrollDown(from, n int, pen Style) {
	for range min(n, s.bottom-from+1) {
		last := s.lines[s.bottom]
		copy(s.lines[from+1:s.bottom+1], s.lines[from:s.bottom])
		s.lines[from] = last
		s.erase(from, 0, s.cols, pen)
	}
}

func (s *screen) line(y int) string {
	var out strings.Builder
	for _, c := range s.lines[y] {
		switch {
		case c.Continued:
		case c.Text == "":
			out.WriteByte(' ')
		default:
			out.WriteString(c.Text)
		}
	}
	return strings.TrimRight(out.String(), " ")
}

// lineDrawing translates a character of the DEC special graphics set.
func lineDrawing(text string) string {
	const from = "`afgjklmnopqrstuvwxyz{|}~"
	to := []rune("◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")
	if i := strings.Index(from, text); i >= 0 {
		return string(to[i])
	}
	return text
}
