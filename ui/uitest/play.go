package uitest

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Press presses keys by name, each once the console has come to rest.
func (d *Driver) Press(keys ...string) *Driver {
	d.t.Helper()
	for _, name := range keys {
		d.Tap(name).Idle()
	}
	return d
}

// Tap presses one key and waits for nothing.
func (d *Driver) Tap(name string) *Driver {
	d.t.Helper()
	k, err := Key(name)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.Send(k)
}

// Type presses the keys of a text.
func (d *Driver) Type(text string) *Driver {
	d.t.Helper()
	for _, r := range text {
		if r == ' ' {
			d.Press("space")
		} else {
			d.Press(string(r))
		}
	}
	return d
}

// Paste delivers text as a terminal's bracketed paste does.
func (d *Driver) Paste(text string) *Driver {
	d.t.Helper()
	return d.Send(tea.PasteMsg{Content: text}).Idle()
}

// Resize gives the terminal another size.
func (d *Driver) Resize(w, h int) *Driver {
	d.t.Helper()
	return d.Send(tea.WindowSizeMsg{Width: w, Height: h})
}

// Send delivers a message and waits for nothing.
func (d *Driver) Send(msg tea.Msg) *Driver {
	d.handle(msg)
	return d
}

// Advance moves the clock, which has to be a [Clock], and lets everything
// happen that is due by then, in its order.
func (d *Driver) Advance(by time.Duration) *Driver {
	d.t.Helper()
	clock, ok := d.clock.(*Clock)
	if !ok {
		d.t.Fatal("only a uitest.Clock can be advanced")
	}
	end := clock.Now().Add(by)
	for {
		d.Idle()
		next := end
		for _, a := range d.timers {
			if a.at.Before(next) {
				next = a.at
			}
		}
		clock.Advance(next.Sub(clock.Now()))
		if !next.Before(end) {
			return d.Idle()
		}
	}
}

// Frame is what is on the screen, with its looks.
func (d *Driver) Frame() string { return d.model.View().Content }

// Plain is what is on the screen, without its looks.
func (d *Driver) Plain() string { return Plain(d.Frame()) }

// View is the frame with what else the console asks of the terminal.
func (d *Driver) View() tea.View { return d.model.View() }

// Contains reports whether a text stands on the screen, in one line.
func (d *Driver) Contains(text string) bool { return strings.Contains(d.Plain(), text) }

// See fails the test unless every text stands on the screen.
func (d *Driver) See(texts ...string) *Driver {
	d.t.Helper()
	for _, text := range texts {
		if !d.Contains(text) {
			d.t.Fatalf("%q is not on the screen\n%s", text, d.Plain())
		}
	}
	return d
}

// NotSee fails the test if one of the texts stands on the screen.
func (d *Driver) NotSee(texts ...string) *Driver {
	d.t.Helper()
	for _, text := range texts {
		if d.Contains(text) {
			d.t.Fatalf("%q is on the screen\n%s", text, d.Plain())
		}
	}
	return d
}

// Golden compares the frame with the one on file; see [Golden].
func (d *Driver) Golden(name string) *Driver {
	d.t.Helper()
	Golden(d.t, name, d.Frame())
	return d
}

// Interval is how long the console wants events to be gathered now.
func (d *Driver) Interval() time.Duration { return d.interval }

// Alarms is how many timers the console has set.
func (d *Driver) Alarms() int { return len(d.timers) }

// HasQuit reports whether the console ended itself.
func (d *Driver) HasQuit() bool { return d.quit }
