package secrets

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Meta is what is known of a Kubernetes Secret without its values.
type Meta struct {
	Name string
	// Changed is when an owned value changed last: see [ChangedAt].
	Changed time.Time
	// By is the field manager that wrote it then.
	By string
	// Immutable Secrets never change under their name.
	Immutable bool
	// Labels and Annotations, for the operators' marks. Values of
	// annotations are foreign: clean before drawing.
	Labels, Annotations map[string]string
}

// ChangedAt is the newest time at which a field manager wrote data of an
// object: an entry's time moves only when a value it owns changes
// (apimachinery meta/v1 ManagedFieldsEntry.Time). Without such an entry it is
// the object's creation.
func ChangedAt(o *metav1.ObjectMeta) (at time.Time, by string) {
	for _, e := range o.ManagedFields {
		if e.Time == nil || e.FieldsV1 == nil || !ownsData(e.FieldsV1.GetRawBytes()) {
			continue
		}
		if e.Time.After(at) {
			at, by = e.Time.Time, e.Manager
		}
	}
	if at.IsZero() {
		return o.CreationTimestamp.Time, ""
	}
	return at, by
}

// Certainty says how sure a statement about a holder is.
type Certainty string

// The certainties.
const (
	// Certain: the kubelet's rules leave no other possibility.
	Certain Certainty = "certain"
	// Likely: true after the kubelet's delay.
	Likely Certainty = "likely"
	// Unknown: it depends on the program in the container.
	Unknown Certainty = "unknown"
)

// Holder is one container of one pod that takes a secret, and whether it has
// the present version.
type Holder struct {
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	How       How       `json:"how"`
	Stale     bool      `json:"stale"`
	Certainty Certainty `json:"certainty"`
	// Since is when the container started: from then on it has held what it
	// holds, for env and subPath.
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why"`
}

// ContainerRun is one running container of a pod.
type ContainerRun struct {
	Pod, Container string
	Started        time.Time
}

// Runs lists the containers of a pod that run now; a container that waits or
// has ended holds nothing. A pod being deleted is left out.
func Runs(pod *corev1.Pod) []ContainerRun {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	var runs []ContainerRun
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			if r := list[i].State.Running; r != nil {
				runs = append(runs, ContainerRun{Pod: pod.Name, Container: list[i].Name, Started: r.StartedAt.Time})
			}
		}
	}
	return runs
}

// kubeletRefresh is how long the kubelet may take to write a changed Secret
// into a volume: its sync loop of a minute plus the watch's delay.
const kubeletRefresh = 2 * time.Minute

// Holders judges every running container that takes the secret m by one of
// uses. recheck is when a judgement changes by itself; zero for never.
func Holders(m *Meta, uses []Use, runs []ContainerRun, now time.Time) (holders []Holder, recheck time.Time) {
	for _, use := range uses {
		if use.Secret != m.Name || use.Container == "" {
			continue
		}
		for _, run := range runs {
			if run.Container != use.Container {
				continue
			}
			h, at := hold(m, use.How, run, now)
			holders = append(holders, h)
			if !at.IsZero() && (recheck.IsZero() || at.Before(recheck)) {
				recheck = at
			}
		}
	}
	slices.SortStableFunc(holders, func(a, b Holder) int {
		return cmp.Or(compareBool(b.Stale, a.Stale), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container), cmp.Compare(a.How, b.How))
	})
	return slices.Compact(holders), recheck
}

// hold judges one container. The rules are the kubelet's: variables are
// resolved when the container is created, a subPath mount is never updated, a
// volume is refreshed by its sync loop.
func hold(m *Meta, how How, run ContainerRun, now time.Time) (h Holder, recheck time.Time) {
	h = Holder{Pod: run.Pod, Container: run.Container, How: how, Since: run.Started, Certainty: Certain}
	before := run.Started.Before(m.Changed)
	switch {
	case !before:
		h.Why = "started after the last change"
	case m.Immutable:
		h.Why = "the Secret is immutable"
	case how == HowEnv || how == HowEnvFrom:
		h.Stale, h.Why = true, "variables are read when the container starts"
	case how == HowSubPath:
		h.Stale, h.Why = true, "a subPath mount is never updated"
	case how == HowCSI:
		h.Certainty, h.Why = Unknown, "updated only where the CSI driver's rotation is on"
	case how == HowVolume || how == HowProjected:
		if due := m.Changed.Add(kubeletRefresh); now.Before(due) {
			h.Stale, h.Certainty, h.Why = true, Likely, "the kubelet writes the new files within two minutes"
			return h, due
		}
		h.Certainty, h.Why = Unknown, "the files are new; the program may hold what it read before"
	default:
		h.Certainty, h.Why = Unknown, "it depends on the program"
	}
	return h, time.Time{}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// StalePods counts the pods with a holder that is certainly stale, and names
// them, sorted.
func StalePods(holders []Holder) []string {
	var pods []string
	for _, h := range holders {
		if h.Stale && h.Certainty == Certain {
			pods = append(pods, h.Pod)
		}
	}
	slices.Sort(pods)
	return slices.Compact(pods)
}
