package ledger

import (
	"strings"
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/vault/lease"
)

var now = time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)

const warn = 15 * time.Minute

func at(d time.Duration) time.Time { return now.Add(d) }

// hourly is a lease of an hour that its operator renews after two thirds.
func hourly(renewed time.Duration, change func(*secrets.Held)) *secrets.Held {
	h := &secrets.Held{
		Kind: "VaultDynamicSecret", Namespace: "shop", Name: "db", Target: "db", Lease: "database/creds/app/tail", Path: "database/creds/app",
		Renewed: at(renewed), Ends: at(renewed + time.Hour), Due: at(renewed + 40*time.Minute), Late: at(renewed + 46*time.Minute),
	}
	if change != nil {
		change(h)
	}
	return h
}

func problem(h *secrets.Held) { h.Problem = "permission denied" }

func known(leases ...lease.Lease) *book {
	b := newBook()
	for _, l := range leases {
		b.add(l)
	}
	return b
}

func lookedUp(l lease.Lease) lease.Lease {
	l.ID, l.ReadAt = "database/creds/app/tail", now
	return l
}

func TestWhatAnOperatorHolds(t *testing.T) {
	for name, c := range map[string]struct {
		held    *secrets.Held
		known   *book
		want    live.Severity
		says    []string
		ends    time.Time
		recheck time.Duration // 0 for any, -1 for never
	}{
		"renewed in time":            {held: hourly(-10*time.Minute, nil), want: live.OK, recheck: 36 * time.Minute},
		"due, not late":              {held: hourly(-42*time.Minute, nil), want: live.OK, recheck: 4 * time.Minute},
		"late":                       {held: hourly(-47*time.Minute, nil), want: live.Warn, says: []string{"credentials end at 02:28 UTC (Secret db): ", "VaultDynamicSecret shop/db was due to renew them at 02:08 UTC and has not"}, ends: at(13 * time.Minute), recheck: 10 * time.Minute},
		"late, about over":           {held: hourly(-58*time.Minute, nil), want: live.Fail, ends: at(2 * time.Minute), recheck: 2 * time.Minute},
		"over":                       {held: hourly(-61*time.Minute, nil), want: live.Fail, says: []string{"ended at 02:14 UTC"}, recheck: -1},
		"failing early":              {held: hourly(-10*time.Minute, problem), want: live.OK, recheck: 35 * time.Minute},
		"failing near the end":       {held: hourly(-50*time.Minute, problem), want: live.Warn, says: []string{"cannot renew them: permission denied"}},
		"Vault does not know it":     {held: hourly(-10*time.Minute, nil), known: known(lookedUp(lease.Lease{Gone: true})), want: live.Fail, says: []string{"no longer work", "has not noticed"}, recheck: -1},
		"Vault ends it sooner":       {held: hourly(-10*time.Minute, nil), known: known(lookedUp(lease.Lease{Issued: at(-10 * time.Minute), Expires: at(10 * time.Minute)})), want: live.Warn, says: []string{"end at 02:25 UTC", "renews them at 02:45 UTC only"}},
		"with its parent":            {held: hourly(-10*time.Minute, nil), known: withParent(lookedUp(lease.Lease{Issued: at(-10 * time.Minute), Expires: at(50 * time.Minute)}), at(5*time.Minute)), want: live.Warn, says: []string{"end at 02:20 UTC with the token that made them (Secret db): "}},
		"looked up before a renewal": {held: hourly(-10*time.Minute, nil), known: stale(), want: live.OK},
		"a certificate": {held: &secrets.Held{Kind: "VaultPKISecret", Namespace: "shop", Name: "tls", Target: "tls", Ends: at(9 * time.Minute), Due: at(-time.Minute), Late: at(-30 * time.Second)},
			want: live.Warn, says: []string{"certificate ends at 02:24 UTC (Secret tls): ", "was due to renew it at 02:14 UTC"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := c.known
			if b == nil {
				b = newBook()
			}
			e, again := b.heldEnding(c.held, now, warn)
			if e.Severity != c.want {
				t.Errorf("%s: %s", e.Severity, e.Message)
			}
			for _, s := range c.says {
				if !strings.Contains(e.Message.String(), s) {
					t.Errorf("%q does not say %q", e.Message, s)
				}
			}
			if !c.ends.IsZero() && !e.Ends.Equal(c.ends) {
				t.Errorf("ends %v, want %v", e.Ends, c.ends)
			}
			if c.recheck > 0 && !again.Equal(at(c.recheck)) || c.recheck < 0 && !again.IsZero() {
				t.Errorf("recheck %v, want in %v", again, c.recheck)
			}
		})
	}
}

func withParent(l lease.Lease, ends time.Time) *book {
	b := known(l)
	b.byID[l.ID].Parent = &lease.Parent{Name: "kubernetes-shop-vso", Expires: ends, Evidence: "token"}
	return b
}

// stale was looked up before the operator renewed.
func stale() *book {
	l := lookedUp(lease.Lease{Issued: at(-2 * time.Hour), Expires: at(time.Minute)})
	l.ReadAt = at(-30 * time.Minute)
	return known(l)
}

// TestWarningsComeByThemselves walks through the life of a lease nobody
// renews: each verdict holds until its recheck.
func TestWarningsComeByThemselves(t *testing.T) {
	h, b := hourly(0, nil), newBook()
	var got []live.Severity
	for moment := now; ; {
		e, again := b.heldEnding(h, moment, warn)
		if n := len(got); n == 0 || got[n-1] != e.Severity {
			got = append(got, e.Severity)
		}
		if again.IsZero() {
			break
		}
		if before, _ := b.heldEnding(h, again.Add(-time.Nanosecond), warn); before.Severity != e.Severity {
			t.Errorf("at %v it changes before its recheck at %v", moment, again)
		}
		moment = again
	}
	if len(got) != 3 || got[0] != live.OK || got[1] != live.Warn || got[2] != live.Fail {
		t.Errorf("severities %v", got)
	}
}

func TestALeaseOfAnInjectedPath(t *testing.T) {
	takes := &secrets.Takes{Paths: []foreign.Text{"database/creds/app"}, Once: true}
	l := lookedUp(lease.Lease{Issued: at(-50 * time.Minute), Expires: at(10 * time.Minute), Renewable: true})
	taker := &watch.Taker{Ref: k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: "api"}, Takes: takes}
	list, again := known(l).endings(taker, now, warn)
	if len(list) != 1 || list[0].Severity != live.Warn || list[0].Evidence != "path+role" || !strings.Contains(list[0].Message.String(), "nobody renews it") || again.IsZero() {
		t.Errorf("an agent that runs once: %+v, %v", list, again)
	}
	takes.Once = false
	l.LastRenewal = at(-20 * time.Minute)
	if list, _ := known(l).endings(taker, now, warn); len(list) != 0 {
		t.Errorf("an agent that renews: %+v", list)
	}
	takes.Paths = nil
	if list, _ := known(l).endings(taker, now, warn); len(list) != 0 {
		t.Errorf("another path: %+v", list)
	}
}

func TestTheBookIsBounded(t *testing.T) {
	b := newBook()
	for i := range maxKnown + 10 {
		b.add(lease.Lease{ID: lease.ID("database/creds/app/" + time.Duration(i).String())})
	}
	if len(b.byID) != maxKnown || len(b.order) != maxKnown || len(b.byPath["database/creds/app"]) != maxKnown {
		t.Errorf("%d leases, %d in order", len(b.byID), len(b.order))
	}
}
