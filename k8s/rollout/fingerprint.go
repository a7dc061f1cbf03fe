package rollout

import (
	"crypto/sha256"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Fingerprint identifies a pod template by its content: two templates have
// the same one exactly when the Deployment controller calls them equal.
type Fingerprint [16]byte

// fingerprint hashes the protobuf encoding of a template without the label
// pod-template-hash, which the controller adds to a ReplicaSet's. The
// controller compares with apiequality.Semantic.DeepEqual (deployment_util.go
// EqualIgnoreHash), and the encoding has what that needs: map keys are sorted,
// and nil and empty lists and maps encode alike. Quantities do not: equal
// amounts may be spelled 1Gi and 1073741824, so they are rewritten first.
func fingerprint(t *corev1.PodTemplateSpec) Fingerprint {
	c := t.DeepCopy()
	delete(c.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	normaliseQuantities(&c.Spec)
	raw, err := c.Marshal()
	if err != nil {
		// A template of the API server's cannot fail to encode; one made by
		// hand still needs an identity of its own.
		raw = []byte(fmt.Sprintf("%v", c))
	}
	sum := sha256.Sum256(raw)
	return Fingerprint(sum[:16])
}

// normaliseQuantities spells every quantity of the spec in one way. That no
// field was forgotten is a test's job: it finds them all by reflection.
func normaliseQuantities(s *corev1.PodSpec) {
	for i := range s.InitContainers {
		normaliseContainer(&s.InitContainers[i])
	}
	for i := range s.Containers {
		normaliseContainer(&s.Containers[i])
	}
	for i := range s.EphemeralContainers {
		c := corev1.Container(s.EphemeralContainers[i].EphemeralContainerCommon)
		normaliseContainer(&c)
		s.EphemeralContainers[i].EphemeralContainerCommon = corev1.EphemeralContainerCommon(c)
	}
	normaliseList(s.Overhead)
	if s.Resources != nil {
		normaliseList(s.Resources.Limits)
		normaliseList(s.Resources.Requests)
	}
	for i := range s.Volumes {
		normaliseVolume(&s.Volumes[i].VolumeSource)
	}
}

func normaliseContainer(c *corev1.Container) {
	normaliseList(c.Resources.Limits)
	normaliseList(c.Resources.Requests)
	for i := range c.Env {
		if v := c.Env[i].ValueFrom; v != nil && v.ResourceFieldRef != nil {
			normalise(&v.ResourceFieldRef.Divisor)
		}
	}
}

func normaliseVolume(v *corev1.VolumeSource) {
	if v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
		normalise(v.EmptyDir.SizeLimit)
	}
	if v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil {
		r := &v.Ephemeral.VolumeClaimTemplate.Spec.Resources
		normaliseList(r.Limits)
		normaliseList(r.Requests)
	}
	if v.DownwardAPI != nil {
		normaliseDownward(v.DownwardAPI.Items)
	}
	if v.Projected != nil {
		for i := range v.Projected.Sources {
			if d := v.Projected.Sources[i].DownwardAPI; d != nil {
				normaliseDownward(d.Items)
			}
		}
	}
}

func normaliseDownward(files []corev1.DownwardAPIVolumeFile) {
	for i := range files {
		if r := files[i].ResourceFieldRef; r != nil {
			normalise(&r.Divisor)
		}
	}
}

func normaliseList(l corev1.ResourceList) {
	for name, q := range l {
		normalise(&q)
		l[name] = q
	}
}

// normalise spells the quantity with a decimal suffix, whatever it came with.
func normalise(q *resource.Quantity) {
	*q = *resource.NewDecimalQuantity(*q.AsDec(), resource.DecimalSI)
}
