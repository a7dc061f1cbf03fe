package app

import (
	"midwatch/k8s"
	"midwatch/secrets/ledger"
	"midwatch/ui/kvpane"
	"midwatch/ui/leasespane"
	"midwatch/ui/pane"
	"midwatch/vault/desk"
)

// vaultDesk is the session's way to Vault, or none.
func (d Deps) vaultDesk() *desk.Desk {
	if d.Session == nil {
		return nil
	}
	return d.Session.Vault
}

// leases knows who holds a lease; nil without a session.
func (d Deps) leases() *ledger.Ledger {
	if d.Session == nil {
		return nil
	}
	return d.Session.Leases
}

func newLeases(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane {
	return leasespane.New(id, d.vaultDesk(), d.leases())
}

func newKV(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane {
	return kvpane.New(id, d.vaultDesk())
}
