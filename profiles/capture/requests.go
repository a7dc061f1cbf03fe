package capture

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/profiles"
	"midwatch/profiles/metrics"
)

// Requests is how many requests a pod served while it was looked at.
type Requests struct {
	// Count is 0 when it is not known; Why says then why.
	Count float64
	// Metric is what was read.
	Metric string
	Why    string
}

// DefaultMetrics is where metrics are served by convention.
const DefaultMetrics = "/metrics"

// nextMetric says how a comparison per request gets its numbers.
const nextMetric = "profiles.requests in the settings names a counter, as http_requests_total"

// counting reads a counter at both ends of a capture.
type counting struct {
	taker    *Taker
	target   Target
	place    Endpoint
	path     string
	metric   string
	selector metrics.Selector

	before metrics.Reading
	at     time.Time
	why    string
}

// count begins to count the requests of a timed capture, if a metric is named.
func (t *Taker) count(ctx context.Context, target Target, pod *corev1.Pod, req Request) *counting {
	rule := matching(pod, owner(target), t.o.Rules)
	metric := cmp.Or(req.Metric, rule.Requests)
	c := &counting{taker: t, target: target, metric: metric}
	if metric == "" {
		c.why = "no metric is named: " + nextMetric
		return c
	}
	if req.Lasts() == 0 {
		c.why = "a snapshot looks at no span of time"
		return c
	}
	var err error
	if c.selector, err = metrics.Parse(metric); err != nil {
		c.why = err.Error()
		return c
	}
	places := metricsPlaces(pod, rule)
	if len(places) == 0 {
		c.why = "the pod says nowhere where its metrics are: profiles.metricsPort in the settings"
		return c
	}
	c.place = places[0]
	c.path = "/" + strings.TrimPrefix(cmp.Or(rule.MetricsPath, pod.Annotations["prometheus.io/path"], DefaultMetrics), "/")
	c.before, c.at = c.read(ctx), t.o.Clock.Now()
	return c
}

// metricsPlaces lists ports that may serve metrics, the likeliest first.
func metricsPlaces(pod *corev1.Pod, rule Rule) []Endpoint {
	c := &candidates{pod: pod, rule: rule}
	if rule.MetricsPort != "" {
		c.add(Endpoint{Port: c.number(rule.MetricsPort), From: "settings"})
	}
	c.add(Endpoint{Port: c.number(pod.Annotations["prometheus.io/port"]), From: "annotation prometheus.io/port"})
	c.named("metrics port", func(n string) bool { return n == "metrics" || n == "http-metrics" || strings.HasSuffix(n, "-metrics") })
	c.named("declared port", func(n string) bool { return strings.HasPrefix(n, "http") })
	c.named("declared port", func(string) bool { return true })
	return c.all
}

// read reads the counter once; what goes wrong is kept in why.
func (c *counting) read(ctx context.Context) metrics.Reading {
	ctx, cancel := context.WithTimeoutCause(ctx, indexWithin, errLate)
	defer cancel()
	client := c.taker.client(c.target.Pod, c.place)
	defer client.CloseIdleConnections()
	code, body, err := getUpTo(ctx, client, c.place, c.path, nil, mostMetrics)
	switch {
	case err != nil:
		c.why = cmp.Or(c.why, connection(ctx, err).Why)
	case code != 200:
		c.why = cmp.Or(c.why, fmt.Sprintf("port %d answers %d to %s", c.place.Port, code, c.path))
	default:
		return c.selector.Read(string(body))
	}
	return metrics.Reading{}
}

// mostMetrics bounds a page of metrics.
const mostMetrics = 8 << 20

// end reads it again and notes in the profile how many requests there were.
func (c *counting) end(ctx context.Context, p *profiles.Profile) Requests {
	r := c.ended(ctx)
	if r.Count > 0 {
		p.SetRequests(r.Count, r.Metric)
	}
	return r
}

func (c *counting) ended(ctx context.Context) Requests {
	r := Requests{Metric: c.metric}
	if c.why == "" {
		after := c.read(ctx)
		if c.why == "" {
			n, err := metrics.Between(c.before, after, c.taker.o.Clock.Now().Sub(c.at).Seconds())
			if err == nil {
				r.Count = n
				return r
			}
			c.why = err.Error()
		}
	}
	r.Why = foreign.CleanN(c.why, 200).String()
	if c.metric != "" {
		r.Why = foreign.CleanN(fmt.Sprintf("%s of pod %s: %s", c.metric, c.target.Pod.Name, c.why), 300).String()
	}
	return r
}
