package secrets

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
)

// How is the way a container gets a secret. It decides what a rotation means
// for a container that runs already.
type How string

// The ways, by what a change of the secret does to a running container.
const (
	// HowEnv and HowEnvFrom are resolved when the container is created: it
	// keeps the old value until it is restarted.
	HowEnv     How = "env"
	HowEnvFrom How = "envFrom"
	// HowSubPath is a mount of a single file, which the kubelet never updates.
	HowSubPath How = "subPath"
	// HowVolume and HowProjected are files the kubelet refreshes within a
	// minute or two; whether the program reads them again is its own affair.
	HowVolume    How = "volume"
	HowProjected How = "projected"
	// HowCSI is a volume of the secrets store CSI driver, refreshed only where
	// its rotation is switched on.
	HowCSI How = "csi"
	// HowInjected is a file that Vault's agent, injected as a sidecar or an
	// init container, writes into the pod.
	HowInjected How = "injected"
	// HowPull is a registry login, used when an image is pulled and not later.
	HowPull How = "imagePull"
)

// Use is one place in a pod template that takes a secret.
type Use struct {
	How How `json:"how"`
	// Container is empty for imagePull, which belongs to the pod.
	Container string `json:"container,omitempty"`
	// Secret is the Kubernetes Secret's name; for csi the
	// SecretProviderClass's, for injected empty.
	Secret string `json:"secret,omitempty"`
	// Key of the Secret; empty when all keys are taken.
	Key string `json:"key,omitempty"`
	// As is the variable's name or the mount path.
	As foreign.Text `json:"as,omitempty"`
	// Optional is true when the pod starts without it.
	Optional bool `json:"optional,omitempty"`
	// Path is where the secret lies in Vault, when the template says so.
	Path foreign.Text `json:"path,omitempty"`
}

// Uses lists what a pod template takes, by secret, then container.
func Uses(pod *corev1.PodSpec, annotations map[string]string) []Use {
	var uses []Use
	for _, ref := range pod.ImagePullSecrets {
		if ref.Name != "" {
			uses = append(uses, Use{How: HowPull, Secret: ref.Name})
		}
	}
	volumes := volumeSecrets(pod.Volumes)
	for i := range pod.InitContainers {
		uses = append(uses, containerUses(&pod.InitContainers[i], volumes)...)
	}
	for i := range pod.Containers {
		uses = append(uses, containerUses(&pod.Containers[i], volumes)...)
	}
	uses = append(uses, injected(annotations)...)
	slices.SortStableFunc(uses, func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Container, b.Container), cmp.Compare(a.How, b.How), cmp.Compare(a.As, b.As))
	})
	return uses
}

// containerUses are the environment and the mounts of one container.
func containerUses(c *corev1.Container, volumes map[string][]Use) []Use {
	var uses []Use
	for _, from := range c.EnvFrom {
		if ref := from.SecretRef; ref != nil {
			uses = append(uses, Use{How: HowEnvFrom, Container: c.Name, Secret: ref.Name, As: foreign.Clean(from.Prefix), Optional: isTrue(ref.Optional)})
		}
	}
	for _, v := range c.Env {
		if v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil {
			continue
		}
		ref := v.ValueFrom.SecretKeyRef
		uses = append(uses, Use{How: HowEnv, Container: c.Name, Secret: ref.Name, Key: ref.Key, As: foreign.Clean(v.Name), Optional: isTrue(ref.Optional)})
	}
	for _, m := range c.VolumeMounts {
		for _, use := range volumes[m.Name] {
			use.Container, use.As = c.Name, foreign.Clean(m.MountPath)
			if m.SubPath != "" || m.SubPathExpr != "" {
				use.How = HowSubPath
			}
			uses = append(uses, use)
		}
	}
	return uses
}

// volumeSecrets are the secrets behind each volume of a pod, without the
// containers that mount it.
func volumeSecrets(volumes []corev1.Volume) map[string][]Use {
	all := map[string][]Use{}
	for i := range volumes {
		v := &volumes[i]
		switch {
		case v.Secret != nil:
			all[v.Name] = []Use{{How: HowVolume, Secret: v.Secret.SecretName, Optional: isTrue(v.Secret.Optional)}}
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if s.Secret != nil {
					all[v.Name] = append(all[v.Name], Use{How: HowProjected, Secret: s.Secret.Name, Optional: isTrue(s.Secret.Optional)})
				}
			}
		case v.CSI != nil && v.CSI.Driver == csiDriver:
			all[v.Name] = []Use{{How: HowCSI, Secret: v.CSI.VolumeAttributes["secretProviderClass"]}}
		}
	}
	return all
}

func isTrue(b *bool) bool { return b != nil && *b }
