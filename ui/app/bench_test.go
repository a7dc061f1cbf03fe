package app_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/app"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
)

// bigBoard is a console over the real panes and a board of n workloads.
func bigBoard(tb testing.TB, n, w, h int) (*app.Model, *live.Hub) {
	tb.Helper()
	clock := uitest.NewClock(time.Time{})
	board := &watch.Board{Workloads: make([]*k8s.Workload, n)}
	for i := range board.Workloads {
		board.Workloads[i] = &k8s.Workload{
			Ref: k8s.Ref{Kind: k8s.Deployment, Namespace: fmt.Sprintf("team-%d", i%40), Name: fmt.Sprintf("service-%05d", i)},
			Verdict: k8s.Verdict{
				Severity: live.Severity(i % 5), Phase: k8s.PhaseProgressing, Since: clock.Now().Add(-time.Duration(i) * time.Minute),
				Message: foreign.Clean(fmt.Sprintf("stuck: 1 of 4 updated; service-%05d-7d4b9 is not ready (readiness probe: HTTP 503)", i)),
			},
			Rollout: k8s.RolloutStatus{Desired: 4, Ready: 3, Available: 3, TotalReady: 3, TotalAvailable: 3, Total: 4},
		}
	}
	hub := live.NewHub(clock, 0)
	hub.Provide(watch.TopicBoard, func(context.Context, live.Topic, time.Time) live.Snapshot {
		b := *board
		b.Workloads = slices.Clone(board.Workloads) // another slice each time, as a live source makes it
		return live.Snapshot{State: live.Ready, Value: &b}
	})
	var m *app.Model
	uitest.Play(tb, clock, w, h, func(s uitest.Steps) tea.Model {
		m = app.New(tb.Context(), app.Options{
			Clock: clock, Waits: s, Theme: theme.Options{Color: true}, First: &app.Session{Where: app.Where{Context: "demo"}, Hub: hub},
		})
		tb.Cleanup(m.Close)
		return m
	}).Idle()
	return m, hub
}

func TestViewOfAnIdleConsoleAllocatesNothing(t *testing.T) {
	m, _ := bigBoard(t, 1000, 200, 50)
	var v tea.View
	if n := testing.AllocsPerRun(100, func() { v = m.View() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	uitest.Boxed(t, v.Content, 200, 50)
}

func BenchmarkIdleView(b *testing.B) {
	m, _ := bigBoard(b, 10_000, 200, 50)
	b.ReportAllocs()
	for b.Loop() {
		_ = m.View()
	}
}

// BenchmarkKeyToFrame is one press of the down key on a board of 10,000
// workloads.
func BenchmarkKeyToFrame(b *testing.B) {
	for _, size := range [][2]int{{80, 24}, {200, 50}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			m, _ := bigBoard(b, 10_000, size[0], size[1])
			down, _ := uitest.Key("down")
			up, _ := uitest.Key("up")
			took := make([]time.Duration, 0, 4096)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				k := down
				if n/5000%2 == 1 {
					k = up
				}
				start := time.Now()
				_, cmd := m.Update(k)
				_ = m.View()
				took = append(took, time.Since(start))
				run(cmd)
				n++
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkBatchToFrame is a board of 10,000 workloads arriving anew.
func BenchmarkBatchToFrame(b *testing.B) {
	m, hub := bigBoard(b, 10_000, 200, 50)
	b.ReportAllocs()
	for b.Loop() {
		hub.Dirty(watch.TopicBoard)
		batch, err := hub.Flush(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		m.Update(app.Batch(m, batch))
		_ = m.View()
	}
}

// BenchmarkOverlay is a frame with a dialog over it.
func BenchmarkOverlay(b *testing.B) {
	m, _ := bigBoard(b, 10_000, 200, 50)
	help, _ := uitest.Key("?")
	m.Update(help)
	down, _ := uitest.Key("down")
	up, _ := uitest.Key("up")
	b.ReportAllocs()
	for b.Loop() {
		m.Update(down)
		m.Update(up)
	}
}
