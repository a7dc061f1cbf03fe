package lease

import (
	"errors"
	"strings"
	"testing"
	"time"

	"midwatch/live"
)

var now = time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)

const warn = 15 * time.Minute

func TestAssess(t *testing.T) {
	at := func(d time.Duration) time.Time { return now.Add(d) }
	for name, c := range map[string]struct {
		lease    Lease
		state    State
		severity live.Severity
		recheck  time.Duration // from now; -1 for none
	}{
		"fresh":                     {Lease{Issued: at(-time.Minute), Expires: at(59 * time.Minute), Renewable: true}, Healthy, live.OK, 39 * time.Minute},
		"renewed in time":           {Lease{Issued: at(-5 * time.Hour), LastRenewal: at(-10 * time.Minute), Expires: at(50 * time.Minute), Renewable: true, Max: 24 * time.Hour}, Healthy, live.OK, 30 * time.Minute},
		"renewal due":               {Lease{Issued: at(-5 * time.Hour), LastRenewal: at(-45 * time.Minute), Expires: at(15 * time.Minute), Renewable: true}, RenewalWindow, live.Info, 15 * time.Minute},
		"nobody renews":             {Lease{Issued: at(-37 * time.Minute), Expires: at(8 * time.Minute), Renewable: true}, NeverRenewed, live.Warn, 5 * time.Minute},
		"nobody renews, about over": {Lease{Issued: at(-43 * time.Minute), Expires: at(2 * time.Minute), Renewable: true}, NeverRenewed, live.Fail, 2 * time.Minute},
		"at its maximum":            {Lease{Issued: at(-23 * time.Hour), LastRenewal: at(-time.Minute), Expires: at(time.Hour), Renewable: true, Max: 24 * time.Hour}, PastMax, live.OK, 45 * time.Minute},
		"at its maximum, soon over": {Lease{Issued: at(-24*time.Hour + 10*time.Minute), LastRenewal: at(-time.Minute), Expires: at(10 * time.Minute), Renewable: true, Max: 24 * time.Hour}, PastMax, live.Warn, 7 * time.Minute},
		"not renewable":             {Lease{Issued: at(-time.Minute), Expires: at(time.Hour)}, NonRenewable, live.OK, 45 * time.Minute},
		"expired":                   {Lease{Issued: at(-time.Hour), Expires: at(-time.Second), Renewable: true}, Expired, live.Fail, -1},
		"irrevocable":               {Lease{Error: "connection refused"}, Irrevocable, live.Fail, -1},
		"gone":                      {Lease{Gone: true}, Gone, live.Info, -1},
		"endless":                   {Lease{Issued: at(-time.Hour)}, Endless, live.OK, -1},
		"not read":                  {Lease{Err: errors.New("forbidden")}, Unreadable, live.Unknown, -1},
		"parent ends first": {Lease{Issued: at(-time.Minute), Expires: at(time.Hour), Parent: &Parent{Name: "vso", Expires: at(5 * time.Minute), Evidence: "token"}},
			NonRenewable, live.Warn, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			v := Assess(&c.lease, now, warn)
			if v.State != c.state || v.Severity != c.severity || v.Message == "" {
				t.Errorf("got %s, %s: %s", v.State, v.Severity, v.Message)
			}
			switch {
			case c.recheck < 0 && !v.Recheck.IsZero():
				t.Errorf("recheck in %v, want none", v.Recheck.Sub(now))
			case c.recheck >= 0 && v.Recheck.Sub(now) != c.recheck:
				t.Errorf("recheck in %v, want %v", v.Recheck.Sub(now), c.recheck)
			}
			if !v.Recheck.IsZero() {
				before, after := Assess(&c.lease, v.Recheck.Add(-time.Nanosecond), warn), Assess(&c.lease, v.Recheck.Add(time.Nanosecond), warn)
				if before.State != v.State || before.Severity != v.Severity {
					t.Error("the verdict changes before its recheck")
				}
				if after.State == v.State && after.Severity == v.Severity {
					t.Error("nothing changes at the recheck")
				}
			}
		})
	}
}

func TestTheEndIsAnUpperBound(t *testing.T) {
	l := Lease{Issued: now, Expires: now.Add(time.Hour)}
	if v := Assess(&l, now, warn); v.WithParent || !strings.Contains(v.Bound, "at the latest") {
		t.Errorf("without a parent: %+v", v)
	}
	l.Parent = &Parent{Name: "vso", Expires: now.Add(30 * time.Minute), Evidence: "token"}
	if v := Assess(&l, now, warn); !v.WithParent || !v.Ends.Equal(now.Add(30*time.Minute)) || !strings.Contains(v.Bound, "vso") {
		t.Errorf("with a parent: %+v", v)
	}
}

func TestSortByEnd(t *testing.T) {
	leases := []Lease{
		{ID: "unreadable", Err: errors.New("x")}, {ID: "gone", Gone: true}, {ID: "endless"},
		{ID: "late", Expires: now.Add(time.Hour)}, {ID: "soon", Expires: now.Add(time.Minute)}, {ID: "stuck", Error: "x"},
		{ID: "parent", Expires: now.Add(time.Hour), Parent: &Parent{Expires: now.Add(time.Second)}},
	}
	SortByEnd(leases)
	var order []string
	for _, l := range leases {
		order = append(order, string(l.ID))
	}
	if got := strings.Join(order, " "); got != "stuck parent soon late endless gone unreadable" {
		t.Errorf("got %s", got)
	}
}

func TestIDs(t *testing.T) {
	id := ID("database/creds/shop-api/h3kf8sPq\x1b[31m")
	if got := id.Path(); got != "database/creds/shop-api" {
		t.Errorf("path %q", got)
	}
	if got := id.Short(); got != "h3kf8s" {
		t.Errorf("short %q", got)
	}
	if strings.Contains(id.String()+id.Tail().String(), "\x1b") {
		t.Errorf("%q is not cleaned", id.String())
	}
	if m, r, ok := id.role(); !ok || m != "database" || r != "shop-api" {
		t.Errorf("role %q %q %v", m, r, ok)
	}
	if !ID("auth/kubernetes/login/h123").IsToken() || id.IsToken() {
		t.Error("a token's lease is not told from others")
	}
}

func TestHistogramScalesASample(t *testing.T) {
	sample := []Lease{
		{Expires: now.Add(30 * time.Second)}, {Expires: now.Add(30 * time.Minute)}, {Expires: now.Add(40 * time.Minute)}, {Gone: true},
	}
	h := NewHistogram(sample, 4000, now, warn)
	got := map[string]int{}
	for _, b := range h.Buckets {
		got[b.Label] = b.Estimate
	}
	if h.Exact() || got["< 1 min"] != 1000 || got["< 1 h"] != 2000 || got["gone since"] != 1000 || h.Severity != live.Fail {
		t.Errorf("got %v, %s", got, h.Severity)
	}
	if !NewHistogram(sample, 4, now, warn).Exact() {
		t.Error("a sample of everything is exact")
	}
	if empty := NewHistogram(nil, 0, now, warn); empty.Sampled != 0 || empty.Severity != live.OK {
		t.Errorf("an empty sample: %+v", empty)
	}
}
