package lease_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/foreign"
	"midwatch/vault"
	"midwatch/vault/lease"
)

func TestLookup(t *testing.T) {
	w := newWorld(t, "root", nil)
	id := lease.ID(w.sim.Issue("database", "app", vaultsim.IssueOptions{Age: 10 * time.Minute}))
	got, err := w.reader.Lookup(t.Context(), id, "database/creds/app/gone")
	if err != nil {
		t.Fatal(err)
	}
	l := got[0]
	switch {
	case !l.Expires.Equal(begin.Add(50 * time.Minute)), !l.Issued.Equal(begin.Add(-10 * time.Minute)), !l.Renewable, !l.LastRenewal.IsZero():
		t.Errorf("got %+v", l)
	case l.Role == nil || l.Role.Database != "pg" || l.Max != 2*time.Hour || !strings.Contains(l.Role.Creation.String(), "CREATE ROLE"):
		t.Errorf("role %+v, max %v", l.Role, l.Max)
	case !got[1].Gone, got[1].Err != nil:
		t.Errorf("between the listing and the look-up a lease may go: %+v", got[1])
	}
}

func TestLookupWithTheDefaultPolicyAlone(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := lease.ID(w.sim.Issue("database", "app", vaultsim.IssueOptions{}))
	got, err := w.reader.Lookup(t.Context(), id)
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got[0].Err)
	}
	if got[0].Max != 0 || got[0].Role != nil {
		t.Errorf("the role cannot be read, and yet: %+v", got[0])
	}
	_, err = w.reader.List(t.Context(), "database/creds/app/")
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindForbidden || !strings.Contains(failed.Next(), `"list", "sudo"`) {
		t.Errorf("list: %v", err)
	}
}

func TestTimesAreOfThisClock(t *testing.T) {
	w := newWorld(t, "root", nil)
	w.sim.SetSkew(10 * time.Minute)
	id := lease.ID(w.sim.Issue("database", "app", vaultsim.IssueOptions{}))
	got, err := lease.NewReader(w.client, 10*time.Minute).Lookup(t.Context(), id)
	if err != nil || !got[0].Expires.Equal(begin.Add(time.Hour)) {
		t.Errorf("ends %v, %v", got[0].Expires, err)
	}
}

func TestListAndSample(t *testing.T) {
	w := newWorld(t, "root", nil)
	for range 300 {
		w.sim.Issue("database", "app", vaultsim.IssueOptions{})
	}
	top, err := w.reader.List(t.Context(), "")
	if err != nil || len(top.Folders) != 1 || top.Folders[0] != "database/" || len(top.Leases) != 0 {
		t.Fatalf("top %+v, %v", top, err)
	}
	all, err := w.reader.List(t.Context(), "database/creds/app/")
	if err != nil || all.Total != 300 || !strings.HasPrefix(string(all.Leases[0]), "database/creds/app/") {
		t.Fatalf("total %d, %v", all.Total, err)
	}
	sample, err := w.reader.Sample(t.Context(), all, 40, 7)
	if err != nil || len(sample) != 40 {
		t.Fatal(len(sample), err)
	}
	roles := 0
	for _, r := range w.sim.Requests() {
		if strings.HasPrefix(r.Path, "database/roles/") {
			roles++
		}
	}
	if roles != 1 {
		t.Errorf("the role was read %d times", roles)
	}
	if _, peak := w.client.Traffic(); peak > vault.MaxInFlight {
		t.Errorf("%d in flight", peak)
	}
	empty, err := w.reader.List(t.Context(), "nothing/")
	if err != nil || empty.Total != 0 {
		t.Errorf("an empty level: %+v, %v", empty, err)
	}
}

func TestIrrevocable(t *testing.T) {
	w := newWorld(t, "root", nil)
	w.sim.Issue("database", "app", vaultsim.IssueOptions{Err: "connection refused\x1b[31m"})
	got, err := w.reader.Irrevocable(t.Context())
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Error.String(), "connection refused") || strings.Contains(got[0].Error.String(), "\x1b") {
		t.Errorf("got %+v, %v", got, err)
	}
	if n, err := w.reader.CountIrrevocable(t.Context()); err != nil || n != 1 {
		t.Errorf("count %d, %v", n, err)
	}
}

func TestRenewShowsTheNewEnd(t *testing.T) {
	w := newWorld(t, "root", nil)
	id := lease.ID(w.sim.Issue("database", "app", vaultsim.IssueOptions{Age: 45 * time.Minute}))
	p, err := w.plans.PlanRenew(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	if p.Equivalent != "vault lease renew "+string(id) || p.Danger != action.DangerEnter {
		t.Errorf("plan %+v", p)
	}
	text, err := w.run(t, p, action.Confirmation{})
	if err != nil || !strings.Contains(text, "03:15:0") || !strings.Contains(text, "in 1h0m0s") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestRenewAtTheMaximumSaysSo(t *testing.T) {
	w := newWorld(t, "root", nil)
	w.sim.AddRole("database", "short", vaultsim.Role{Default: time.Hour, Max: time.Hour})
	id := lease.ID(w.sim.Issue("database", "short", vaultsim.IssueOptions{Age: 45 * time.Minute}))
	p, err := w.plans.PlanRenew(t.Context(), id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(p.Warnings, " "), "will not move its end") {
		t.Errorf("warnings %q", p.Warnings)
	}
	text, err := w.run(t, p, action.Confirmation{})
	if err != nil || !strings.Contains(text, "did not move") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestWhatCannotBeRenewed(t *testing.T) {
	w := newWorld(t, "root", nil)
	w.sim.AddRole("database", "once", vaultsim.Role{Default: time.Hour, NotRenewable: true})
	id := lease.ID(w.sim.Issue("database", "once", vaultsim.IssueOptions{}))
	if _, err := w.plans.PlanRenew(t.Context(), id, 0); err == nil || !strings.Contains(err.Error(), "cannot be renewed") {
		t.Errorf("got %v", err)
	}
	if _, err := w.plans.PlanRenew(t.Context(), "database/creds/app/none", 0); !errors.Is(err, lease.ErrGone) {
		t.Errorf("got %v", err)
	}
}

func TestRevokeOne(t *testing.T) {
	w := newWorld(t, "root", nil)
	id := lease.ID(w.sim.Issue("database", "app", vaultsim.IssueOptions{}))
	other := lease.ID(w.sim.Issue("database", "app", vaultsim.IssueOptions{}))
	p, err := w.plans.PlanRevoke(t.Context(), id, lease.Holders{Who: []foreign.Text{"Deployment shop/api (3 pods)"}, Proven: true})
	if err != nil {
		t.Fatal(err)
	}
	if p.Danger != action.DangerReason || !strings.Contains(p.Blast, "Deployment shop/api (3 pods)") || !strings.Contains(p.Blast, "drops the user") {
		t.Errorf("plan %+v", p)
	}
	if _, err := w.gate.Run(t.Context(), p, action.Confirmation{Typed: "wrong", Reason: "x"}); !errors.Is(err, action.ErrUnconfirmed) {
		t.Errorf("a wrong name: %v", err)
	}
	text, err := w.run(t, p, action.Confirmation{Typed: id.Short(), Reason: "leaked"})
	if err != nil || text != "the lease is gone" {
		t.Errorf("%q, %v", text, err)
	}
	left, err := w.reader.Lookup(t.Context(), id, other)
	if err != nil || !left[0].Gone || left[1].Gone {
		t.Errorf("after revoking one: %+v, %v", left, err)
	}
}

func TestRevokeThatBecomesIrrevocable(t *testing.T) {
	w := newWorld(t, "root", nil)
	w.sim.AddRole("database", "down", vaultsim.Role{Default: time.Hour, Revoke: func() error { return errors.New("dial tcp 10.0.3.14:5432: connect: connection refused") }})
	id := lease.ID(w.sim.Issue("database", "down", vaultsim.IssueOptions{}))
	p, err := w.plans.PlanRevoke(t.Context(), id, lease.Holders{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.run(t, p, action.Confirmation{Typed: id.Short()})
	if !errors.Is(err, action.ErrUnverified) || !strings.Contains(err.Error(), "irrevocable") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestALeaseThatWentBeforeItWasRevoked(t *testing.T) {
	w := newWorld(t, "root", nil)
	id := lease.ID(w.sim.Issue("database", "app", vaultsim.IssueOptions{}))
	p, err := w.plans.PlanRevoke(t.Context(), id, lease.Holders{})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2 * time.Hour)
	before := len(w.sim.Requests())
	if _, err := w.gate.Run(t.Context(), p, action.Confirmation{Typed: id.Short()}); !errors.Is(err, action.ErrChanged) {
		t.Errorf("got %v", err)
	}
	for _, r := range w.sim.Requests()[before:] {
		if r.Path == "sys/leases/revoke" {
			t.Error("it was revoked all the same")
		}
	}
}

// failing answers one path with a status.
type failing struct {
	next   http.RoundTripper
	path   string
	status int
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, f.path) {
		return f.next.RoundTrip(r)
	}
	return &http.Response{StatusCode: f.status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestALookupThatFailsIsAResult(t *testing.T) {
	w := newWorld(t, "root", func(next http.RoundTripper) http.RoundTripper {
		return failing{next, "sys/leases/lookup", http.StatusTooManyRequests}
	})
	got, err := w.reader.Lookup(t.Context(), "a/b", "c/d")
	var failed *vault.Error
	if err != nil || !errors.As(got[1].Err, &failed) || failed.Kind != vault.KindRateLimited {
		t.Errorf("got %+v, %v", got, err)
	}
	if v := lease.Assess(&got[0], begin, time.Minute); v.State != lease.Unreadable {
		t.Errorf("judged %s", v.State)
	}
}
