package capture

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"midwatch/foreign"
)

// DefaultPrefix is where net/http/pprof is mounted.
const DefaultPrefix = "/debug/pprof/"

// DefaultPort is what Go programs use for it by convention.
const DefaultPort = 6060

// Rule is what the settings say about where some pods serve profiles.
type Rule struct {
	// Match is a pattern (path.Match) of namespace/workload; empty for all.
	Match string
	// Selector is of the pods' labels; nil for all.
	Selector labels.Selector
	// Port is a number or the name of a container's port; "" for discovery.
	Port   string
	Prefix string
	// Memory is the path of a tracemalloc endpoint.
	Memory string
	HTTPS  bool
	// SkipVerify accepts any certificate: a pod's is rarely for its name.
	SkipVerify bool
	// Header goes with every request.
	Header http.Header
	// PySpy is an image that has py-spy, for an ephemeral container; none is
	// added without.
	PySpy string
	// Requests is a counter of requests among the pod's metrics, MetricsPort
	// and MetricsPath where they are served.
	Requests    string
	MetricsPort string
	MetricsPath string
}

// Endpoint is one place where a pod may serve profiles.
type Endpoint struct {
	Port       int
	Prefix     string
	Memory     string
	HTTPS      bool
	SkipVerify bool
	Header     http.Header
	// From says why it was thought of: "port named pprof".
	From string
}

// String is "port 6060 (port named pprof)".
func (e Endpoint) String() string { return fmt.Sprintf("port %d (%s)", e.Port, e.From) }

func (e Endpoint) prefix() string {
	p := e.Prefix
	if p == "" {
		p = DefaultPrefix
	}
	return "/" + strings.Trim(p, "/") + "/"
}

// MostTried bounds how many ports of one pod are asked.
const MostTried = 5

// Annotations that say where a pod serves profiles. midwatch has its own;
// those of Grafana (Pyroscope, Alloy) and profefe are understood.
const (
	annotationPort   = "midwatch.io/profile-port"
	annotationPrefix = "midwatch.io/profile-prefix"
	annotationScheme = "midwatch.io/profile-scheme"
	grafana          = "profiles.grafana.com/"
)

// Candidates lists where a pod may serve profiles, the likeliest first: the
// settings, midwatch's annotations, Grafana's, profefe's, ports with telling
// names, the metrics port, 6060, the other ports. workload is the name of the
// pod's owner. The list is not cut; see [MostTried].
func Candidates(pod *corev1.Pod, workload string, rules []Rule) []Endpoint {
	c := &candidates{pod: pod}
	c.settings(workload, rules)
	c.annotations()
	for _, name := range []string{"pprof", "debug", "http-debug", "profiling"} {
		c.named("port named "+name, func(n string) bool { return n == name })
	}
	c.named("port named *-profiles", func(n string) bool { return strings.HasSuffix(n, "-profiles") || strings.HasSuffix(n, "-pprof") })
	c.add(Endpoint{Port: c.number(pod.Annotations["prometheus.io/port"]), From: "annotation prometheus.io/port"})
	c.named("metrics port", func(n string) bool { return n == "metrics" || n == "http-metrics" || strings.HasSuffix(n, "-metrics") })
	c.add(Endpoint{Port: DefaultPort, From: "convention"})
	c.named("declared port", func(string) bool { return true })
	return c.all
}

// matching is the first rule for the pod; the zero rule when there is none.
func matching(pod *corev1.Pod, workload string, rules []Rule) Rule {
	for _, r := range rules {
		if r.Match != "" {
			if ok, err := path.Match(r.Match, pod.Namespace+"/"+workload); err != nil || !ok {
				continue
			}
		}
		if r.Selector != nil && !r.Selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		return r
	}
	return Rule{}
}

type candidates struct {
	pod  *corev1.Pod
	rule Rule
	all  []Endpoint
}

// add takes an endpoint in, with what the settings say about all of the pod's.
func (c *candidates) add(e Endpoint) {
	if e.Port <= 0 || e.Port > 65535 || slices.ContainsFunc(c.all, func(o Endpoint) bool { return o.Port == e.Port }) {
		return
	}
	if e.Prefix == "" {
		e.Prefix = c.rule.Prefix
	}
	e.Memory, e.Header, e.SkipVerify = c.rule.Memory, c.rule.Header, c.rule.SkipVerify
	e.HTTPS = e.HTTPS || c.rule.HTTPS
	c.all = append(c.all, e)
}

func (c *candidates) settings(workload string, rules []Rule) {
	c.rule = matching(c.pod, workload, rules)
	if c.rule.Port != "" {
		c.add(Endpoint{Port: c.number(c.rule.Port), From: "settings"})
	}
}

func (c *candidates) annotations() {
	a := c.pod.Annotations
	c.add(Endpoint{Port: c.number(a[annotationPort]), Prefix: a[annotationPrefix], HTTPS: a[annotationScheme] == "https", From: "annotation " + annotationPort})
	for _, kind := range []string{"cpu", "memory", "goroutine", "block", "mutex", "fgprof"} {
		key := grafana + kind + "."
		port := a[key+"port"]
		if port == "" {
			port = a[key+"port_name"]
		}
		// path there is of one profile; the prefix is what stands before it.
		prefix, _, _ := strings.Cut(a[key+"path"], "debug/pprof")
		if prefix != "" {
			prefix += "debug/pprof"
		}
		c.add(Endpoint{Port: c.number(port), Prefix: prefix, HTTPS: a[key+"scheme"] == "https", From: "annotation " + key + "port"})
	}
	c.add(Endpoint{Port: c.number(a["profefe.com/port"]), Prefix: a["profefe.com/path"], From: "annotation profefe.com/port"})
}

// named adds the declared TCP ports whose name fits.
func (c *candidates) named(why string, fits func(string) bool) {
	for i := range c.pod.Spec.Containers {
		for _, p := range c.pod.Spec.Containers[i].Ports {
			if (p.Protocol == corev1.ProtocolTCP || p.Protocol == "") && fits(p.Name) {
				c.add(Endpoint{Port: int(p.ContainerPort), From: why})
			}
		}
	}
}

// number reads a port: a number, or the name of a declared one; 0 when it is
// neither.
func (c *candidates) number(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	for i := range c.pod.Spec.Containers {
		for _, p := range c.pod.Spec.Containers[i].Ports {
			if s != "" && p.Name == s {
				return int(p.ContainerPort)
			}
		}
	}
	return 0
}

// profiledBy names who else profiles the pod all the time, if its annotations
// say so: Grafana Alloy takes a CPU profile for 14 of every 15 seconds.
func profiledBy(pod *corev1.Pod) string {
	switch {
	case pod.Annotations[grafana+"cpu.scrape"] == "true":
		return "Grafana Alloy (annotation profiles.grafana.com/cpu.scrape), about 14 of every 15 s"
	case pod.Annotations["profefe.com/enable"] == "true":
		return "kube-profefe (annotation profefe.com/enable)"
	}
	return ""
}

// deltas are the profiles of godeltaprof (delta_heap, delta_mutex, delta_block)
// that the pod's annotations name as what is scraped, or that its index lists:
// they are mounted beside net/http/pprof, whose index does not know them.
func deltas(pod *corev1.Pod, index *Index) []string {
	var out []string
	add := func(name string) {
		if strings.HasPrefix(name, "delta_") && !slices.Contains(out, name) {
			out = append(out, foreign.CleanN(name, 40).String())
		}
	}
	for _, kind := range []string{"memory", "block", "mutex"} {
		add(path.Base(pod.Annotations[grafana+kind+".path"]))
	}
	if index != nil {
		for _, name := range index.Custom {
			add(name.String())
		}
	}
	return out
}
