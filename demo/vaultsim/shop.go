package vaultsim

import (
	"errors"
	"time"
)

const day = 24 * time.Hour

// Shop is the demo's Vault: the databases of a small shop with leases in every
// state, and its secrets with a history. The token may do what an engineer on
// call may.
func Shop(seed uint64, now func() time.Time) (s *Server, token string) {
	s = New(Options{Seed: seed, Now: now})
	s.shopTokens()
	s.shopLeases()
	s.shopSecrets()
	return s, demoToken
}

const demoToken = "demo-oncall-token"

// oncallPolicy is the policy docs/SECRETS.md asks for.
func oncallPolicy() Policy {
	return Policy{
		"sys/leases/lookup/*": {"list", "sudo"}, "sys/leases/count": {"read"}, "sys/leases": {"read", "sudo"}, "sys/metrics": {"read"},
		"sys/leases/revoke": {"update"}, "database/roles/*": {"read", "list"},
		"secret/metadata/*": {"read", "list"}, "secret/subkeys/*": {"read"}, "secret/data/*": {"read", "create", "update"},
		"secret/undelete/*": {"update"}, "secret/delete/*": {"update"},
	}
}

func (s *Server) shopTokens() {
	s.AddPolicy("oncall", oncallPolicy())
	now := s.clock()
	s.AddToken(Token{ID: demoToken, Name: "oidc-oncall", Policies: []string{"default", "oncall"}, Issued: now.Add(-40 * time.Minute), Expires: now.Add(7*time.Hour + 20*time.Minute)})
	s.AddMount("auth/kubernetes/", Mount{Type: "kubernetes", Description: "workloads of the cluster"})
	s.AddMount("auth/oidc/", Mount{Type: "oidc", Description: "engineers"})
}

func postgres(name string, ttl, longest time.Duration) Role {
	return Role{
		Database: name, Default: ttl, Max: longest,
		Creation: `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE ` + name,
	}
}

func (s *Server) shopLeases() {
	s.AddMount("database/", Mount{Type: "database", Description: "PostgreSQL of the shop"})
	s.AddRole("database", "fastapi", postgres("shop", time.Hour, day))
	s.AddRole("database", "checkout", postgres("shop", time.Hour, day))
	s.AddRole("database", "payments-api", postgres("payments", 30*time.Minute, 8*time.Hour))
	reports := postgres("shop", 45*time.Minute, 2*time.Hour)
	s.AddRole("database", "reports", reports)
	ledger := postgres("payments", 20*time.Minute, 20*time.Minute)
	ledger.NotRenewable = true
	s.AddRole("database", "ledger-backup", ledger)
	legacy := postgres("legacy", 12*time.Hour, day)
	legacy.Revoke = func() error {
		return errors.New("failed to revoke entry: resp: (*logical.Response)(nil) err: unable to delete user: failed to connect to `user=vault database=legacy`: dial tcp 10.0.3.14:5432: connect: connection refused")
	}
	s.AddRole("database", "legacy-export", legacy)

	// Three replicas of one service share a lease by way of its Secret; two
	// services that read by themselves have one a pod.
	s.Issue("database", "fastapi", IssueOptions{Age: 9*time.Hour + 12*time.Minute, Client: true})
	s.Issue("database", "checkout", IssueOptions{Age: 3*time.Hour + 31*time.Minute, Client: true})
	for _, age := range []time.Duration{25 * time.Minute, 26 * time.Minute, 28 * time.Minute} {
		s.Issue("database", "payments-api", IssueOptions{Age: age, Client: true})
	}
	s.Issue("database", "reports", IssueOptions{Age: 37 * time.Minute})
	s.Issue("database", "ledger-backup", IssueOptions{Age: 8 * time.Minute})
	s.Issue("database", "legacy-export", IssueOptions{Age: 13 * time.Hour})
}

func (s *Server) shopSecrets() {
	s.AddMount("secret/", Mount{Type: "kv", Version: "2", Description: "static secrets"})
	eso, ci := "kubernetes-external-secrets-eso", "oidc-ci-deploy"
	s.Write("secret", "services/fastapi", ci, 33*day, map[string]any{"database_url": "postgresql://fastapi:demo-value-1@pg.shop:5432/shop", "jwt_secret": "demo-value-2"})
	s.Write("secret", "services/fastapi", "oidc-maria", 9*day, map[string]any{"database_url": "postgresql://fastapi:demo-value-3@pg.shop:5432/shop", "jwt_secret": "demo-value-2", "sentry_dsn": "https://demo-value-4@sentry.example/3"})
	s.Write("secret", "services/fastapi", "oidc-maria", 26*time.Minute, map[string]any{"database_url": "postgresql://fastapi:demo-value-5@pg.shop:5432/shop", "jwt_secret": "demo-value-6"})
	s.SetCustom("secret", "services/fastapi", map[string]string{"owner": "storefront", "rotation": "quarterly", "ticket": "OPS-4121"})
	s.Write("secret", "services/checkout", ci, 19*day, map[string]any{"database_url": "postgresql://checkout:demo-value-7@pg.shop:5432/shop"})
	s.Write("secret", "services/payments-api", ci, 30*day, map[string]any{"stripe_api_key": "demo-value-8", "database_url": "demo-value-9"})
	s.Write("secret", "services/payments-api", "oidc-jonas", 2*day, map[string]any{"stripe_api_key": "demo-value-10", "database_url": "demo-value-9", "limits": map[string]any{"daily": 25000, "hold": true}})
	s.Delete("secret", "services/payments-api", "oidc-jonas", 1, day, true)
	s.Write("secret", "services/webhook-relay", ci, 61*day, map[string]any{"signing_key": "demo-value-11"})
	s.Delete("secret", "services/webhook-relay", eso, 1, 50*time.Minute, false)
	s.Write("secret", "platform/grafana", ci, 120*day, map[string]any{"admin_password": "demo-value-12"})
}
