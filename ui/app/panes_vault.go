package app

import (
	"midwatch/k8s"
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

func newLeases(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane {
	return leasespane.New(id, d.vaultDesk())
}

func newKV(id pane.ID, d Deps, _ k8s.Ref, _ string) pane.Pane {
	return kvpane.New(id, d.vaultDesk())
}
