package config

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// FlagUse says which flags the workloads of the cluster use, so that the
// selected workload's come first.
type FlagUse struct {
	// Annotation of a workload, or of its pods' template, lists keys or
	// patterns with commas between. It is midwatch/flags when not given.
	Annotation string `yaml:"annotation"`
	// Tags by which a flag names a workload: {name}, {namespace} and
	// {label:KEY} stand for the workload's. When not given a flag with the tag
	// service:NAME or app:NAME belongs to the workload of that name.
	Tags []string `yaml:"tags"`
	// Workloads are a mapping written down by hand.
	Workloads []FlagMapping `yaml:"workloads"`
}

// FlagMapping is one line of a mapping.
type FlagMapping struct {
	// Workload is a pattern (path.Match) of NAMESPACE/NAME.
	Workload string `yaml:"workload"`
	// Flags are keys or patterns of them.
	Flags []string `yaml:"flags"`
}

// ExperimentPlace is where definitions of self-hosted experiments are kept.
type ExperimentPlace struct {
	// ConfigMap is NAMESPACE/NAME, or NAME in the workload's namespace. Key is
	// one of its keys; all are read when it is not given.
	ConfigMap string `yaml:"configMap"`
	Key       string `yaml:"key"`
	// File is a file on this machine.
	File string `yaml:"file"`
}

// Place splits the ConfigMap's name.
func (p ExperimentPlace) Place() (namespace, name string) {
	if ns, name, ok := strings.Cut(p.ConfigMap, "/"); ok {
		return ns, name
	}
	return "", p.ConfigMap
}

// DefaultFlagUse is what holds when the settings say nothing.
func DefaultFlagUse() FlagUse {
	return FlagUse{Annotation: "midwatch/flags", Tags: []string{"service:{name}", "app:{name}"}}
}

func (u *FlagUse) validate() error {
	for i, m := range u.Workloads {
		switch _, err := path.Match(m.Workload, "x/y"); {
		case err != nil || m.Workload == "":
			return fmt.Errorf("flagUse: workloads %d: %q: want a pattern such as shop/checkout or shop/*", i+1, m.Workload)
		case !strings.Contains(m.Workload, "/"):
			return fmt.Errorf("flagUse: workloads %d: %q: want NAMESPACE/NAME", i+1, m.Workload)
		case len(m.Flags) == 0:
			return fmt.Errorf("flagUse: workloads %d: %s has no flags", i+1, m.Workload)
		}
		for _, f := range m.Flags {
			if _, err := path.Match(f, "x"); err != nil {
				return fmt.Errorf("flagUse: workloads %d: flag %q: %w", i+1, f, err)
			}
		}
	}
	for _, t := range u.Tags {
		if t == "" {
			return errors.New("flagUse: tags: an empty one would match nothing")
		}
	}
	return nil
}

func validateExperiments(all []ExperimentPlace) error {
	for i, p := range all {
		switch {
		case (p.ConfigMap == "") == (p.File == ""):
			return fmt.Errorf("experiments: place %d: want either configMap: NAMESPACE/NAME or file", i+1)
		case p.File != "" && p.Key != "":
			return fmt.Errorf("experiments: place %d: key belongs to a configMap", i+1)
		case strings.Count(p.ConfigMap, "/") > 1:
			return fmt.Errorf("experiments: place %d: configMap %q: want NAMESPACE/NAME", i+1, p.ConfigMap)
		}
	}
	return nil
}
