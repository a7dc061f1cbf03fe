package action

import (
	"errors"
	"testing"
	"time"
)

func TestLockOpensOnlyAsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*Lock, *fakeClock)
		open bool
		left time.Duration
	}{
		"starts read-only":            {do: func(*Lock, *fakeClock) {}},
		"opened for the session":      {do: func(l *Lock, c *fakeClock) { l.Open(); c.advance(100 * time.Hour) }, open: true},
		"locked again":                {do: func(l *Lock, _ *fakeClock) { l.Open(); l.Lock() }},
		"timed, three minutes passed": {do: func(l *Lock, c *fakeClock) { _ = l.UnlockFor(10 * time.Minute); c.advance(3 * time.Minute) }, open: true, left: 7 * time.Minute},
		"timed, just over":            {do: func(l *Lock, c *fakeClock) { _ = l.UnlockFor(10 * time.Minute); c.advance(10 * time.Minute) }},
		"another context is opened":   {do: func(l *Lock, _ *fakeClock) { l.Open(); l.Bind("prod", testCluster) }},
		"another cluster behind the same name": {
			do: func(l *Lock, _ *fakeClock) { l.Open(); l.Bind(testContext, "c2") },
		},
		"the same context again":           {do: func(l *Lock, _ *fakeClock) { l.Open(); l.Bind(testContext, testCluster) }, open: true},
		"the cluster cannot be identified": {do: func(l *Lock, _ *fakeClock) { l.Open(); l.Bind(testContext, "") }, open: true},
		"the clock was set back after the time was up": {do: func(l *Lock, c *fakeClock) {
			_ = l.UnlockFor(time.Minute)
			c.advance(2 * time.Minute)
			l.Unlocked()
			c.advance(-2 * time.Minute)
		}},
		"the clock was set back before the time was up": {do: func(l *Lock, c *fakeClock) {
			_ = l.UnlockFor(time.Minute)
			c.advance(-time.Hour)
		}, open: true, left: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			l := NewLock(clock, testContext, testCluster)
			c.do(l, clock)
			left, forever := l.Left(clock.Now())
			if l.Unlocked() != c.open || left != c.left || forever != (c.open && c.left == 0) {
				t.Errorf("unlocked %v, left %v, forever %v; want unlocked %v, left %v", l.Unlocked(), left, forever, c.open, c.left)
			}
		})
	}
}

func TestLockLearnsItsCluster(t *testing.T) {
	l := NewLock(newClock(), testContext, "")
	l.Open()
	l.Bind(testContext, testCluster)
	context, uid := l.Bound()
	if !l.Unlocked() || context != testContext || uid != testCluster {
		t.Errorf("bound to %q %q, unlocked %v", context, uid, l.Unlocked())
	}
}

func TestUnlockRefusesSenselessTimes(t *testing.T) {
	for _, d := range []time.Duration{0, -time.Minute, MaxUnlock + 1} {
		l := NewLock(newClock(), testContext, testCluster)
		if err := l.UnlockFor(d); err == nil || l.Unlocked() {
			t.Errorf("UnlockFor(%v): error %v, unlocked %v", d, err, l.Unlocked())
		}
	}
}

func TestLockAllowsOnlyItsOwnCluster(t *testing.T) {
	l := NewLock(newClock(), testContext, testCluster)
	for name, c := range map[string]struct {
		target Target
		open   bool
		want   error
	}{
		"locked":          {Target{Context: testContext, ClusterUID: testCluster}, false, ErrLocked},
		"open":            {Target{Context: testContext, ClusterUID: testCluster}, true, nil},
		"other context":   {Target{Context: "prod", ClusterUID: testCluster}, true, ErrOtherContext},
		"other cluster":   {Target{Context: testContext, ClusterUID: "c2"}, true, ErrOtherContext},
		"unknown cluster": {Target{Context: testContext}, true, ErrOtherContext},
	} {
		t.Run(name, func(t *testing.T) {
			l.Lock()
			if c.open {
				l.Open()
			}
			if err := l.allows(c.target); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestProtectedContexts(t *testing.T) {
	for name, c := range map[string]struct {
		context  string
		patterns []string
		want     bool
	}{
		"no patterns":             {"prod", nil, false},
		"an empty pattern":        {"", []string{""}, false},
		"the whole name":          {"prod", []string{"prod"}, true},
		"part of the name":        {"prod-eu", []string{"prod"}, false},
		"a star at the end":       {"prod-eu", []string{"prod*"}, true},
		"a star in an ARN":        {"arn:aws:eks:eu-west-1:1234:cluster/prod", []string{"*prod*"}, true},
		"several stars":           {"a-prod-b-eu", []string{"*prod*eu"}, true},
		"several stars, no match": {"a-prod-b-eu-c", []string{"*prod*eu"}, false},
		"case":                    {"PROD-EU", []string{"prod-*"}, true},
		"one character":           {"prod1", []string{"prod?"}, true},
		"the second pattern":      {"live", []string{"prod", "live"}, true},
		"brackets are literal":    {"prod[1]", []string{"prod[1]"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Protected(c.context, c.patterns); got != c.want {
				t.Errorf("Protected(%q, %q) = %v", c.context, c.patterns, got)
			}
		})
	}
}
