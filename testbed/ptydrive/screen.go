package ptydrive

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"midwatch/testbed/ptydrive/emulator"
)

// Screen returns what is on the screen, a line each, without trailing blanks.
func (s *Session) Screen() string { return strings.Join(s.Lines(), "\n") }

// Lines returns what is on the screen, without trailing blanks.
func (s *Session) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term.Lines()
}

// Cell returns one cell of the screen, by column and row from 0.
func (s *Session) Cell(x, y int) emulator.Cell {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term.Cell(x, y)
}

// Find returns where the text first stands on the screen, counted in cells.
func (s *Session) Find(text string) (x, y int, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for y, line := range s.term.Lines() {
		if before, _, ok := strings.Cut(line, text); ok {
			return ansi.StringWidth(before), y, true
		}
	}
	return 0, 0, false
}

// Cursor returns the cursor's column and row from 0, and whether it is shown.
func (s *Session) Cursor() (x, y int, visible bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term.Cursor()
}

// AltScreen reports whether the program shows the alternate screen.
func (s *Session) AltScreen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term.AltScreen()
}

// Unknown returns the sequences the emulator did not understand, with counts.
// A test of the program's own output may require it to be empty.
func (s *Session) Unknown() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	unknown := map[string]int{}
	for seq, n := range s.term.Unknown() {
		unknown[seq] = n
	}
	return unknown
}

// WaitFor waits until the text is on the screen.
func (s *Session) WaitFor(ctx context.Context, text string) error {
	return s.WaitForFunc(ctx, fmt.Sprintf("%q on the screen", text), func(screen string) bool {
		return strings.Contains(screen, text)
	})
}

// WaitGone waits until the text is not on the screen.
func (s *Session) WaitGone(ctx context.Context, text string) error {
	return s.WaitForFunc(ctx, fmt.Sprintf("screen without %q", text), func(screen string) bool {
		return !strings.Contains(screen, text)
	})
}

// WaitForFunc waits until done returns true for the screen; what names it in
// the error.
func (s *Session) WaitForFunc(ctx context.Context, what string, done func(screen string) bool) error {
	return s.waitFor(ctx, what, func(t *emulator.Terminal) bool {
		return done(strings.Join(t.Lines(), "\n"))
	})
}

// Mark is a place in the program's output.
type Mark int64

// Mark returns the present end of the program's output.
func (s *Session) Mark() Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Mark(s.written)
}

// Bytes returns how many bytes the program has written since the mark; since
// its start for Mark(0).
func (s *Session) Bytes(since Mark) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written - int64(since)
}

// Raw returns what the program has written since the mark, as far back as it
// is kept: the last megabyte at least.
func (s *Session) Raw(since Mark) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(s.written-int64(since), int64(len(s.raw)))
	return bytes.Clone(s.raw[int64(len(s.raw))-n:])
}
