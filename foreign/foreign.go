// Package foreign holds text that midwatch did not write: annotations, event
// messages, conditions, container messages, log lines, symbol and flag names.
//
// Such text is cleaned once, where it enters, and from then on travels as
// [Text], so that a string which has not been cleaned cannot be mistaken for
// one that has. Nothing is dropped silently: what could move the cursor, hide
// itself or reverse the reading order stays visible as an escape, because
// hidden text is evidence (CWE-150; CVE-2021-25743 is kubectl's own case).
//
// The package imports the standard library only.
package foreign

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is foreign text that has been cleaned: no control characters, no
// escape sequences, no bidirectional overrides, no zero-width characters,
// valid UTF-8, of bounded length. A Text made by [Clean] is a single line.
type Text string

// String returns the cleaned text.
func (t Text) String() string { return string(t) }

// MaxLine is the longest single line kept, in bytes of the input. An event
// message is at most 1 KiB by the API's own validation; a termination message
// 4 KiB.
const MaxLine = 4096

// maxMarks is how many combining marks may follow one character before the
// rest is shown escaped: stacked marks draw outside their own line.
const maxMarks = 4

// Clean makes one line of s: line breaks and tabs become spaces, everything
// dangerous becomes a visible escape, and what is longer than [MaxLine] is cut
// with an ellipsis.
func Clean(s string) Text { return clean(s, MaxLine, false) }

// CleanN is [Clean] with a limit of its own, in bytes of the input.
func CleanN(s string, limit int) Text { return clean(s, limit, false) }

// CleanBlock cleans text of several lines: "\n" stays a line break, a tab
// becomes four spaces, "\r\n" becomes "\n". limit bounds the input in bytes.
func CleanBlock(s string, limit int) Text { return clean(s, limit, true) }

func clean(s string, limit int, block bool) Text {
	cut := false
	if limit > 0 && len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s, cut = s[:limit], true
	}
	if !cut && harmless(s) {
		return Text(s)
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	marks := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
			i, marks = i+1, 0
			continue
		}
		if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case marks > maxMarks:
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		case r == '\r' && strings.HasPrefix(s[i:], "\r\n"):
			// The line feed that follows is the line break.
		default:
			writeRune(&b, r, block)
		}
		i += size
	}
	if cut {
		b.WriteString("…")
	}
	return Text(b.String())
}

// harmless reports whether s is plain printable ASCII, by far the most common
// case, so that it can be kept without a copy.
func harmless(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}

func writeRune(b *strings.Builder, r rune, block bool) {
	switch {
	case r == '\n' && block:
		b.WriteByte('\n')
	case r == '\t' && block:
		b.WriteString("    ")
	case r == '\n' || r == '\t':
		b.WriteByte(' ')
	case r == 0x1b:
		b.WriteString("␛")
	case r < 0x20 || r == 0x7f:
		fmt.Fprintf(b, `\x%02x`, r)
	case isDangerous(r):
		fmt.Fprintf(b, "⟨U+%04X⟩", r)
	default:
		b.WriteRune(r)
	}
}

// isDangerous reports runes that print nothing, or change how others print:
// C1 controls, bidirectional controls, zero-width and other format
// characters, line and paragraph separators, private use and unassigned.
func isDangerous(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f, r == 0x2028, r == 0x2029, r == 0xfeff, r == 0x00ad:
		return true
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0:
		return true // joiners and Hangul fillers: letters that draw nothing
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef:
		return true // variation selectors change the width of what they follow
	}
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) ||
		unicode.Is(unicode.Cs, r) || unicode.Is(unicode.Noncharacter_Code_Point, r)
}
