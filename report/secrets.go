package report

import (
	"cmp"
	"slices"
	"time"

	"midwatch/foreign"
	"midwatch/live"
	"midwatch/secrets"
)

// Secret is one secret a workload uses. No value of it is known here.
type Secret struct {
	// Workload is "Deployment shop/api"; empty inside a workload's own entry.
	Workload string `json:"workload,omitempty"`
	// Name is the Kubernetes Secret's, or what stands for one that only lies
	// in a store.
	Name string `json:"name"`
	// Source is what fills it: "ExternalSecret shop/fastapi-secrets"; Path where
	// it lies in the store.
	Source   string         `json:"source,omitempty"`
	Store    foreign.Text   `json:"store,omitempty"`
	Path     []foreign.Text `json:"path,omitempty"`
	LastSync time.Time      `json:"lastSync,omitzero"`
	NextSync time.Time      `json:"nextSync,omitzero"`
	// Changed is when a value changed last.
	Changed  time.Time     `json:"changed,omitzero"`
	Severity live.Severity `json:"severity"`
	State    string        `json:"state"`
	Reason   foreign.Text  `json:"reason"`
	// Evidence says how sure the link between workload and secret is: exact,
	// path+role, unknown, …
	Evidence secrets.Link  `json:"evidence"`
	Uses     []secrets.Use `json:"uses"`
	// StaleHolders are the containers that hold an old version for certain.
	StaleHolders []StaleHolder `json:"staleHolders"`
	// Mounts are what pods have mounted of a CSI volume.
	Mounts []SecretMount `json:"mounts,omitempty"`
	// Leases are those in Vault behind it, as far as they are known.
	Leases []SecretLease `json:"leases,omitempty"`
}

// SecretMount is what one pod has mounted.
type SecretMount struct {
	Pod     string            `json:"pod"`
	Mounted bool              `json:"mounted"`
	Objects []secrets.Version `json:"objects"`
}

// SecretLease is a lease in Vault behind a secret.
type SecretLease struct {
	ID foreign.Text `json:"id"`
	// Expires is when it ends at the latest; Bound says how far that holds.
	Expires  time.Time     `json:"expires,omitzero"`
	Bound    string        `json:"bound,omitempty"`
	State    string        `json:"state"`
	Severity live.Severity `json:"severity"`
	Message  foreign.Text  `json:"message,omitempty"`
	Evidence secrets.Link  `json:"evidence"`
	// Asked is when Vault was asked; left out when it was not, and the times
	// are those the operator was told.
	Asked time.Time `json:"asked,omitzero"`
}

// StaleHolder is one container that runs on an old version.
type StaleHolder struct {
	Pod       string      `json:"pod"`
	Container string      `json:"container"`
	How       secrets.How `json:"how"`
	Since     time.Time   `json:"since,omitzero"`
}

// Secrets reports rows; with is the workload's name for each, or "".
func Secrets(rows []secrets.Row, with string) []Secret {
	out := make([]Secret, 0, len(rows))
	for i := range rows {
		out = append(out, secretOf(&rows[i], with))
	}
	return out
}

func secretOf(r *secrets.Row, with string) Secret {
	s := Secret{
		Workload: with, Name: r.Secret, Severity: r.Severity, State: r.State, Reason: r.Message, Evidence: r.Link,
		Uses: append([]secrets.Use{}, r.Uses...), StaleHolders: []StaleHolder{},
	}
	if s.Name == "" && len(r.Uses) > 0 {
		s.Name, s.Path = r.Uses[0].Secret, []foreign.Text{r.Uses[0].Path}
	}
	if o := r.Origin; o != nil {
		s.Source, s.Store, s.Path, s.LastSync, s.NextSync = o.Ref(), o.Store, o.Paths, o.Synced.UTC(), o.Next.UTC()
	}
	if r.Meta != nil {
		s.Changed = r.Meta.Changed.UTC()
	}
	for _, h := range r.Holders {
		if h.Stale && h.Certainty == secrets.Certain {
			s.StaleHolders = append(s.StaleHolders, StaleHolder{Pod: h.Pod, Container: h.Container, How: h.How, Since: h.Since.UTC()})
		}
	}
	if c := r.Class; c != nil {
		s.Source, s.Path = "SecretProviderClass "+r.Workload.Namespace+"/"+c.Name, c.Paths
	}
	for _, m := range r.Mounts {
		s.Mounts = append(s.Mounts, SecretMount{Pod: m.Pod, Mounted: m.Mounted, Objects: append([]secrets.Version{}, m.Objects...)})
	}
	for _, l := range r.Leases {
		s.Leases = append(s.Leases, SecretLease{
			ID: l.ID, Expires: l.Ends.UTC(), Bound: l.Bound, State: l.State, Severity: l.Severity, Message: l.Message, Evidence: l.Link, Asked: l.At.UTC(),
		})
	}
	return s
}

// SortSecrets puts the worst first.
func SortSecrets(list []Secret) {
	slices.SortStableFunc(list, func(a, b Secret) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Name, b.Name))
	})
}
