package widget

import "slices"

// Column is one column of a [Table] of rows of type T.
type Column[T any] struct {
	// ID names the column for sorting.
	ID    string
	Title string
	// Min and Max bound its width in cells; Max 0 means no bound. A column
	// that measures its rows may be narrower than Min when they are. Without
	// Measure and Flex a column is Min wide.
	Min, Max int
	// Flex is its share of what the others leave over; Want is what it gets
	// before they get more than their Min.
	Flex, Want int
	// Right aligns it to the right: numbers and ages.
	Right bool
	// Middle cuts what is too long in its middle: the ends of a pod's name say
	// most.
	Middle bool
	// Optional columns leave when the box is too narrow, the highest number
	// first; 0 always stays.
	Optional int
	// Measure is how wide a row's cell wants to be. It is asked for every row
	// that is set, so it must be cheap and must not depend on the time.
	Measure func(row T) int
	// Cell makes a row's cell; d tells the cell's width, the time and the
	// theme.
	Cell func(d Draw, row T) Rich
}

// gap is the space between two columns.
const gap = 1

// layout gives every column its width; 0 for one that has left. natural are
// the widths that the rows ask for.
func layout[T any](columns []Column[T], natural []int, w int) []int {
	widths := make([]int, len(columns))
	for i := range columns {
		widths[i] = wanted(&columns[i], natural[i])
	}
	for leave(columns, widths, w) {
	}
	shrink(columns, widths, w)
	grow(columns, widths, w)
	return widths
}

// wanted is a column's width before it is known how much room there is.
func wanted[T any](c *Column[T], natural int) int {
	if c.Flex > 0 {
		return max(c.Want, c.Min, 1)
	}
	n := max(natural, 1)
	if c.Measure == nil {
		n = max(n, c.Min)
	}
	if c.Max > 0 {
		n = min(n, c.Max)
	}
	return n
}

// total is the width of a row.
func total(widths []int) int {
	sum := 0
	for _, n := range widths {
		if n > 0 {
			sum += n + gap
		}
	}
	return max(0, sum-gap)
}

// least is the width of a row with every column at its minimum.
func least[T any](columns []Column[T], widths []int) int {
	low := slices.Clone(widths)
	for i, n := range low {
		if n > 0 {
			low[i] = min(n, max(columns[i].Min, 1))
		}
	}
	return total(low)
}

// leave removes one optional column if the row does not fit even with every
// column at its minimum.
func leave[T any](columns []Column[T], widths []int, w int) bool {
	if least(columns, widths) <= w {
		return false
	}
	worst := -1
	for i := range columns {
		if widths[i] > 0 && columns[i].Optional > 0 && (worst < 0 || columns[i].Optional > columns[worst].Optional) {
			worst = i
		}
	}
	if worst < 0 {
		return false
	}
	widths[worst] = 0
	return true
}

// shrink takes cells from the widest column until the row fits: first from
// those that do not flex, then from those that do, and only when all are at
// their minimum from below that.
func shrink[T any](columns []Column[T], widths []int, w int) {
	floor := func(i int) int { return max(columns[i].Min, 1) }
	narrow(widths, w, func(i int) int {
		if columns[i].Flex > 0 {
			return widths[i]
		}
		return floor(i)
	})
	narrow(widths, w, floor)
	narrow(widths, w, func(int) int { return 1 })
	for i := len(widths) - 1; i > 0 && total(widths) > w; i-- {
		widths[i] = 0
	}
	if len(widths) > 0 {
		widths[0] = min(widths[0], w)
	}
}

// narrow takes cells from the widest column that is above its floor.
func narrow(widths []int, w int, floor func(i int) int) {
	for total(widths) > w {
		widest := -1
		for i, n := range widths {
			if n > floor(i) && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// grow shares what is left over among the flexible columns.
func grow[T any](columns []Column[T], widths []int, w int) {
	for {
		left, shares := w-total(widths), 0
		for i := range columns {
			if open(&columns[i], widths[i]) {
				shares += columns[i].Flex
			}
		}
		if left <= 0 || shares == 0 {
			return
		}
		for i := range columns {
			c := &columns[i]
			if left <= 0 || !open(c, widths[i]) {
				continue
			}
			n := max(1, (w-total(widths))*c.Flex/shares)
			n = min(n, left)
			if c.Max > 0 {
				n = min(n, c.Max-widths[i])
			}
			widths[i] += n
			left -= n
		}
	}
}

// open reports whether a column can still grow.
func open[T any](c *Column[T], width int) bool {
	return c.Flex > 0 && width > 0 && (c.Max == 0 || width < c.Max)
}

// Digits is how wide a number is that is not negative: columns of numbers are
// measured by the thousand.
func Digits(n int) int {
	w := 1
	for ; n >= 10; n /= 10 {
		w++
	}
	return w
}
