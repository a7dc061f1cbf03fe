package watch

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/secrets"
)

// Taker is one workload with what it takes secrets by.
type Taker struct {
	k8s.Ref
	Takes *secrets.Takes
	// Held are what operators' objects hold for Secrets it takes; only for
	// judging.
	Held []*secrets.Held
	// Pods are its pods as far as they are known, with when they started.
	Pods []PodStart
}

// PodStart is when a pod started.
type PodStart struct {
	Name    string
	Started time.Time
}

// Judge says which credentials of a workload end without being renewed, the
// worst first, and when that changes by itself. It must not block.
type Judge func(t *Taker, now time.Time) (endings []k8s.Ending, recheck time.Time)

// heldBy reduces an object of the Vault Secrets Operator. One that holds
// nothing yet has a row all the same: it is counted.
func heldBy(o runtime.Object) (*secrets.Held, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("read %T where an object of the Vault Secrets Operator was asked for", o)
	}
	return secrets.HeldBy(u), nil
}

func heldKey(h *secrets.Held) string { return h.Namespace + "/" + h.Target }

func (w *world) heldArrived(h *secrets.Held) {
	if h == nil {
		return
	}
	w.heldFor[heldKey(h)] = append(w.heldFor[heldKey(h)], h)
	w.touchTakers(h)
}

func (w *world) heldLeft(h *secrets.Held) {
	if h == nil {
		return
	}
	key := heldKey(h)
	w.heldFor[key] = slices.DeleteFunc(w.heldFor[key], func(x *secrets.Held) bool { return x == h })
	if len(w.heldFor[key]) == 0 {
		delete(w.heldFor, key)
	}
	w.touchTakers(h)
}

// touchTakers marks the workloads that take the Secret.
func (w *world) touchTakers(h *secrets.Held) {
	for _, e := range w.objects {
		if e.object.Namespace == h.Namespace && e.object.Takes.Takes(h.Target) {
			w.touch(e)
		}
	}
}

// heldOf are what operators hold for a workload; the caller holds the lock.
func (w *world) heldOf(ns string, t *secrets.Takes) []*secrets.Held {
	if t == nil || len(w.heldFor) == 0 {
		return nil
	}
	var list []*secrets.Held
	for _, name := range t.Secrets {
		list = append(list, w.heldFor[ns+"/"+name]...)
	}
	return list
}

// Held are all leases and certificates that operators' objects of the scope
// say they hold, what ends next first.
// Their times are by our clock.
func (s *Session) Held() []*secrets.Held {
	w := s.current().world
	skew := s.skew()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*secrets.Held
	for _, list := range w.heldFor {
		all = append(all, list...)
	}
	if skew != 0 {
		for i := range all {
			all[i] = all[i].Shifted(-skew)
		}
	}
	slices.SortFunc(all, func(a, b *secrets.Held) int {
		return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.Ref(), b.Ref()))
	})
	return all
}

// Takers are the workloads of the scope with what they take secrets by, by
// namespace and name.
func (s *Session) Takers() []Taker {
	w := s.current().world
	skew := s.skew()
	w.mu.Lock()
	defer w.mu.Unlock()
	guesses := &setGuesses{world: w}
	list := make([]Taker, 0, len(w.objects))
	for _, e := range w.objects {
		t := Taker{Ref: e.object.Ref, Takes: e.object.Takes}
		for _, p := range w.podsFor(e, guesses) {
			t.Pods = append(t.Pods, PodStart{Name: p.Name, Started: byOurs(p.Started, skew)})
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b Taker) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Rejudge judges the workloads that take secrets again, because more is known
// of these than before.
func (s *Session) Rejudge() {
	w := s.current().world
	w.mu.Lock()
	for _, e := range w.objects {
		if t := e.object.Takes; t != nil && len(t.Secrets)+len(t.Paths) > 0 {
			w.touch(e)
		}
	}
	w.mu.Unlock()
	s.dirty(TopicBoard, TopicWorkload)
}

// credentials adds to a row which of its credentials end. now is by the
// cluster's clock, as the times of its objects are; endings are judged, and
// shown, by ours.
func (w *world) credentials(row *k8s.Workload, t *Taker, now time.Time, skew time.Duration) {
	if w.endings == nil || t.Takes == nil {
		return
	}
	if skew != 0 {
		ours := make([]*secrets.Held, len(t.Held))
		for i, h := range t.Held {
			ours[i] = h.Shifted(-skew)
		}
		t.Held = ours
	}
	endings, recheck := w.endings(t, now.Add(-skew))
	row.Verdict.Recheck = sooner(row.Verdict.Recheck, byOurs(recheck, -skew))
	if len(endings) > 0 {
		tellEndings(row, endings, skew)
	}
}

// tellEndings makes a verdict that is not worse already one about the worst of
// the endings; another one says it last.
func tellEndings(row *k8s.Workload, endings []k8s.Ending, skew time.Duration) {
	row.Endings = endings
	v, worst := &row.Verdict, &endings[0]
	for i := range endings {
		e := &endings[i]
		ref := e.Renewer
		if ref == "" {
			ref = row.String()
		}
		v.Evidence = append(slices.Clip(v.Evidence), live.Evidence{Kind: "lease", Ref: ref, At: byOurs(e.Since, -skew), Text: e.Message})
	}
	if v.Severity.Rank() <= min(worst.Severity.Rank(), live.Warn.Rank()) {
		v.Message = foreign.Clean(v.Message.String() + "; " + worst.Message.String())
		return
	}
	text := worst.Message.String()
	if v.Message != "" && v.Phase != k8s.PhaseDone {
		text += "; " + v.Message.String()
	}
	v.Severity, v.Reason, v.Since, v.Message = worst.Severity, k8s.ReasonEnds, byOurs(worst.Since, -skew), foreign.Clean(text)
}

// held tells that what operators hold may have changed.
func (s *Session) held(resource string) {
	if s.opts.OnHeld != nil && (resource == dynamicName || resource == pkiName) {
		s.opts.OnHeld()
	}
}
