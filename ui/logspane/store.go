package logspane

import (
	"slices"

	"midwatch/k8s/podlog"
	"midwatch/ui/widget"
)

// keep is how many lines a pane holds.
const keep = podlog.DefaultKeep

// entry is a line with its place in the log, counted from the first.
type entry struct {
	podlog.Line
	seq uint64
}

// store is the newest lines of a log, and those of them that get through the
// filter.
type store struct {
	filter widget.Filter
	all    []entry
	some   []entry // what gets through, while the filter is active
	next   uint64  // seq of the next line
}

func (s *store) clear() { s.all, s.some, s.next = nil, nil, 0 }

// shown are the lines on the screen.
func (s *store) shown() []entry {
	if s.filter.Active() {
		return s.some
	}
	return s.all
}

// add appends lines and returns how many of them get through the filter. Lines
// of several pods that came at the same time are put in order of time.
func (s *store) add(lines []podlog.Line) (visible int) {
	if !slices.IsSortedFunc(lines, earlier) {
		slices.SortStableFunc(lines, earlier)
	}
	for _, l := range lines {
		e := entry{l, s.next}
		s.next++
		s.all = append(s.all, e)
		if s.filter.Active() && s.matches(e) {
			s.some = append(s.some, e)
			visible++
		}
	}
	if !s.filter.Active() {
		return len(lines)
	}
	return visible
}

// earlier orders by time; a line without a stamp stays where it is.
func earlier(a, b podlog.Line) int {
	if a.At.IsZero() || b.At.IsZero() {
		return 0
	}
	return a.At.Compare(b.At)
}

// trim lets the oldest lines go, an eighth at a time so that it costs nothing
// a line, and returns how many of the shown ones went.
func (s *store) trim() int {
	if len(s.all) <= keep {
		return 0
	}
	before := len(s.shown())
	cut := len(s.all) - keep + keep/8
	oldest := s.all[cut].seq
	s.all = slices.Delete(s.all, 0, cut)
	s.some = slices.Delete(s.some, 0, place(s.some, oldest))
	return before - len(s.shown())
}

// narrow puts another filter in force. It returns by how much the shown line
// at index top has moved to the front.
func (s *store) narrow(f widget.Filter, top int) int {
	var at uint64
	if before := s.shown(); top >= 0 && top < len(before) {
		at = before[top].seq
	}
	s.filter, s.some = f, nil
	if f.Active() {
		for _, e := range s.all {
			if s.matches(e) {
				s.some = append(s.some, e)
			}
		}
	}
	return top - place(s.shown(), at)
}

func (s *store) matches(e entry) bool { return s.filter.Match(e.Text.String(), e.Pod, e.Container) }

// place is the index of the first entry that is not before seq.
func place(list []entry, seq uint64) int {
	i, _ := slices.BinarySearchFunc(list, seq, func(e entry, seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
	return i
}
