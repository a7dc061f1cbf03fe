package flags

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"midwatch/foreign"
)

// StepState is how a step of a ladder stands.
type StepState string

// The states of a step. Unknown is amber: nothing contradicts it, and nothing
// confirms it.
const (
	StepWaiting StepState = "waiting"
	StepRunning StepState = "running"
	StepDone    StepState = "done"
	StepUnknown StepState = "unknown"
	StepFailed  StepState = "failed"
	StepSkipped StepState = "skipped" // there is nothing to see here, and why
)

// The steps of a toggle, in order.
const (
	StepAccepted = "API accepted"
	StepReadBack = "read back"
	StepSDK      = "SDK path saw it"
	StepTraffic  = "traffic shifted"
)

// Step is one proof that a change arrived.
type Step struct {
	Name  string
	State StepState
	// Took counts from the moment the write was sent; zero until done.
	Took time.Duration
	// Text says what was seen.
	Text foreign.Text
}

// Ladder is the proofs of one change, from "the server said yes" to "users
// get it". It is filled by the plan's own steps and read by the screen, from
// different goroutines.
type Ladder struct {
	mu      sync.Mutex
	steps   []Step
	began   time.Time
	changed func()
	undo    *Proposal
}

// NewLadder makes a ladder of waiting steps.
func NewLadder(names ...string) *Ladder {
	l := &Ladder{}
	for _, n := range names {
		l.steps = append(l.steps, Step{Name: n, State: StepWaiting})
	}
	return l
}

// OnChange says what to call, without blocking, when a step moved. One
// listener.
func (l *Ladder) OnChange(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = f
}

// begun reports whether anything has been done.
func (l *Ladder) begun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.began.IsZero()
}

// Begin starts the time that Took counts from. Calling it again does nothing.
func (l *Ladder) Begin(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() {
		l.began = at
	}
}

// Set moves a step.
func (l *Ladder) Set(name string, state StepState, at time.Time, text string) {
	l.mu.Lock()
	changed := l.changed
	for i := range l.steps {
		if s := &l.steps[i]; s.Name == name {
			s.State, s.Text = state, foreign.Clean(text)
			if state != StepRunning && state != StepSkipped && !l.began.IsZero() {
				s.Took = at.Sub(l.began)
			}
		}
	}
	l.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// Steps returns a copy of the steps as they stand.
func (l *Ladder) Steps() []Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.steps)
}

// Step returns one of them.
func (l *Ladder) Step(name string) Step {
	for _, s := range l.Steps() {
		if s.Name == name {
			return s
		}
	}
	return Step{Name: name}
}

// String is the whole ladder in one line, for a toast and the journal:
// "API accepted 12ms, read back 31ms, SDK path saw it 905ms (revision 7)".
func (l *Ladder) String() string {
	var parts []string
	for _, s := range l.Steps() {
		switch s.State {
		case StepWaiting:
			continue
		case StepDone:
			parts = append(parts, s.Name+" "+short(s.Took)+inBrackets(s.Text))
		default:
			parts = append(parts, s.Name+": "+string(s.State)+inBrackets(s.Text))
		}
	}
	return strings.Join(parts, ", ")
}

func inBrackets(t foreign.Text) string {
	if t == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", t)
}

func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
