package secrets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
	"midwatch/live"
)

// Class is a SecretProviderClass of the secrets store CSI driver: what a
// volume of that class holds.
type Class struct {
	Name     string
	Provider foreign.Text
	Role     foreign.Text
	// Paths are those in Vault, where Vault's provider is asked.
	Paths []foreign.Text
}

// maxParameter bounds the list of objects in a class's parameters.
const maxParameter = 64 << 10

// FromSecretProviderClass reads a class of secrets-store.csi.x-k8s.io. Its
// parameters are the provider's own: of Vault's, the role and the paths.
func FromSecretProviderClass(o *unstructured.Unstructured) Class {
	c := Class{Name: o.GetName(), Provider: foreign.Clean(str(o, "spec", "provider")), Role: foreign.Clean(str(o, "spec", "parameters", "roleName"))}
	raw := str(o, "spec", "parameters", "objects")
	var objects []struct {
		Path string `yaml:"secretPath"`
	}
	if len(raw) > maxParameter || yaml.Unmarshal([]byte(raw), &objects) != nil {
		return c
	}
	var paths []string
	for _, object := range objects {
		paths = append(paths, object.Path)
	}
	c.Paths = cleaned(paths)
	return c
}

// Mount is what one pod has mounted of a class, by a
// SecretProviderClassPodStatus.
type Mount struct {
	Pod, Class string
	Mounted    bool
	Objects    []Version
}

// Version is one object of a mount. What a version is, is the provider's: of
// Vault's, a digest under a key of its own, which tells two values apart and
// nothing else.
type Version struct {
	ID      foreign.Text `json:"id"`
	Version foreign.Text `json:"version"`
}

// FromPodStatus reads a SecretProviderClassPodStatus.
func FromPodStatus(o *unstructured.Unstructured) Mount {
	m := Mount{Pod: str(o, "status", "podName"), Class: str(o, "status", "secretProviderClassName"), Mounted: boolean(o, "status", "mounted")}
	for _, object := range maps(o, "status", "objects") {
		m.Objects = append(m.Objects, Version{ID: foreign.CleanN(text(object, "id"), 200), Version: foreign.CleanN(text(object, "version"), 200)})
	}
	slices.SortFunc(m.Objects, func(a, b Version) int { return cmp.Compare(a.ID, b.ID) })
	return m
}

// mounted judges a volume of the CSI driver: what its pods have mounted, and
// whether all of them the same.
func (in *Input) mounted(r *Row) {
	name := r.Uses[0].Secret
	r.Class = in.Classes[name]
	pods := map[string]time.Time{}
	for _, run := range in.Runs {
		if at := pods[run.Pod]; run.Started.After(at) {
			pods[run.Pod] = run.Started
		}
	}
	r.Pods = len(pods)
	for _, m := range in.Mounts {
		if _, ours := pods[m.Pod]; ours && m.Class == name {
			r.Mounts = append(r.Mounts, m)
		}
	}
	slices.SortFunc(r.Mounts, func(a, b Mount) int { return cmp.Compare(a.Pod, b.Pod) })
	r.State, r.Severity = "csi", live.Unknown
	switch {
	case in.ClassMissing[name]:
		r.State, r.Severity = "missing", live.Fail
		r.Message = foreign.Clean("SecretProviderClass " + name + " does not exist: a new pod does not start")
	case in.MountErr != "":
		r.Message = in.MountErr
	case len(r.Mounts) == 0:
		r.Message = foreign.Clean("mounted by the CSI driver through SecretProviderClass " + name + "; what the pods have mounted is not recorded")
	default:
		in.versions(r, pods)
	}
}

// versions compares what pods have mounted with what the pod that started last
// has: a pod keeps what it mounted unless the driver's rotation is on.
func (in *Input) versions(r *Row, started map[string]time.Time) {
	newest := &r.Mounts[0]
	for i := range r.Mounts {
		if m := &r.Mounts[i]; started[m.Pod].After(started[newest.Pod]) {
			newest = m
		}
	}
	var not, other []string
	for i := range r.Mounts {
		m := &r.Mounts[i]
		switch {
		case !m.Mounted:
			not = append(not, m.Pod)
		case !slices.Equal(m.Objects, newest.Objects):
			other = append(other, m.Pod)
			r.Holders = append(r.Holders, Holder{
				Pod: m.Pod, Container: r.Uses[0].Container, How: HowCSI, Stale: true, Certainty: Likely, Since: started[m.Pod],
				Why: "it has mounted another version than " + newest.Pod + ", which started last",
			})
		}
	}
	what := fmt.Sprintf("%d of %d pods have mounted %d objects of SecretProviderClass %s", len(r.Mounts)-len(not), r.Pods, len(newest.Objects), r.Uses[0].Secret)
	switch {
	case len(not) > 0:
		r.State, r.Severity = "unmounted", live.Warn
		r.Message = foreign.Clean(what + "; not mounted in " + strings.Join(not, ", "))
	case len(other) > 0:
		r.State, r.Severity = "differs", live.Warn
		r.Message = foreign.Clean(fmt.Sprintf("%d/%d pods have mounted another version than the pod that started last: restart, or switch the driver's rotation on", len(other), r.Pods))
	default:
		r.State, r.Severity = "mounted", live.OK
		r.Message = foreign.Clean(what + ", all in the same version")
	}
}
