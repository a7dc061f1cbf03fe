package flags

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLadderCountsFromTheWriteAndTells(t *testing.T) {
	at := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	l := NewLadder(StepAccepted, StepReadBack, StepSDK, StepTraffic)
	told := 0
	l.OnChange(func() { told++ })
	l.Begin(at)
	l.Begin(at.Add(time.Hour)) // only the first counts
	l.Set(StepAccepted, StepDone, at.Add(12*time.Millisecond), "")
	l.Set(StepSDK, StepRunning, at.Add(20*time.Millisecond), "")
	l.Set(StepSDK, StepDone, at.Add(1905*time.Millisecond), "revision 6 → 7\x1b[2J")
	l.Set(StepTraffic, StepSkipped, at.Add(2*time.Second), "nobody evaluates it")
	if told != 4 {
		t.Errorf("told %d times", told)
	}
	want := "API accepted 12ms, SDK path saw it 1.91s (revision 6 → 7␛[2J), traffic shifted: skipped (nobody evaluates it)"
	if got := l.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s := l.Step(StepTraffic); s.Took != 0 {
		t.Errorf("a skipped step took %v", s.Took)
	}
	if s := l.Step(StepReadBack); s.State != StepWaiting {
		t.Errorf("%+v", s)
	}
}

func TestEditValidate(t *testing.T) {
	nan := 0.0
	for _, e := range []Edit{{Kind: TurnOn}, {Kind: "delete", Key: "x"}, {Kind: "archive", Key: "x"}, {Kind: SetRollout, Key: "x", Percent: 101}, {Kind: SetRollout, Key: "x", Percent: -1}, {Kind: SetRollout, Key: "x", Percent: nan / nan}} {
		if e.Validate() == nil {
			t.Errorf("%+v is accepted", e)
		}
	}
	for _, p := range Presets {
		if err := (Edit{Kind: SetRollout, Key: "x", Percent: p}).Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestSortByChangePutsTheLatestFirst(t *testing.T) {
	at := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	in := func(key string, changed time.Time) Flag {
		return Flag{Key: key, States: []EnvState{{Environment: "dev", Changed: at.Add(time.Hour)}, {Environment: "prod", Changed: changed}}}
	}
	all := []Flag{in("b", time.Time{}), in("a", time.Time{}), in("old", at), in("new", at.Add(time.Minute))}
	SortByChange(all, "prod")
	var keys []string
	for _, f := range all {
		keys = append(keys, f.Key)
	}
	if want := []string{"new", "old", "a", "b"}; !slices.Equal(keys, want) {
		t.Errorf("got %v", keys)
	}
}

func TestCapabilitiesSayWhyNot(t *testing.T) {
	cs := Can(CanList, CanToggle).Without("the token only reads", CanToggle)
	if !cs.Of(CanList).OK || cs.Of(CanToggle).OK || cs.Of(CanToggle).Why != "the token only reads" || !strings.Contains(string(cs.Of(CanAudit).Why), "does not have it") {
		t.Errorf("%+v", cs)
	}
}
