package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"midwatch/secret"
)

// FlagProvider is one place feature flags come from.
type FlagProvider struct {
	// Name is what the screen calls it; the type when not given.
	Name string `yaml:"name"`
	// Type is launchdarkly, unleash, ofrep or file.
	Type string `yaml:"type"`
	// Address is the server's. LaunchDarkly's is https://app.launchdarkly.com
	// when not given.
	Address string `yaml:"address"`
	// Stream is where applications get LaunchDarkly's flags from, when that
	// is a Relay Proxy; for Unleash the Edge or proxy that pods use.
	Stream string `yaml:"stream"`
	// Poll asks LaunchDarkly every so often instead of holding a stream.
	Poll time.Duration `yaml:"poll"`
	// File is the flag file, for type file.
	File string `yaml:"file"`
	// Project and Environment are keys: Unleash's project is "default" when
	// not given.
	Project     string `yaml:"project"`
	Environment string `yaml:"environment"`
	// Token is for management: a LaunchDarkly access token, an Unleash admin
	// or personal access token, an OFREP bearer token.
	Token secret.Ref `yaml:"token"`
	// SDKKey is for reading as an application does: LaunchDarkly's SDK key
	// (found out with Token when not given), an Unleash backend token.
	SDKKey secret.Ref `yaml:"sdkKey"`
	// DryRun asks LaunchDarkly to try a change before it is made. It is on for
	// LaunchDarkly's own addresses, off for others, which may not know it.
	DryRun *bool `yaml:"dryRun"`
	// CAFile is a PEM file of authorities to trust beside the system's.
	CAFile string `yaml:"caFile"`
}

// The types of flag providers.
const (
	FlagsLaunchDarkly = "launchdarkly"
	FlagsUnleash      = "unleash"
	FlagsOFREP        = "ofrep"
	FlagsFile         = "file"
)

// validateFlags checks each provider and fills in what follows from the type.
func validateFlags(all []FlagProvider) error {
	seen := map[string]bool{}
	for i := range all {
		p := &all[i]
		if p.Name == "" {
			p.Name = p.Type
		}
		if err := p.validate(); err != nil {
			return fmt.Errorf("flags: provider %d (%s): %w", i+1, p.Name, err)
		}
		if seen[p.Name] {
			return fmt.Errorf("flags: two providers are named %q: give each a name", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

func (p *FlagProvider) validate() error {
	types := []string{FlagsLaunchDarkly, FlagsUnleash, FlagsOFREP, FlagsFile}
	if !slices.Contains(types, p.Type) {
		return fmt.Errorf("type %q: want %s", p.Type, strings.Join(types, ", "))
	}
	if err := p.Token.Validate(); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if err := p.SDKKey.Validate(); err != nil {
		return fmt.Errorf("sdkKey: %w", err)
	}
	p.defaults()
	for _, address := range []*string{&p.Address, &p.Stream} {
		if err := checkAddress(address); err != nil {
			return err
		}
	}
	return p.complete()
}

func (p *FlagProvider) defaults() {
	switch p.Type {
	case FlagsLaunchDarkly:
		if p.Address == "" {
			p.Address = "https://app.launchdarkly.com"
		}
	case FlagsUnleash:
		if p.Project == "" {
			p.Project = "default"
		}
	}
}

// complete says what is missing for the type.
func (p *FlagProvider) complete() error {
	missing := func(field, why string) error { return fmt.Errorf("%s is missing: %s", field, why) }
	switch {
	case p.Type == FlagsFile && p.File == "":
		return missing("file", "the flag file to read")
	case p.Type == FlagsFile:
		return nil
	case p.Address == "":
		return missing("address", "the server's, such as https://flags.example.com")
	case p.Type == FlagsOFREP:
		return nil
	case p.Type == FlagsUnleash && p.Token.IsZero():
		return missing("token", "an Unleash personal access token, as token: {env: UNLEASH_TOKEN}")
	case p.Type == FlagsLaunchDarkly && p.Token.IsZero() && p.SDKKey.IsZero():
		return missing("token", "a LaunchDarkly access token as token: {env: LD_TOKEN}, or an sdkKey to only evaluate")
	case p.Type == FlagsLaunchDarkly && !p.Token.IsZero() && p.Project == "":
		return missing("project", "the key of a LaunchDarkly project")
	case p.Environment == "":
		return missing("environment", `the key of the environment to look at first, such as "production"`)
	case p.Poll != 0 && p.Poll < 30*time.Second:
		return errors.New("poll: want 30s or more, which is LaunchDarkly's own floor")
	}
	return nil
}

// checkAddress accepts http and https without anything that could carry a
// credential, and cuts a slash at the end off.
func checkAddress(address *string) error {
	if *address == "" {
		return nil
	}
	u, err := url.Parse(*address)
	switch {
	case err != nil:
		return errors.New("address: not a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("address: want http:// or https:// and a host")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return errors.New("address: want no user, password, query or fragment in it: a token goes into token")
	}
	*address = strings.TrimSuffix(*address, "/")
	return nil
}
