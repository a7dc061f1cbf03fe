package widget

import (
	"time"

	"midwatch/live"
	"midwatch/ui/theme"
)

// StateLine says in words what a snapshot is when it is not simply fresh:
// loading, stale, forbidden, unreachable and absent are different things. It
// is nil for a Ready one. what names it: "pods".
func StateLine(st *theme.Styles, s live.Snapshot, what string, now time.Time) Rich {
	sev, text := live.Info, ""
	switch s.State {
	case live.Ready:
		return nil
	case live.Loading:
		text = "loading " + what + dots(st)
	case live.Stale:
		sev, text = live.Warn, what+": stale"+forHowLong(s, now)
	case live.Forbidden:
		sev, text = live.Warn, what+": forbidden"
	case live.Unreachable:
		sev, text = live.Fail, what+": unreachable"+forHowLong(s, now)
	case live.Absent:
		text = what + ": this cluster has none"
	}
	if s.Err != "" && s.State != live.Loading {
		switch s.State {
		case live.Forbidden: // the source's own words name the verb
			text = s.Err.String()
		default:
			text += ": " + s.Err.String()
		}
	}
	return Rich{{theme.Severity(sev), st.Sign(sev) + " "}, {theme.Severity(sev), text}}
}

func forHowLong(s live.Snapshot, now time.Time) string {
	if s.Since.IsZero() {
		return ""
	}
	return " for " + Age(now.Sub(s.Since))
}

// StateUntil is for how long [StateLine] stays true; 0 when it never changes.
func StateUntil(s live.Snapshot, now time.Time) time.Duration {
	if s.State == live.Stale || s.State == live.Unreachable {
		return SinceUntil(now, s.Since)
	}
	return 0
}

func dots(st *theme.Styles) string {
	if st.Options.ASCII {
		return "..."
	}
	return "…"
}
