// Package emulator is a terminal without a screen: it takes what a program
// writes and keeps the cells a user would see, and answers what programs ask a
// terminal. It knows what modern terminal programs use: the alternate screen,
// SGR with 256 and true colours, wide characters and grapheme clusters, erase,
// insert, delete, repeat and scroll regions. It does not reflow.
//
// It counts what it did not understand (Terminal.Unknown), so that a test can
// tell a strange program from a gap here.
package emulator

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Options describe a terminal.
type Options struct {
	Cols, Rows int
	// Replies receives the answers to queries; nil means a terminal that never
	// answers any.
	Replies io.Writer
	// Background and Foreground are the answers to OSC 11 and OSC 10, as
	// "rrrr/gggg/bbbb"; empty means dark on which light is written.
	Background, Foreground string
}

// Terminal is the state of one terminal. It is not safe for concurrent use.
type Terminal struct {
	opts     Options
	parser   *ansi.Parser
	rest     []byte // the beginning of a sequence whose end has not come yet
	main     *screen
	alt      *screen
	cur      *screen // main or alt
	pen      Style
	cursor   position
	saved    position // by DECSC
	beforeAl position // the cursor before the alternate screen
	wrapNext bool     // the last column was written: the next character wraps
	last     string   // the last character written, for REP
	graphics bool     // the DEC line drawing set is selected
	modes    map[int]bool
	kitty    int // depth of the stack of keyboard modes
	title    string
	unknown  map[string]int
}

type position struct{ x, y int }

// New returns a blank terminal.
func New(opts Options) *Terminal {
	if opts.Background == "" {
		opts.Background = "1c1c/1c1c/1c1c"
	}
	if opts.Foreground == "" {
		opts.Foreground = "dddd/dddd/dddd"
	}
	t := &Terminal{opts: opts, parser: ansi.NewParser(), unknown: map[string]int{}}
	t.reset()
	return t
}

func (t *Terminal) reset() {
	t.main = newScreen(t.opts.Cols, t.opts.Rows)
	t.alt = newScreen(t.opts.Cols, t.opts.Rows)
	t.cur = t.main
	t.pen, t.cursor, t.saved, t.beforeAl = Style{}, position{}, position{}, position{}
	t.wrapNext, t.graphics, t.kitty = false, false, 0
	t.modes = map[int]bool{modeWrap: true, modeCursor: true}
}

// Write interprets what a program wrote. Sequences and characters may be cut
// anywhere between two calls. It never fails.
func (t *Terminal) Write(data []byte) (int, error) {
	input := append(t.rest, data...)
	for len(input) > 0 {
		if !utf8.FullRune(input) {
			break
		}
		seq, width, n, state := ansi.DecodeSequence(input, ansi.NormalState, t.parser)
		if state != ansi.NormalState || n == 0 || halfTerminated(seq, input) {
			break // cut: wait for the rest
		}
		t.interpret(seq, width)
		input = input[n:]
	}
	t.rest = bytes.Clone(input)
	return len(data), nil
}

// halfTerminated reports a string sequence that ends with the ESC of a cut ST.
// The decoder takes that ESC for the start of another sequence.
func halfTerminated(seq, input []byte) bool {
	return len(seq) >= 2 && seq[0] == ansi.ESC && strings.IndexByte("]P_^X", seq[1]) >= 0 &&
		len(input) == len(seq)+1 && input[len(seq)] == ansi.ESC
}

func (t *Terminal) interpret(seq []byte, width int) {
	switch {
	case len(seq) == 1 && (seq[0] < ' ' || seq[0] == ansi.DEL):
		t.control(seq[0])
	case seq[0] != ansi.ESC:
		t.print(string(seq), width)
	case len(seq) < 2:
		t.ignore(seq)
	case seq[1] == '[':
		t.csi(ansi.Cmd(t.parser.Command()), t.parser.Params(), seq)
	case seq[1] == ']':
		t.osc(t.parser.Command(), string(t.parser.Data()), seq)
	case seq[1] == 'P':
		t.dcs(ansi.Cmd(t.parser.Command()), string(t.parser.Data()), seq)
	case strings.IndexByte("_^X", seq[1]) >= 0:
		// APC, PM and SOS carry nothing a terminal like this one acts on.
	default:
		t.escape(seq)
	}
}

// ignore counts a sequence that was not understood.
func (t *Terminal) ignore(seq []byte) { t.unknown[fmt.Sprintf("%q", seq)]++ }

// print writes one grapheme cluster at the cursor.
func (t *Terminal) print(text string, width int) {
	if width == 0 { // combines with the character before
		t.cur.combine(t.cursor.x-1, t.cursor.y, text)
		return
	}
	if t.graphics && len(text) == 1 {
		text = lineDrawing(text)
	}
	if t.modes[modeWrap] && (t.wrapNext || t.cursor.x+width > t.opts.Cols) {
		t.cursor.x = 0
		t.lineFeed()
	}
	t.wrapNext = false
	if t.modes[modeInsert] {
		t.cur.insert(t.cursor.x, t.cursor.y, width, t.pen)
	}
	t.cur.put(t.cursor.x, t.cursor.y, text, width, t.pen)
	t.last = text
	t.cursor.x += width
	if t.cursor.x >= t.opts.Cols {
		t.cursor.x = t.opts.Cols - 1
		t.wrapNext = true
	}
}

func (t *Terminal) control(c byte) {
	switch c {
	case '\r':
		t.moveTo(0, t.cursor.y)
	case '\n', '\v', '\f':
		t.wrapNext = false
		t.lineFeed()
	case '\b':
		t.moveTo(t.cursor.x-1, t.cursor.y)
	case '\t':
		t.moveTo(min((t.cursor.x/8+1)*8, t.opts.Cols-1), t.cursor.y)
	case 0x0e:
		t.graphics = true
	case 0x0f:
		t.graphics = false
	}
}

// lineFeed moves down one line and scrolls at the bottom of the region.
func (t *Terminal) lineFeed() {
	switch t.cursor.y {
	case t.cur.bottom:
		t.cur.scrollUp(t.cur.top, 1, t.pen)
	case t.opts.Rows - 1:
	default:
		t.cursor.y++
	}
}

func (t *Terminal) reverseLineFeed() {
	switch t.cursor.y {
	case t.cur.top:
		t.cur.scrollDown(t.cur.top, 1, t.pen)
	case 0:
	default:
		t.cursor.y--
	}
}

// moveTo puts the cursor onto the nearest cell.
func (t *Terminal) moveTo(x, y int) {
	t.cursor = position{max(0, min(x, t.opts.Cols-1)), max(0, min(y, t.opts.Rows-1))}
	t.wrapNext = false
}

// moveVertically is moveTo for CUU and CUD, which stop at the margins.
func (t *Terminal) moveVertically(by int) {
	low, high := 0, t.opts.Rows-1
	if t.cursor.y >= t.cur.top && t.cursor.y <= t.cur.bottom {
		low, high = t.cur.top, t.cur.bottom
	}
	t.moveTo(t.cursor.x, max(low, min(t.cursor.y+by, high)))
}

func (t *Terminal) escape(seq []byte) {
	switch string(seq[1:]) {
	case "7":
		t.saved = t.cursor
	case "8":
		t.moveTo(t.saved.x, t.saved.y)
	case "D":
		t.lineFeed()
	case "E":
		t.cursor.x = 0
		t.lineFeed()
	case "M":
		t.reverseLineFeed()
	case "c":
		t.reset()
	case "(0":
		t.graphics = true
	case "(B":
		t.graphics = false
	case "=", ">", "\\", "H", ")0", ")B", "*B", "+B":
		// Keypad modes, a lone string terminator, tab stops, unused sets.
	default:
		t.ignore(seq)
	}
}

// Resize gives the terminal another size. Content at the top left stays.
func (t *Terminal) Resize(cols, rows int) {
	t.opts.Cols, t.opts.Rows = cols, rows
	t.main.resize(cols, rows)
	t.alt.resize(cols, rows)
	t.moveTo(t.cursor.x, t.cursor.y)
}

// Lines returns the visible lines without trailing blanks.
func (t *Terminal) Lines() []string {
	lines := make([]string, t.opts.Rows)
	for y := range lines {
		lines[y] = t.cur.line(y)
	}
	return lines
}

// Cell returns what is at a column and row, from 0.
func (t *Terminal) Cell(x, y int) Cell { return t.cur.cell(x, y) }

// Cursor returns the cursor's column and row, from 0, and whether it is shown.
func (t *Terminal) Cursor() (x, y int, visible bool) {
	return t.cursor.x, t.cursor.y, t.modes[modeCursor]
}

// AltScreen reports whether the alternate screen is shown.
func (t *Terminal) AltScreen() bool { return t.cur == t.alt }

// Title returns the window title as last set.
func (t *Terminal) Title() string { return t.title }

// Unknown returns the sequences that were not understood, quoted, with counts.
func (t *Terminal) Unknown() map[string]int { return t.unknown }

// LeftOver lists what a program that has ended should have set back and did
// not: empty if the terminal is as a shell expects it.
func (t *Terminal) LeftOver() []string {
	var left []string
	if t.AltScreen() {
		left = append(left, "the alternate screen")
	}
	if !t.modes[modeCursor] {
		left = append(left, "a hidden cursor")
	}
	if !t.modes[modeWrap] {
		left = append(left, "no automatic wrap")
	}
	if t.kitty > 0 {
		left = append(left, "an enhanced keyboard mode")
	}
	if t.pen != (Style{}) {
		left = append(left, "a text style")
	}
	if t.cur.top != 0 || t.cur.bottom != t.opts.Rows-1 {
		left = append(left, "a scroll region")
	}
	for _, m := range restoredModes {
		if t.modes[m.number] {
			left = append(left, m.name)
		}
	}
	return left
}
