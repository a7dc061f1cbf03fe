package rollout

import (
	"strings"
)

// The functions here make the few words of a cause out of the kubelet's and
// the scheduler's sentences. The sentences stay as evidence.

// imageText says why an image cannot be had, and which: the registry's and the
// runtime's words have no types (containerd remotes, distribution errcode).
func imageText(reason, said string) (text, image string) {
	for _, mark := range []string{"image ", "image: ", "image tag "} {
		if image == "" {
			image = quoted(said, mark)
		}
	}
	// Where it is from is left to the evidence: what differs is the end.
	name := image[strings.LastIndexByte(image, '/')+1:]
	if name == "" {
		name = "its image"
	}
	switch reason {
	case "InvalidImageName":
		return "the name of its image is not valid: " + orWord(image, "see below"), image
	case "ErrImageNeverPull":
		return name + " is not on the node and its pull policy is Never", image
	case "ImageInspectError":
		return name + " cannot be read on the node", image
	case "SignatureValidationFailed":
		return name + ": its signature is not accepted", image
	case "ImageVolumeMountFailed":
		return "image volume " + name + " cannot be mounted", image
	}
	lower := strings.ToLower(said)
	for _, known := range []struct{ says, means string }{
		{"unauthorized", "not allowed: check its pull secret"}, {"authentication required", "not allowed: check its pull secret"},
		{"denied", "not allowed, or no such repository"}, {"no basic auth", "not allowed: no pull secret"}, {"403 forbidden", "not allowed"},
		{"no match for platform", "not built for this node's platform"}, {"no matching manifest", "not built for this node's platform"},
		{"toomanyrequests", "the registry limits the rate"}, {"429 too many", "the registry limits the rate"},
		{"manifest unknown", "no such image"}, {"not found", "no such image"},
		{"no such host", "its registry has no address"}, {"x509", "its registry's certificate is not trusted"},
		{"connection refused", "its registry does not answer"}, {"i/o timeout", "its registry does not answer"},
		{"deadline exceeded", "its registry does not answer"}, {"500 internal", "its registry fails"}, {"502 bad gateway", "its registry fails"},
		{"503 service", "its registry fails"}, {"no space left", "the node's disk is full"},
	} {
		if strings.Contains(lower, known.says) {
			return "cannot pull " + name + ": " + known.means, image
		}
	}
	if reason == "RegistryUnavailable" {
		return "cannot pull " + name + ": its registry does not answer", image
	}
	return "cannot pull " + name, image
}

// configText says which Secret, ConfigMap or key a container lacks (kubelet
// kuberuntime/kubelet_pods.go makeEnvironmentVariables).
func configText(said string) (text, object string) {
	if _, rest, ok := strings.Cut(said, "couldn't find key "); ok {
		key, where, ok := strings.Cut(rest, " in ")
		kind, name, named := strings.Cut(where, " ")
		if ok && named {
			if i := strings.LastIndexByte(name, '/'); i >= 0 {
				name = name[i+1:]
			}
			return kind + " " + name + " has no key " + key, kind + " " + name
		}
	}
	for _, k := range []struct{ says, kind string }{{"secret ", "Secret"}, {"configmap ", "ConfigMap"}, {"persistentvolumeclaim ", "PersistentVolumeClaim"}, {"serviceaccount ", "ServiceAccount"}} {
		if name := quoted(said, k.says); name != "" && strings.Contains(said, "not found") {
			return k.kind + " " + name + " does not exist", k.kind + " " + name
		}
	}
	return said, ""
}

// volumeText is the cause behind the kubelet's `MountVolume.SetUp failed for
// volume "config" : configmap "api" not found`, and which volume.
func volumeText(said string) (text, object string) {
	volume := quoted(said, "volume ")
	cause := said
	if _, rest, ok := strings.Cut(said, "\" : "); ok && rest != "" {
		cause = rest
	}
	if text, object := configText(cause); object != "" {
		return text, object
	}
	if strings.Contains(said, "Multi-Attach error") {
		return "volume " + volume + " is still attached to another node", "volume " + volume
	}
	if volume != "" && cause != said {
		return "volume " + volume + ": " + trailing(cause), "volume " + volume
	}
	return trailing(cause), ""
}

// sandboxText is the end of the runtime's chain of errors.
func sandboxText(said string) string { return "no network sandbox: " + trailing(said) }

// hookText is "/warm-up.sh: command exited with 3" of `Exec lifecycle hook
// ([/warm-up.sh]) for Container "api" failed - error: …`.
func hookText(said string) string {
	head, why, ok := strings.Cut(said, " failed - error: ")
	if !ok {
		return said
	}
	if _, command, ok := strings.Cut(head, "(["); ok {
		command, _, _ = strings.Cut(command, "])")
		return command + ": " + why
	}
	return why
}

// clause is how much of a chain of errors is told.
const clause = 64

// trailing is the end of a chain of errors ("a: b: c"), as many links as fit:
// the innermost says what happened. What gRPC puts around is left out.
func trailing(said string) string {
	if i := strings.LastIndex(said, " desc = "); i >= 0 {
		said = said[i+len(" desc = "):]
	}
	links := strings.Split(said, ": ")
	out := links[len(links)-1]
	for i := len(links) - 2; i >= 0 && len(links[i])+len(out)+2 <= clause; i-- {
		out = links[i] + ": " + out
	}
	return out
}

// gateName names the readiness gate that is not open (kubelet
// status/generate.go: the status of pod readiness gate "x" is not "True").
func gateName(said string) string { return quoted(said, "readiness gate ") }

// schedulingText says why no node takes the pod, from "0/5 nodes are
// available: 3 Insufficient cpu, 2 node(s) had untolerated taint {a: b}.
// preemption: …" (scheduler framework/types.go FitError). What it says about
// preemption repeats the counts.
func schedulingText(said string) string {
	said, _, _ = strings.Cut(said, " preemption: ")
	said = strings.TrimSuffix(strings.TrimSpace(said), ".")
	head, why, ok := strings.Cut(said, " nodes are available: ")
	if !ok {
		return said
	}
	_, total, ok := strings.Cut(head, "/")
	if !ok {
		return said
	}
	why = strings.NewReplacer("node(s) had untolerated taint", "untolerated taint", "node(s) didn't match Pod's node affinity/selector", "wrong node selector",
		"node(s) didn't match pod topology spread constraints", "topology spread", "node(s) didn't match pod anti-affinity rules", "anti-affinity",
		"node(s) had volume node affinity conflict", "volume elsewhere", "node(s) were unschedulable", "cordoned", "node(s) ", "",
		"Insufficient", "too little").Replace(why)
	return "none of " + total + " nodes fits: " + why
}
