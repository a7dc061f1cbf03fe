package live

import "time"

// Clock tells the time and wakes a waiter. Tests inject their own.
type Clock interface {
	Now() time.Time
	// After sends the time once d has passed; stop releases the timer and
	// must be called.
	After(d time.Duration) (c <-chan time.Time, stop func())
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now returns the time of day.
func (SystemClock) Now() time.Time { return time.Now() }

// After waits on a runtime timer.
func (SystemClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
