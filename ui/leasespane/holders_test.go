package leasespane_test

import (
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/secrets"
	"midwatch/secrets/ledger"
	"midwatch/ui/leasespane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

// cluster is where holders are known from.
type cluster struct {
	held   []*secrets.Held
	takers []watch.Taker
}

func (c *cluster) Held() []*secrets.Held { return c.held }
func (c *cluster) Takers() []watch.Taker { return c.takers }
func (c *cluster) Rejudge()              {}

func workload(name string, takes *secrets.Takes, pods ...string) watch.Taker {
	t := watch.Taker{Ref: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: name}, Takes: takes}
	for _, p := range pods {
		t.Pods = append(t.Pods, watch.PodStart{Name: p})
	}
	return t
}

// joined opens the pane where an operator holds one lease and two workloads
// read the path of others.
func joined(t testing.TB) (*panetest.Bench, *wire) { return joinedAs(t, nil) }

// joinedAs is joined with another token than the demo's.
func joinedAs(t testing.TB, as func(*vaultsim.Server) string) (*panetest.Bench, *wire) {
	sim, token := vaultsim.Shop(1, panetest.Now)
	if as != nil {
		token = as(sim)
	}
	l, _ := sim.Newest("database", "reports")
	c := &cluster{
		held: []*secrets.Held{{
			Kind: "VaultDynamicSecret", Namespace: "shop", Name: "reports-db", Target: "reports-db", Lease: l.ID, Path: "database/creds/reports",
			Renewed: l.Issued, Ends: l.Expires, Due: panetest.Now().Add(2 * time.Minute), Late: panetest.Now().Add(3 * time.Minute),
		}},
		takers: []watch.Taker{
			workload("reports", &secrets.Takes{Secrets: []string{"reports-db"}}, "reports-1", "reports-2"),
			workload("checkout", &secrets.Takes{Paths: []foreign.Text{"database/creds/checkout"}}, "checkout-1"),
			workload("cart", &secrets.Takes{Paths: []foreign.Text{"database/creds/checkout"}}, "cart-1"),
		},
	}
	w := &wire{sim: sim}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		w.bench = b
		d := newDesk(w, token)
		known := ledger.New(ledger.Options{Desk: d, Clock: clock{}})
		known.Attach(c)
		return leasespane.New(pane.Leases, d, known)
	})
	return start(b), w
}

func TestHolders(t *testing.T) {
	b, _ := joined(t)
	b.Press("a").SetFilter("reports").Press("enter").Golden("held by a workload")
	b.Boxed()
	b.Bindings()
	frame := b.Plain(160, 48)
	for _, want := range []string{"Deployment shop/reports (2 pods), evidence: exact", "VaultDynamicSecret shop/reports-db into Secret reports-db, renews it next at"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	b.Press("D")
	p := panetest.Last[pane.ConfirmMsg](b).Plan
	if p.Danger != action.DangerReason || !strings.Contains(p.Blast, "for Deployment shop/reports (2 pods)") || !strings.Contains(strings.Join(p.Warnings, " "), "notices only when it renews next") {
		t.Errorf("what revoking breaks: %q, %q", p.Blast, p.Warnings)
	}
	b.Press("esc").SetFilter("checkout").Press("enter")
	if frame := b.Plain(160, 48); !strings.Contains(frame, "may be of    Deployment shop/cart") && !strings.Contains(frame, "evidence: path+role") {
		t.Errorf("two that may hold it:\n%s", frame)
	}
	b.Press("D")
	if p := panetest.Last[pane.ConfirmMsg](b).Plan; !strings.Contains(p.Blast, "By path+role it may be that of") {
		t.Errorf("what revoking may break: %q", p.Blast)
	}
}

func TestALeaseThatWasWrittenToIsReadAgain(t *testing.T) {
	b, w := joined(t)
	b.Press("a").SetFilter("checkout").Press("D")
	target := panetest.Last[pane.ConfirmMsg](b).Plan.Target
	other := target
	other.UID += "x"
	sent := w.sent.Load()
	b.Send(pane.WroteMsg{Target: other})
	if n := w.sent.Load(); n != sent {
		t.Errorf("another lease was written to: %d requests", n-sent)
	}
	w.sim.Forget(target.UID)
	b.Send(pane.WroteMsg{Target: target})
	if frame := b.Plain(120, 40); !strings.Contains(frame, "gone") {
		t.Errorf("a lease that was revoked:\n%s", frame)
	}
	if n := w.lists.Load(); w.sent.Load() > sent+2 || n == 0 {
		t.Errorf("%d requests to read one lease", w.sent.Load()-sent)
	}
}

// TestTheDefaultPolicyShowsWhatOperatorsHold: without a right to list, the
// leases that the cluster names can be looked up, and renewed.
func TestTheDefaultPolicyShowsWhatOperatorsHold(t *testing.T) {
	b, w := joinedAs(t, func(sim *vaultsim.Server) string {
		sim.AddToken(vaultsim.Token{ID: "default-only", Name: "token-x", Policies: []string{"default"}, Expires: panetest.Now().Add(time.Hour)})
		return "default-only"
	})
	b.SetFilter("reports").Press("enter")
	frame := b.Plain(160, 48)
	for _, want := range []string{"never renewed", "Deployment shop/reports (2 pods), evidence: exact"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	b.Press("r")
	if p := panetest.Last[pane.ConfirmMsg](b).Plan; p.Verb != "renew" {
		t.Errorf("plan %+v", p)
	}
	if w.lists.Load() != 0 {
		t.Errorf("%d listings", w.lists.Load())
	}
}
