package emulator

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Modes that change what the terminal does; private ones by their number, ANSI
// ones negative.
const (
	modeInsert = -4
	modeOrigin = 6
	modeWrap   = 7
	modeCursor = 25
	modeSync   = 2026
	modeMain   = 47
	modeClear  = 1047
	modeSave   = 1049
)

// restoredModes are off in a terminal that a program has left as it found it.
var restoredModes = []struct {
	number int
	name   string
}{
	{1, "application cursor keys"}, {modeOrigin, "origin mode"},
	{1000, "mouse reporting (1000)"}, {1002, "mouse reporting (1002)"}, {1003, "mouse reporting (1003)"},
	{1006, "mouse reporting (1006)"}, {1004, "focus reporting"}, {2004, "bracketed paste"},
	{modeSync, "an unfinished synchronized update"}, {modeInsert, "insert mode"},
}

// knownModes are answered "reset" when asked for while they are off.
var knownModes = map[int]bool{
	1: true, modeOrigin: true, modeWrap: true, modeCursor: true, modeMain: true, modeClear: true, modeSave: true,
	1000: true, 1002: true, 1003: true, 1004: true, 1006: true, 2004: true, modeSync: true,
}

func (t *Terminal) csi(cmd ansi.Cmd, params ansi.Params, seq []byte) {
	if cmd.Prefix() != 0 || cmd.Intermediate() != 0 {
		t.extendedCSI(cmd, params, seq)
		return
	}
	arg := func(i, def int) int {
		n, _, ok := params.Param(i, def)
		if !ok {
			return def
		}
		return n
	}
	n := max(1, arg(0, 1))
	x, y := t.cursor.x, t.cursor.y
	switch cmd.Final() {
	case 'A':
		t.moveVertically(-n)
	case 'B', 'e':
		t.moveVertically(n)
	case 'C', 'a':
		t.moveTo(x+n, y)
	case 'D':
		t.moveTo(x-n, y)
	case 'E':
		t.moveVertically(n)
		t.moveTo(0, t.cursor.y)
	case 'F':
		t.moveVertically(-n)
		t.moveTo(0, t.cursor.y)
	case 'G', '`':
		t.moveTo(n-1, y)
	case 'd':
		t.moveTo(x, n-1)
	case 'H', 'f':
		row := max(1, arg(0, 1)) - 1
		if t.modes[modeOrigin] {
			row += t.cur.top
		}
		t.moveTo(max(1, arg(1, 1))-1, row)
	case 'I':
		t.moveTo(min((x/8+n)*8, t.opts.Cols-1), y)
	case 'Z':
		t.moveTo(max(0, (x+7)/8-n)*8, y)
	case 'J', 'K', 'X', '@', 'P', 'L', 'M', 'S', 'T', 'b':
		t.edit(cmd.Final(), n, arg(0, 0))
	case 'm':
		t.pen = t.pen.apply(params)
	case 'r':
		t.setRegion(max(1, arg(0, 1))-1, arg(1, t.opts.Rows)-1)
	case 's':
		t.saved = t.cursor
	case 'u':
		t.moveTo(t.saved.x, t.saved.y)
	case 'h', 'l':
		for i := range params {
			t.modes[-arg(i, 0)] = cmd.Final() == 'h'
		}
	case 'n':
		t.report(arg(0, 0))
	case 'c':
		t.reply("\x1b[?62;22c") // VT220 with colour
	case 't':
		if arg(0, 0) == 18 {
			t.reply(fmt.Sprintf("\x1b[8;%d;%dt", t.opts.Rows, t.opts.Cols))
		}
	case 'g': // tab stops are fixed
	default:
		t.ignore(seq)
	}
}

// edit changes cells: erase, insert, delete, scroll, repeat. n is the count,
// which the selector of what to erase.
func (t *Terminal) edit(final byte, n, which int) {
	x, y, s, pen := t.cursor.x, t.cursor.y, t.cur, t.pen
	inRegion := y >= s.top && y <= s.bottom
	switch {
	case final == 'J':
		t.eraseScreen(which)
	case final == 'K' && which == 0:
		s.erase(y, x, s.cols, pen)
	case final == 'K' && which == 1:
		s.erase(y, 0, x+1, pen)
	case final == 'K':
		s.erase(y, 0, s.cols, pen)
	case final == 'X':
		s.erase(y, x, x+n, pen)
	case final == '@':
		s.insert(x, y, n, pen)
	case final == 'P':
		s.remove(x, y, n, pen)
	case final == 'L' && inRegion:
		s.scrollDown(y, n, pen)
	case final == 'M' && inRegion:
		s.scrollUp(y, n, pen)
	case final == 'S':
		s.scrollUp(s.top, n, pen)
	case final == 'T':
		s.scrollDown(s.top, n, pen)
	case final == 'b' && t.last != "":
		for range min(n, s.cols*s.rows) {
			t.print(t.last, ansi.StringWidth(t.last))
		}
	}
	if final != 'b' {
		t.wrapNext = false
	}
}

func (t *Terminal) eraseScreen(which int) {
	x, y := t.cursor.x, t.cursor.y
	from, to := 0, t.opts.Rows
	switch which {
	case 0:
		t.cur.erase(y, x, t.opts.Cols, t.pen)
		from = y + 1
	case 1:
		t.cur.erase(y, 0, x+1, t.pen)
		to = y
	case 3: // the history, of which there is none
		return
	}
	for line := from; line < to; line++ {
		t.cur.erase(line, 0, t.opts.Cols, t.pen)
	}
}

func (t *Terminal) setRegion(top, bottom int) {
	bottom = min(bottom, t.opts.Rows-1)
	if top >= bottom {
		return
	}
	t.cur.top, t.cur.bottom = top, bottom
	t.moveTo(0, 0)
}

// extendedCSI handles sequences with a prefix or an intermediate byte.
func (t *Terminal) extendedCSI(cmd ansi.Cmd, params ansi.Params, seq []byte) {
	first, _, _ := params.Param(0, 0)
	switch fmt.Sprintf("%s%s%c", printable(cmd.Prefix()), printable(cmd.Intermediate()), cmd.Final()) {
	case "?h", "?l":
		for i := range params {
			n, _, _ := params.Param(i, 0)
			t.setMode(n, cmd.Final() == 'h')
		}
	case "?$p", "$p":
		t.reportMode(cmd.Prefix(), first)
	case "?n":
		if first == 6 {
			t.reply(fmt.Sprintf("\x1b[?%d;%dR", t.cursor.y+1, t.cursor.x+1))
		}
	case ">c":
		t.reply("\x1b[>1;10;0c")
	case ">q":
		t.reply("\x1bP>|ptydrive(1)\x1b\\")
	case ">u": // push keyboard mode
		t.kitty++
	case "<u": // pop
		t.kitty = max(0, t.kitty-max(1, first))
	case "=u", "?u":
		// Setting the keyboard mode, and asking for it: not supported, and a
		// terminal that does not support it says nothing.
	case "?J", "?K":
		t.edit(cmd.Final(), 1, first)
	case "!p":
		t.pen, t.wrapNext = Style{}, false
		t.modes[modeCursor], t.modes[modeOrigin], t.modes[modeInsert] = true, false, false
		t.cur.top, t.cur.bottom = 0, t.opts.Rows-1
	case "?W": // tab stops every eight columns, as they are
	case " q", ">m", "?m", ">n", ">p":
		// The cursor's shape and modifyOtherKeys change nothing that is seen.
	default:
		t.ignore(seq)
	}
}

func printable(c byte) string {
	if c == 0 {
		return ""
	}
	return string(rune(c))
}

func (t *Terminal) setMode(number int, on bool) {
	switch number {
	case modeMain, modeClear, modeSave:
		t.switchScreen(number, on)
	case modeOrigin:
		t.modes[number] = on
		t.moveTo(0, 0)
	}
	t.modes[number] = on
}

func (t *Terminal) switchScreen(number int, alt bool) {
	if alt == t.AltScreen() {
		return
	}
	if alt {
		t.beforeAl = t.cursor
		t.cur = t.alt
		if number != modeMain {
			t.alt.resize(t.opts.Cols, 0) // drop the content
			t.alt.resize(t.opts.Cols, t.opts.Rows)
		}
		return
	}
	t.cur = t.main
	if number == modeSave {
		t.moveTo(t.beforeAl.x, t.beforeAl.y)
	}
}

func (t *Terminal) report(what int) {
	switch what {
	case 5:
		t.reply("\x1b[0n")
	case 6:
		t.reply(fmt.Sprintf("\x1b[%d;%dR", t.cursor.y+1, t.cursor.x+1))
	}
}

// reportMode answers DECRQM: 0 unknown, 1 set, 2 reset.
func (t *Terminal) reportMode(prefix byte, number int) {
	state := 0
	if prefix == '?' && knownModes[number] {
		state = 2
		if t.modes[number] {
			state = 1
		}
	}
	t.reply(fmt.Sprintf("\x1b[%s%d;%d$y", printable(prefix), number, state))
}

func (t *Terminal) osc(command int, data string, seq []byte) {
	_, value, _ := strings.Cut(data, ";")
	switch command {
	case 0, 2:
		t.title = value
	case 10, 11, 12:
		if value != "?" {
			return
		}
		colour := t.opts.Foreground
		if command == 11 {
			colour = t.opts.Background
		}
		t.reply(fmt.Sprintf("\x1b]%d;rgb:%s\x1b\\", command, colour))
	case 1, 4, 7, 8, 9, 22, 52, 104, 110, 111, 112, 133, 777:
		// Icon names, palettes, folders, links, progress and notifications,
		// pointer shapes, the clipboard, shell marks: nothing that is seen here.
	default:
		t.ignore(seq)
	}
}

func (t *Terminal) dcs(cmd ansi.Cmd, _ string, seq []byte) {
	switch fmt.Sprintf("%s%c", printable(cmd.Intermediate()), cmd.Final()) {
	case "+q": // XTGETTCAP
		t.reply("\x1bP0+r\x1b\\")
	case "$q": // DECRQSS
		t.reply("\x1bP0$r\x1b\\")
	default:
		t.ignore(seq)
	}
}

func (t *Terminal) reply(text string) {
	if t.opts.Replies != nil {
		// A program that has gone does not read its answers.
		_, _ = t.opts.Replies.Write([]byte(text))
	}
}
