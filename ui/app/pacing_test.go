package app

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// paced is a program that counts its messages in its frame.
type paced struct {
	pacing *pacing
	n      int
}

type nudge struct{}

func (p *paced) Init() tea.Cmd { return nil }

func (p *paced) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	p.pacing.wake()
	if _, ok := msg.(nudge); ok {
		p.n++
	}
	return p, nil
}

func (p *paced) View() tea.View { return tea.NewView(string(rune('A' + p.n))) }

// written keeps what a program draws.
type written struct {
	mu   sync.Mutex
	out  bytes.Buffer
	more chan struct{}
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		select {
		case w.more <- struct{}{}:
		default:
		}
	}()
	return w.out.Write(b)
}

func (w *written) has(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.out.Bytes(), []byte(text))
}

// TestTheRendererRests also says when Bubble Tea keeps its ticker elsewhere.
func TestTheRendererRests(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w := &written{more: make(chan struct{}, 1)}
	m := &paced{}
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithOutput(w), tea.WithInput(nil), tea.WithFPS(framesPerSecond), tea.WithWindowSize(20, 3), tea.WithoutSignals())
	if m.pacing = newPacing(p); m.pacing == nil {
		t.Fatal("this Bubble Tea has no ticker of that name: an idle console looks for frames 120 times a second")
	}
	ended := make(chan error, 1)
	go func() { _, err := p.Run(); ended <- err }()
	until := func(what string, done func() bool) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for !done() {
			select {
			case <-ctx.Done():
				t.Fatalf("never %s", what)
			case <-w.more:
			case <-tick.C:
			}
		}
	}
	rests := func() bool { m.pacing.mu.Lock(); defer m.pacing.mu.Unlock(); return m.pacing.rests }
	until("drawn", func() bool { return w.has("A") })
	for _, frame := range []string{"B", "C"} {
		until("at rest", rests)
		p.Send(nudge{})
		until("drawn "+frame, func() bool { return w.has(frame) })
	}
	p.Quit()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	m.pacing.stop()
	m.pacing.wake() // a last message changes nothing
	m.pacing.doze()
}
