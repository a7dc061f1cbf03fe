package widget

import (
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"midwatch/foreign"
	"midwatch/ui/theme"
)

// maxInput bounds what can be typed or pasted, in characters.
const maxInput = 1000

// Input is one line of text being typed. The zero value is empty.
type Input struct {
	runes  []rune
	cursor int
}

// Text is what has been typed.
func (in *Input) Text() string { return string(in.runes) }

// Set replaces the text and puts the cursor at its end.
func (in *Input) Set(text string) {
	in.runes = []rune(text)
	in.cursor = len(in.runes)
}

// Key edits the line and reports whether it took the key. Besides typing it
// knows the keys of a shell: ctrl+a, e, b, f, h, u, k, w.
func (in *Input) Key(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "left", "ctrl+b":
		in.cursor = max(in.cursor-1, 0)
	case "right", "ctrl+f":
		in.cursor = min(in.cursor+1, len(in.runes))
	case "home", "ctrl+a":
		in.cursor = 0
	case "end", "ctrl+e":
		in.cursor = len(in.runes)
	case "backspace", "ctrl+h":
		in.cut(max(in.cursor-1, 0), in.cursor)
	case "delete":
		in.cut(in.cursor, min(in.cursor+1, len(in.runes)))
	case "ctrl+u":
		in.cut(0, in.cursor)
	case "ctrl+k":
		in.cut(in.cursor, len(in.runes))
	case "ctrl+w":
		in.cut(in.wordStart(), in.cursor)
	default:
		if k.Text == "" {
			return false
		}
		in.insert(k.Text)
	}
	return true
}

// Paste inserts text; line breaks become spaces and controls stay visible.
func (in *Input) Paste(text string) {
	in.insert(foreign.CleanN(strings.TrimSpace(text), maxInput).String())
}

func (in *Input) insert(text string) {
	var add []rune
	for _, r := range text {
		if unicode.IsPrint(r) && len(in.runes)+len(add) < maxInput {
			add = append(add, r)
		}
	}
	rest := append(add[:len(add):len(add)], in.runes[in.cursor:]...)
	in.runes = append(in.runes[:in.cursor:in.cursor], rest...)
	in.cursor += len(add)
}

func (in *Input) cut(from, to int) {
	in.runes = append(in.runes[:from:from], in.runes[to:]...)
	in.cursor = from
}

func (in *Input) wordStart() int {
	i := in.cursor
	for i > 0 && in.runes[i-1] == ' ' {
		i--
	}
	for i > 0 && in.runes[i-1] != ' ' {
		i--
	}
	return i
}

// Rich is the line with its cursor, scrolled so that the cursor is within w
// cells.
func (in *Input) Rich(w int) Rich {
	before, at, after := string(in.runes[:in.cursor]), " ", ""
	if in.cursor < len(in.runes) {
		at, after = string(in.runes[in.cursor]), string(in.runes[in.cursor+1:])
	}
	if over := ansi.StringWidth(before) + ansi.StringWidth(at) - w; over > 0 {
		before = ansi.TruncateLeft(before, over, "")
	}
	room := max(w-ansi.StringWidth(before)-ansi.StringWidth(at), 0)
	return Rich{{theme.Text, before}, {theme.Selected, at}, {theme.Text, ansi.Truncate(after, room, "")}}
}
