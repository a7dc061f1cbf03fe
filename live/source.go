package live

import (
	"fmt"
	"time"

	"midwatch/foreign"
)

// State says what is known of a source, or of a topic built from sources.
// Loading, empty, stale, forbidden and unreachable are different things on
// the screen; empty is OK with no items.
type State uint8

// The states of a source.
const (
	Loading     State = iota // first answer not complete yet
	Ready                    // complete and fresh
	Stale                    // complete, but nothing was heard for StaleAfter
	Forbidden                // the server refused; Err names the missing right
	Unreachable              // cannot be reached, or the login failed; Err says why
	Absent                   // the server does not have this kind of thing
)

// StaleAfter is how long a source may be silent while its connection is
// broken before what it said counts as stale.
const StaleAfter = 40 * time.Second

var stateNames = [...]string{"loading", "ok", "stale", "forbidden", "unreachable", "absent"}

// Back reports whether what was away before is there again: a read that failed
// meanwhile is worth making once more.
func (s State) Back(before State) bool { return s == Ready && before != Ready }

// String returns the name used in JSON: loading, ok, stale, forbidden,
// unreachable or absent.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the JSON name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Source is the health of one source of facts, as the header shows it and
// `midwatch status -o json` reports it.
type Source struct {
	// Name says what is read: "deployments", "pods", "events".
	Name string `json:"name"`
	// State is what is known of it.
	State State `json:"state"`
	// Since is when it entered this state.
	Since time.Time `json:"since,omitzero"`
	// Heard is when the source last said anything at all; zero if never.
	Heard time.Time `json:"-"`
	// Items is how many objects it holds, also while still loading.
	Items int `json:"-"`
	// Err says why it is not Ready: "forbidden: list events in shop".
	Err foreign.Text `json:"error,omitempty"`
}
