package app

// Panes are the panes of the console. Their order is that of the palette and
// of docs/KEYS.md.
func Panes() []Kind { return nil }
