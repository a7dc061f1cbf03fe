package config

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"midwatch/profiles/metrics"
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
	// PySpy is an image that has py-spy, sh and sleep, for an ephemeral
	// container beside one that has no profiler. There is none by default:
	// midwatch makes no node pull what nobody named.
	PySpy string `yaml:"pyspy"`
	// Requests is a counter of requests among the pod's metrics, for
	// comparisons per request: http_requests_total, or with labels,
	// http_requests_total{code="200"}. MetricsPort (a number or a name) and
	// MetricsPath say where they are; looked for when empty.
	Requests    string `yaml:"requests"`
	MetricsPort string `yaml:"metricsPort"`
	MetricsPath string `yaml:"metricsPath"`
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
	for name, port := range map[string]string{"port": r.Port, "metricsPort": r.MetricsPort} {
		if n, err := strconv.Atoi(port); err == nil && (n < 1 || n > 65535) {
			return fmt.Errorf("%s %q: want 1 to 65535, or the name of a port", name, port)
		}
	}
	if strings.ContainsAny(r.PySpy, " \t\n'\"") {
		return fmt.Errorf("pyspy %q: want an image", r.PySpy)
	}
	if _, err := metrics.Parse(r.Requests); r.Requests != "" && err != nil {
		return fmt.Errorf("requests: %w", err)
	}
	for name, p := range map[string]string{"prefix": r.Prefix, "memory": r.Memory, "metricsPath": r.MetricsPath} {
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
