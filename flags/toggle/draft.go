package toggle

import (
	"context"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/foreign"
)

// Draft is what a provider found out for an edit, and how it would carry it
// out. Everything in it was read for this edit.
type Draft struct {
	Edit        flags.Edit
	Provider    flags.Info
	Environment flags.Environment
	Flag        *flags.Detail
	// Changes lists what will differ; Effect says in one sentence what
	// everyone gets after it: "Everyone gets false."
	Changes []action.Field
	Diff    foreign.Text
	Effect  string
	// Warnings are what the user should know first, most important first.
	Warnings []string
	// Undo says how it is undone, or that it cannot be.
	Undo string
	// Equivalent is the command that would do the same, with the token as the
	// name of a variable.
	Equivalent string
	// Pinned, Now and After are whom the preview is about and what they get.
	Pinned     *flags.EvalContext
	Now, After *flags.Evaluation
	// Traffic is what is served at present.
	Traffic    *flags.Stats
	TrafficWhy foreign.Text
	Steps      Steps
}

// Outcome is what reading a flag back found.
type Outcome int

// What was found.
const (
	AsWanted Outcome = iota // as planned
	AsBefore                // unchanged
	Other                   // neither: someone else was there
)

// Steps are how a provider carries an edit out. Apply and ReadBack are
// required; where another is nil the reason stands beside it.
type Steps struct {
	// Check reads fresh and fails with action.ErrChanged when the flag is not
	// as it was when the draft was made.
	Check func(ctx context.Context) error
	// DryRun has the server try it.
	DryRun func(ctx context.Context) error
	// Apply writes, in one request if the provider can. An error after which
	// the write may have happened wraps action.ErrUnsure. The text says what
	// to know beside "accepted".
	Apply func(ctx context.Context, reason string) (string, error)
	// ReadBack reads fresh and compares.
	ReadBack func(ctx context.Context) (Outcome, string, error)
	// AwaitSDK waits until what applications get has changed, and says how it
	// was seen. It returns when ctx ends at the latest.
	AwaitSDK func(ctx context.Context) (string, error)
	SDKWhy   string
	// SDKWithin is how long that may take.
	SDKWithin time.Duration
	// AwaitTraffic waits until the evaluations that are counted have shifted.
	AwaitTraffic  func(ctx context.Context) (string, error)
	TrafficWhy    string
	TrafficWithin time.Duration
	// Undo drafts the way back, from how the flag was before. It fails when
	// the flag is not at the version that this change made.
	Undo func(ctx context.Context) (*Draft, error)
}
