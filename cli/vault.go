package cli

import (
	"midwatch/cli/session"
	"midwatch/config"
	"midwatch/demo"
)

// vaultSource is where sessions find their Vault: the environment and the
// settings, or the embedded world.
func (a *invocation) vaultSource(settings config.Config, shop *demo.World) session.VaultSource {
	src := session.VaultSource{}
	if shop != nil {
		src = session.DemoVault(shop)
	}
	src.Env, src.File = a.env, settings.Vault
	return src
}
