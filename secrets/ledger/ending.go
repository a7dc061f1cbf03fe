package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/vault/lease"
)

// failPart is the last part of the time of warning, in which a credential that
// ends is called failing: as for leases ([lease.Assess]).
const failPart = 5

// endings judges the credentials of one workload: those of Secrets that an
// operator fills, and leases of paths that its agent reads as far as somebody
// looked at them.
func (b *book) endings(t *watch.Taker, now time.Time, warn time.Duration) (list []k8s.Ending, recheck time.Time) {
	add := func(e k8s.Ending, again time.Time) {
		if e.Severity == live.Warn || e.Severity == live.Fail {
			list = append(list, e)
		}
		if !again.IsZero() && again.After(now) && (recheck.IsZero() || again.Before(recheck)) {
			recheck = again
		}
	}
	for _, h := range t.Held {
		add(b.heldEnding(h, now, warn))
	}
	for _, path := range t.Takes.Paths {
		for _, l := range b.byPath[path] {
			add(injectedEnding(l, t.Takes, now, warn))
		}
	}
	slices.SortStableFunc(list, func(x, y k8s.Ending) int {
		return cmp.Or(cmp.Compare(x.Severity.Rank(), y.Severity.Rank()), x.Ends.Compare(y.Ends))
	})
	return list, recheck
}

// clockTime is how a moment is written in a sentence that stays true.
func clockTime(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// heldEnding judges what an operator holds. As long as the operator renews in
// time its end is no news.
func (b *book) heldEnding(h *secrets.Held, now time.Time, warn time.Duration) (k8s.Ending, time.Time) {
	e := k8s.Ending{Lease: foreign.CleanN(h.Lease, 400), Secret: h.Target, Renewer: h.Ref(), Evidence: string(secrets.LinkExact), Ends: h.Ends, Severity: live.OK}
	what, in := "credentials", " (Secret "+h.Target+")"
	if h.Lease == "" {
		what = "certificate"
	}
	l := b.current(h)
	bound := ""
	switch {
	case l == nil:
	case l.Gone:
		e.Severity, e.Ends, e.Since = live.Fail, time.Time{}, l.ReadAt
		e.Message = foreign.Clean(fmt.Sprintf("%s no longer work%s: Vault does not know their lease, and %s has not noticed", what, in, h.Ref()))
		return e, time.Time{}
	case l.Error != "":
		return e, time.Time{} // it outlives its end
	default:
		ends, withParent := l.Ends()
		if !ends.IsZero() {
			e.Ends = ends
		}
		if withParent {
			bound = " with the token that made them"
		}
	}
	why, from := unrenewed(h, e.Ends, now)
	if why == "" {
		next := h.Late
		if h.Due.After(now) && e.Ends.Before(h.Due) {
			next = e.Ends.Add(-warn)
		}
		return e, next
	}
	return judged(e, what, bound+in, why, from, now, warn)
}

// verbFor is the plural only for what is plural.
func verbFor(what, plural, singular string) string {
	if strings.HasPrefix(what, "credentials") {
		return plural
	}
	return singular
}

// unrenewed says why nobody renews what an operator holds before it ends, and
// since when that is so; "" while the operator still may.
func unrenewed(h *secrets.Held, ends, now time.Time) (why string, since time.Time) {
	them := "them"
	if h.Lease == "" {
		them = "it"
	}
	switch {
	case h.Problem != "":
		return fmt.Sprintf("%s cannot renew %s: %s", h.Ref(), them, h.Problem), time.Time{}
	case !ends.IsZero() && ends.Before(h.Due):
		return fmt.Sprintf("%s renews %s at %s only", h.Ref(), them, clockTime(h.Due)), h.Renewed
	case !now.Before(h.Late):
		return fmt.Sprintf("%s was due to renew %s at %s and has not", h.Ref(), them, clockTime(h.Due)), h.Late
	}
	return "", time.Time{}
}

// judged fills in how bad it is that something ends at e.Ends, and says so.
func judged(e k8s.Ending, what, bound, why string, from, now time.Time, warn time.Duration) (k8s.Ending, time.Time) {
	left := e.Ends.Sub(now)
	e.Since = e.Ends.Add(-warn)
	if from.After(e.Since) {
		e.Since = from
	}
	verb := verbFor(what, "end", "ends") + " at "
	if left <= 0 {
		verb, e.Since = "ended at ", e.Ends
	}
	e.Message = foreign.Clean(what + " " + verb + clockTime(e.Ends) + bound + ": " + why)
	switch {
	case left <= 0:
		e.Severity = live.Fail
		return e, time.Time{}
	case left <= warn/failPart:
		e.Severity = live.Fail
		return e, e.Ends
	case left <= warn:
		e.Severity = live.Warn
		return e, e.Ends.Add(-warn / failPart)
	}
	return e, e.Ends.Add(-warn)
}

// injectedEnding judges a lease of a path that the workload's agent reads: any
// pod with that path may hold it, so the sentence says no more.
func injectedEnding(l *lease.Lease, t *secrets.Takes, now time.Time, warn time.Duration) (k8s.Ending, time.Time) {
	e := k8s.Ending{Lease: l.ID.Text(), Evidence: string(secrets.LinkPathRole), Severity: live.OK}
	v := lease.Assess(l, now, warn)
	e.Ends = v.Ends
	what := "a lease of " + l.ID.Path().String() + ", which Vault's agent brings into its pods,"
	why := "nobody renews it: " + v.Message
	switch {
	case l.Gone || l.Err != nil || l.Error != "" || v.Ends.IsZero() || v.State == lease.Ended:
		return e, time.Time{}
	case t.Once:
		why = "nobody renews it: the agent runs only as a pod starts"
	case v.State != lease.NeverRenewed:
		return e, v.Recheck // the agent renews it, or fetches another
	}
	e, again := judged(e, what, "", why, time.Time{}, now, warn)
	if e.Severity == live.Fail {
		e.Severity = live.Warn // it may be that of a pod that is gone
	}
	return e, again
}
