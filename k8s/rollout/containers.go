package rollout

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Container is what is kept of a container of the template: what its failures
// are told with.
type Container struct {
	Name string
	// MemoryLimit is in bytes; 0: none.
	MemoryLimit int64
	// Liveness, Readiness and Startup are what the probes ask, as [Endpoint]
	// says it; empty without a probe.
	Liveness, Readiness, Startup string
}

// containers are those of a template, sidecars and init containers included.
func containers(spec *corev1.PodSpec, in Intern) []Container {
	out := make([]Container, 0, len(spec.Containers)+len(spec.InitContainers))
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for i := range list {
			c := &list[i]
			one := Container{Name: in.clean(c.Name, maxName)}
			if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
				one.MemoryLimit = limit.Value()
			}
			one.Liveness = in.clean(Endpoint(c, c.LivenessProbe), maxReason)
			one.Readiness = in.clean(Endpoint(c, c.ReadinessProbe), maxReason)
			one.Startup = in.clean(Endpoint(c, c.StartupProbe), maxReason)
			out = append(out, one)
		}
	}
	return out
}

// Endpoint says what a probe asks: "GET :8000/readyz", "TCP :5432", "gRPC
// :50051 cart", "exec pg_isready"; empty without a probe. A port given by name
// is looked up among the container's.
func Endpoint(c *corev1.Container, p *corev1.Probe) string {
	switch {
	case p == nil:
		return ""
	case p.HTTPGet != nil:
		scheme := "GET "
		if p.HTTPGet.Scheme == corev1.URISchemeHTTPS {
			scheme = "GET https "
		}
		return scheme + p.HTTPGet.Host + ":" + portOf(c, p.HTTPGet.Port) + "/" + strings.TrimPrefix(p.HTTPGet.Path, "/")
	case p.TCPSocket != nil:
		return "TCP " + p.TCPSocket.Host + ":" + portOf(c, p.TCPSocket.Port)
	case p.GRPC != nil:
		text := "gRPC :" + strconv.Itoa(int(p.GRPC.Port))
		if p.GRPC.Service != nil && *p.GRPC.Service != "" {
			text += " " + *p.GRPC.Service
		}
		return text
	case p.Exec != nil:
		return "exec " + strings.Join(p.Exec.Command, " ")
	}
	return ""
}

func portOf(c *corev1.Container, port intstr.IntOrString) string {
	if port.Type == intstr.String {
		for _, p := range c.Ports {
			if p.Name == port.StrVal {
				return strconv.Itoa(int(p.ContainerPort))
			}
		}
	}
	return port.String()
}

// container finds a container of the template; nil for one that was injected
// into the pod, or when the pod is of another template.
func (o *Object) container(name string) *Container {
	for i := range o.Containers {
		if o.Containers[i].Name == name {
			return &o.Containers[i]
		}
	}
	return nil
}

// endpoint is what a container's probe of a kind asks; empty if not known.
func (c *Container) endpoint(probe string) string {
	switch {
	case c == nil:
		return ""
	case probe == "liveness":
		return c.Liveness
	case probe == "startup":
		return c.Startup
	}
	return c.Readiness
}
