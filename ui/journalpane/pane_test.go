package journalpane_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/ui/journalpane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func entries() []action.Entry {
	target := action.Target{Context: "demo", Kind: "Deployment", Namespace: "shop", Name: "checkout", UID: "u"}
	return []action.Entry{
		{ID: "b", At: panetest.Ago(20 * time.Second), Phase: action.PhaseVerified, User: "oncall", Verb: "undo", Target: target, Effect: "4/4 pods available", Took: 12.3},
		{ID: "b", At: panetest.Ago(40 * time.Second), Phase: action.PhaseApplied, User: "oncall", Verb: "undo", Target: target, Equivalent: "kubectl rollout undo deployment/checkout --to-revision=3"},
		{ID: "a", At: panetest.Ago(2 * time.Hour), Phase: action.PhaseRefused, User: "oncall", Verb: "scale", Target: target, Error: "read-only"},
	}
}

func open(t testing.TB, entries []action.Entry, err error) *panetest.Bench {
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		return journalpane.New(pane.Journal, "/state/journal.jsonl", func(context.Context) ([]action.Entry, int, error) {
			b.OffUI("the journal")
			return entries, len(entries) / 3, err
		})
	})
	p, ok := b.Pane.(pane.Starter)
	if !ok {
		t.Fatalf("%T does not start", b.Pane)
	}
	b.Do(func() tea.Cmd { return p.Start(b.Env) })
	return b
}

func TestGoldens(t *testing.T) {
	b := open(t, entries(), nil)
	b.GoldenAll("full")
	b.Boxed()
	open(t, nil, nil).Golden("empty")
	open(t, nil, errors.New("permission denied")).Golden("unreadable")
}

func TestEntryInFull(t *testing.T) {
	b := open(t, entries(), nil).Press("down", "enter")
	b.Bindings()
	if frame := b.Plain(100, 15); !strings.Contains(frame, "kubectl rollout undo deployment/checkout --to-revision=3") || !strings.Contains(frame, "undo Deployment shop/checkout: applied") {
		t.Errorf("got\n%s", frame)
	}
	if frame := b.Press("enter").SetFilter("scale").Plain(100, 15); !strings.Contains(frame, "1 of 3 shown") || strings.Contains(frame, "undo") {
		t.Errorf("got\n%s", frame)
	}
}
