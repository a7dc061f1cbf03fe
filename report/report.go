// Package report turns a judged board into something a script, a CI job or a
// chat can read: the JSON of schema midwatch.status/v1, a plain table, or
// Markdown. It formats; it judges nothing.
package report

import (
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// StatusSchema names the JSON document [Status] marshals to; its JSON Schema
// is docs/schema/status.v1.json.
const StatusSchema = "midwatch.status/v1"

// Status is the board at one moment. Field names are stable; times are
// RFC 3339 and left out when not known.
type Status struct {
	Schema    string        `json:"schema"`
	At        time.Time     `json:"at"`
	Context   string        `json:"context"`
	Scope     Scope         `json:"scope"`
	Sources   []live.Source `json:"sources"`
	Workloads []Workload    `json:"workloads"`
	Summary   Summary       `json:"summary"`
	// VaultToken is the user's own, when it was used and ends soon.
	VaultToken *VaultToken `json:"vaultToken,omitempty"`
}

// VaultToken is the end of the user's own token, which nobody renews.
type VaultToken struct {
	Expires time.Time    `json:"expires"`
	Message foreign.Text `json:"message"`
}

// TokenEnds notes that the token ends which Vault was read with, when that is
// less than warn away.
func (s *Status) TokenEnds(at, now time.Time, warn time.Duration) {
	if left := at.Sub(now); left <= warn {
		text := "your Vault token ends at " + at.UTC().Format("15:04 UTC") + ", and nobody renews it"
		if left <= 0 {
			text = "your Vault token has ended at " + at.UTC().Format("15:04 UTC")
		}
		s.VaultToken = &VaultToken{Expires: at.UTC(), Message: foreign.Clean(text)}
	}
}

// Scope says which namespaces were looked at; an empty list means all.
type Scope struct {
	Namespaces []string `json:"namespaces"`
}

// Workload is one judged workload.
type Workload struct {
	Kind      string          `json:"kind"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Severity  live.Severity   `json:"severity"`
	Phase     k8s.Phase       `json:"phase"`
	Reason    string          `json:"reason"`
	Message   foreign.Text    `json:"message"`
	Since     time.Time       `json:"since,omitzero"`
	Evidence  []live.Evidence `json:"evidence"`
	// Causes are why pods are not available, the worst first.
	Causes []k8s.Cause `json:"causes"`
	// Delete are pods that only deleting will move on.
	Delete  []string `json:"delete,omitempty"`
	Rollout Rollout  `json:"rollout"`
	HPA     *HPA     `json:"hpa,omitempty"`
	// Endings are credentials that end soon without being renewed, or have
	// ended, the worst first.
	Endings []k8s.Ending `json:"endings,omitempty"`
	// Probes are read for workloads in trouble and for those asked for by name.
	Probes []Probe `json:"probes,omitempty"`
	// Flags are read for workloads in trouble and for those asked for by name,
	// where the settings name a flag provider.
	Flags []Flag `json:"flags,omitempty"`
	// Secrets likewise.
	Secrets []Secret `json:"secrets,omitempty"`
}

// Rollout is how far a workload's rollout is; counts are pods of the new
// revision, except Desired.
type Rollout struct {
	Revision         string      `json:"revision"`
	PreviousRevision string      `json:"previousRevision,omitempty"`
	Images           []k8s.Image `json:"images,omitempty"`
	PreviousImages   []k8s.Image `json:"previousImages,omitempty"`
	// StartedAt is when the rollout to the revision began, ChangeCause what its
	// author wrote about it (kubernetes.io/change-cause).
	StartedAt   time.Time    `json:"startedAt,omitzero"`
	ChangeCause foreign.Text `json:"changeCause,omitempty"`
	Strategy    string       `json:"strategy"`
	Desired     int          `json:"desired"`
	Updated     int          `json:"updated"`
	Ready       int          `json:"ready"`
	Available   int          `json:"available"`
	// TotalReady and TotalAvailable count the pods of all revisions: what
	// serves now.
	TotalReady     int       `json:"totalReady"`
	TotalAvailable int       `json:"totalAvailable"`
	Surge          int       `json:"surge"`
	Unavailable    int       `json:"unavailable"`
	Paused         bool      `json:"paused"`
	Deadline       time.Time `json:"deadline,omitzero"`
	BlockedBy      []string  `json:"blockedBy"`
	// PodsKnown is false when the verdict rests on the controllers' own
	// counters because the pods could not be read.
	PodsKnown bool `json:"podsKnown"`
}

// Summary counts workloads by severity.
type Summary struct {
	Workloads int `json:"workloads"`
	Fail      int `json:"fail"`
	Warn      int `json:"warn"`
	Info      int `json:"info"`
	OK        int `json:"ok"`
	Unknown   int `json:"unknown"`
}

// New makes the document. namespaces is nil for all of them; workloads keep
// their order, the worst first.
func New(at time.Time, context string, namespaces []string, workloads []*k8s.Workload, sources []live.Source) *Status {
	s := &Status{
		Schema:    StatusSchema,
		At:        at.UTC().Truncate(time.Second),
		Context:   context,
		Scope:     Scope{Namespaces: append([]string{}, namespaces...)},
		Sources:   append([]live.Source{}, sources...),
		Workloads: make([]Workload, 0, len(workloads)),
	}
	for i := range s.Sources {
		s.Sources[i].Since = s.Sources[i].Since.UTC()
	}
	for _, w := range workloads {
		s.Workloads = append(s.Workloads, fromWorkload(w))
		s.Summary.count(w.Verdict.Severity)
	}
	return s
}

func (s *Summary) count(sev live.Severity) {
	s.Workloads++
	switch sev {
	case live.Fail:
		s.Fail++
	case live.Warn:
		s.Warn++
	case live.Info:
		s.Info++
	case live.OK:
		s.OK++
	default:
		s.Unknown++
	}
}

func fromWorkload(w *k8s.Workload) Workload {
	v, r := w.Verdict, w.Rollout
	out := Workload{
		Kind: w.Kind, Namespace: w.Namespace, Name: w.Name,
		Severity: v.Severity, Phase: v.Phase, Reason: v.Reason, Message: v.Message,
		Since:    v.Since.UTC(),
		Evidence: append([]live.Evidence{}, v.Evidence...),
		Causes:   causes(v.Causes),
		Rollout: Rollout{
			Revision: revisionName(r.Revision), PreviousRevision: revisionName(r.PreviousRevision),
			Images: r.Revision.Images, PreviousImages: r.PreviousRevision.Images, Strategy: r.Strategy,
			StartedAt: r.Started.UTC(), ChangeCause: r.Revision.Cause,
			Desired: r.Desired, Updated: r.Updated, Ready: r.Ready, Available: r.Available, TotalReady: r.TotalReady, TotalAvailable: r.TotalAvailable,
			Surge: r.Surge, Unavailable: r.Unavailable, Paused: r.Paused,
			Deadline: r.Deadline.UTC(), BlockedBy: append([]string{}, r.BlockedBy...),
			PodsKnown: w.PodsKnown,
		},
	}
	for _, r := range v.Delete {
		out.Delete = append(out.Delete, r.Name)
	}
	for i := range out.Evidence {
		out.Evidence[i].At = out.Evidence[i].At.UTC()
	}
	for _, e := range w.Endings {
		e.Ends, e.Since = e.Ends.UTC(), e.Since.UTC()
		out.Endings = append(out.Endings, e)
	}
	if h := w.HPA; h != nil {
		out.HPA = fromHPA(h)
	}
	return out
}

// revisionName is what people call a revision: its number, else its name.
func revisionName(r k8s.Revision) string {
	if r.Number > 0 {
		return itoa(r.Number)
	}
	return r.Name
}

// Exit codes of `midwatch status`.
const (
	ExitWell    = 0 // everything looked at is well
	ExitTrouble = 1 // something is in trouble
	ExitUnknown = 2 // could not tell
)

// ExitCode judges the document as a whole. Trouble that was seen outweighs
// what could not be seen.
func (s *Status) ExitCode() int {
	if s.Summary.Fail+s.Summary.Warn > 0 {
		return ExitTrouble
	}
	if s.Summary.Unknown > 0 || len(s.Blind()) > 0 {
		return ExitUnknown
	}
	return ExitWell
}

// Blind names the workload sources that could not be read: without them
// nothing can be called well.
func (s *Status) Blind() []live.Source {
	var blind []live.Source
	for _, src := range s.Sources {
		switch src.Name {
		case "deployments", "statefulsets", "daemonsets":
			if src.State != live.Ready && src.State != live.Absent {
				blind = append(blind, src)
			}
		}
	}
	return blind
}
