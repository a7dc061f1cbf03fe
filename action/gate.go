package action

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// How long the parts of a run may take. A write that was sent is waited for
// longer than the server's own 60 s, so that its answer is not missed.
const (
	checkWithin   = 15 * time.Second
	applyWithin   = 65 * time.Second
	journalWithin = 5 * time.Second
	verifyWithin  = 30 * time.Second // when the plan does not say
	planWithin    = 15 * time.Second
	undoDepth     = 20
)

// Gate carries plans out. It is the only caller of their steps, and one gate
// serves a whole session. It is safe for concurrent use.
type Gate struct {
	lock      *Lock
	journal   Recorder
	clock     live.Clock
	who       string
	protected []string
	newID     func(time.Time) string

	mu   sync.Mutex
	busy map[string]bool // by target
	done []Outcome       // what can be undone, the newest last
}

// GateOption adjusts a [Gate].
type GateOption func(*Gate)

// ProtectContexts names the contexts, by the patterns of [Protected], in which
// every plan is one level more dangerous than it says itself.
func ProtectContexts(patterns []string) GateOption {
	return func(g *Gate) { g.protected = append(g.protected, patterns...) }
}

// NewIDs replaces the source of journal IDs, for tests.
func NewIDs(next func(time.Time) string) GateOption {
	return func(g *Gate) { g.newID = next }
}

// NewGate returns the gate of a session. who is the user as the server knows
// them, for the journal.
func NewGate(lock *Lock, journal Recorder, clock live.Clock, who string, opts ...GateOption) *Gate {
	g := &Gate{lock: lock, journal: journal, clock: clock, who: who, newID: randomID, busy: map[string]bool{}}
	for _, o := range opts {
		o(g)
	}
	return g
}

// randomID sorts by time: 20261124T021500Z-9f3c1a.
func randomID(at time.Time) string {
	b := make([]byte, 3)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b)
}

// Lock is the gate's lock.
func (g *Gate) Lock() *Lock { return g.lock }

// Effective is what the confirm dialog has to ask for: the plan's danger, one
// level up in a protected context, at most [DangerReason].
func (g *Gate) Effective(p *Plan) Danger {
	d := p.Danger
	if Protected(p.Target.Context, g.protected) {
		d++
	}
	return min(d, DangerReason)
}

// Confirmation is what the user gave.
type Confirmation struct {
	// Typed is the target's name, as typed, from [DangerName] on.
	Typed string
	// Reason is why, for [DangerReason].
	Reason string
}

func (c Confirmation) satisfies(d Danger, t Target) error {
	if d >= DangerName && strings.TrimSpace(c.Typed) != t.Name {
		return fmt.Errorf("%w: type the name %s", ErrUnconfirmed, t.Name)
	}
	if d >= DangerReason && strings.TrimSpace(c.Reason) == "" {
		return fmt.Errorf("%w: give a reason, it goes into the journal", ErrUnconfirmed)
	}
	return nil
}

// Run carries a plan out: is the lock open and the plan for this cluster, does
// the confirmation match the danger, is the object still the one the plan was
// made for, does the server agree to try it; then the intent goes into the
// journal, the write is sent, and the outcome goes into the journal.
//
// An error means that nothing was changed, unless it is [ErrUnsure]. Once the
// write is sent, cancelling ctx does not stop it: half a write is worse.
func (g *Gate) Run(ctx context.Context, p *Plan, c Confirmation) (Outcome, error) {
	if p == nil || p.do.Apply == nil {
		return Outcome{}, errors.New("the plan has nothing to carry out")
	}
	// While it is locked that is what to say, whatever was typed; prepare does.
	if g.lock.allows(p.Target) == nil {
		if err := c.satisfies(g.Effective(p), p.Target); err != nil {
			return Outcome{}, describe(p, err)
		}
	}
	free, err := g.occupy(p.Target)
	if err != nil {
		return Outcome{}, describe(p, err)
	}
	defer free()
	r := run{gate: g, plan: p, entry: g.entry(p, c)}
	out, err := r.carryOut(ctx)
	if err != nil {
		return Outcome{}, describe(p, err)
	}
	g.remember(out)
	return out, nil
}

// describe says which operation on which target an error is about.
func describe(p *Plan, err error) error {
	return fmt.Errorf("%s %s: %w", p.Verb, p.Target, err)
}

// occupy keeps other writes away from the target until free is called.
func (g *Gate) occupy(t Target) (free func(), err error) {
	key := t.Context + "\x00" + t.Kind + "\x00" + t.Namespace + "\x00" + t.Name
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy[key] {
		return nil, ErrBusy
	}
	g.busy[key] = true
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.busy, key)
	}, nil
}

func (g *Gate) entry(p *Plan, c Confirmation) Entry {
	now := g.clock.Now()
	return Entry{
		ID: g.newID(now), At: now, User: short(g.who).String(), Verb: p.Verb, Target: p.Target,
		Changes: journalChanges(p.Target.Kind, p.Changes), Reason: short(strings.TrimSpace(c.Reason)),
		Equivalent: foreign.CleanN(p.Equivalent, maxJournalText), UndoOf: p.undoOf,
	}
}

// run is one plan on its way through the gate.
type run struct {
	gate  *Gate
	plan  *Plan
	entry Entry
}

func (r *run) carryOut(ctx context.Context) (Outcome, error) {
	if err := r.prepare(ctx); err != nil {
		r.refused(ctx, err)
		return Outcome{}, err
	}
	if r.plan.spent.Swap(true) {
		return Outcome{}, ErrSpent
	}
	if err := r.record(ctx, PhaseIntent); err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	return r.apply(ctx)
}

// prepare is everything up to the intent; it changes nothing.
func (r *run) prepare(ctx context.Context) error {
	if r.plan.spent.Load() {
		return ErrSpent
	}
	if err := r.gate.lock.allows(r.plan.Target); err != nil {
		return err
	}
	if err := r.step(ctx, checkWithin, r.plan.do.Check); err != nil {
		return err
	}
	if r.plan.do.DryRun != nil {
		permitted, end := withPermit(ctx, r.gate.lock, true)
		err := r.step(permitted, checkWithin, r.plan.do.DryRun)
		end()
		if err != nil {
			return err
		}
	}
	return r.gate.lock.allows(r.plan.Target) // the time may be up by now
}

func (r *run) apply(ctx context.Context) (Outcome, error) {
	ctx = context.WithoutCancel(ctx)
	permitted, end := withPermit(ctx, r.gate.lock, false)
	start := r.gate.clock.Now()
	permitted = context.WithValue(permitted, reasonKey{}, r.entry.Reason.String())
	err := r.step(permitted, applyWithin, r.plan.do.Apply)
	end()
	at := r.gate.clock.Now()
	r.entry.Took = at.Sub(start).Seconds()
	if err != nil {
		err = unsureIfNoAnswer(err)
		r.entry.Error = short(err.Error())
		if lost := r.record(ctx, PhaseFailed); lost != nil {
			err = fmt.Errorf("%w (and the journal could not record it: %w)", err, lost)
		}
		return Outcome{}, err
	}
	out := Outcome{ID: r.entry.ID, Plan: r.plan, At: at, Took: at.Sub(start)}
	if lost := r.record(ctx, PhaseApplied); lost != nil {
		out.Warning = fmt.Sprintf("applied, but the journal could not record that: %v", lost)
	}
	return out, nil
}

type reasonKey struct{}

// Reason is what the user gave as the reason, for an Apply step whose server
// keeps one beside the change; empty when none was asked for.
func Reason(ctx context.Context) string {
	reason, _ := ctx.Value(reasonKey{}).(string)
	return reason
}

// record writes the entry with a phase. It does not follow the caller's
// cancellation: what is happening has to be on record.
func (r *run) record(ctx context.Context, phase Phase) error {
	if r.gate.journal == nil {
		return errors.New("there is no journal")
	}
	ctx, cancel := within(context.WithoutCancel(ctx), r.gate.clock, journalWithin)
	defer cancel()
	e := r.entry
	e.Phase, e.At = phase, r.gate.clock.Now()
	return r.gate.journal.Append(ctx, e)
}

// refused records an attempt that stopped before anything was sent. A journal
// that cannot take it does not matter then.
func (r *run) refused(ctx context.Context, err error) {
	if errors.Is(err, ErrSpent) {
		return
	}
	r.entry.Error = short(err.Error())
	_ = r.record(ctx, PhaseRefused)
}

// step calls one step of the plan, in its own time and without letting a
// crash out.
func (r *run) step(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	if do == nil {
		return nil
	}
	ctx, cancel := within(ctx, r.gate.clock, d)
	defer cancel()
	return explainTimeout(ctx, d, guarded(func() error { return do(ctx) }))
}
