package session

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/labels"

	"midwatch/action"
	"midwatch/config"
	"midwatch/k8s/connect"
	"midwatch/profiles/capture"
	"midwatch/ui/app"
)

// profiles makes what takes profiles from pods.
func (o *Opener) profiles(cluster *connect.Cluster, gate *action.Gate) *capture.Taker {
	return capture.New(capture.Options{
		Cluster: cluster, Context: cluster.Context, Clock: o.Clock, Journal: gate, Rules: o.ProfileRules,
	})
}

// ProfileRules reads the settings' rules, with the keys that they name. env is
// os.LookupEnv.
func ProfileRules(settings []config.ProfileRule, env config.Env) ([]capture.Rule, error) {
	var out []capture.Rule
	for i, s := range settings {
		r := capture.Rule{Match: s.Match, Port: s.Port, Prefix: s.Prefix, Memory: s.Memory, HTTPS: s.HTTPS, SkipVerify: s.SkipVerify}
		if s.Selector != "" {
			selector, err := labels.Parse(s.Selector)
			if err != nil {
				return nil, fmt.Errorf("settings: profiles: rule %d: selector %q: %w", i+1, s.Selector, err)
			}
			r.Selector = selector
		}
		key, err := s.Key.Read(env)
		if err != nil {
			return nil, fmt.Errorf("settings: profiles: rule %d: key: %w", i+1, err)
		}
		if !key.Empty() {
			r.Header = http.Header{}
			if s.Header == "" {
				r.Header.Set("Authorization", "Bearer "+key.Reveal())
			} else {
				r.Header.Set(s.Header, key.Reveal())
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// Profiler opens a cluster for profiles alone, without reading what is in it.
// done closes it.
func (o *Opener) Profiler(ctx context.Context, where app.Where) (t *capture.Taker, namespace string, done func(), err error) {
	lock := action.NewLock(o.Clock, where.Context, "")
	opts := connect.Options{
		Context: where.Context, Clock: o.Clock, UserAgent: o.UserAgent,
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return action.Transport(next, lock, action.Kubernetes())
		},
	}
	if len(where.Namespaces) > 0 {
		opts.Namespace = where.Namespaces[0]
	}
	cluster, err := o.Source.Open(ctx, opts)
	if err != nil {
		return nil, "", nil, err
	}
	gate := action.NewGate(lock, o.Journal, o.Clock, cluster.User())
	return o.profiles(cluster, gate), cluster.Namespace, cluster.Close, nil
}
