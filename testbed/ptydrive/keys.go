package ptydrive

// What keys send in a terminal without modern keyboard protocols.
const (
	Enter     = "\r"
	Esc       = "\x1b"
	Tab       = "\t"
	ShiftTab  = "\x1b[Z"
	Backspace = "\x7f"
	Up        = "\x1b[A"
	Down      = "\x1b[B"
	Right     = "\x1b[C"
	Left      = "\x1b[D"
	Home      = "\x1b[H"
	End       = "\x1b[F"
	PageUp    = "\x1b[5~"
	PageDown  = "\x1b[6~"
	Delete    = "\x1b[3~"
	Space     = " "
	FocusIn   = "\x1b[I"
	FocusOut  = "\x1b[O"
)

// Ctrl returns what ctrl and a letter send: Ctrl('c').
func Ctrl(letter byte) string { return string(rune(letter & 0x1f)) }

// Paste wraps text as a terminal with bracketed paste does.
func Paste(text string) string { return "\x1b[200~" + text + "\x1b[201~" }
