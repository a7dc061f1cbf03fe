package demo

import "midwatch/demo/vaultsim"

// Vault is the Vault of a context and a token for it; nil when the context has
// none.
func (w *World) Vault(context string) (server *vaultsim.Server, token string) {
	if context != Context {
		return nil, ""
	}
	return w.vault, w.vaultToken
}
