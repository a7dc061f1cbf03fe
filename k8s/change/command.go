package change

import (
	"strings"

	"midwatch/k8s"
)

// kubectl is the command line for the context and namespace, quoted for a
// POSIX shell.
func (p *Planner) kubectl(namespace string, args ...string) string {
	line := append([]string{"kubectl"}, p.cluster.Kubectl...)
	if namespace != "" {
		line = append(line, "-n", namespace)
	}
	return shell(append(line, args...)...)
}

// argoRollouts is the command line of the kubectl-argo-rollouts plugin: flags
// before a plugin's name would go to kubectl, which hands none of them on.
func (p *Planner) argoRollouts(namespace string, args ...string) string {
	line := append([]string{"kubectl", "argo", "rollouts"}, args...)
	line = append(line, p.cluster.Kubectl...)
	return shell(append(line, "-n", namespace)...)
}

// rolloutCommand is "kubectl rollout <verb>" or what Argo has for it.
func (p *Planner) rolloutCommand(s *subject, verb string, flags ...string) string {
	if s.argo {
		return p.argoRollouts(s.ref.Namespace, append([]string{verb, s.ref.Name}, flags...)...)
	}
	return p.kubectl(s.ref.Namespace, append([]string{"rollout", verb, resourceName(s.kind, s.ref)}, flags...)...)
}

func resourceName(k kind, ref k8s.Ref) string { return k.kubectl + "/" + ref.Name }

// shell joins arguments so that a POSIX shell takes them apart again. What
// needs no quotes gets none.
func shell(args ...string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = quote(a)
	}
	return strings.Join(quoted, " ")
}

func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,+%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
