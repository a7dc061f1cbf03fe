package config

import "midwatch/secret"

// TokenVariables are the environment variables that the settings name as
// holding a credential. Children need none of them.
func (c *Config) TokenVariables() []string {
	refs := []secret.Ref{c.Vault.Token, c.Vault.Secret}
	for _, f := range c.Flags {
		refs = append(refs, f.Token, f.SDKKey)
	}
	var names []string
	for _, r := range refs {
		if r.Env != "" {
			names = append(names, r.Env)
		}
	}
	return names
}
