// Package apptest plays the console in tests, without a terminal.
package apptest

import (
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/ui/app"
	"midwatch/ui/uitest"
)

// Open starts the console at a size and returns its driver. The clock is a
// [uitest.Clock] unless the options have one. The session on the screen is
// closed with the test.
func Open(t testing.TB, opts app.Options, w, h int) *uitest.Driver {
	t.Helper()
	if opts.Clock == nil {
		opts.Clock = uitest.NewClock(time.Time{})
	}
	return uitest.Play(t, opts.Clock, w, h, func(s uitest.Steps) tea.Model {
		opts.Waits = s
		m := app.New(t.Context(), opts)
		t.Cleanup(m.Close)
		return m
	})
}
