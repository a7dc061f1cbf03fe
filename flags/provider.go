package flags

import (
	"context"
	"time"

	"midwatch/foreign"
)

// Provider is one place flags come from, as one project of one account.
//
// All methods are safe for concurrent use. Those that take a context do IO and
// are bounded in time by themselves as well; their errors are sentences for
// the user (see errors.go) and carry no token and no body of a page. What a
// provider cannot do is in its Capabilities; calling it anyway gives an
// [ErrUnsupported].
type Provider interface {
	// Info says what and where this is, and what it can do. It does no IO;
	// what it says grows once the server has been asked who we are.
	Info() Info
	// Status is the provider's health. It does no IO.
	Status() ProviderStatus
	// Environments lists the project's environments.
	Environments(ctx context.Context) ([]Environment, error)
	// List returns the flags with their state in an environment, those first
	// whose targeting changed last.
	List(ctx context.Context, environment string, q Query) ([]Flag, error)
	// Get reads one flag fresh.
	Get(ctx context.Context, environment, key string) (*Detail, error)
	// Evaluate says what a context gets, for the given keys or, without any,
	// for all flags. It leaves no trace in the provider's analytics. The
	// result is in the order of keys, or sorted by key. A flag that cannot be
	// evaluated is an Evaluation with a Code; the error is for when nothing
	// could be evaluated.
	Evaluate(ctx context.Context, environment string, who EvalContext, keys ...string) ([]Evaluation, error)
	// Watch calls changed, one call at a time, whenever something may differ
	// in the environment, until ctx ends. It gathers bursts. changed must not
	// block.
	Watch(ctx context.Context, environment string, changed func(Event)) error
	// Plan reads the flag fresh and plans an edit of it. pinned is whom the
	// "before and after" is worked out for; nil for nobody.
	Plan(ctx context.Context, e Edit, pinned *EvalContext) (*Proposal, error)
	// Audit returns what changed since a time, the newest first. An empty key
	// means all flags of the environment.
	Audit(ctx context.Context, environment, key string, since time.Time) ([]Change, error)
	// Stats counts evaluations per variation over the newest window that the
	// provider can tell of.
	Stats(ctx context.Context, environment, key string) (*Stats, error)
	// Close ends connections and goroutines and waits for them.
	Close() error
}

// Info describes a provider.
type Info struct {
	// Name is what the settings call it; Type is launchdarkly, unleash, ofrep
	// or file.
	Name, Type string
	// Endpoint is the server's address without credentials, or the file.
	Endpoint string
	// Project is the project's key; Environment the one the settings name.
	Project, Environment string
	// Identity is who we act as, once known: "pat of dana@example.com".
	Identity foreign.Text
	// Service is true when that is a token without a person behind it: the
	// provider's audit log will not say who changed something.
	Service      bool
	Capabilities Capabilities
}

// Query narrows a list.
type Query struct {
	// Text is part of a key or name.
	Text string
	// Archived includes archived flags.
	Archived bool
	// Limit bounds the result; 0 for all.
	Limit int
}

// Capability is something a provider may be able to do.
type Capability string

// The capabilities.
const (
	CanList        Capability = "list"
	CanEvaluate    Capability = "evaluate"
	CanReason      Capability = "reasons"    // evaluations say why
	CanWatch       Capability = "watch"      // changes are pushed or cheap to ask for
	CanToggle      Capability = "toggle"     // on and off
	CanRollout     Capability = "rollout"    // percentages
	CanAudit       Capability = "audit"      // who changed what
	CanStats       Capability = "stats"      // evaluations per variation
	CanRules       Capability = "rules"      // targeting in words
	CanComment     Capability = "comment"    // a reason kept by the server
	CanDryRun      Capability = "dry run"    // the server tries a change
	CanCompare     Capability = "compare"    // the server itself refuses when something changed
	CanApprove     Capability = "approvals"  // a change can be asked for
	CanSeeSDK      Capability = "sdk path"   // what applications get can be seen
	CanExperiments Capability = "experiment" // running experiments are known
)

// Able is whether something can be done, and why not.
type Able struct {
	OK  bool
	Why foreign.Text
}

// Capabilities says of each capability whether the provider has it.
type Capabilities map[Capability]Able

// Of returns whether c can be done. What nobody spoke of cannot.
func (cs Capabilities) Of(c Capability) Able {
	if a, ok := cs[c]; ok {
		return a
	}
	return Able{Why: "this provider does not have it"}
}

// Can makes capabilities out of those a provider has.
func Can(has ...Capability) Capabilities {
	cs := make(Capabilities, len(has))
	for _, c := range has {
		cs[c] = Able{OK: true}
	}
	return cs
}

// Without returns a copy in which the given ones are missing, and why.
func (cs Capabilities) Without(why foreign.Text, missing ...Capability) Capabilities {
	out := make(Capabilities, len(cs)+len(missing))
	for c, a := range cs {
		out[c] = a
	}
	for _, c := range missing {
		out[c] = Able{Why: why}
	}
	return out
}

// Status is a provider's state (OpenFeature specification, types: Provider
// Status).
type Status string

// The states.
const (
	StatusNotReady Status = "NOT_READY" // not heard of yet
	StatusReady    Status = "READY"
	StatusStale    Status = "STALE" // values may be old: the connection is broken
	StatusError    Status = "ERROR" // does not work now, and is tried again
	StatusFatal    Status = "FATAL" // will not work without someone doing something
)

// ProviderStatus is a provider's health.
type ProviderStatus struct {
	Status Status
	// Since is when it entered this status.
	Since time.Time
	// Why explains any status but ready: what was tried, why it failed, what
	// to do.
	Why foreign.Text
	// LastError is the newest error, also after it was overcome, and when it
	// was.
	LastError   foreign.Text
	LastErrorAt time.Time
	// Heard is when the provider last answered.
	Heard time.Time
}

// Event says what may differ now.
type Event struct {
	// Keys are the flags that changed; empty with Resync.
	Keys []string
	// Resync means that anything may differ: evaluate everything again.
	Resync bool
	// Status means that the provider's health changed.
	Status bool
}
