package secrets

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
)

// Takes is what a pod template takes secrets by, in names alone: small enough
// to be kept of every workload on the board.
type Takes struct {
	// Secrets are the Kubernetes Secrets, sorted, each once.
	Secrets []string
	// Paths are those in Vault that the agent injector is asked for; Role is
	// the role it asks with, and Once says that nobody renews what it fetched.
	Paths []foreign.Text
	Role  foreign.Text
	Once  bool
}

// TakesOf reads a pod template. intern keeps one copy of what repeats; nil
// keeps strings as they are.
func TakesOf(pod *corev1.PodSpec, annotations map[string]string, intern func(string) string) *Takes {
	if intern == nil {
		intern = func(s string) string { return s }
	}
	t := &Takes{}
	for _, u := range Uses(pod, annotations) {
		switch u.How {
		case HowInjected:
			t.Paths = append(t.Paths, foreign.Text(intern(u.Path.String())))
		case HowCSI, HowPull: // a class is no Secret, a login serves no running container
		default:
			if u.Secret != "" {
				t.Secrets = append(t.Secrets, intern(u.Secret))
			}
		}
	}
	slices.Sort(t.Secrets)
	slices.Sort(t.Paths)
	t.Secrets, t.Paths = slices.Compact(t.Secrets), slices.Compact(t.Paths)
	if in, ok := InjectorOf(annotations); ok {
		t.Role, t.Once = foreign.Text(intern(in.Role.String())), in.Once
	}
	return t
}

// Takes reports whether pods of the template take a Secret.
func (t *Takes) Takes(secret string) bool {
	if t == nil {
		return false
	}
	_, found := slices.BinarySearch(t.Secrets, secret)
	return found
}

// Reads reports whether Vault's agent is asked for a path.
func (t *Takes) Reads(path foreign.Text) bool {
	if t == nil {
		return false
	}
	_, found := slices.BinarySearch(t.Paths, path)
	return found
}
