package config

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"midwatch/secret"
)

// ProfileRule says where some pods serve profiles. The first rule that
// matches a pod holds.
type ProfileRule struct {
	// Match is a pattern (path.Match) of namespace/workload; empty for all.
	Match string `yaml:"match"`
	// Selector is a label selector of the pods, as kubectl's -l.
	Selector string `yaml:"selector"`
	// Port is a number or the name of a container's port; empty leaves
	// midwatch to look for it.
	Port string `yaml:"port"`
	// Prefix is where net/http/pprof is mounted; /debug/pprof when empty.
	Prefix string `yaml:"prefix"`
	// Memory is the path of a tracemalloc endpoint; /debug/memory when empty.
	Memory string `yaml:"memory"`
	// HTTPS asks by TLS; SkipVerify then accepts any certificate.
	HTTPS      bool `yaml:"https"`
	SkipVerify bool `yaml:"skipVerify"`
	// Header and Key go with every request: api-key, or Authorization with
	// "Bearer " before the key when Header is empty.
	Header string     `yaml:"header"`
	Key    secret.Ref `yaml:"key"`
}

func validateProfiles(rules []ProfileRule) error {
	for i, r := range rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("profiles: rule %d: %w", i+1, err)
		}
	}
	return nil
}

func (r ProfileRule) validate() error {
	if _, err := path.Match(r.Match, "x/y"); err != nil {
		return fmt.Errorf("match %q: %w", r.Match, err)
	}
	if n, err := strconv.Atoi(r.Port); err == nil && (n < 1 || n > 65535) {
		return fmt.Errorf("port %q: want 1 to 65535, or the name of a port", r.Port)
	}
	for name, p := range map[string]string{"prefix": r.Prefix, "memory": r.Memory} {
		if strings.ContainsAny(p, "?# ") {
			return fmt.Errorf("%s %q: want a path", name, p)
		}
	}
	if r.SkipVerify && !r.HTTPS {
		return fmt.Errorf("skipVerify needs https")
	}
	if err := r.Key.Validate(); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return nil
}
