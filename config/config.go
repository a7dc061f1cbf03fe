// Package config reads midwatch's settings: a YAML file, then environment
// variables over it; command-line flags come last and are applied by cli.
// The result is one validated value; nothing reads the environment later.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Config is everything a user can set.
type Config struct {
	// Theme is auto, dark, light or none (attributes only).
	Theme string `yaml:"theme"`
	// ASCII draws borders and signs without Unicode; it is also chosen when
	// the locale is not UTF-8.
	ASCII bool `yaml:"ascii"`
	// SlowLink gathers events for 250 ms instead of 100 ms a frame; it is
	// also chosen in an SSH session.
	SlowLink bool `yaml:"slowLink"`
	// Protected are patterns (path.Match) of context names whose writes ask
	// for one more level of confirmation.
	Protected []string `yaml:"protected"`
	// Journal is the file every write is recorded in.
	Journal string `yaml:"journal"`
	// Namespaces are offered in the picker when listing them is forbidden.
	Namespaces []string `yaml:"namespaces"`
	// Flags are the places feature flags come from.
	Flags []FlagProvider `yaml:"flags"`
	// Vault is where leases and secrets are read from.
	Vault Vault `yaml:"vault"`
	// Profiles say where pods serve profiles that midwatch does not find.
	Profiles []ProfileRule `yaml:"profiles"`
	// FlagUse says which flags a workload uses.
	FlagUse FlagUse `yaml:"flagUse"`
	// Experiments are where self-hosted experiments are defined.
	Experiments []ExperimentPlace `yaml:"experiments"`
}

// Env is the process environment, as os.LookupEnv gives it.
type Env func(name string) (string, bool)

// Default is what holds when nothing is set.
func Default(env Env) Config {
	return Config{
		Theme:     "auto",
		Protected: []string{"*prod*"},
		Journal:   filepath.Join(stateDir(env), "journal.jsonl"),
		FlagUse:   DefaultFlagUse(),
	}
}

// Path is where the file is looked for: $MIDWATCH_CONFIG, else
// $XDG_CONFIG_HOME/midwatch/config.yaml, else ~/.config/midwatch/config.yaml.
func Path(env Env) string {
	if p, ok := env("MIDWATCH_CONFIG"); ok && p != "" {
		return p
	}
	return filepath.Join(xdg(env, "XDG_CONFIG_HOME", ".config"), "config.yaml")
}

func stateDir(env Env) string { return xdg(env, "XDG_STATE_HOME", ".local/state") }

func xdg(env Env, name, fallback string) string {
	if dir, ok := env(name); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "midwatch")
	}
	home, _ := env("HOME")
	if home == "" {
		home = os.TempDir()
	}
	return filepath.Join(home, fallback, "midwatch")
}

// Load reads the file at [Path] (a missing file is no error unless
// MIDWATCH_CONFIG named it) and the environment over it.
func Load(env Env) (Config, error) {
	c := Default(env)
	path := Path(env)
	raw, err := os.ReadFile(path)
	_, named := env("MIDWATCH_CONFIG")
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
	case err != nil:
		return c, fmt.Errorf("read the settings: %w", err)
	default:
		if err := c.parse(raw); err != nil {
			return c, fmt.Errorf("settings in %s: %w", path, err)
		}
	}
	c.environment(env)
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("settings in %s: %w", path, err)
	}
	return c, nil
}

func (c *Config) parse(raw []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		var typed *yaml.TypeError
		if errors.As(err, &typed) {
			return errors.New(strings.Join(typed.Errors, "; "))
		}
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return nil
}

func (c *Config) environment(env Env) {
	if v, ok := env("NO_COLOR"); ok && v != "" {
		c.Theme = "none"
	}
	if v, ok := env("MIDWATCH_THEME"); ok && v != "" {
		c.Theme = v
	}
	if v, ok := env("MIDWATCH_ASCII"); ok && v != "" && v != "0" {
		c.ASCII = true
	}
	if v, ok := env("MIDWATCH_JOURNAL"); ok && v != "" {
		c.Journal = v
	}
	if v, ok := env("SSH_TTY"); ok && v != "" {
		c.SlowLink = true
	}
	if !utf8Locale(env) {
		c.ASCII = true
	}
}

// utf8Locale follows setlocale(3): LC_ALL, then LC_CTYPE, then LANG. With none
// of them set the terminal is taken to be a modern one.
func utf8Locale(env Env) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v, ok := env(name); ok && v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// Validate says what is wrong with the settings.
func (c *Config) Validate() error {
	switch c.Theme {
	case "auto", "dark", "light", "none":
	default:
		return fmt.Errorf("theme %q: want auto, dark, light or none", c.Theme)
	}
	for _, p := range c.Protected {
		if _, err := filepath.Match(p, "x"); err != nil {
			return fmt.Errorf("protected %q: %w", p, err)
		}
	}
	if err := validateFlags(c.Flags); err != nil {
		return err
	}
	if err := c.Vault.validate(); err != nil {
		return err
	}
	if err := validateProfiles(c.Profiles); err != nil {
		return err
	}
	if err := errors.Join(c.FlagUse.validate(), validateExperiments(c.Experiments)); err != nil {
		return err
	}
	if c.Journal == "" {
		return errors.New("journal: want a file; a write without a record is refused")
	}
	return nil
}
