package logspane_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/podlog"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/logspane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

// fake is a stream that a test writes into.
type fake struct {
	*live.Ring[podlog.Line]
	query  podlog.Query
	status podlog.Status
	pods   []podlog.Target
	ctx    context.Context //nolint:containedctx // to see it end
}

func (f *fake) Status() podlog.Status { return f.status }

func (f *fake) SetPods(pods []podlog.Target) {
	f.pods = pods
	f.status.Pods = len(pods)
}

// logs is a pane with the streams it opened.
type logs struct {
	*panetest.Bench
	streams []*fake
	err     error
}

func (l *logs) stream() *fake { return l.streams[len(l.streams)-1] }

// write adds lines to the stream and tells the pane, as the hub would.
func (l *logs) write(lines ...podlog.Line) *logs {
	l.stream().Add(lines...)
	l.Feed(live.Snapshot{Topic: live.Topic{Name: podlog.Topic, Key: string(pane.Logs)}, State: live.Ready})
	return l
}

func (l *logs) feedPods(d *watch.Detail) *logs {
	l.Feed(live.Snapshot{Topic: panetest.DetailTopic(panetest.Checkout().Ref), State: live.Ready, Value: d})
	return l
}

func open(t testing.TB, ref k8s.Ref, arg string) *logs {
	l := &logs{}
	l.Bench = panetest.New(t, func(b *panetest.Bench) pane.Pane {
		return logspane.New(pane.Logs, func(ctx context.Context, q podlog.Query) (logspane.Stream, error) {
			b.OffUI("a stream was opened")
			if l.err != nil {
				return nil, l.err
			}
			f := &fake{Ring: live.NewRing[podlog.Line](q.Keep), query: q, ctx: ctx}
			f.status.Containers = []string{"api"}
			l.streams = append(l.streams, f)
			return f, nil
		}, ref, arg)
	})
	return l
}

func (l *logs) start() *logs {
	l.Do(func() tea.Cmd { return l.Pane.(pane.Starter).Start(l.Env) })
	return l
}

func pod() k8s.Ref {
	return k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "checkout-6d5c9b7f4-x2x9v", UID: "uid-1"}
}

// workload opens the logs of checkout with its pods.
func workload(t testing.TB) *logs {
	return open(t, panetest.Checkout().Ref, "").start().feedPods(panetest.CheckoutDetail())
}

func line(pod, text string, ago time.Duration) podlog.Line {
	return podlog.Line{At: panetest.Ago(ago), Pod: pod, Container: "api", Text: foreign.Clean(text)}
}

const (
	crashing = "checkout-6d5c9b7f4-x2x9v"
	serving  = "checkout-7f9f8d6c5-m8d4z"
)

// story is what the pods of checkout wrote lately.
func story() []podlog.Line {
	note := line(crashing, "restart 6, after exit 1 (Error)", 41*time.Second)
	note.Note = true
	return []podlog.Line{
		line(serving, `INFO:     10.0.3.17:51442 - "POST /api/checkout HTTP/1.1" 200 OK`, 50*time.Second),
		note,
		line(crashing, "INFO:     Started server process [1]", 40*time.Second),
		line(crashing, "KeyError: 'PAYMENTS_URL' "+strings.Repeat("while reading the settings of the checkout service, ", 4), 39*time.Second),
		line(serving, `INFO:     10.0.3.17:51448 - "GET /healthz HTTP/1.1" 200 OK`, 30*time.Second),
		line(serving, "\x1b[2J\x1b[31mred\x1b[0m \u202egnp.exe", 20*time.Second),
	}
}

func TestGoldens(t *testing.T) {
	states := map[string]func(t *testing.T) *logs{
		"nothing selected": func(t *testing.T) *logs { return open(t, k8s.Ref{}, "") },
		"opening": func(t *testing.T) *logs {
			l := open(t, pod(), "")
			l.Hold = true
			return l.start()
		},
		"no line so far": func(t *testing.T) *logs { return open(t, pod(), "").start().write() },
		"failed": func(t *testing.T) *logs {
			l := open(t, pod(), "")
			l.err = errors.New("read logs: no namespace is named")
			return l.start()
		},
		"pods loading": func(t *testing.T) *logs {
			return open(t, panetest.Checkout().Ref, "").start().feedPods(&watch.Detail{PodsLoading: true})
		},
		"pods forbidden": func(t *testing.T) *logs {
			l := open(t, panetest.Checkout().Ref, "").start()
			l.Feed(live.Snapshot{Topic: panetest.DetailTopic(panetest.Checkout().Ref), State: live.Forbidden, Err: "forbidden: list pods in shop"})
			return l
		},
		"workload gone": func(t *testing.T) *logs {
			return open(t, panetest.Checkout().Ref, "").start().feedPods(&watch.Detail{Missing: true})
		},
		"never restarted": func(t *testing.T) *logs {
			return open(t, panetest.Checkout().Ref, pane.ArgPrevious).start().feedPods(&watch.Detail{Workload: panetest.Checkout(), Pods: panetest.CheckoutPods()[2:]})
		},
		"one pod": func(t *testing.T) *logs { return open(t, pod(), "").start().write(story()[1:4]...) },
		"capped": func(t *testing.T) *logs {
			l := workload(t)
			l.stream().status = podlog.Status{Pods: 50, Capped: 30, Reading: 20, Containers: []string{"api", "proxy"}}
			return l.write(story()...)
		},
		"standing still": func(t *testing.T) *logs {
			l := workload(t).write(many(100)...)
			l.Frame(120, 40)
			l.Press("g")
			return l.write(story()...)
		},
		"filtered":        func(t *testing.T) *logs { return filtered(workload(t).write(story()...), "info") },
		"nothing matches": func(t *testing.T) *logs { return filtered(workload(t).write(story()...), "kafka") },
		"wrapped with time stamps": func(t *testing.T) *logs {
			l := workload(t).write(story()...)
			l.Press("w", "t")
			return l
		},
	}
	for name, make := range states {
		t.Run(name, func(t *testing.T) {
			l := make(t)
			l.Golden(name)
			l.Boxed()
		})
	}
	t.Run("full", func(t *testing.T) {
		l := workload(t).write(story()...)
		l.GoldenAll("full")
		l.Boxed()
	})
}

func filtered(l *logs, expr string) *logs {
	l.SetFilter(expr)
	return l
}

// many are n lines of two pods.
func many(n int) []podlog.Line {
	lines := make([]podlog.Line, n)
	for i := range lines {
		name := serving
		if i%2 == 0 {
			name = crashing
		}
		lines[i] = line(name, fmt.Sprintf("INFO: request %06d took %d ms, nothing to see here", i, i%97), time.Hour-time.Duration(i)*time.Millisecond)
	}
	return lines
}

func TestBindingsAreComplete(t *testing.T) {
	open(t, k8s.Ref{}, "").Bindings()
	workload(t).write(story()...).Bindings()
}

func TestTheStreamIsAskedForWhatIsChosen(t *testing.T) {
	t.Run("a pod", func(t *testing.T) {
		q := open(t, pod(), "").start().stream().query
		if !q.Follow || q.Previous || q.Namespace != "shop" || len(q.Pods) != 1 || q.Pods[0].Name != pod().Name || q.Container != "" || q.Tail != 200 {
			t.Errorf("asked for %+v", q)
		}
	})
	t.Run("its previous instance", func(t *testing.T) {
		if q := open(t, pod(), pane.ArgPrevious).start().stream().query; q.Follow || !q.Previous {
			t.Errorf("asked for %+v", q)
		}
	})
	t.Run("one container", func(t *testing.T) {
		if q := open(t, pod(), "proxy").start().stream().query; q.Container != "proxy" {
			t.Errorf("asked for %+v", q)
		}
	})
	t.Run("a workload", func(t *testing.T) {
		if got := len(workload(t).stream().pods); got != 4 {
			t.Errorf("%d pods are read, want all 4", got)
		}
	})
	t.Run("only what restarted has previous logs", func(t *testing.T) {
		l := workload(t)
		l.Press("p")
		if got := l.stream().pods; len(got) != 1 || got[0].Name != crashing || !l.stream().query.Previous {
			t.Errorf("reads the previous logs of %v", got)
		}
	})
}

func TestAnotherChoiceEndsTheStreamBefore(t *testing.T) {
	l := open(t, pod(), "").start().write(story()[2])
	l.stream().status.Containers = []string{"api", "proxy"}
	l.write()
	first := l.stream()
	l.Press("C")
	pick := panetest.Last[pane.PickMsg](l.Bench)
	if len(pick.Items) != 4 {
		t.Fatalf("the choice is %v, want default, all, api, proxy", pick.Items)
	}
	l.Do(func() tea.Cmd { return pick.Done(1) })
	if first.ctx.Err() == nil {
		t.Error("the stream before goes on")
	}
	if q := l.stream().query; q.Container != podlog.AllContainers {
		t.Errorf("asked for %+v", q)
	}
	if frame := l.Plain(80, 10); strings.Contains(frame, "Started server") {
		t.Errorf("lines of the stream before are still there:\n%s", frame)
	}
	l.Press("T")
	l.Do(func() tea.Cmd { return panetest.Last[pane.PickMsg](l.Bench).Done(2) })
	if q := l.stream().query; q.Since != 5*time.Minute || q.Tail >= 0 {
		t.Errorf("asked for %+v", q)
	}
	last := l.stream()
	l.Pane.(pane.Closer).Close()
	if last.ctx.Err() == nil {
		t.Error("the stream outlives the pane")
	}
}

func TestAnotherTargetIsReadInstead(t *testing.T) {
	l := open(t, pod(), "proxy").start()
	l.Do(func() tea.Cmd { return l.Pane.(pane.Targeted).SetTarget(l.Env, pod()) })
	if len(l.streams) != 1 {
		t.Fatal("the same target was read again")
	}
	other := pod()
	other.Name = serving
	l.Do(func() tea.Cmd { return l.Pane.(pane.Targeted).SetTarget(l.Env, other) })
	if q := l.stream().query; q.Pods[0].Name != serving || q.Container != "" {
		t.Errorf("asked for %+v", q)
	}
	if l.streams[0].ctx.Err() == nil {
		t.Error("the stream before goes on")
	}
}

func TestLinesOfSeveralPodsAreInOrderOfTime(t *testing.T) {
	frame := workload(t).write(
		line(serving, "third", time.Second), line(crashing, "first", 3*time.Second), line(crashing, "second", 2*time.Second),
	).Plain(80, 10)
	at := -1
	for _, want := range []string{"x2x9v first", "x2x9v second", "m8d4z third"} {
		i := strings.Index(frame, want)
		if i <= at {
			t.Errorf("%q is not in its place:\n%s", want, frame)
		}
		at = i
	}
}

func TestFollowingEndsWhenTheUserMovesUpAndBeginsAtTheEnd(t *testing.T) {
	l := workload(t).write(many(200)...)
	if frame := l.Plain(120, 20); !strings.Contains(frame, "request 000199") || !strings.Contains(frame, "following") {
		t.Fatalf("the newest line is not in view:\n%s", frame)
	}
	l.Press("k", "k")
	before := strings.Split(l.Plain(120, 20), "\n")[1:]
	l.write(line(serving, "news", 0))
	frame := l.Plain(120, 20)
	if after := strings.Split(frame, "\n")[1:]; strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the window moved under the reader:\n%s", frame)
	}
	if !strings.Contains(frame, "standing still, 1 new below") {
		t.Errorf("the head does not say that there is more:\n%s", frame)
	}
	for _, key := range []string{"G", "f"} {
		l.Press(key)
		if key == "f" {
			l.Press("k", "f")
		}
		if frame := l.Plain(120, 20); !strings.Contains(frame, "news") || !strings.Contains(frame, "following") {
			t.Errorf("%s does not follow again:\n%s", key, frame)
		}
		l.Press("k")
	}
}

func TestFilterKeepsThePlaceInTime(t *testing.T) {
	l := workload(t).write(many(1000)...)
	l.Frame(120, 20)
	l.Press("g", "pgdown", "pgdown", "pgdown")
	top := strings.Split(l.Plain(120, 20), "\n")[1]
	l.SetFilter("re:request 000[0-9]{2}[0-9] took .*") // everything: same place
	if got := strings.Split(l.Plain(120, 20), "\n")[1]; got != top {
		t.Errorf("the window moved from %q to %q", top, got)
	}
	l.SetFilter("x2x9v") // every other line
	got := strings.Split(l.Plain(120, 20), "\n")[1]
	if !strings.Contains(got, "x2x9v") || strings.Fields(got)[3] > nextOf(strings.Fields(top)[3]) {
		t.Errorf("the window moved from %q to %q", top, got)
	}
	l.SetFilter("!request")
	if frame := l.Plain(120, 20); !strings.Contains(frame, "None of 1000 lines matches !request") {
		t.Errorf("nothing should match:\n%s", frame)
	}
	if err := l.Pane.(pane.Filterer).SetFilter("re:("); err == nil {
		t.Error("a broken expression is accepted")
	}
}

// nextOf is the request after that of a line.
func nextOf(n string) string {
	var i int
	_, _ = fmt.Sscanf(n, "%d", &i)
	return fmt.Sprintf("%06d", i+1)
}

func TestWhatDoesNotFitIsCounted(t *testing.T) {
	l := workload(t)
	for range 30 {
		l.write(many(1000)...)
	}
	frame := l.Plain(120, 20)
	var kept, gone int
	if _, err := fmt.Sscanf(frame[strings.Index(frame, "4 pods · ")+len("4 pods · "):], "%d lines · %d older", &kept, &gone); err != nil {
		t.Fatalf("%v:\n%s", err, frame)
	}
	if kept+gone != 30_000 || kept > podlog.DefaultKeep || kept < podlog.DefaultKeep/2 {
		t.Errorf("%d kept and %d let go of 30000", kept, gone)
	}
	l.Press("g")
	l.Frame(120, 20)
	l.Press("j", "j")
	second := strings.Split(l.Plain(120, 20), "\n")[1]
	l.write(line(serving, "one more", 0))
	if got := strings.Split(l.Plain(120, 20), "\n")[1]; got != second {
		t.Errorf("the window moved under the reader: %q, was %q", got, second)
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	l := workload(t)
	for _, s := range []string{"\x1b[2J\x1b[H", "a\r\nb\rc", "日本語のログ行がとても長い", "\u202egnp.exe", strings.Repeat("x", 600), ""} {
		l.write(line(crashing, s, time.Second))
	}
	l.Boxed()
	l.Press("w", "t")
	l.Boxed()
}

func BenchmarkTenThousandLinesASecond(b *testing.B) {
	l := workload(b)
	lines := many(1000) // a tenth of a second
	b.ReportAllocs()
	for b.Loop() {
		l.write(lines...)
		_ = l.Frame(200, 50)
	}
}

func BenchmarkKeyToFrame(b *testing.B) {
	l := workload(b).write(many(10_000)...)
	l.Press("w")
	l.Frame(120, 40)
	keys := []string{"k", "pgup", "j", "g", "G"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Press(keys[i%len(keys)])
		_ = l.Frame(120, 40)
	}
}

func BenchmarkFilter(b *testing.B) {
	l := workload(b).write(many(10_000)...)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.SetFilter(fmt.Sprintf("request 00%d", i%10))
		_ = l.Frame(120, 40)
	}
}
