package ledger

import (
	"fmt"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/secrets"
	"midwatch/vault/lease"
)

// Holding is one workload that holds, or may hold, a lease.
type Holding struct {
	k8s.Ref
	Pods int
}

// Text is "Deployment shop/api (3 pods)".
func (h Holding) Text() foreign.Text {
	pods := "pods"
	if h.Pods == 1 {
		pods = "pod"
	}
	return foreign.Clean(fmt.Sprintf("%s (%d %s)", h.Ref, h.Pods, pods))
}

// Holder is who holds a lease, and how that is known.
type Holder struct {
	Link secrets.Link
	// Workloads that hold it; where the link is no proof, those that may.
	Workloads []Holding
	// By is the object that says so, and Secret what it fills; "" without one.
	By, Secret string
	// Renews is when By renews it next, or was due to; zero when that is not
	// known. Problem is what By says is wrong.
	Renews  time.Time
	Problem foreign.Text
	// Restarts are workloads that By restarts by itself when it has new
	// credentials.
	Restarts []foreign.Text
}

// Evidence is the link in a word: unknown when nobody is known to hold it.
func (h *Holder) Evidence() secrets.Link {
	if h.Link == "" {
		return secrets.LinkUnknown
	}
	return h.Link
}

// Proven reports whether the link leaves no other possibility.
func (h *Holder) Proven() bool { return h.Link == secrets.LinkExact }

// Text says who holds it in a few words; "" when nobody is known to.
func (h *Holder) Text() foreign.Text {
	switch n := len(h.Workloads); {
	case n == 0:
		return foreign.Clean(h.By)
	case n == 1:
		return foreign.Clean(h.Workloads[0].String())
	case h.Proven():
		return foreign.Clean(fmt.Sprintf("%s and %d more", h.Workloads[0].Ref, n-1))
	default:
		return foreign.Clean(fmt.Sprintf("one of %d, such as %s", n, h.Workloads[0].Ref))
	}
}

// Plan are the holders as a plan to revoke names them.
func (h *Holder) Plan() lease.Holders {
	out := lease.Holders{Proven: h.Proven(), Evidence: string(h.Evidence()), By: foreign.Clean(h.By), Renews: h.Renews}
	if h.Problem != "" {
		out.Renews = time.Time{} // nobody knows when it will notice
	}
	for _, w := range h.Workloads {
		out.Who = append(out.Who, w.Text())
	}
	return out
}

// besides is how near to the issue of a lease a pod has to have started for
// the two to coincide.
const besides = 5 * time.Second

// holderOf finds who holds a lease: by what operators say, by the paths that
// are read, and last by the moment alone.
func holderOf(l *lease.Lease, held []*secrets.Held, takers []watch.Taker) Holder {
	path := l.ID.Path()
	for _, h := range held {
		if h.Lease == string(l.ID) {
			out := Holder{Link: secrets.LinkExact, By: h.Ref(), Secret: h.Target, Restarts: h.Restarts, Workloads: takersOf(takers, h)}
			out.Renews, out.Problem = h.Due, h.Problem
			return out
		}
	}
	out := Holder{Link: secrets.LinkPathRole}
	for i := range takers {
		if takers[i].Takes.Reads(path) {
			out.Workloads = append(out.Workloads, holding(&takers[i]))
		}
	}
	for _, h := range held {
		// It holds another lease of the path by now; pods that have not
		// restarted since may still hold this one.
		if h.Path == path && h.Lease != "" {
			out.By, out.Secret = h.Ref(), h.Target
			out.Workloads = append(out.Workloads, takersOf(takers, h)...)
		}
	}
	if len(out.Workloads) > 0 || out.By != "" {
		return out
	}
	if w, ok := startedWith(l, takers); ok {
		return Holder{Link: secrets.LinkTime, Workloads: []Holding{w}}
	}
	return Holder{}
}

func holding(t *watch.Taker) Holding { return Holding{Ref: t.Ref, Pods: len(t.Pods)} }

func takersOf(takers []watch.Taker, h *secrets.Held) []Holding {
	var out []Holding
	for i := range takers {
		if t := &takers[i]; t.Namespace == h.Namespace && t.Takes.Takes(h.Target) {
			out = append(out, holding(t))
		}
	}
	return out
}

// startedWith is the one workload of which a pod started as the lease was
// issued; with several nothing is said.
func startedWith(l *lease.Lease, takers []watch.Taker) (Holding, bool) {
	if l.Issued.IsZero() || l.ID.IsToken() {
		return Holding{}, false
	}
	var found *watch.Taker
	for i := range takers {
		for _, p := range takers[i].Pods {
			if p.Started.IsZero() || p.Started.Sub(l.Issued).Abs() > besides {
				continue
			}
			if found != nil && found != &takers[i] {
				return Holding{}, false
			}
			found = &takers[i]
		}
	}
	if found == nil {
		return Holding{}, false
	}
	return holding(found), true
}
