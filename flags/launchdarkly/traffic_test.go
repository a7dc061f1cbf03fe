package launchdarkly

import (
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/launchdarkly/ldtest"
	"midwatch/live"
)

// leaping is the machine's clock, but for the long pauses between two looks at
// the counts, over which it leaps.
type leaping struct {
	live.SystemClock
	leap chan time.Duration
}

func (c leaping) Now() time.Time {
	sum := <-c.leap
	c.leap <- sum
	return c.SystemClock.Now().Add(sum)
}

func (c leaping) After(d time.Duration) (<-chan time.Time, func()) {
	if d != trafficEvery {
		return c.SystemClock.After(d)
	}
	c.leap <- <-c.leap + d
	out := make(chan time.Time, 1)
	out <- c.Now()
	return out, func() {}
}

// TestTrafficShiftIsAWholeMinute: the minute of the change has both
// variations; the step is done once a later one has only what is served off.
func TestTrafficShiftIsAWholeMinute(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	a.Set(func() { a.Series = []ldtest.Object{{"time": 1, "0": 90, "1": 10}} })
	clock := leaping{leap: make(chan time.Duration, 1)}
	clock.leap <- 0
	c := open(t, a, func(o *Options) { o.Clock = clock })
	c.lock.Open()
	prop, err := c.Plan(t.Context(), edit(flags.TurnOff, "checkout-v2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: "checkout-v2", Reason: "INC-42"})
	if err != nil {
		t.Fatal(err)
	}
	a.Set(func() { a.Series = []ldtest.Object{{"time": 2, "1": 50}} })
	text, _, err := c.gate.Verify(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	s := prop.Ladder.Step(flags.StepTraffic)
	if s.State != flags.StepDone || !strings.Contains(s.Text.String(), "off 50, nothing else since") {
		t.Errorf("%+v (%s)", s, text)
	}
}
