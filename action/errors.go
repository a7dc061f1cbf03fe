package action

import (
	"errors"
	"fmt"
)

// What a gate answers when it does not do what it was asked, to be told apart
// with [errors.Is]. Except for [ErrUnsure] nothing was changed.
var (
	// ErrLocked is the answer while the context is read-only.
	ErrLocked = errors.New("read-only: type :unlock 10m, or start with --write")
	// ErrOtherContext refuses a plan made for another context or cluster than
	// the one that is open now.
	ErrOtherContext = errors.New("the plan was made for another cluster")
	// ErrUnconfirmed says that the confirmation does not match the danger.
	ErrUnconfirmed = errors.New("not confirmed")
	// ErrChanged says that the target is not what it was when the plan was
	// made. The error that wraps it says what differs.
	ErrChanged = errors.New("the object changed since the plan was made")
	// ErrRejected says that the server refused the write when asked to try it.
	ErrRejected = errors.New("the server would refuse this")
	// ErrBusy refuses a second write to a target while the first one runs.
	ErrBusy = errors.New("another write to this object is still running")
	// ErrSpent refuses to carry out a plan for the second time.
	ErrSpent = errors.New("this plan was already carried out; plan it again")
	// ErrJournal says that the journal could not be written, which stops a
	// write: what is not recorded is not done.
	ErrJournal = errors.New("the journal cannot be written, so nothing was changed")
	// ErrUnsure says that the connection broke or the time ran out after the
	// write was sent: it may or may not have happened.
	ErrUnsure = errors.New("no answer from the server: it is not known whether the change was made")
	// ErrUnverified says that the write was made and its effect was not seen.
	ErrUnverified = errors.New("the effect was not seen")
	// ErrNothingToUndo says that this session has changed nothing here that
	// can be undone.
	ErrNothingToUndo = errors.New("nothing to undo: this session changed nothing here that can be undone")
	// ErrPanic says that a step of the plan crashed; it is a bug of midwatch.
	ErrPanic = errors.New("internal error")
)

// RefusedError is what a [Transport] answers instead of sending a request.
type RefusedError struct {
	// Method and Path are the request's; the query is left out, it may carry
	// what does not belong on a screen.
	Method, Path string
	// Locked is true while the context is read-only. Otherwise the request
	// did not come through the gate, or not through its writing step: a bug.
	Locked bool
	// Why says which rule refused it.
	Why string
}

// Error says what was refused, why, and what to do.
func (e *RefusedError) Error() string {
	if e.Locked {
		return fmt.Sprintf("refused %s %s: %s", e.Method, e.Path, ErrLocked)
	}
	return fmt.Sprintf("refused %s %s: %s", e.Method, e.Path, e.Why)
}

// Unwrap makes a refusal for being read-only an [ErrLocked].
func (e *RefusedError) Unwrap() error {
	if e.Locked {
		return ErrLocked
	}
	return nil
}
