package profilepane_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/pprof/profile"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/profiles"
	"midwatch/profiles/capture"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/ui/profilepane"
)

// source answers what the pane asks for, off the UI goroutine only.
type source struct {
	bench   *panetest.Bench
	found   *capture.Found
	err     error // of everything
	takes   []capture.Request
	keys    []string
	earlier []*capture.Profile
	block   bool // Take waits for its end
	gives   *profiles.Profile
	pods    []capture.Pod // instead of those there were
	sides   string        // that were taken last

	py      *capture.Python // what Look finds
	image   string
	helpers []string // ephemeral containers that were planned

	requests float64 // that each pod of a comparison served
}

func pod(n int, revision string, ready bool) capture.Pod {
	name := fmt.Sprintf("cart-%s-%d", revision, n)
	p := capture.Pod{
		Target: capture.Target{
			Pod:      k8s.Ref{Kind: "Pod", Namespace: "shop", Name: name},
			Workload: workload(), Revision: revision,
		},
		Ready: ready, New: revision == "new", Started: panetest.Ago(time.Hour), Image: "registry.example.com/cart:v1.14.0",
	}
	if !ready {
		p.Note = "not ready"
	}
	return p
}

func workload() k8s.Ref { return k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "cart"} }

func (s *source) Subject(context.Context, k8s.Ref) (*capture.Subject, error) {
	s.bench.OffUI("reading pods")
	if s.err != nil {
		return nil, s.err
	}
	if s.pods != nil {
		return &capture.Subject{Workload: workload(), New: "new", Old: "old", Pods: s.pods}, nil
	}
	return &capture.Subject{Workload: workload(), New: "new", Old: "old", Pods: []capture.Pod{
		pod(1, "new", true), pod(2, "new", true), pod(1, "old", true), pod(2, "old", true), pod(3, "new", false),
	}}, nil
}

func (s *source) Find(context.Context, capture.Target) (*capture.Found, error) {
	s.bench.OffUI("asking for the endpoint")
	if s.found == nil {
		return nil, &capture.Error{Cause: capture.NoEndpoint, Pod: pod(1, "new", true).Pod, Why: "asked port 6060 (convention): nothing listens there", Next: "name the port"}
	}
	return s.found, nil
}

func (s *source) Take(ctx context.Context, t capture.Target, req capture.Request, w *capture.Watch) (*capture.Profile, error) {
	s.bench.OffUI("taking a profile")
	s.takes = append(s.takes, req)
	if s.block {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if s.err != nil {
		return nil, s.err
	}
	p := &capture.Profile{Profile: cpu(t.Revision == "new", 1), Target: t, Req: req, At: panetest.Now()}
	if s.gives != nil {
		p.Profile = s.gives
	}
	return p, nil
}

func (s *source) TakeSides(_ context.Context, base, other []capture.Target, req capture.Request, _ *capture.Watch) (*capture.Sides, error) {
	s.bench.OffUI("taking profiles")
	s.takes = append(s.takes, req)
	s.sides = fmt.Sprint(podNames(base), podNames(other))
	sides := &capture.Sides{Notes: []string{"cpu profile of pod shop/cart-old-3: the pod is gone"}}
	for i, t := range append(append([]capture.Target{}, base...), other...) {
		p := &capture.Profile{Profile: cpu(t.Revision == "new", i+1), Target: t, Req: req, At: panetest.Now(), Requests: capture.Requests{Count: s.requests}}
		if i < len(base) {
			sides.Base = append(sides.Base, p)
		} else {
			sides.New = append(sides.New, p)
		}
	}
	return sides, nil
}

func podNames(list []capture.Target) (names []string) {
	for _, t := range list {
		names = append(names, t.Pod.Name)
	}
	return names
}

func (s *source) SetKey(_ capture.Target, header, key string) {
	s.keys = append(s.keys, header+"="+key)
	s.found.NeedsKey = false
}
func (s *source) SetPort(capture.Target, int, string)         { s.keys = append(s.keys, "port") }
func (s *source) Earlier(*capture.Profile) []*capture.Profile { return s.earlier }

func (s *source) Look(context.Context, capture.Target, capture.Request) (*capture.Python, error) {
	s.bench.OffUI("looking into a container")
	if s.err != nil {
		return nil, s.err
	}
	if len(s.helpers) > 0 {
		s.py.Container, s.py.PySpy = "midwatch-py-x", "0.4.2"
	}
	return s.py, nil
}

func (s *source) PlanExec(t capture.Target, req capture.Request, py *capture.Python) (*action.Plan, capture.Wait, error) {
	s.bench.OffUI("planning")
	if _, why := py.Ways(req.Kind); why != nil {
		return nil, nil, why
	}
	plan := action.New(action.Plan{Verb: "profile", Title: "Take the " + string(req.Kind) + " profile?"}, action.Steps{Apply: func(context.Context) error { return nil }})
	return plan, func(ctx context.Context, w *capture.Watch) (*capture.Profile, error) { return s.Take(ctx, t, req, w) }, nil
}

func (s *source) PlanSides(_ context.Context, base, other []capture.Target, req capture.Request) (*action.Plan, capture.WaitSides, error) {
	s.bench.OffUI("planning")
	plan := action.New(action.Plan{Verb: "profile", Title: fmt.Sprintf("Take them of %d pods?", len(base)+len(other))}, action.Steps{Apply: func(context.Context) error { return nil }})
	return plan, func(ctx context.Context, w *capture.Watch) (*capture.Sides, error) {
		return s.TakeSides(ctx, base, other, req, w)
	}, nil
}

func (s *source) PlanHelper(_ context.Context, _ capture.Target, of, image string) (*action.Plan, func(context.Context) error, error) {
	s.bench.OffUI("planning")
	s.helpers = append(s.helpers, image+" beside "+of)
	plan := action.New(action.Plan{Verb: "add ephemeral container", Title: "Add it?"}, action.Steps{Apply: func(context.Context) error { return nil }})
	return plan, func(context.Context) error { return nil }, nil
}

func (s *source) Image(context.Context, capture.Target) string { return s.image }

// cpu is a profile of the shop's cart; regressed as the new revision is.
func cpu(regressed bool, wobble int) *profiles.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 10_000_000, DurationNanos: 10_000_000_000,
		TimeNanos: panetest.Now().UnixNano(),
	}
	locations := map[string]*profile.Location{}
	at := func(name string) *profile.Location {
		if l := locations[name]; l != nil {
			return l
		}
		n := uint64(len(locations) + 1)
		file := "/app/cart.go"
		if !strings.HasPrefix(name, "example.com") {
			file = "/usr/local/go/src/x.go"
		}
		f := &profile.Function{ID: n, Name: name, Filename: file}
		l := &profile.Location{ID: n, Line: []profile.Line{{Function: f, Line: int64(n)}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		locations[name] = l
		return l
	}
	add := func(n int, stack ...string) {
		s := &profile.Sample{Value: []int64{int64(n), int64(n) * 10_000_000}, Label: map[string][]string{"endpoint": {stack[1][strings.LastIndexByte(stack[1], '.')+1:]}}}
		for i := len(stack) - 1; i >= 0; i-- {
			s.Location = append(s.Location, at(stack[i]))
		}
		p.Sample = append(p.Sample, s)
	}
	const app = "example.com/shop/cart.(*Server)."
	add(220+wobble, "net/http.(*conn).serve", app+"addItem", "encoding/json.Unmarshal", "encoding/json.(*decodeState).object")
	add(90+wobble, "net/http.(*conn).serve", app+"addItem", app+"price", app+"discount")
	add(150, "net/http.(*conn).serve", app+"checkOut", "encoding/json.Marshal", "encoding/json.structEncoder.encode")
	add(40, "net/http.(*conn).serve", app+"checkOut", app+"price", app+"discount")
	add(60, "net/http.(*conn).serve", app+"viewCart", app+"render")
	add(3, "net/http.(*conn).serve", app+"viewCart", "strings.ToUpper")
	add(70+wobble, "runtime.gcBgMarkWorker", "runtime.gcDrain", "runtime.scanobject")
	if regressed {
		add(300+wobble, "net/http.(*conn).serve", app+"addItem", app+"price", app+"discount", app+"matchPromotions", "regexp.MustCompile", "regexp.compile")
		add(130, "net/http.(*conn).serve", app+"checkOut", app+"price", app+"discount", app+"matchPromotions", "regexp.MustCompile", "regexp.compile")
	}
	return profiles.FromProto(p)
}

func served() *capture.Found {
	return &capture.Found{
		Endpoint: capture.Endpoint{Port: 6060, From: "port named pprof"},
		Index:    &capture.Index{Counts: map[capture.Kind]int64{capture.CPU: 0, capture.Heap: 217, capture.Goroutine: 1204, capture.Allocs: 217, capture.Block: 0, capture.Mutex: 0, capture.Threads: 9}},
	}
}

func open(t testing.TB, s *source) *panetest.Bench {
	t.Helper()
	return openWith(t, s, s)
}

func openWith(t testing.TB, src profilepane.Source, s *source) *panetest.Bench {
	t.Helper()
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		s.bench = b
		return profilepane.New(pane.Profile, src, func(string, []byte) (string, error) { return "", errors.New("not here") }, workload())
	})
	return b.Do(func() tea.Cmd { return b.Pane.(pane.Starter).Start(b.Env) })
}

func TestGoldensOfTheChooser(t *testing.T) {
	b := open(t, &source{found: served()})
	b.GoldenAll("chooser")
	b.Boxed()
	b.Bindings()
	open(t, &source{}).Golden("no endpoint")
	open(t, &source{err: errors.New("the pods of Deployment shop/cart: forbidden: list pods in shop")}).Golden("forbidden")
	locked := served()
	locked.NeedsKey, locked.ProfiledBy = true, "Grafana Alloy (annotation profiles.grafana.com/cpu.scrape), about 14 of every 15 s"
	open(t, &source{found: locked}).Golden("needs a key")
	refused := served()
	refused.NeedsKey, refused.Header = true, http.Header{"Api-Key": {"wr0ng"}}
	open(t, &source{found: refused}).Golden("key not accepted")
}

func TestGoldensOfAProfile(t *testing.T) {
	b := open(t, &source{found: served()})
	b.Press("enter")
	b.GoldenAll("profile")
	b.Boxed()
	b.Bindings()
	b.Press("v").Golden("flame")
	b.Boxed()
	b.Press("down", "down", "right").Golden("flame moved")
	b.Press("enter").Golden("flame zoomed")
	b.Press("backspace", "i").Golden("flame flipped")
	b.Boxed()
	b.Press("i", "v").SetFilter("discount").Golden("search")
	b.Press("n", "n", "s").Golden("sandwich")
	b.Boxed()
	b.Press("s", "esc", "x", "o", "r").Golden("filtered")
	b.Press("X", "o", "L").Golden("by label")
	b.Press("t").Golden("samples")
}

func TestGoldensOfAComparison(t *testing.T) {
	s := &source{found: served()}
	b := open(t, s)
	b.Press("d")
	pick := panetest.Last[pane.PickMsg](b)
	if len(pick.Items) < 3 || pick.Items[0].Disabled != "" || pick.Items[2].Disabled == "" {
		t.Fatalf("offered: %+v", pick.Items)
	}
	b.Do(func() tea.Cmd { return pick.Done(0) })
	b.GoldenAll("comparison")
	b.Boxed()
	b.Bindings()
	if frame := b.Plain(160, 48); !strings.Contains(frame, "worse: cart.(*Server).matchPromotions") {
		t.Errorf("the regression is not named:\n%s", frame)
	}
	b.Press("v", "down", "enter").Golden("comparison zoomed")
	b.Press("esc", "m").Golden("comparison by cores")
	b.SetFilter("json").Golden("comparison searched")
	b.Press("esc", "esc")
	if frame := b.Plain(120, 40); !strings.Contains(frame, "what it shows") {
		t.Errorf("esc does not lead back to the chooser:\n%s", frame)
	}
}

// TestACaptureOnItsWay draws the progress and stops it.
func TestACaptureOnItsWay(t *testing.T) {
	s := &source{found: served(), block: true}
	b := open(t, s)
	b.Hold = true
	b.Press("enter").Golden("running")
	b.Boxed()
	b.Bindings()
	if d := b.Pane.(pane.Ticker).Until(b.Env.Now); d <= 0 || d > time.Second {
		t.Errorf("the progress is drawn again in %v", d)
	}
	b.Press("esc")
	if toast := panetest.Last[pane.ToastMsg](b.Release()); !strings.Contains(toast.Text, "stopped the cpu of cart-new-1") {
		t.Errorf("toast %q", toast.Text)
	}
	if d := b.Pane.(pane.Ticker).Until(b.Env.Now); d != 0 {
		t.Errorf("nothing runs, and it is drawn again in %v", d)
	}
}

// TestWhatStopsTheProcessIsAskedFor forces a garbage collection only when told
// twice.
func TestWhatStopsTheProcessIsAskedFor(t *testing.T) {
	s := &source{found: served()}
	b := open(t, s)
	b.Press("j", "j", "x", "enter")
	pick := panetest.Last[pane.PickMsg](b)
	if !strings.Contains(pick.Title, "forces a garbage collection") || len(s.takes) != 0 {
		t.Fatalf("asked %q after %v", pick.Title, s.takes)
	}
	b.Do(func() tea.Cmd { return pick.Done(0) })
	if len(s.takes) != 0 {
		t.Error("it was taken although the answer was no")
	}
	b.Do(func() tea.Cmd { return pick.Done(1) })
	if len(s.takes) != 1 || !s.takes[0].GC || s.takes[0].Kind != capture.Heap {
		t.Errorf("took %+v", s.takes)
	}
}

// TestAKeyIsTypedUnseen gives a key for the session.
func TestAKeyIsTypedUnseen(t *testing.T) {
	s := &source{found: served()}
	s.found.NeedsKey = true
	b := open(t, s)
	b.Press("K")
	prompt := panetest.Last[pane.PromptMsg](b)
	if !prompt.Secret || prompt.Check("") == "" {
		t.Errorf("prompt %+v", prompt)
	}
	b.Do(func() tea.Cmd { return prompt.Done("api-key: s3cr3t") })
	if fmt.Sprint(s.keys) != "[api-key=s3cr3t]" {
		t.Errorf("keys %v", s.keys)
	}
	if frame := b.Plain(120, 40); strings.Contains(frame, "s3cr3t") {
		t.Error("the key is on the screen")
	}
}

func TestAFailureStaysOnTheScreen(t *testing.T) {
	s := &source{found: served()}
	b := open(t, s)
	s.err = &capture.Error{Cause: capture.Busy, Kind: capture.CPU, Pod: pod(1, "new", true).Pod, Why: "the process is being profiled already", Next: "try again later"}
	b.Press("enter").Golden("failed")
	b.Boxed()
}

// TestHostileNamesStayInTheirBoxes: names of ten kilobytes, of wide letters,
// with escape sequences and right-to-left overrides, in functions, files and
// labels; and a profile without a sample.
func TestHostileNamesStayInTheirBoxes(t *testing.T) {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "cpu\x1b[2J", Unit: "nano\nseconds"}}, PeriodType: &profile.ValueType{}, TimeNanos: panetest.Now().UnixNano(),
	}
	for i, name := range []string{"main." + strings.Repeat("x", 10_000), "\x1b]0;owned\x07main.f", strings.Repeat("世界", 200), "main.\u202etxt.exe", "a;b\nc\td", ""} {
		n := uint64(i + 1)
		f := &profile.Function{ID: n, Name: name, Filename: "/app/" + name + ".py"}
		l := &profile.Location{ID: n, Line: []profile.Line{{Function: f, Line: int64(n)}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		p.Sample = append(p.Sample, &profile.Sample{Location: p.Location[i:], Value: []int64{int64(10 * n)}, Label: map[string][]string{"k\x1b": {name}}})
	}
	b := open(t, &source{found: served(), gives: profiles.FromProto(p)})
	b.Press("enter").Boxed()
	b.Press("v", "down", "s").Boxed()
	b.Press("s", "v", "x", "L").Boxed()
	p.Sample = nil
	b = open(t, &source{found: served(), gives: profiles.FromProto(p)})
	b.Press("enter").Golden("without a sample")
	b.Boxed()
	b.Press("v", "down", "right", "enter", "backspace", "s", "x", "f", "o", "r", "t", "i", "n", "W").Boxed()
}

// TestFunctionsOfOneNameAreTwo: Python has an __init__ in every class. The
// cursor tells them apart, in the table and in the flame beside it.
func TestFunctionsOfOneNameAreTwo(t *testing.T) {
	b := profiles.NewBuilder(profiles.Pstats, profiles.Sampled, profiles.ValueType{Type: "cpu", Unit: "nanoseconds"})
	for i, place := range []struct {
		file string
		line int64
	}{{"/app/cart.py", 10}, {"/app/line.py", 10}, {"/app/order.py", 10}} {
		b.Add(b.Child(0, b.Frame("__init__", place.file, place.line)), 0, int64(3-i)*1e9)
	}
	bench := open(t, &source{found: served(), gives: b.Profile()})
	bench.Press("enter").Golden("functions of one name")
	for range 2 {
		bench.Press("down")
	}
	bench.Golden("the last of one name")
	bench.Press("v", "left", "v").Golden("the second of one name")
}

// TestAComparisonIsOfThePodsThereAreNow: a rollout goes on while a profile is
// looked at.
func TestAComparisonIsOfThePodsThereAreNow(t *testing.T) {
	s := &source{found: served()}
	b := open(t, s)
	b.Press("enter")
	s.pods = []capture.Pod{pod(2, "new", true), pod(7, "old", true)} // cart-new-1 is gone too
	b.Press("d")
	pick := panetest.Last[pane.PickMsg](b)
	if !strings.Contains(pick.Items[0].Note, "1 and 1 pods") {
		t.Errorf("offered %+v", pick.Items[0])
	}
	b.Do(func() tea.Cmd { return pick.Done(0) })
	if fmt.Sprint(s.sides) != "[cart-old-7] [cart-new-2]" {
		t.Errorf("compared %s", s.sides)
	}
}

// TestPodsAndSeconds goes through the pods and the durations.
func TestPodsAndSeconds(t *testing.T) {
	s := &source{found: served()}
	b := open(t, s)
	b.Press("]", "]", "+", "enter")
	if len(s.takes) != 1 || s.takes[0].Seconds != 20 || !strings.Contains(b.Pane.Title(), "cart-old-1") {
		t.Errorf("took %+v, %s", s.takes, b.Pane.Title())
	}
}

// python is a pod without an endpoint; what is in its container is py.
func python(py capture.Python) *source {
	py.Container, py.Of, py.UID, py.OfUID, py.Shell = "app", "app", -1, -1, true
	return &source{py: &py}
}

// choose moves from the top to a kind.
func choose(b *panetest.Bench, k capture.Kind) *panetest.Bench {
	for _, s := range capture.Specs() {
		if s.Kind == k {
			break
		}
		b.Press("j")
	}
	return b
}

// TestPythonByACommand confirms the command, waits for its profile, and takes
// it with the other clock.
func TestPythonByACommand(t *testing.T) {
	s := python(capture.Python{PID: 1, Pythons: 1, Version: "3.12", PySpy: "0.4.2"})
	b := open(t, s)
	choose(b, capture.PyCPU)
	b.Golden("python chosen")
	b.Press("enter")
	if ask := panetest.Last[pane.ConfirmMsg](b); ask.Plan.Title != "Take the py-cpu profile?" || len(s.takes) != 0 {
		t.Fatalf("asked %+v after %v", ask, s.takes)
	}
	b.Do(panetest.Last[pane.ConfirmMsg](b).Then)
	if len(s.takes) != 1 || s.takes[0].Kind != capture.PyCPU || s.takes[0].Seconds != 10 {
		t.Fatalf("took %+v", s.takes)
	}
	b.Golden("python profile")
	b.Press("w").Do(panetest.Last[pane.ConfirmMsg](b).Then)
	if len(s.takes) != 2 || s.takes[1].Kind != capture.PyWall {
		t.Fatalf("took %+v", s.takes)
	}
	b.Press("d")
	b.Do(func() tea.Cmd { return panetest.Last[pane.PickMsg](b).Done(2) }) // now with this capture
	b.Do(panetest.Last[pane.ConfirmMsg](b).Then)
	if frame := b.Plain(160, 48); len(s.takes) != 3 || !strings.Contains(frame, "py-wall of cart-new-1 since") {
		t.Errorf("took %+v:\n%s", s.takes, frame)
	}
	b.Press("esc", "d")
	b.Do(func() tea.Cmd { return panetest.Last[pane.PickMsg](b).Done(0) }) // the new revision with the old
	if ask := panetest.Last[pane.ConfirmMsg](b); ask.Plan.Title != "Take them of 5 pods?" {
		t.Fatalf("asked %q:\n%s", ask.Plan.Title, b.Plain(160, 48))
	}
	b.Do(panetest.Last[pane.ConfirmMsg](b).Then)
	if frame := b.Plain(160, 48); !strings.Contains(frame, "new revision against old") || !strings.Contains(frame, "matchPromotions") {
		t.Errorf("not compared:\n%s", frame)
	}
}

// TestAnEphemeralContainer is asked for where there is no profiler.
func TestAnEphemeralContainer(t *testing.T) {
	for _, image := range []string{"", "registry.example.com/tools/py-spy:0.4"} {
		s := python(capture.Python{PID: 1, Pythons: 1, Version: "3.12"})
		s.image = image
		b := open(t, s)
		choose(b, capture.PyCPU).Press("enter")
		if image == "" {
			b.Golden("no profiler")
			prompt := panetest.Last[pane.PromptMsg](b)
			if !strings.Contains(prompt.Title, "ephemeral container") || prompt.Check(" ") == "" {
				t.Fatalf("asked %+v", prompt)
			}
			b.Do(func() tea.Cmd { return prompt.Done("typed:1") })
		}
		b.Do(panetest.Last[pane.ConfirmMsg](b).Then)
		if ask := panetest.Last[pane.ConfirmMsg](b); ask.Plan.Title != "Take the py-cpu profile?" {
			t.Fatalf("asked %+v", ask)
		}
		b.Do(panetest.Last[pane.ConfirmMsg](b).Then)
		if want := map[string]string{"": "typed:1 beside app"}[image]; len(s.takes) != 1 || image == "" && s.helpers[0] != want {
			t.Errorf("took %+v with %v", s.takes, s.helpers)
		}
	}
}

// TestLookingIntoAContainerCanFail stays in the chooser.
func TestLookingIntoAContainerCanFail(t *testing.T) {
	s := python(capture.Python{})
	b := open(t, s)
	choose(b, capture.PyWall)
	s.err = &capture.Error{Cause: capture.ReadOnly, Kind: capture.PyWall, Pod: pod(1, "new", true).Pod, Why: "it takes a command in the container, and midwatch is read-only", Next: ":unlock 10m first (or start with --write)"}
	b.Press("enter").Golden("read-only")
	b.Boxed()
}

// TestADifferenceOverTheSeconds takes snapshots twice.
func TestADifferenceOverTheSeconds(t *testing.T) {
	s := &source{found: served()}
	s.found.Deltas = []string{"delta_heap"}
	b := open(t, s)
	b.Press("D")
	if frame := b.Plain(160, 40); !strings.Contains(frame, "difference over that time") || !strings.Contains(frame, "delta_heap left to its scraper") {
		t.Errorf("it is not said:\n%s", frame)
	}
	choose(b, capture.Heap).Press("enter")
	if len(s.takes) != 1 || s.takes[0].Kind != capture.Heap || s.takes[0].Seconds != 10 {
		t.Errorf("took %+v", s.takes)
	}
}

// TestComparingPerRequest needs the requests of both sides.
func TestComparingPerRequest(t *testing.T) {
	s := &source{found: served()}
	b := open(t, s)
	b.Press("d")
	b.Do(func() tea.Cmd { return panetest.Last[pane.PickMsg](b).Done(0) }).Press("m", "m")
	if frame := b.Plain(160, 48); !strings.Contains(frame, "not per request: the requests of cart-new-1 were not counted") || !strings.Contains(frame, "matchPromotions") {
		t.Errorf("it is not said:\n%s", frame)
	}
	s.requests = 250
	b.Press("esc", "d")
	b.Do(func() tea.Cmd { return panetest.Last[pane.PickMsg](b).Done(0) }).Press("m", "m").Golden("comparison per request")
	if frame := b.Plain(160, 48); !strings.Contains(frame, "per request, 750 against 500") || strings.Contains(frame, "not per request") {
		t.Errorf("it is not by request:\n%s", frame)
	}
}
