package cli

import (
	"os"
	"path/filepath"

	"midwatch/config"
	"midwatch/hygiene"
)

// settings reads file and environment and puts the flags over them.
func (a *invocation) settings() (config.Config, error) {
	env := a.env
	if a.configFile != "" {
		env = func(name string) (string, bool) {
			if name == "MIDWATCH_CONFIG" {
				return a.configFile, true
			}
			return a.env(name)
		}
	}
	c, err := config.Load(env)
	if err != nil {
		return c, err
	}
	if a.env, err = hygiene.Hide(a.env, os.Unsetenv, c.TokenVariables()...); err != nil {
		return c, err
	}
	if a.theme != "" {
		c.Theme = a.theme
	}
	c.ASCII = c.ASCII || a.ascii
	if a.journal != "" {
		if c.Journal, err = filepath.Abs(a.journal); err != nil {
			return c, err
		}
	}
	return c, c.Validate()
}
