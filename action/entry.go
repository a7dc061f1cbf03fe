package action

import (
	"encoding/json"
	"fmt"
	"time"

	"midwatch/foreign"
)

// Phase is a step in the life of a write, as the journal records it.
type Phase string

// The phases. A write that is allowed has an intent and then exactly one of
// applied and failed; an intent without either is a midwatch that died between
// the two. Verified or unverified follows when someone waited for the effect.
const (
	PhaseIntent     Phase = "intent"     // about to be sent
	PhaseApplied    Phase = "applied"    // the server accepted it
	PhaseFailed     Phase = "failed"     // refused or not known; see Error
	PhaseVerified   Phase = "verified"   // the effect was seen
	PhaseUnverified Phase = "unverified" // the effect was not seen in time
	PhaseRefused    Phase = "refused"    // stopped before anything was sent
)

// Entry is one line of the journal.
type Entry struct {
	// ID is shared by all entries of one write.
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Phase  Phase     `json:"phase"`
	User   string    `json:"user"`
	Verb   string    `json:"verb"`
	Target Target    `json:"target"`
	// Changes are the plan's; those of a Secret keep their paths only.
	Changes []Field `json:"changes,omitempty"`
	// Reason is what the user gave when the danger asked for it.
	Reason foreign.Text `json:"reason,omitempty"`
	// Equivalent is the command that would have done the same.
	Equivalent foreign.Text `json:"equivalent,omitempty"`
	// Effect is what was seen, for verified.
	Effect foreign.Text `json:"effect,omitempty"`
	Error  foreign.Text `json:"error,omitempty"`
	// Took is how long it took, in seconds: applying for applied and failed,
	// from there to the effect for verified and unverified.
	Took float64 `json:"took,omitempty"`
	// UndoOf is the ID of the write that this one undoes.
	UndoOf string `json:"undoOf,omitempty"`
}

// Limits of one entry, so that a line stays far below the journal's size.
const (
	maxJournalChanges = 64
	maxJournalText    = 1024
	maxJournalLine    = 256 << 10
)

// secretKinds are the kinds of target whose values do not go into the journal.
func secretKind(kind string) bool {
	switch kind {
	case "Secret", "ExternalSecret", "PushSecret", "VaultSecret", "VaultStaticSecret", "VaultDynamicSecret", "Lease", "VaultLease":
		return true
	}
	return false
}

// journalChanges copies changes within the limits, without a secret's values.
func journalChanges(kind string, changes []Field) []Field {
	if len(changes) > maxJournalChanges {
		changes = changes[:maxJournalChanges]
	}
	out := make([]Field, len(changes))
	for i, c := range changes {
		out[i] = Field{Path: short(c.Path).String()}
		if !secretKind(kind) {
			out[i].Before, out[i].After = short(c.Before.String()), short(c.After.String())
		}
	}
	return out
}

func short(s string) foreign.Text { return foreign.CleanN(s, maxJournalText) }

// encode makes the line, with its line feed.
func (e Entry) encode() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("journal entry %s: %w", e.ID, err)
	}
	if len(b) > maxJournalLine {
		return nil, fmt.Errorf("journal entry %s is %d bytes long, the limit is %d", e.ID, len(b), maxJournalLine)
	}
	return append(b, '\n'), nil
}

// decodeEntry reads a line. The file may have been edited, so its text counts
// as foreign. ok is false for a line that is no entry.
func decodeEntry(line []byte) (e Entry, ok bool) {
	if err := json.Unmarshal(line, &e); err != nil || e.ID == "" || e.Phase == "" {
		return Entry{}, false
	}
	for _, s := range []*string{&e.ID, &e.User, &e.Verb, &e.UndoOf, &e.Target.Context, &e.Target.ClusterUID,
		&e.Target.Kind, &e.Target.Namespace, &e.Target.Name, &e.Target.UID, (*string)(&e.Phase),
		(*string)(&e.Reason), (*string)(&e.Equivalent), (*string)(&e.Effect), (*string)(&e.Error)} {
		*s = foreign.Clean(*s).String()
	}
	for i := range e.Changes {
		c := &e.Changes[i]
		c.Path = foreign.Clean(c.Path).String()
		c.Before, c.After = foreign.Clean(c.Before.String()), foreign.Clean(c.After.String())
	}
	return e, true
}
