package action

import (
	"context"
	"sync/atomic"
	"time"

	"midwatch/foreign"
)

// Danger is how much a confirm dialog asks for.
type Danger int

// The levels of danger. A protected context or a production environment
// raises a plan's own level by one.
const (
	DangerNone   Danger = iota // nothing to confirm
	DangerEnter                // enter confirms
	DangerName                 // the target's name has to be typed
	DangerReason               // the name and a reason, which goes into the journal
)

// Target is the object a plan writes to, frozen when the plan was made.
type Target struct {
	// Context and ClusterUID bind the plan to the cluster it was made for:
	// the kubeconfig context's name and the UID of the kube-system namespace.
	Context    string `json:"context"`
	ClusterUID string `json:"clusterUID,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	UID        string `json:"uid,omitempty"`
}

// String is "Deployment shop/api".
func (t Target) String() string {
	if t.Namespace == "" {
		return t.Kind + " " + t.Name
	}
	return t.Kind + " " + t.Namespace + "/" + t.Name
}

// Field is one line of what a plan changes: "replicas", "3", "5".
type Field struct {
	Path   string       `json:"path"`
	Before foreign.Text `json:"before"`
	After  foreign.Text `json:"after"`
}

// Plan is one write, decided but not done.
type Plan struct {
	// Verb is the short name: restart, undo, pause, resume, scale, delete.
	Verb string
	// Title is the question the dialog asks: "Restart Deployment shop/api?"
	Title  string
	Target Target
	// Changes lists what will differ, field by field.
	Changes []Field
	// Diff is a unified diff of the object, for changes too large for a list.
	Diff foreign.Text
	// Blast says in one sentence what is affected: "3 pods are replaced one
	// at a time; none may be unavailable."
	Blast string
	// Warnings are what the user should know first: "argocd-controller owns
	// spec.replicas and will revert this."
	Warnings []string
	Danger   Danger
	// Undo says how this is undone, or that it cannot be.
	Undo string
	// Equivalent is the command that would do the same: kubectl, vault.
	Equivalent string
	// VerifyWithin bounds the wait for the effect.
	VerifyWithin time.Duration

	do     Steps
	undoOf string       // the ID of the write this plan undoes
	spent  *atomic.Bool // set once the intent is on record: a plan runs once
}

// Steps are the functions of a plan. Only the gate can call them.
type Steps struct {
	// Check re-reads the target and fails when it is not the object the plan
	// was made for (another UID, another generation).
	Check func(ctx context.Context) error
	// DryRun asks the server to validate the write; nil when it cannot.
	DryRun func(ctx context.Context) error
	// Apply writes. Required.
	Apply func(ctx context.Context) error
	// Verify waits for the effect and describes it: "3/3 pods ready". nil
	// when there is nothing to watch.
	Verify func(ctx context.Context) (string, error)
	// Inverse plans the undo from how things were before; nil when the write
	// cannot be undone.
	Inverse func(ctx context.Context) (*Plan, error)
}

// New makes a plan out of its description and its steps.
func New(p Plan, do Steps) *Plan {
	p.do, p.spent = do, new(atomic.Bool)
	return &p
}

// UndoOf is the journal ID of the write that p undoes; empty when it is not an
// undo made by [Gate.Undo].
func (p *Plan) UndoOf() string { return p.undoOf }

// Undoable reports whether the gate can plan the inverse of p.
func (p *Plan) Undoable() bool { return p.do.Inverse != nil }

// Outcome is how a run ended.
type Outcome struct {
	// ID is the plan's number in the journal.
	ID string
	// Plan is what was carried out.
	Plan *Plan
	// At is when it was applied; Took how long the write lasted.
	At   time.Time
	Took time.Duration
	// Warning is set when the write was made and something about it went
	// wrong afterwards: the journal could not record that it was applied.
	Warning string
}
