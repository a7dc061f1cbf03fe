package widget

import (
	"fmt"
	"time"
)

// Age is how long ago something was, coarse enough to stay on the screen:
// "45s" in steps of five, "3m", "2h10m" in steps of ten, "13h", "5d". What
// lies in the future, by a clock that is ahead, is "0s".
func Age(d time.Duration) string {
	text, _ := AgeFor(d)
	return text
}

// AgeFor is [Age] and for how long it stays true: every change of a line is
// bytes on somebody's slow link.
func AgeFor(d time.Duration) (text string, until time.Duration) {
	const day = 24 * time.Hour
	var step time.Duration
	var format func(time.Duration) string
	switch d = max(d, 0); {
	case d < time.Minute:
		step, format = 5*time.Second, func(d time.Duration) string { return fmt.Sprintf("%ds", d/time.Second) }
	case d < time.Hour:
		step, format = time.Minute, func(d time.Duration) string { return fmt.Sprintf("%dm", d/time.Minute) }
	case d < 10*time.Hour:
		step, format = 10*time.Minute, hoursAndMinutes
	case d < 2*day:
		step, format = time.Hour, func(d time.Duration) string { return fmt.Sprintf("%dh", d/time.Hour) }
	case d < 2*365*day:
		step, format = day, func(d time.Duration) string { return fmt.Sprintf("%dd", d/day) }
	default:
		step, format = 365*day, func(d time.Duration) string { return fmt.Sprintf("%dy", d/(365*day)) }
	}
	floor := d.Truncate(step)
	return format(floor), floor + step - d
}

func hoursAndMinutes(d time.Duration) string {
	if m := d % time.Hour / time.Minute; m > 0 {
		return fmt.Sprintf("%dh%dm", d/time.Hour, m)
	}
	return fmt.Sprintf("%dh", d/time.Hour)
}

// AgeWidth is the widest an age gets, in cells: "9h50m".
const AgeWidth = 5

// Since is the age of a time; "-" when it is not known.
func Since(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return Age(now.Sub(at))
}

// SinceUntil is for how long [Since] stays true; 0 when it never changes.
func SinceUntil(now, at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	_, until := AgeFor(now.Sub(at))
	return until
}

// Countdown is how long until something happens: "4m50s" to the five seconds
// below ten minutes, coarser above, "now" when it is due.
func Countdown(d time.Duration) string {
	text, _ := CountdownFor(d)
	return text
}

// CountdownFor is [Countdown] and for how long it stays true; 0 once due.
func CountdownFor(d time.Duration) (text string, until time.Duration) {
	if d <= 0 {
		return "now", 0
	}
	step := 5 * time.Second
	switch {
	case d > 10*time.Hour:
		step = time.Hour
	case d > time.Hour:
		step = 10 * time.Minute
	case d > 10*time.Minute:
		step = time.Minute
	}
	up := (d + step - 1).Truncate(step) // never promise less time than there is
	switch {
	case up < time.Minute:
		text = fmt.Sprintf("%ds", up/time.Second)
	case up < time.Hour && up%time.Minute != 0:
		text = fmt.Sprintf("%dm%ds", up/time.Minute, up%time.Minute/time.Second)
	case up < time.Hour:
		text = fmt.Sprintf("%dm", up/time.Minute)
	default:
		text = hoursAndMinutes(up)
	}
	return text, d - (up - step)
}

// Sooner is the shorter of two waits, where 0 means none.
func Sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
