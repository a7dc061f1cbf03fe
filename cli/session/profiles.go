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

// profiles makes what takes profiles from pods. uid is the cluster's.
func (o *Opener) profiles(cluster *connect.Cluster, gate *action.Gate, uid func() string) *capture.Taker {
	return capture.New(capture.Options{
		Cluster: cluster, Context: cluster.Context, Clock: o.Clock, Journal: gate, Rules: o.ProfileRules,
		Gate: gate, ClusterUID: uid,
	})
}

// ProfileRules reads the settings' rules, with the keys that they name. env is
// os.LookupEnv.
func ProfileRules(settings []config.ProfileRule, env config.Env) ([]capture.Rule, error) {
	var out []capture.Rule
	for i, s := range settings {
		r := capture.Rule{
			Match: s.Match, Port: s.Port, Prefix: s.Prefix, Memory: s.Memory, HTTPS: s.HTTPS, SkipVerify: s.SkipVerify,
			PySpy: s.PySpy, Requests: s.Requests, MetricsPort: s.MetricsPort, MetricsPath: s.MetricsPath,
		}
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

// Profiler is a cluster opened for profiles alone, without reading what is in
// it.
type Profiler struct {
	*capture.Taker
	Gate      *action.Gate
	Namespace string
	close     func()
}

// Close ends it.
func (p *Profiler) Close() {
	p.Taker.Close()
	p.close()
}

// Profiler opens a cluster for profiles alone.
func (o *Opener) Profiler(ctx context.Context, where app.Where) (*Profiler, error) {
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
		return nil, err
	}
	lock.Bind(cluster.Context, cluster.UID())
	if o.Unlocked {
		lock.Open()
	}
	uid := func() string {
		id := cluster.UID()
		lock.Bind(cluster.Context, id)
		return id
	}
	gate := action.NewGate(lock, o.Journal, o.Clock, cluster.User(), action.ProtectContexts(o.Protected))
	return &Profiler{Taker: o.profiles(cluster, gate, uid), Gate: gate, Namespace: cluster.Namespace, close: cluster.Close}, nil
}
