package eventspane_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/eventspane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func topic() live.Topic { return live.Topic{Name: watch.TopicEvents} }

func pod() k8s.Ref {
	return k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "checkout-8474567856-8dzzc", UID: "p1"}
}

func events() []*k8s.Event {
	return []*k8s.Event{
		{
			UID: "e1", Type: "Warning", Reason: "Unhealthy", Involved: pod(), FieldPath: "spec.containers{api}", Source: "kubelet", Count: 34,
			Message: "Readiness probe failed: HTTP probe failed with statuscode: 503", First: panetest.Ago(6 * time.Minute), Last: panetest.Ago(8 * time.Second),
		},
		{
			UID: "e2", Type: "Warning", Reason: "PolicyViolation", Source: "scanner", Count: 1, Involved: k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: "otel"},
			Message: foreign.Clean("\x1b[2Jgone \u202eevil " + strings.Repeat("long ", 60)), Last: panetest.Ago(3 * time.Hour),
		},
	}
}

func open(t testing.TB) *panetest.Bench {
	return panetest.New(t, func(*panetest.Bench) pane.Pane { return eventspane.New(pane.Events) })
}

func full() live.Snapshot {
	return live.Snapshot{Topic: topic(), State: live.Ready, Value: &watch.EventList{Events: events(), Dropped: 7}}
}

func TestGoldens(t *testing.T) {
	for name, s := range map[string]live.Snapshot{
		"loading":   {Topic: topic(), State: live.Loading},
		"empty":     {Topic: topic(), State: live.Ready, Value: &watch.EventList{}},
		"forbidden": {Topic: topic(), State: live.Forbidden, Err: "forbidden: list events in shop"},
		"stale":     {Topic: topic(), State: live.Stale, Since: panetest.Ago(52 * time.Second), Err: "connection refused", Value: &watch.EventList{Events: events()}},
		"full":      full(),
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t).Feed(s)
			b.Golden(name)
			b.Boxed()
		})
	}
}

func TestOneEventInFull(t *testing.T) {
	b := open(t).Feed(full()).Press("enter")
	b.Bindings()
	for _, want := range []string{"Warning Unhealthy", "Pod shop/checkout-8474567856-8dzzc", "spec.containers{api}", "at least 34"} {
		if frame := b.Plain(100, 20); !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	if frame := b.Press("enter").Plain(100, 20); !strings.Contains(frame, "PolicyViolation") {
		t.Errorf("enter does not go back:\n%s", frame)
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	frame := open(t).Feed(full()).Frame(100, 12)
	if !strings.Contains(frame, "␛[2Jgone") || strings.Contains(frame, "\x1b[2J") || strings.Contains(frame, "\u202e") {
		t.Errorf("got %q", frame)
	}
}

func TestLogsOfWhatIsNoPod(t *testing.T) {
	b := open(t).Feed(full()).Press("down", "l")
	if b.Reason != "a Deployment has no logs" {
		t.Errorf("got %q", b.Reason)
	}
	b.Press("up", "l")
	if m := panetest.Last[pane.OpenMsg](b); m.Pane != pane.Logs || m.Ref != pod() {
		t.Errorf("got %+v", m)
	}
}

func TestObjectIsReadWhenOpenedAndAgainWhenThereIsMore(t *testing.T) {
	reads := 0
	var fail error
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		return eventspane.NewObject(pane.Events, func(_ context.Context, ref k8s.Ref) ([]*k8s.Event, bool, error) {
			b.OffUI("the read")
			reads++
			if ref != pod() {
				t.Errorf("read %s", ref)
			}
			return events()[:1], true, fail
		})
	})
	p, ok := b.Pane.(*eventspane.Object)
	if !ok {
		t.Fatalf("%T", b.Pane)
	}
	b.Do(func() tea.Cmd { return p.SetTarget(b.Env, pod()) })
	if reads != 1 || !strings.Contains(b.Plain(80, 10), "Unhealthy") || !strings.Contains(b.Plain(80, 10), "only the first 1") {
		t.Fatalf("%d reads:\n%s", reads, b.Plain(80, 10))
	}
	b.Golden("object")
	b.Boxed()
	about := live.Topic{Name: watch.TopicEvents, Key: pod().Key()}
	b.Feed(live.Snapshot{Topic: about, State: live.Ready, Value: &watch.EventList{Events: events()[:1]}})
	if reads != 1 {
		t.Errorf("nothing new, yet it was read again")
	}
	newer := *events()[0]
	newer.Count, newer.Last = 35, panetest.Now()
	b.Feed(live.Snapshot{Topic: about, State: live.Ready, Value: &watch.EventList{Events: []*k8s.Event{&newer}}})
	if reads != 2 {
		t.Errorf("%d reads, want one more", reads)
	}
	fail = errors.New("forbidden: list events in shop")
	b.Send(pane.RefreshMsg{})
	if frame := b.Plain(120, 10); reads != 3 || !strings.Contains(frame, "forbidden: list events in shop") || !strings.Contains(frame, "Unhealthy") {
		t.Errorf("a failed read must say so and keep what was there:\n%s", frame)
	}
}
