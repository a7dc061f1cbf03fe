package cli

import (
	"midwatch/cli/session"
	"midwatch/config"
	"midwatch/demo"
)

// flagSettings say where feature flags come from: the settings file, or the
// embedded world. Its own flags are all that the demo shows.
func (a *invocation) flagSettings(settings config.Config) session.FlagSettings {
	if a.shop != nil {
		return session.OnlyEmbedded(a.shop.Flags, demo.ExperimentsMap)
	}
	return session.FlagSettings{Providers: settings.Flags, Use: settings.FlagUse, Experiments: settings.Experiments, Env: a.env}
}
