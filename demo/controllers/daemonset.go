package controllers

import (
	"cmp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

const daemonSetController = "daemonset-controller"

// daemons is a DaemonSet with its pods by node during one sync.
type daemons struct {
	ds     *appsv1.DaemonSet
	hash   string
	nodes  []string
	byNode map[string][]*corev1.Pod // oldest first
}

// syncDaemonSet is k/k pkg/controller/daemon/daemon_controller.go syncDaemonSet.
func (m *Manager) syncDaemonSet(it item) time.Time {
	stored, ok := get[*appsv1.DaemonSet](m, kindDaemonSets(), it.namespace, it.name)
	if !ok || stored.DeletionTimestamp != nil {
		return time.Time{}
	}
	ds := stored.DeepCopy()
	rev, err := m.currentRevision(ds, "DaemonSet", &ds.Spec.Template, ds.Spec.Selector)
	if err != nil {
		m.warn(ds, daemonSetController, "FailedCreate", "%v", err)
		return m.now.Add(10 * time.Second)
	}
	d := &daemons{ds: ds, hash: rev.Labels[appsv1.ControllerRevisionHashLabelKey], byNode: map[string][]*corev1.Pod{}}
	for _, o := range m.store.List(kindNodes(), "") {
		if node := o.(*corev1.Node); labels.SelectorFromSet(ds.Spec.Template.Spec.NodeSelector).Matches(labels.Set(node.Labels)) {
			d.nodes = append(d.nodes, node.Name)
		}
	}
	for _, p := range owned[*corev1.Pod](m, kindPods(), ds) {
		node := daemonNode(p)
		d.byNode[node] = append(d.byNode[node], p)
	}
	for _, pods := range d.byNode {
		slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
		})
	}
	m.fillNodes(d)
	m.updateDaemons(d)
	return m.syncDaemonSetStatus(d)
}

// daemonNode is the node a daemon pod is for: it is pinned by affinity before the scheduler has bound it.
func daemonNode(p *corev1.Pod) string {
	if p.Spec.NodeName != "" {
		return p.Spec.NodeName
	}
	if a := p.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, f := range term.MatchFields {
				if f.Key == "metadata.name" && len(f.Values) == 1 {
					return f.Values[0]
				}
			}
		}
	}
	return ""
}

func (m *Manager) fillNodes(d *daemons) {
	for _, node := range d.nodes {
		if len(d.byNode[node]) == 0 {
			m.createDaemon(d, node)
		}
	}
}

func (m *Manager) createDaemon(d *daemons, node string) {
	p := podFrom(&d.ds.Spec.Template, d.ds.Namespace, metav1.NewControllerRef(d.ds, appsv1.SchemeGroupVersion.WithKind("DaemonSet")))
	p.GenerateName = d.ds.Name + "-"
	p.Labels = withLabel(p.Labels, appsv1.ControllerRevisionHashLabelKey, d.hash)
	p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{
			Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node}}}}}}}}
	created, err := m.create(p)
	if err != nil {
		m.warn(d.ds, daemonSetController, "FailedCreate", "Error creating: %v", err)
		return
	}
	m.normal(d.ds, daemonSetController, "SuccessfulCreate", "Created pod: %s", created.GetName())
	d.byNode[node] = append(d.byNode[node], created.(*corev1.Pod))
}

// budget resolves maxUnavailable and maxSurge, both rounded up; both 0 means one may be unavailable (daemonset_util.go).
func (d *daemons) budget() (surge, unavailable int) {
	ru := d.ds.Spec.UpdateStrategy.RollingUpdate
	if ru == nil {
		return 0, 1
	}
	n := len(d.nodes)
	surge, _ = intstr.GetScaledValueFromIntOrPercent(ptr.To(ptr.Deref(ru.MaxSurge, intstr.FromInt32(0))), n, true)
	unavailable, _ = intstr.GetScaledValueFromIntOrPercent(ptr.To(ptr.Deref(ru.MaxUnavailable, intstr.FromInt32(1))), n, true)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

func (d *daemons) updated(p *corev1.Pod) bool {
	return p.Labels[appsv1.ControllerRevisionHashLabelKey] == d.hash
}

func (m *Manager) daemonAvailable(d *daemons, p *corev1.Pod) bool {
	at, ready := availableAt(p, d.ds.Spec.MinReadySeconds)
	return ready && p.DeletionTimestamp == nil && !at.After(m.now)
}

// updateDaemons is daemon/update.go rollingUpdate: unavailable old pods are replaced at once, available ones as far as the budget
// that unavailable nodes leave.
func (m *Manager) updateDaemons(d *daemons) {
	if d.ds.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		return
	}
	surge, most := d.budget()
	if surge > 0 {
		m.surgeDaemons(d, surge)
		return
	}
	unavailable := 0
	var broken, candidates []*corev1.Pod
	for _, node := range d.nodes {
		pods := d.byNode[node]
		if len(pods) != 1 || pods[0].DeletionTimestamp != nil {
			unavailable++
			continue
		}
		p := pods[0]
		switch ok := m.daemonAvailable(d, p); {
		case !ok && !d.updated(p):
			unavailable++
			broken = append(broken, p)
		case !ok:
			unavailable++
		case !d.updated(p):
			candidates = append(candidates, p)
		}
	}
	doomed := broken
	for _, p := range candidates {
		if unavailable >= most {
			break
		}
		unavailable++
		doomed = append(doomed, p)
	}
	for _, p := range doomed {
		m.remove(kindPods(), p)
		m.normal(d.ds, daemonSetController, "SuccessfulDelete", "Deleted pod: %s", p.Name)
	}
}

// surgeDaemons puts a new pod beside the old one and removes the old one once the new one is available.
func (m *Manager) surgeDaemons(d *daemons, surge int) {
	inFlight := 0
	for _, node := range d.nodes {
		if len(d.byNode[node]) > 1 {
			inFlight++
		}
	}
	for _, node := range d.nodes {
		pods := d.byNode[node]
		if len(pods) == 0 {
			continue
		}
		old, newest := pods[0], pods[len(pods)-1]
		switch {
		case len(pods) == 1 && !d.updated(old) && old.DeletionTimestamp == nil && inFlight < surge:
			m.createDaemon(d, node)
			inFlight++
		case len(pods) > 1 && d.updated(newest) && m.daemonAvailable(d, newest) && old.DeletionTimestamp == nil:
			m.remove(kindPods(), old)
			m.normal(d.ds, daemonSetController, "SuccessfulDelete", "Deleted pod: %s", old.Name)
		}
	}
}

// syncDaemonSetStatus looks only at the oldest pod of each node, as upstream does.
func (m *Manager) syncDaemonSetStatus(d *daemons) time.Time {
	s := d.ds.Status.DeepCopy()
	s.ObservedGeneration = d.ds.Generation
	s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.UpdatedNumberScheduled, s.NumberMisscheduled = int32(len(d.nodes)), 0, 0, 0
	var oldest []*corev1.Pod
	for _, node := range d.nodes {
		pods := d.byNode[node]
		if len(pods) == 0 {
			continue
		}
		s.CurrentNumberScheduled++
		oldest = append(oldest, pods[0])
		if d.updated(pods[0]) {
			s.UpdatedNumberScheduled++
		}
	}
	for node := range d.byNode {
		if !slices.Contains(d.nodes, node) {
			s.NumberMisscheduled++
		}
	}
	var next time.Time
	s.NumberReady, s.NumberAvailable, next = m.tally(oldest, d.ds.Spec.MinReadySeconds)
	s.NumberUnavailable = s.DesiredNumberScheduled - s.NumberAvailable
	if !equality.Semantic.DeepEqual(&d.ds.Status, s) {
		d.ds.Status = *s
		m.updateStatus(d.ds)
	}
	live := map[string]bool{}
	for _, rev := range m.revisionsOf(d.ds) {
		hash := rev.Labels[appsv1.ControllerRevisionHashLabelKey]
		live[rev.Name] = hash == d.hash || slices.ContainsFunc(oldest, func(p *corev1.Pod) bool {
			return p.Labels[appsv1.ControllerRevisionHashLabelKey] == hash
		})
	}
	m.truncateRevisions(m.revisionsOf(d.ds), int(ptr.Deref(d.ds.Spec.RevisionHistoryLimit, 10)), live)
	return next
}
