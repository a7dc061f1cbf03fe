package session

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/action"
	"midwatch/config"
	"midwatch/flags"
	"midwatch/flags/experiment/source"
	"midwatch/flags/file"
	"midwatch/flags/flagwatch"
	"midwatch/flags/launchdarkly"
	"midwatch/flags/ofrep"
	"midwatch/flags/toggle"
	"midwatch/flags/unleash"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/ui/app"
)

// FlagSettings say where flags and experiments come from.
type FlagSettings struct {
	Providers   []config.FlagProvider
	Use         config.FlagUse
	Experiments []config.ExperimentPlace
	// Env is the environment that tokens are read from.
	Env config.Env
	// Embedded opens further providers for a context: those of the embedded
	// world.
	Embedded EmbeddedFlags
}

// EmbeddedFlags opens the flag providers of a context of the embedded world.
type EmbeddedFlags func(ctx context.Context, context string, planner *toggle.Planner) ([]flags.Provider, error)

// OnlyEmbedded are the settings of the embedded world: its own flags, and the
// ConfigMap its experiments are defined in.
func OnlyEmbedded(open EmbeddedFlags, experiments string) FlagSettings {
	return FlagSettings{Use: config.DefaultFlagUse(), Embedded: open, Experiments: []config.ExperimentPlace{{ConfigMap: experiments}}}
}

// flags opens the session's providers. One that cannot be opened is on the
// screen with the reason; it keeps nothing else from starting.
func (o *Opener) flags(cluster *connect.Cluster, hub *live.Hub, lock *action.Lock) app.Flags {
	s := o.Flags
	var out app.Flags
	if len(s.Experiments) > 0 {
		out.Experiments = &source.Reader{Cluster: cluster, Places: places(s.Experiments)}
	}
	if len(s.Providers) == 0 && s.Embedded == nil {
		return out
	}
	ctx := context.Background() // the providers end with the session's Close
	watch := flagwatch.Options{Hub: hub, Clock: o.Clock, Usage: usage(s.Use, cluster)}
	planner := &toggle.Planner{Lock: lock, Clock: o.Clock}
	for i := range s.Providers {
		p := &s.Providers[i]
		opened, err := OpenFlagProvider(ctx, p, s.Env, lock, o.Clock)
		if err != nil {
			watch.Failed = append(watch.Failed, flagwatch.Failed{Name: p.Name, Type: p.Type, Why: foreign.CleanN(err.Error(), 400)})
			continue
		}
		watch.Providers = append(watch.Providers, opened)
	}
	if s.Embedded != nil {
		opened, err := s.Embedded(ctx, cluster.Context, planner)
		if err != nil {
			watch.Failed = append(watch.Failed, flagwatch.Failed{Name: "demo", Why: foreign.CleanN(err.Error(), 400)})
		}
		watch.Providers = append(watch.Providers, opened...)
	}
	out.Watch = flagwatch.Start(ctx, watch)
	return out
}

// OpenFlagProvider opens one provider of the settings. Tokens are read here
// and nowhere else; they go into the provider and never into an error.
func OpenFlagProvider(ctx context.Context, p *config.FlagProvider, env config.Env, lock *action.Lock, clock live.Clock) (flags.Provider, error) {
	switch p.Type {
	case config.FlagsFile:
		environments, err := fileEnvironments(p)
		if err != nil {
			return nil, err
		}
		return file.New(ctx, file.Options{Name: p.Name, Environments: environments, Clock: clock, Planner: &toggle.Planner{Lock: lock, Clock: clock}})
	case config.FlagsUnleash:
		token, key, err := tokens(p, env)
		if err != nil {
			return nil, err
		}
		return unleash.New(unleash.Options{
			Name: p.Name, Address: p.Address, Project: p.Project, Environment: p.Environment, Edge: p.Stream,
			Token: token, SDKKey: key, TokenFrom: p.Token.String(), SDKKeyFrom: p.SDKKey.String(), CAFile: p.CAFile, Lock: lock, Clock: clock, Interval: p.Poll,
		})
	case config.FlagsLaunchDarkly:
		token, key, err := tokens(p, env)
		if err != nil {
			return nil, err
		}
		return launchdarkly.New(launchdarkly.Options{
			Name: p.Name, Address: p.Address, Project: p.Project, Environment: p.Environment, Stream: p.Stream, Poll: p.Poll,
			Token: token, SDKKey: key, TokenFrom: p.Token.String(), SDKKeyFrom: p.SDKKey.String(), DryRun: p.DryRun, CAFile: p.CAFile, Lock: lock, Clock: clock,
		})
	}
	token, _, err := tokens(p, env)
	if err != nil {
		return nil, err
	}
	return ofrep.New(ofrep.Options{
		Name: p.Name, Address: p.Address, Environment: p.Environment, Token: token, TokenFrom: p.Token.String(), CAFile: p.CAFile, Lock: lock, Clock: clock, Interval: p.Poll,
	})
}

// tokens reads the tokens that the settings name.
func tokens(p *config.FlagProvider, env config.Env) (token, key secret.Value, err error) {
	if !p.Token.IsZero() {
		if token, err = p.Token.Read(env); err != nil {
			return token, key, fmt.Errorf("flag provider %s: token: %w", p.Name, err)
		}
	}
	if !p.SDKKey.IsZero() {
		if key, err = p.SDKKey.Read(env); err != nil {
			return token, key, fmt.Errorf("flag provider %s: sdkKey: %w", p.Name, err)
		}
	}
	return token, key, nil
}

// environmentMark in a file's name stands for the environment's key.
const environmentMark = "{environment}"

// fileEnvironments are one file, or one for each environment where the name
// says {environment}.
func fileEnvironments(p *config.FlagProvider) ([]file.Environment, error) {
	if !strings.Contains(p.File, environmentMark) {
		key := p.Environment
		if key == "" {
			key = "default"
		}
		return []file.Environment{fileEnvironment(key, p.File)}, nil
	}
	before, after, _ := strings.Cut(p.File, environmentMark)
	paths, err := filepath.Glob(before + "*" + after)
	if err != nil {
		return nil, fmt.Errorf("flag files %s: %w", p.File, err)
	}
	var out []file.Environment
	for _, path := range paths {
		key := strings.TrimSuffix(strings.TrimPrefix(path, before), after)
		e := fileEnvironment(key, path)
		if key == p.Environment {
			out = append([]file.Environment{e}, out...)
		} else {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("flag files %s: there is none", p.File)
	}
	return out, nil
}

// fileEnvironment takes an environment for production by its name: a file
// says nothing about itself.
func fileEnvironment(key, path string) file.Environment {
	lower := strings.ToLower(key)
	return file.Environment{
		Environment: flags.Environment{Key: foreign.CleanN(key, 80).String(), Production: strings.HasPrefix(lower, "prod") || lower == "live"},
		Store:       file.Disk(path),
	}
}

func places(list []config.ExperimentPlace) []source.Place {
	out := make([]source.Place, len(list))
	for i, p := range list {
		ns, name := p.Place()
		out[i] = source.Place{Namespace: ns, ConfigMap: name, Key: p.Key, File: p.File}
	}
	return out
}

func usage(u config.FlagUse, cluster *connect.Cluster) *flagwatch.Usage {
	out := &flagwatch.Usage{Annotation: u.Annotation, Tags: u.Tags}
	for _, m := range u.Workloads {
		out.Mappings = append(out.Mappings, flagwatch.Mapping{Workload: m.Workload, Flags: m.Flags})
	}
	if cluster != nil {
		out.Read = func(ctx context.Context, ref k8s.Ref) (flagwatch.Meta, error) { return readMeta(ctx, cluster, ref) }
	}
	return out
}

// readMeta reads a workload's labels and annotations, its pods' template's
// included.
func readMeta(ctx context.Context, cluster *connect.Cluster, ref k8s.Ref) (flagwatch.Meta, error) {
	gvr, ok := workloadResources()[ref.Kind]
	if !ok {
		return flagwatch.Meta{}, nil
	}
	u, err := cluster.Dynamic().Resource(gvr).Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return flagwatch.Meta{}, fmt.Errorf("read %s: %s", ref, connect.Explain(err).Line())
	}
	meta := flagwatch.Meta{Labels: map[string]string{}, Annotations: map[string]string{}}
	for _, path := range [][]string{{"spec", "template", "metadata"}, {"metadata"}} { // the workload's own go before
		labels, _, _ := unstructured.NestedStringMap(u.Object, append(path, "labels")...)
		annotations, _, _ := unstructured.NestedStringMap(u.Object, append(path, "annotations")...)
		for k, v := range labels {
			meta.Labels[k] = v
		}
		for k, v := range annotations {
			meta.Annotations[k] = v
		}
	}
	return meta, nil
}

func workloadResources() map[string]schema.GroupVersionResource {
	apps := func(resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}
	}
	return map[string]schema.GroupVersionResource{
		k8s.Deployment: apps("deployments"), k8s.StatefulSet: apps("statefulsets"), k8s.DaemonSet: apps("daemonsets"),
		k8s.Rollout: {Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"},
	}
}
