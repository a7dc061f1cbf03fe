package vaulttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/vault"
	"midwatch/vault/kv"
	"midwatch/vault/lease"
)

func issue(t *testing.T) lease.ID {
	t.Helper()
	id, _, _, err := shared.vault.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lease.ID(id)
}

func TestADatabaseLeaseIsRenewedAndItsNewEndShown(t *testing.T) {
	s := connect(t, "oncall")
	id := issue(t)
	before, err := s.Leases.Lookup(t.Context(), id)
	if err != nil || before[0].Role == nil || before[0].Role.Database != "pg" || before[0].Max != 2*time.Hour {
		t.Fatalf("looked up %+v, %v", before, err)
	}
	p, err := s.Renew.PlanRenew(t.Context(), id, 90*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.carryOut(t, p, action.Confirmation{})
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.Leases.Lookup(t.Context(), id)
	if err != nil || !after[0].Expires.After(before[0].Expires.Add(25*time.Minute)) || after[0].LastRenewal.IsZero() {
		t.Errorf("after renewing: %+v, %v", after, err)
	}
	if want := after[0].Expires.Format(time.DateTime); !strings.Contains(text, want) {
		t.Errorf("shown %q, want the new end %s", text, want)
	}
	raw, err := os.ReadFile(s.path)
	if err != nil || !strings.Contains(string(raw), `"verb":"renew"`) {
		t.Errorf("journal %s, %v", raw, err)
	}
}

func TestOneLeaseIsRevoked(t *testing.T) {
	s := connect(t, "oncall")
	id, other := issue(t), issue(t)
	p, err := s.Renew.PlanRevoke(t.Context(), id, lease.Holders{})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.carryOut(t, p, action.Confirmation{Typed: id.Short()}); err != nil || text != "the lease is gone" {
		t.Errorf("%q, %v", text, err)
	}
	left, err := s.Leases.Lookup(t.Context(), id, other)
	if err != nil || !left[0].Gone || left[1].Gone {
		t.Errorf("left %+v, %v", left, err)
	}
}

func TestRevokingWithoutTheDatabaseMakesALeaseIrrevocable(t *testing.T) {
	s := connect(t, "oncall")
	id := issue(t)
	if err := shared.pg.Stop(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := shared.pg.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}()
	p, err := s.Renew.PlanRevoke(t.Context(), id, lease.Holders{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.carryOut(t, p, action.Confirmation{Typed: id.Short()})
	if !errors.Is(err, action.ErrUnverified) || !strings.Contains(err.Error(), "irrevocable") {
		t.Fatalf("the effect: %v", err)
	}
	stuck, err := s.Leases.Irrevocable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range stuck {
		if stuck[i].ID == id {
			v := lease.Assess(&stuck[i], time.Now(), time.Minute)
			if v.State != lease.Irrevocable || !strings.Contains(stuck[i].Error.String(), "connect") {
				t.Errorf("judged %+v, error %q", v, stuck[i].Error)
			}
		}
	}
	token, err := shared.vault.Token(t.Context(), time.Hour, "oncall")
	if err != nil {
		t.Fatal(err)
	}
	r := midwatch(t, asToken(token), "secrets", "leases", "-o", "json")
	var doc struct {
		Leases []struct{ ID, State, Error string }
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || r.code != 1 {
		t.Fatalf("exit %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	found := false
	for _, l := range doc.Leases {
		found = found || l.ID == string(id) && l.State == "irrevocable" && strings.Contains(l.Error, "connect")
	}
	if !found {
		t.Errorf("midwatch secrets leases does not show it: %s", r.out)
	}
}

func TestWithTheDefaultPolicyAlone(t *testing.T) {
	s := connect(t)
	if missing := s.Status.Caps.Missing(); len(missing) != 5 {
		t.Errorf("missing %v", missing)
	}
	id := issue(t)
	got, err := s.Leases.Lookup(t.Context(), id)
	if err != nil || got[0].Err != nil || !got[0].Renewable {
		t.Fatalf("look-up: %+v, %v", got, err)
	}
	p, err := s.Renew.PlanRenew(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.carryOut(t, p, action.Confirmation{}); err != nil {
		t.Errorf("renewing: %v", err)
	}
	for what, try := range map[string]func() error{
		vault.RightListLeases.HCL():                                   func() error { _, err := s.Leases.List(t.Context(), "database/creds/app/"); return err },
		vault.RightIrrevocable.HCL():                                  func() error { _, err := s.Leases.Irrevocable(t.Context()); return err },
		`path "secret/metadata/*" { capabilities = ["read"] }`:        func() error { _, err := s.KV.Meta(t.Context(), fastapi); return err },
		`path "secret/metadata/*" { capabilities = ["list"] }`:        func() error { _, err := s.KV.List(t.Context(), "secret", ""); return err },
		`path "secret/subkeys/*" { capabilities = ["read"] }`:         func() error { _, err := s.KV.Keys(t.Context(), fastapi, 0); return err },
		`path "sys/leases/revoke" { capabilities = ["update"] }`:      func() error { return s.tryRevoke(t, id) },
		`path "secret/data/*" { capabilities = ["read"] }`:            func() error { _, err := s.KV.Reveal(t.Context(), fastapi, 0, kv.Key{"jwt_secret"}); return err },
		`path "sys/metrics" { capabilities = ["read"] }`:              func() error { _, err := s.Client.Counts(t.Context()); return err },
		`path "database/roles/*" { capabilities = ["read", "list"] }`: func() error { _, err := s.Leases.Role(t.Context(), "database", "app"); return err },
		`path "sys/leases/count" { capabilities = ["read"] }`:         func() error { _, err := s.Leases.CountIrrevocable(t.Context()); return err },
	} {
		var failed *vault.Error
		if err := try(); !errors.As(err, &failed) || failed.Kind != vault.KindForbidden || !strings.Contains(failed.Next(), what) {
			t.Errorf("want the line %s, got %v", what, err)
		}
	}
	r := midwatch(t, asTokenOf(t), "secrets", "leases", string(id))
	if r.code != 0 || !strings.Contains(r.out, "healthy") {
		t.Errorf("midwatch secrets leases ID: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

func asTokenOf(t *testing.T, policies ...string) []string {
	t.Helper()
	token, err := shared.vault.Token(t.Context(), time.Hour, policies...)
	if err != nil {
		t.Fatal(err)
	}
	return asToken(token)
}

func (s *session) tryRevoke(t *testing.T, id lease.ID) error {
	t.Helper()
	p, err := s.Renew.PlanRevoke(t.Context(), id, lease.Holders{})
	if err != nil {
		return err
	}
	_, err = s.gate.Run(t.Context(), p, action.Confirmation{Typed: id.Short()})
	return err
}

func TestTheTokenEndsInMidSession(t *testing.T) {
	token, err := shared.vault.Token(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := connectAs(t, token)
	if err := shared.vault.Do(t.Context(), token, "POST", "/v1/auth/token/revoke-self", nil, nil); err != nil {
		t.Fatal(err)
	}
	_, err = s.Leases.List(t.Context(), "")
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindBadToken || !strings.Contains(failed.Next(), "vault login") {
		t.Errorf("got %v", err)
	}
}

func TestSealed(t *testing.T) {
	v := shared.vault
	if err := v.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := v.Unseal(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}()
	r := midwatch(t, asToken(canary), "secrets", "leases")
	if r.code != 2 || !strings.Contains(r.err, "is sealed") || !strings.Contains(r.err, "vault operator unseal") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	noCanary(t, "the failure", r.out+r.err)
}

func TestLogins(t *testing.T) {
	ctx, v := t.Context(), shared.vault
	err := errors.Join(
		v.Write(ctx, "sys/auth/userpass", map[string]string{"type": "userpass"}),
		v.Write(ctx, "auth/userpass/users/ada", map[string]any{"password": canary, "token_policies": []string{"oncall"}}),
		v.Write(ctx, "sys/auth/team/approle", map[string]string{"type": "approle"}),
		v.Write(ctx, "auth/team/approle/role/mw", map[string]any{"token_policies": []string{"oncall"}}),
		v.Write(ctx, "auth/team/approle/role/mw/role-id", map[string]any{"role_id": "mw-role"}),
		v.Write(ctx, "auth/team/approle/role/mw/custom-secret-id", map[string]any{"secret_id": canary}),
	)
	if err != nil {
		t.Fatal(err)
	}
	for method, lines := range map[string]string{
		"userpass": "{method: userpass, username: ada, secret: {env: MW_SECRET}, address: %q}",
		"approle":  "{method: approle, mount: team/approle, roleID: mw-role, secret: {env: MW_SECRET}, address: %q}",
	} {
		t.Run(method, func(t *testing.T) {
			file := t.TempDir() + "/config.yaml"
			if err := os.WriteFile(file, []byte("vault: "+fmt.Sprintf(lines, v.Addr)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			from := len(audited(t, 0))
			r := midwatch(t, []string{"MIDWATCH_CONFIG=" + file, "MW_SECRET=" + canary}, "secrets", "leases", "-o", "json", "database/creds/app/")
			if r.code > 1 || !strings.Contains(r.out, `"oncall"`) {
				t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
			}
			noCanary(t, "the output", r.out+r.err)
			entries := audited(t, from)
			if last := entries[len(entries)-1]; last.Path != "auth/token/revoke-self" {
				t.Errorf("the last request is %s %s: the token it made lives on", last.Operation, last.Path)
			}
		})
	}
}
