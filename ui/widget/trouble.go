package widget

import (
	"midwatch/live"
	"midwatch/ui/theme"
)

// Trouble is what went wrong behind the sign of its severity, and what to do
// about it where that is known, wrapped to the width.
func Trouble(st *theme.Styles, sev live.Severity, text, next string, w int) []Rich {
	out := Say(theme.Severity(sev), st.Sign(sev)+" "+text).Wrap(max(w, 1), 2)
	if next != "" {
		out = append(out, Say(theme.Muted, next).Wrap(max(w, 1), 0)...)
	}
	return out
}
