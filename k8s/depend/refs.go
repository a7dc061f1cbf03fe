package depend

import (
	"bytes"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How a pod takes something in. What that means for a change: an environment
// and a subPath mount stay what they were when the container was created; a
// volume's files follow within a minute or two; images are pulled once.
type How string

// The ways.
const (
	Env     How = "env"
	EnvFrom How = "envFrom"
	Volume  How = "volume"
	SubPath How = "subPath"
	Pull    How = "imagePullSecrets"
	TLS     How = "tls" // by an Ingress, not by the pod
)

// frozen reports whether a running container keeps what it began with.
func (h How) frozen() bool { return h == Env || h == EnvFrom || h == SubPath }

// Reference is one use of a ConfigMap, Secret or claim by a pod template.
type Reference struct {
	Kind string // ConfigMap, Secret, PersistentVolumeClaim
	Name string
	// Key is the one needed; "" when all are taken.
	Key      string
	Optional bool
	How      How
	// Container is whose it is; "" when it is the whole pod's.
	Container string
	// What is the variable's name or the mount path.
	What string
}

// Words is "env DATABASE_URL of api".
func (r Reference) Words() string {
	text := string(r.How)
	if r.What != "" {
		text += " " + r.What
	}
	if r.Key != "" {
		text += " (key " + r.Key + ")"
	}
	if r.Container != "" {
		text += " of " + r.Container
	}
	if r.Optional {
		text += ", optional"
	}
	return text
}

const (
	kindConfigMap = "ConfigMap"
	kindSecret    = "Secret"
	kindClaim     = "PersistentVolumeClaim"
)

// References are what a template names, in the order of the template.
func References(t *corev1.PodTemplateSpec) []Reference {
	var out []Reference
	spec := &t.Spec
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			out = append(out, fromEnvironment(&list[i])...)
		}
	}
	for i := range spec.Volumes {
		out = append(out, fromVolume(spec, &spec.Volumes[i])...)
	}
	for _, s := range spec.ImagePullSecrets {
		// A pull secret that is missing is passed over by the kubelet.
		out = append(out, Reference{Kind: kindSecret, Name: clean(s.Name), How: Pull, Optional: true})
	}
	return out
}

func fromEnvironment(c *corev1.Container) []Reference {
	var out []Reference
	for _, e := range c.EnvFrom {
		r := Reference{How: EnvFrom, Container: clean(c.Name)}
		switch {
		case e.ConfigMapRef != nil:
			r.Kind, r.Name, r.Optional = kindConfigMap, clean(e.ConfigMapRef.Name), isTrue(e.ConfigMapRef.Optional)
		case e.SecretRef != nil:
			r.Kind, r.Name, r.Optional = kindSecret, clean(e.SecretRef.Name), isTrue(e.SecretRef.Optional)
		default:
			continue
		}
		out = append(out, r)
	}
	for _, e := range c.Env {
		r := Reference{How: Env, Container: clean(c.Name), What: clean(e.Name)}
		switch {
		case e.ValueFrom == nil:
			continue
		case e.ValueFrom.ConfigMapKeyRef != nil:
			k := e.ValueFrom.ConfigMapKeyRef
			r.Kind, r.Name, r.Key, r.Optional = kindConfigMap, clean(k.Name), clean(k.Key), isTrue(k.Optional)
		case e.ValueFrom.SecretKeyRef != nil:
			k := e.ValueFrom.SecretKeyRef
			r.Kind, r.Name, r.Key, r.Optional = kindSecret, clean(k.Name), clean(k.Key), isTrue(k.Optional)
		default:
			continue
		}
		out = append(out, r)
	}
	return out
}

// source is one object a volume is filled from.
type source struct {
	kind, name string
	items      []corev1.KeyToPath
	optional   bool
}

func sourcesOf(v *corev1.Volume) []source {
	var out []source
	switch {
	case v.ConfigMap != nil:
		out = append(out, source{kindConfigMap, v.ConfigMap.Name, v.ConfigMap.Items, isTrue(v.ConfigMap.Optional)})
	case v.Secret != nil:
		out = append(out, source{kindSecret, v.Secret.SecretName, v.Secret.Items, isTrue(v.Secret.Optional)})
	case v.PersistentVolumeClaim != nil:
		out = append(out, source{kind: kindClaim, name: v.PersistentVolumeClaim.ClaimName})
	case v.Projected != nil:
		for _, p := range v.Projected.Sources {
			switch {
			case p.ConfigMap != nil:
				out = append(out, source{kindConfigMap, p.ConfigMap.Name, p.ConfigMap.Items, isTrue(p.ConfigMap.Optional)})
			case p.Secret != nil:
				out = append(out, source{kindSecret, p.Secret.Name, p.Secret.Items, isTrue(p.Secret.Optional)})
			}
		}
	}
	return out
}

func fromVolume(spec *corev1.PodSpec, v *corev1.Volume) []Reference {
	var out []Reference
	for _, s := range sourcesOf(v) {
		base := Reference{Kind: s.kind, Name: clean(s.name), Optional: s.optional, How: Volume, What: clean(v.Name)}
		mounted := mounts(spec, v.Name, base)
		if len(s.items) == 0 {
			out = append(out, mounted...)
			continue
		}
		for _, item := range s.items {
			for _, r := range mounted {
				r.Key = clean(item.Key)
				out = append(out, r)
			}
		}
	}
	return out
}

// mounts are the containers that mount a volume; without any the pod still
// waits for it.
func mounts(spec *corev1.PodSpec, volume string, base Reference) []Reference {
	var out []Reference
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			for _, m := range list[i].VolumeMounts {
				if m.Name != volume {
					continue
				}
				r := base
				r.Container, r.What = clean(list[i].Name), clean(m.MountPath)
				if m.SubPath != "" || m.SubPathExpr != "" {
					r.How = SubPath
				}
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 {
		return []Reference{base}
	}
	return out
}

func isTrue(b *bool) bool { return b != nil && *b }

// ownsData reports whether a set of fields has data in it.
func ownsData(f *metav1.FieldsV1) bool {
	raw := f.GetRawBytes()
	if !bytes.Contains(raw, []byte("ata\"")) {
		return false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return false
	}
	for _, name := range []string{"f:data", "f:binaryData", "f:stringData"} {
		if _, ok := fields[name]; ok {
			return true
		}
	}
	return false
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
