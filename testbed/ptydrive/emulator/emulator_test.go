package emulator

import (
	"bytes"
	"strings"
	"testing"
)

// TestScreens feeds output and compares the screen, written with | between
// lines. Every case is fed whole and byte by byte: where reads cut the output
// must not matter.
func TestScreens(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"text and newline", "one\r\ntwo", "one|two||"},
		{"line feed keeps the column", "ab\ncd", "ab|  cd||"},
		{"wrap is pending at the last column", "0123456789", "0123456789|||"},
		{"wrap happens on the next character", "0123456789x", "0123456789|x||"},
		{"carriage return drops a pending wrap", "0123456789\rX", "X123456789|||"},
		{"no wrap", "\x1b[?7l0123456789xy\x1b[?7h", "012345678y|||"},
		{"scroll at the bottom", "1\r\n2\r\n3\r\n4\r\n5", "2|3|4|5"},
		{"cursor position", "\x1b[2;3Hx\x1b[Hy\x1b[4;10Hz", "y|  x||         z"},
		{"cursor moves", "abc\x1b[2Dx\x1b[By\x1b[Az\x1b[Cw", "axcz w|  y||"},
		{"column and row", "\x1b[5Gx\x1b[3dy\x1b[2`z", "    x|| z   y|"},
		{"next and previous line", "ab\x1b[Ec\x1b[Fd", "db|c||"},
		{"erase to the end of line", "abcdef\x1b[3G\x1b[K", "ab|||"},
		{"erase to the start of line", "abcdef\x1b[3G\x1b[1K", "   def|||"},
		{"erase the line", "abc\x1b[2K", "|||"},
		{"erase below", "a\r\nb\r\nc\x1b[2;1H\x1b[J", "a|||"},
		{"erase above", "a\r\nb\r\nc\x1b[2;1H\x1b[1J", "||c|"},
		{"erase characters", "abcdef\x1b[2G\x1b[3X", "a   ef|||"},
		{"insert characters", "abc\x1b[2G\x1b[2@", "a  bc|||"},
		{"delete characters", "abcdef\x1b[2G\x1b[2P", "adef|||"},
		{"repeat", "ab\x1b[3bc", "abbbbc|||"},
		{"insert lines", "1\r\n2\r\n3\x1b[2;1H\x1b[L", "1||2|3"},
		{"delete lines", "1\r\n2\r\n3\x1b[1;1H\x1b[2M", "3|||"},
		{"scroll up in a region", "1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[S\x1b[r", "1|3||4"},
		{"scroll down in a region", "1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[T\x1b[r", "1||2|4"},
		{"line feed scrolls the region", "1\r\n2\r\n3\r\n4\x1b[1;2r\x1b[2;1H\nx\x1b[r", "2|x|3|4"},
		{"reverse line feed scrolls the region", "1\r\n2\x1b[H\x1bMx", "x|1|2|"},
		{"wide characters", "a世b", "a世b|||"},
		{"a wide character does not fit", "012345678世", "012345678|世||"},
		{"half a wide character is overwritten", "世x\x1b[Hy", "y x|||"},
		{"a combining mark joins", "e\u0301x", "e\u0301x|||"},
		{"an emoji of several runes", "👩‍👩‍👧x", "👩‍👩‍👧x|||"},
		{"alternate screen and back", "main\x1b[?1049h\x1b[2J\x1b[Halt\x1b[?1049l", "main|||"},
		{"line drawing", "\x1b(0lqk\x1b(B", "┌─┐|||"},
		{"save and restore", "ab\x1b7\x1b[3;3H\x1b8c", "abc|||"},
		{"tab", "a\tb", "a       b|||"},
		{"colours show nothing", "\x1b[1;38;2;1;2;3;48:5:9mx\x1b[m", "x|||"},
		{"keyboard modes show nothing", "\x1b[>1u\x1b[?u\x1b[=1;1u\x1b[<u\x1b[>4;2mx", "x|||"},
		{"strings show nothing", "\x1b]0;t\a\x1b]8;;http://x\x1b\\a\x1b]8;;\x1b\\\x1bP+q544e\x1b\\\x1b_G\x1b\\b", "ab|||"},
		{"synchronized update", "\x1b[?2026hx\x1b[?2026l", "x|||"},
		{"backspace", "ab\b\bc", "cb|||"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int{len(test.in), 1, 3} {
				term := New(Options{Cols: 10, Rows: 4})
				for in := []byte(test.in); len(in) > 0; {
					n := min(size, len(in))
					term.Write(in[:n])
					in = in[n:]
				}
				if got := strings.Join(term.Lines(), "|"); got != test.want {
					t.Errorf("fed %d bytes at a time: %q, want %q", size, got, test.want)
				}
				if len(term.Unknown()) > 0 {
					t.Errorf("not understood: %v", term.Unknown())
				}
			}
		})
	}
}

func TestStyles(t *testing.T) {
	tests := []struct {
		in   string
		want Style
	}{
		{"\x1b[1mx", Style{Bold: true}},
		{"\x1b[1;22mx", Style{}},
		{"\x1b[31;47mx", Style{Foreground: "1", Background: "7"}},
		{"\x1b[91;107mx", Style{Foreground: "9", Background: "15"}},
		{"\x1b[38;5;208mx", Style{Foreground: "208"}},
		{"\x1b[38;2;16;32;255;7mx", Style{Foreground: "#1020ff", Reverse: true}},
		{"\x1b[38:2::16:32:255;9mx", Style{Foreground: "#1020ff", Strike: true}},
		{"\x1b[38:2:16:32:255mx", Style{Foreground: "#1020ff"}},
		{"\x1b[58;5;1;3mx", Style{Italic: true}},
		{"\x1b[4:3mx", Style{Underline: true}},
		{"\x1b[4:3;4:0mx", Style{}},
		{"\x1b[1;2;3;4m\x1b[mx", Style{}},
	}
	for _, test := range tests {
		term := New(Options{Cols: 10, Rows: 2})
		term.Write([]byte(test.in))
		if got := term.Cell(0, 0).Style; got != test.want {
			t.Errorf("%q: %+v, want %+v", test.in, got, test.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"device attributes", "\x1b[c", "\x1b[?62;22c"},
		{"status", "\x1b[5n", "\x1b[0n"},
		{"cursor", "ab\x1b[6n", "\x1b[1;3R"},
		{"mode known", "\x1b[?2026$p", "\x1b[?2026;2$y"},
		{"mode set", "\x1b[?25$p", "\x1b[?25;1$y"},
		{"mode unknown", "\x1b[?2027$p", "\x1b[?2027;0$y"},
		{"background", "\x1b]11;?\a", "\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\"},
		{"keyboard protocol is not there", "\x1b[?u", ""},
		{"terminfo by name is not there", "\x1bP+q544e\x1b\\", "\x1bP0+r\x1b\\"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var replies bytes.Buffer
			term := New(Options{Cols: 10, Rows: 4, Replies: &replies})
			term.Write([]byte(test.in))
			if replies.String() != test.want {
				t.Errorf("answered %q, want %q", replies.String(), test.want)
			}
		})
	}
}

func TestLeftOver(t *testing.T) {
	term := New(Options{Cols: 10, Rows: 4})
	term.Write([]byte("\x1b[?1049h\x1b[?25l\x1b[?1002;1006h\x1b[?2004h\x1b[>1u\x1b[1;3r\x1b[31m"))
	if got := len(term.LeftOver()); got != 8 {
		t.Errorf("%d things left over, want 8: %q", got, term.LeftOver())
	}
	term.Write([]byte("\x1b[m\x1b[r\x1b[<u\x1b[?2004l\x1b[?1002;1006l\x1b[?25h\x1b[?1049l"))
	if left := term.LeftOver(); len(left) > 0 {
		t.Errorf("left over after everything was set back: %q", left)
	}
}

func FuzzWrite(f *testing.F) {
	f.Add([]byte("\x1b[?1049h\x1b[2;3r\x1b[9999b\x1b[38:2::1m世\x1b]11;?\x1b\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		term := New(Options{Cols: 7, Rows: 3})
		term.Write(data)
		term.Resize(3, 5)
		term.Write(data)
		if got := len(term.Lines()); got != 5 {
			t.Fatalf("%d lines, want 5", got)
		}
	})
}
