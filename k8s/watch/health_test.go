package watch

import (
	"testing"
	"time"

	"midwatch/k8s/connect"
	"midwatch/live"
)

// An open cluster is what the sources need.
var _ Cluster = (*connect.Cluster)(nil)

func TestHealthTellsTheStatesApart(t *testing.T) {
	start := time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	tests := []struct {
		situation string
		happens   func(*health)
		now       int
		state     live.State
		since     int
		err       string
	}{
		{"nothing heard yet", func(*health) {}, 5, live.Loading, 0, ""},
		{"listed", func(h *health) { h.listed(at(2)) }, 600, live.Ready, 2, ""},
		{"quiet for an hour on a whole connection", func(h *health) { h.listed(at(2)) }, 3600, live.Ready, 2, ""},
		{"never reached", func(h *health) { h.failed(at(1), "connection refused") }, 600, live.Unreachable, 1, "connection refused"},
		{"lost a moment ago", func(h *health) { h.listed(at(2)); h.failed(at(30), "connection lost") }, 31, live.Unreachable, 30, "connection lost"},
		{"several attempts failed", func(h *health) {
			h.listed(at(2))
			h.failed(at(20), "connection lost")
			h.failed(at(25), "connection refused")
		}, 30, live.Unreachable, 20, "connection refused"},
		{"lost, and heard last 40 s ago", func(h *health) { h.listed(at(2)); h.failed(at(30), "connection lost") }, 42, live.Stale, 2, "connection lost"},
		{"back again", func(h *health) { h.listed(at(2)); h.failed(at(30), "connection lost"); h.connected(at(50)) }, 100, live.Ready, 50, ""},
		{"refused", func(h *health) { h.rest(at(1), live.Forbidden, "forbidden: list pods in shop") }, 100, live.Forbidden, 1, "forbidden: list pods in shop"},
		{"refused, asked again", func(h *health) { h.rest(at(1), live.Forbidden, "forbidden"); h.retry(at(9)) }, 10, live.Loading, 9, ""},
		{"one object is unreadable", func(h *health) { h.note("read shop/r: no number"); h.listed(at(3)) }, 4, live.Ready, 3, "read shop/r: no number"},
	}
	for _, test := range tests {
		t.Run(test.situation, func(t *testing.T) {
			h := newHealth(start)
			test.happens(h)
			s := h.state(at(test.now))
			if s.State != test.state || !s.Since.Equal(at(test.since)) || s.Err.String() != test.err {
				t.Errorf("%s since %s (%q), want %s since %s (%q)", s.State, s.Since, s.Err, test.state, at(test.since), test.err)
			}
		})
	}
}

func TestOnlyNewsIsNotable(t *testing.T) {
	h := newHealth(time.Unix(0, 0))
	now := time.Unix(100, 0)
	if !h.failed(now, "connection refused") || h.failed(now, "connection refused") || !h.failed(now, "no answer in time") {
		t.Error("the first failure and another reason are news, the same again is not")
	}
	if !h.connected(now) || h.connected(now) {
		t.Error("healing is news once")
	}
}

func TestPausesGrowToTenSeconds(t *testing.T) {
	var b backoff
	var last time.Duration
	for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		if last = b.next(0); last < want || last > want*3/2 {
			t.Errorf("pause %d is %s, want %s and up to half more", i, last, want)
		}
	}
	b.reset()
	if got := b.next(30 * time.Second); got < 30*time.Second || got > 45*time.Second {
		t.Errorf("the server asked for 30 s, paused %s", got)
	}
	if got := b.next(24 * time.Hour); got > 90*time.Second {
		t.Errorf("a server that asks for a day gets %s", got)
	}
}

func TestInternedStringsAreSharedAndBounded(t *testing.T) {
	in := newInterner()
	for i := range 3 * internLimit {
		in.intern(string(rune('a'+i%26)) + time.Duration(i).String())
	}
	if n := len(in.table); n > internLimit {
		t.Errorf("the table holds %d strings", n)
	}
	if got := in.intern("node-1"); got != in.intern("node-1") || got != "node-1" {
		t.Errorf("intern changed the string: %q", got)
	}
}
