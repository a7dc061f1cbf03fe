package probe

import (
	"cmp"
	"slices"
	"strings"

	"midwatch/live"
)

// Group is one probe of one container over the pods that have it: the pods of
// a workload share their specs but for those of another revision.
type Group struct {
	Container string
	Role      Role
	Spec      Spec
	Severity  live.Severity
	// Members are the pods, the worst first, then by name.
	Members []Member
	// Lints are those of any member, each once.
	Lints []Lint
}

// Member is one pod's probe.
type Member struct {
	Report *Report
	Probe  *Probe
}

// Key names the group.
func (g *Group) Key() string {
	return g.Container + "/" + string(g.Spec.Kind) + "/" + g.Spec.String()
}

// Count is how many members are in a state.
func (g *Group) Count(s State) int {
	n := 0
	for _, m := range g.Members {
		if m.Probe.State == s {
			n++
		}
	}
	return n
}

// Groups puts the probes of many pods together, in the order of the first pod
// that has them: sidecars, then main containers, and of each startup, liveness,
// readiness.
func Groups(reports []*Report) []*Group {
	var out []*Group
	byKey := map[string]*Group{}
	for _, r := range reports {
		for _, p := range r.All() {
			g := &Group{Container: p.Container, Role: p.Role, Spec: p.Spec, Severity: live.OK}
			if known := byKey[g.Key()]; known != nil {
				g = known
			} else {
				byKey[g.Key()] = g
				out = append(out, g)
			}
			g.Members = append(g.Members, Member{r, p})
			g.lints(p.Lints)
			if p.Severity.Rank() < g.Severity.Rank() {
				g.Severity = p.Severity
			}
		}
	}
	for _, g := range out {
		slices.SortStableFunc(g.Members, func(a, b Member) int {
			return cmp.Or(cmp.Compare(a.Probe.Severity.Rank(), b.Probe.Severity.Rank()), strings.Compare(a.Report.Pod.Name, b.Report.Pod.Name))
		})
	}
	return out
}

func (g *Group) lints(list []Lint) {
	for _, l := range list {
		if !slices.Contains(g.Lints, l) {
			g.Lints = append(g.Lints, l)
		}
	}
}
