package ledger

import (
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/secrets"
	"midwatch/vault/lease"
)

func taker(name string, takes secrets.Takes, started ...time.Time) watch.Taker {
	t := watch.Taker{Ref: k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: name}, Takes: &takes}
	for _, s := range started {
		t.Pods = append(t.Pods, watch.PodStart{Name: name + "-x", Started: s})
	}
	return t
}

func TestWhoHoldsALease(t *testing.T) {
	held := []*secrets.Held{hourly(-10*time.Minute, nil)}
	takers := []watch.Taker{
		taker("api", secrets.Takes{Secrets: []string{"db"}}, at(-time.Hour), at(-time.Hour)),
		taker("jobs", secrets.Takes{Paths: []foreign.Text{"database/creds/jobs"}}, at(-2*time.Hour)),
		taker("mail", secrets.Takes{Paths: []foreign.Text{"database/creds/jobs"}}, at(-3*time.Hour)),
		taker("cron", secrets.Takes{}, at(-30*time.Minute)),
	}
	takers = append(takers, taker("other", secrets.Takes{Secrets: []string{"db"}}))
	takers[4].Namespace = "elsewhere" // the same name of a Secret in another namespace
	for name, c := range map[string]struct {
		lease lease.Lease
		link  secrets.Link
		text  foreign.Text
	}{
		"an operator says so":                {lease.Lease{ID: "database/creds/app/tail"}, secrets.LinkExact, "Deployment shop/api"},
		"the operator has another by now":    {lease.Lease{ID: "database/creds/app/older"}, secrets.LinkPathRole, "Deployment shop/api"},
		"two read the path":                  {lease.Lease{ID: "database/creds/jobs/tail"}, secrets.LinkPathRole, "one of 2, such as Deployment shop/jobs"},
		"a pod started at that moment":       {lease.Lease{ID: "database/creds/cron/tail", Issued: at(-30*time.Minute + 3*time.Second)}, secrets.LinkTime, "Deployment shop/cron"},
		"a token of that moment":             {lease.Lease{ID: "auth/kubernetes/login/htail", Issued: at(-30 * time.Minute)}, secrets.LinkUnknown, ""},
		"nobody":                             {lease.Lease{ID: "database/creds/cron/tail", Issued: at(-20 * time.Minute)}, secrets.LinkUnknown, ""},
		"several pods of one at that moment": {lease.Lease{ID: "database/creds/x/tail", Issued: at(-time.Hour)}, secrets.LinkTime, "Deployment shop/api"},
	} {
		t.Run(name, func(t *testing.T) {
			h := holderOf(&c.lease, held, takers)
			if h.Evidence() != c.link || h.Text() != c.text {
				t.Errorf("got %s by %s", h.Text(), h.Evidence())
			}
		})
	}
	plan := holderOf(&lease.Lease{ID: "database/creds/app/tail"}, held, takers)
	p := plan.Plan()
	if !p.Proven || len(p.Who) != 1 || p.Who[0] != "Deployment shop/api (2 pods)" || p.By != "VaultDynamicSecret shop/db" || !p.Renews.Equal(held[0].Due) {
		t.Errorf("as a plan names it: %+v", p)
	}
}

func TestTwoWorkloadsOfOneMomentAreNobody(t *testing.T) {
	takers := []watch.Taker{taker("a", secrets.Takes{}, at(0)), taker("b", secrets.Takes{}, at(time.Second))}
	if h := holderOf(&lease.Lease{ID: "database/creds/x/tail", Issued: now}, nil, takers); h.Text() != "" {
		t.Errorf("got %s", h.Text())
	}
}

func TestParents(t *testing.T) {
	known, without := hourly(0, func(h *secrets.Held) { h.Client = clientOf("accessor-1") }), hourly(0, func(h *secrets.Held) { h.Client, h.Auth, h.Name = "x", "vault-auth", "two" })
	held := []*secrets.Held{known, without}
	byClient := map[string]string{clientOf("accessor-1"): "accessor-1", clientOf("accessor-2"): "accessor-2"}
	if ask, ns := search(held[:1], byClient, []string{"accessor-1", "accessor-2"}); len(ask) != 1 || len(ns) != 0 {
		t.Errorf("a login that is named: looks %v up, logins of %v", ask, ns)
	}
	ask, ns := search(held, byClient, []string{"accessor-1", "accessor-2"})
	if len(ask) != 2 || len(ns) != 1 || ns[0] != "shop" {
		t.Errorf("one that is not: looks %v up, logins of %v", ask, ns)
	}
	tokens := []lease.Token{
		{Accessor: "accessor-1", Name: "kubernetes-shop-vso", Expires: at(time.Hour)},
		{Accessor: "accessor-2", Name: "kubernetes-shop-db", Expires: at(time.Minute), Account: "db", AccountNamespace: "shop"},
	}
	auths := []secrets.Auth{{Namespace: "shop", Name: "vault-auth", Account: "db"}}
	found := parentsOf(held, byClient, tokens, auths)
	if p := found[known.Client]; p == nil || p.Evidence != "token" || !p.Expires.Equal(at(time.Hour)) {
		t.Errorf("by its accessor: %+v", p)
	}
	if p := found["x"]; p == nil || p.Evidence != "service account" || !p.Expires.Equal(at(time.Minute)) {
		t.Errorf("by its service account: %+v", p)
	}
	tokens = append(tokens, lease.Token{Accessor: "accessor-3", Account: "db", AccountNamespace: "shop"})
	if p := parentsOf(held, byClient, tokens, auths)["x"]; p != nil {
		t.Errorf("two tokens of one service account: %+v", p)
	}
}
