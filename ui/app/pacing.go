package app

import (
	"reflect"
	"sync"
	"time"
	"unsafe"

	tea "charm.land/bubbletea/v2"
)

const (
	// framesPerSecond is how often at most the screen is written while something
	// happens: a key waits for the next of these moments, 8 ms at most. It is
	// the most that Bubble Tea allows.
	framesPerSecond = 120
	// awake is how long after a message the renderer looks for a new frame that
	// often; a message has drawn its frame long before.
	awake = 30 * time.Millisecond
	// resting is how often it looks when there was no message.
	resting = 250 * time.Millisecond
)

// pacing lets the renderer rest while nothing happens.
//
// Bubble Tea's looks for a new frame at every tick of a ticker of its own, also
// when there was no message that could have made one. At a rate that answers
// keys at once these are all an idle console costs: over one per cent of a core
// on a small machine. The ticker is not in its interface; where it is not found
// under its name the renderer keeps its rate.
type pacing struct {
	program *tea.Program

	mu     sync.Mutex
	ticker *time.Ticker
	rest   *time.Timer // nil before the first message and after stop
	rests  bool
}

// newPacing is for a program before it runs; nil, which does nothing, when its
// ticker is not where it is expected.
func newPacing(p *tea.Program) *pacing {
	if _, ok := tickerOf(p); !ok {
		return nil
	}
	return &pacing{program: p}
}

// tickerOf is the renderer's ticker; nil before the program runs. ok is false
// when a program has none of that name.
func tickerOf(p *tea.Program) (t *time.Ticker, ok bool) {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil, false
	}
	return *(**time.Ticker)(unsafe.Pointer(f.UnsafeAddr())), true
}

// wake is called for every message, on the goroutine of the program's loop,
// which is also the one that makes its ticker.
func (p *pacing) wake() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticker == nil {
		if p.ticker, _ = tickerOf(p.program); p.ticker == nil {
			return
		}
		p.rest = time.AfterFunc(awake, p.doze)
		return
	}
	if p.rest == nil {
		return
	}
	if p.rests { // otherwise it would never tick while messages come faster
		p.ticker.Reset(time.Second / framesPerSecond)
		p.rests = false
	}
	p.rest.Reset(awake)
}

func (p *pacing) doze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rest != nil {
		p.ticker.Reset(resting)
		p.rests = true
	}
}

// stop ends it; the program has ended before.
func (p *pacing) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rest != nil {
		p.rest.Stop()
		p.rest = nil
	}
}
