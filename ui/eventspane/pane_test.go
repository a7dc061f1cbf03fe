package eventspane_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/podinfo"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/eventspane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func scope() live.Topic { return live.Topic{Name: watch.TopicEvents} }

func about(ref k8s.Ref) live.Topic {
	return live.Topic{Name: watch.TopicEvents, Key: ref.Key()}
}

func pod() k8s.Ref { return panetest.CheckoutPods()[0].Ref() }

// events are warnings, one of which somebody made up to do harm.
func events() []*k8s.Event {
	return append(panetest.CheckoutEvents(), &k8s.Event{
		UID: "e9", Type: "Warning", Reason: "PolicyViolation", Source: "scanner", Count: 1, Involved: k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: "otel"},
		Message: foreign.Clean("\x1b[2Jgone \u202eevil " + strings.Repeat("long ", 60)), Last: panetest.Ago(3 * time.Hour), First: panetest.Ago(3 * time.Hour),
	})
}

func open(t testing.TB) *panetest.Bench {
	return panetest.New(t, func(*panetest.Bench) pane.Pane { return eventspane.New(pane.Events, eventspane.Reads{}, k8s.Ref{}) })
}

func full() live.Snapshot {
	return live.Snapshot{Topic: scope(), State: live.Ready, Value: &watch.EventList{Events: events(), Dropped: 7}}
}

// server answers what the pane reads, off the UI goroutine only.
type server struct {
	bench *panetest.Bench
	reads int
	err   error
}

func (s *server) events(_ context.Context, ref k8s.Ref) ([]*k8s.Event, bool, error) {
	s.bench.OffUI("reading events")
	s.reads++
	if s.err != nil {
		return nil, false, s.err
	}
	started := &k8s.Event{
		UID: "n1", Type: "Normal", Reason: "Pulled", Involved: ref, FieldPath: "spec.containers{api}", Source: "kubelet",
		Message: "Container image \"checkout:2.14.0\" already present on machine", First: panetest.Ago(6 * time.Minute), Last: panetest.Ago(50 * time.Second), Count: 6,
	}
	old := *panetest.CheckoutEvents()[0] // as it was when it was read
	old.Count, old.Last = 11, panetest.Ago(2*time.Minute)
	return []*k8s.Event{started, &old}, true, nil
}

func (s *server) containers(context.Context, k8s.Ref) ([]podinfo.Container, error) {
	s.bench.OffUI("reading containers")
	return []podinfo.Container{
		{Name: "migrate", Image: "checkout:2.14.0", Role: podinfo.Init, State: podinfo.Terminated, Ended: &podinfo.End{Reason: "Completed", At: panetest.Ago(5 * time.Minute)}},
		{
			Name: "api", Image: "checkout:2.14.0", State: podinfo.Waiting, Reason: "CrashLoopBackOff", Message: "back-off 2m40s restarting failed container=api", Restarts: 6,
			Ended: &podinfo.End{Reason: "Error", ExitCode: 1, At: panetest.Ago(40 * time.Second), Message: "panic: PAYMENTS_URL is not set"},
		},
		{Name: "proxy", Image: "envoyproxy/envoy:v1.38", Role: podinfo.Sidecar, State: podinfo.Running, Since: panetest.Ago(6 * time.Minute), Ready: true},
	}, nil
}

func openPod(t testing.TB) (*panetest.Bench, *server) {
	s := &server{}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		s.bench = b
		return eventspane.New(pane.Events, eventspane.Reads{Events: s.events, Containers: s.containers}, pod())
	})
	return b, s
}

func ofPod() live.Snapshot {
	e := panetest.CheckoutEvents()
	return live.Snapshot{Topic: about(pod()), State: live.Ready, Value: &watch.EventList{Events: []*k8s.Event{e[0], e[2]}}}
}

func TestGoldensOfTheScope(t *testing.T) {
	for name, s := range map[string]live.Snapshot{
		"loading":   {State: live.Loading},
		"empty":     {State: live.Ready, Value: &watch.EventList{}},
		"forbidden": {State: live.Forbidden, Err: "forbidden: list events in shop"},
		"stale":     {State: live.Stale, Since: panetest.Ago(52 * time.Second), Err: "connection refused", Value: &watch.EventList{Events: events()}},
		"full":      full(),
	} {
		t.Run(name, func(t *testing.T) {
			s.Topic = scope()
			b := open(t).Feed(s)
			if name == "full" {
				b.GoldenAll(name)
			} else {
				b.Golden(name)
			}
			b.Boxed()
		})
	}
	open(t).Feed(full()).SetFilter("kafka").Golden("nothing matches")
}

func TestGoldensOfAPod(t *testing.T) {
	b, _ := openPod(t)
	b.Feed(ofPod()).Golden("pod")
	b.Boxed()
	b.Press("enter").Golden("pod with a message")
	b.Boxed()
	b.Bindings()

	b, s := openPod(t)
	s.err = errors.New("forbidden: list events in shop")
	b.Feed(ofPod()).Golden("pod half forbidden")

	b, _ = openPod(t)
	b.Hold = true
	b.Feed(ofPod()).Golden("pod being read")
}

func TestOneEventInFull(t *testing.T) {
	b := open(t).Feed(full()).Press("j", "enter")
	for _, want := range []string{"Pod shop/checkout-6d5c9b7f4-7hq2k", "default-scheduler", "≥3×", "No preemption victims found for incoming pod.", "last at 03:37:00"} {
		if frame := b.Plain(80, 24); !strings.Contains(strings.Join(strings.Fields(frame), " "), want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	for _, key := range []string{"esc", "enter"} {
		b.Press(key)
		if frame := b.Plain(80, 24); strings.Contains(frame, "default-scheduler") == (key == "esc") {
			t.Errorf("after %s:\n%s", key, frame)
		}
	}
}

func TestWhatIsReadAndWhatIsWatchedAreOne(t *testing.T) {
	b, s := openPod(t)
	b.Feed(ofPod()).Feed(ofPod())
	if s.reads != 1 {
		t.Errorf("read %d times, want once", s.reads)
	}
	frame := b.Plain(120, 30)
	if strings.Count(frame, "Back-off restarting") != 1 || !strings.Contains(frame, "≥12×") || strings.Contains(frame, "≥11×") {
		t.Errorf("the newer of two versions of an event does not count:\n%s", frame)
	}
	at := -1
	for _, want := range []string{"BackOff", "Pulled", "Unhealthy"} {
		i := strings.LastIndex(frame, " "+want)
		if i <= at {
			t.Errorf("%s is not in its place:\n%s", want, frame)
		}
		at = i
	}
	for _, want := range []string{"there are older ones", "all types as of 0s ago", "6 restarts", "ended 1 Error 40s ago", "panic: PAYMENTS_URL is not set"} {
		if !strings.Contains(b.Plain(200, 30), want) {
			t.Errorf("%q is not on the screen:\n%s", want, b.Plain(200, 30))
		}
	}
	b.Press("R").Send(pane.RefreshMsg{})
	if s.reads != 3 {
		t.Errorf("read %d times after two refreshes, want 3", s.reads)
	}
}

func TestKeysOpenTheObject(t *testing.T) {
	b := open(t).Feed(full())
	for key, want := range map[string]pane.ID{"e": pane.Events, "y": pane.YAML, "l": pane.Logs} {
		if got := panetest.Last[pane.OpenMsg](b.Press(key)); got.Pane != want || got.Ref != pod() {
			t.Errorf("%s opened %+v", key, got)
		}
	}
	node := *events()[0]
	node.Involved = k8s.Ref{Kind: "Node", Name: "node-a-1"}
	b.Feed(live.Snapshot{Topic: scope(), State: live.Ready, Value: &watch.EventList{Events: []*k8s.Event{&node}}})
	if b.Press("l"); b.Reason != "a Node has no logs" {
		t.Errorf("logs of a node: %q", b.Reason)
	}
	b = open(t)
	if b.Press("y"); b.Reason == "" {
		t.Error("y without an event gives no reason")
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	b := open(t).Feed(full()).Press("G", "enter")
	frame := b.Frame(100, 24)
	if !strings.Contains(frame, "␛[2Jgone") || strings.Contains(frame, "\x1b[2J") || strings.Contains(frame, "\u202e") {
		t.Errorf("got %q", frame)
	}
	b.BoxedEverywhere()
}

func TestTheFrameStaysTrueAsLongAsPromised(t *testing.T) {
	b, _ := openPod(t)
	b.Feed(ofPod()).Press("enter")
	before := b.Frame(200, 40)
	until := b.Pane.(pane.Ticker).Until(b.Env.Now)
	if until <= 0 || until > 5*time.Second {
		t.Fatalf("Until = %v", until)
	}
	b.Env.Now = b.Env.Now.Add(until - time.Millisecond)
	if b.Frame(200, 40) != before {
		t.Errorf("the frame changed before %v were over", until)
	}
	b.Env.Now = b.Env.Now.Add(2 * time.Millisecond)
	if b.Frame(200, 40) == before {
		t.Errorf("the frame did not change after %v", until)
	}
}
