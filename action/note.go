package action

import (
	"context"
	"time"
)

// PhaseRead is the phase of something that read, and left a trace where it
// read: a profile taken from a pod.
const PhaseRead Phase = "read"

// Note is something to record that is no write and needs no gate.
type Note struct {
	Verb   string
	Target Target
	// Effect says what was done: "cpu profile, 10 s".
	Effect string
	Took   time.Duration
	// Err is why it failed; nil when it did not.
	Err error
}

// Note writes a note into the journal, as the session's user.
func (g *Gate) Note(ctx context.Context, n Note) error {
	if g.journal == nil {
		return ErrJournal
	}
	ctx, cancel := within(ctx, g.clock, journalWithin)
	defer cancel()
	now := g.clock.Now()
	e := Entry{
		ID: g.newID(now), At: now, Phase: PhaseRead, User: short(g.who).String(), Verb: n.Verb, Target: n.Target,
		Effect: short(n.Effect), Took: n.Took.Seconds(),
	}
	if n.Err != nil {
		e.Phase, e.Error = PhaseFailed, short(n.Err.Error())
	}
	return explainTimeout(ctx, journalWithin, g.journal.Append(ctx, e))
}
