package depend

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"midwatch/foreign"
	"midwatch/live"
)

// assessment is a report being made.
type assessment struct {
	Input
	pods map[string]bool
	refs []Reference
}

// Assess makes the report. A workload whose template is not known gets an
// empty one.
func Assess(in Input) *Report {
	r := &Report{Workload: in.Workload, At: in.At}
	if in.Template == nil {
		return r
	}
	a := &assessment{Input: in, pods: map[string]bool{}, refs: References(in.Template)}
	for _, p := range in.Pods {
		a.pods[p.Name] = true
	}
	r.Sections = []Section{a.traffic(), a.config(), a.storage(), a.identity(), a.room(), a.usage(), a.budgets()}
	for i := range r.Sections {
		s := &r.Sections[i]
		slices.SortStableFunc(s.Items, func(x, y Item) int { return x.Severity.Rank() - y.Severity.Rank() })
	}
	return r
}

// gap notes what could not be read; what this cluster does not serve is one
// only where it is asked for.
func (s *Section) gap(what string, state live.State, err foreign.Text) {
	switch state {
	case live.Ready, live.Absent, live.Loading:
		return
	}
	s.Gaps = append(s.Gaps, Gap{What: what, State: state, Err: err})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// config judges the ConfigMaps and Secrets the template names.
func (a *assessment) config() Section {
	s := Section{Area: Config, Title: "configuration it is given", Empty: "The template names no ConfigMap and no Secret."}
	byObject := map[string][]Reference{}
	var order []string
	for _, r := range a.refs {
		if r.Kind == kindClaim {
			continue
		}
		key := r.Kind + "/" + r.Name
		if byObject[key] == nil {
			order = append(order, key)
		}
		byObject[key] = append(byObject[key], r)
	}
	for _, key := range order {
		s.Items = append(s.Items, a.object(byObject[key]))
	}
	return s
}

// object judges one ConfigMap or Secret by all its uses.
func (a *assessment) object(refs []Reference) Item {
	first := refs[0]
	it := Item{Ref: a.ref(first.Kind, first.Name), Severity: live.OK}
	needed := false
	for _, r := range refs {
		it.Uses = append(it.Uses, r.Words())
		needed = needed || !r.Optional
	}
	it.Uses = slices.Compact(it.Uses)
	o, known := a.ConfigMaps[first.Name], true
	if first.Kind == kindSecret {
		o = a.Secrets[first.Name]
	}
	if o.State == live.Loading {
		known = false
	}
	switch {
	case !known:
		it.say(live.Unknown, "was not looked at: it names more objects than are read")
	case o.State == live.Absent && needed:
		it.say(live.Fail, "does not exist: "+consequence(refs))
	case o.State == live.Absent:
		it.say(live.Info, "does not exist, and nothing needs it to")
	case o.State != live.Ready:
		it.say(live.Unknown, "is not known: "+o.Err.String())
	default:
		it.Changed = o.Changed
		a.contents(&it, o, refs)
	}
	return it
}

// consequence is what a missing object or key does to a new pod.
func consequence(refs []Reference) string {
	for _, r := range refs {
		if !r.Optional && (r.How == Volume || r.How == SubPath) {
			return "new pods stay in ContainerCreating (FailedMount)"
		}
	}
	return "new containers do not start (CreateContainerConfigError)"
}

// contents judges keys and age of an object that is there.
func (a *assessment) contents(it *Item, o Object, refs []Reference) {
	missing := a.missingKeys(o, refs)
	switch {
	case o.KeysKnown:
		it.say(live.OK, plural(len(o.Keys), "key"))
	default:
		it.say(live.OK, "is there; its keys are not known, since they come with the values only")
	}
	for _, r := range missing {
		if r.Optional {
			it.note(live.Info, fmt.Sprintf("has no key %s, which %s may do without", r.Key, orPod(r.Container)))
			continue
		}
		it.note(live.Fail, fmt.Sprintf("has no key %s, which %s needs: %s", r.Key, orPod(r.Container), consequence([]Reference{r})))
	}
	if o.Immutable {
		it.note(live.OK, "immutable: it cannot change under running pods")
		return
	}
	a.staleness(it, o)
}

func orPod(container string) string {
	if container == "" {
		return "the pod"
	}
	return container
}

// missingKeys are the uses of keys that are not there. Of a Secret only what
// an event names is known.
func (a *assessment) missingKeys(o Object, refs []Reference) []Reference {
	var out []Reference
	seen := map[string]bool{}
	for _, r := range refs {
		if r.Key == "" || seen[r.Key+"/"+r.Container] {
			continue
		}
		gone := o.KeysKnown && !slices.Contains(o.Keys, r.Key) || !o.KeysKnown && a.eventNames(r)
		if gone {
			seen[r.Key+"/"+r.Container] = true
			out = append(out, r)
		}
	}
	return out
}

// eventNames looks for the kubelet's own words (kuberuntime makeEnvironment,
// volume/secret): "couldn't find key K in Secret ns/x", "references
// non-existent secret key: K".
func (a *assessment) eventNames(r Reference) bool {
	env := fmt.Sprintf("couldn't find key %s in Secret %s/%s", r.Key, a.Workload.Namespace, r.Name)
	file := "references non-existent secret key: " + r.Key
	for _, e := range a.Events {
		text := e.Message.String()
		if strings.Contains(text, env) || strings.Contains(text, file) && r.How == Volume {
			return true
		}
	}
	return false
}

// staleness says which pods run with what was there before the last change:
// environments and subPath mounts stay as they were when the container was
// created (kubelet kuberuntime, volume subPath), files follow.
func (a *assessment) staleness(it *Item, o Object) {
	if o.Changed.IsZero() {
		return
	}
	frozen, follows := map[string]bool{}, map[string]bool{}
	for _, p := range a.Pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		// Pods of an older revision may take another object in its place.
		for _, r := range References(&corev1.PodTemplateSpec{Spec: p.Spec}) {
			if r.How == Pull || r.Kind != it.Ref.Kind || r.Name != it.Ref.Name {
				continue
			}
			for _, began := range startsOf(p, r.Container) {
				switch {
				case !began.Before(o.Changed):
				case r.How.frozen():
					frozen[p.Name] = true
				default:
					follows[p.Name] = true
				}
			}
		}
	}
	if n := len(frozen); n > 0 {
		it.note(live.Warn, fmt.Sprintf("changed after %d of %s started, which still run with what it said before: a restart brings it in (%s)", n, plural(len(a.Pods), "pod"), names(frozen)))
	}
	if n := len(follows); n > 0 && len(frozen) == 0 {
		it.note(live.Info, fmt.Sprintf("changed after %d of %s started; their files follow within a minute or two, whether the process reads them again is not known", n, plural(len(a.Pods), "pod")))
	}
}

// startsOf is since when a container of the pod runs; every container's when
// none is named.
func startsOf(p *corev1.Pod, container string) []time.Time {
	var out []time.Time
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			if r := list[i].State.Running; r != nil && (container == "" || list[i].Name == container) {
				out = append(out, r.StartedAt.Time)
			}
		}
	}
	return out
}

const maxNames = 3

func names(set map[string]bool) string {
	list := sortedKeys(set)
	if len(list) > maxNames {
		return strings.Join(list[:maxNames], ", ") + fmt.Sprintf(" and %d more", len(list)-maxNames)
	}
	return strings.Join(list, ", ")
}

// storage judges the claims.
func (a *assessment) storage() Section {
	s := Section{Area: Storage, Title: "storage", Empty: "It claims no volume."}
	uses := map[string][]string{}
	for _, r := range a.refs {
		if r.Kind == kindClaim {
			uses[r.Name] = append(uses[r.Name], r.Words())
		}
	}
	for _, name := range sortedKeys(a.Claims) {
		c := a.Claims[name]
		it := Item{Ref: a.ref(kindClaim, name), Severity: live.OK, Uses: uses[name]}
		switch {
		case c.State == live.Absent:
			it.say(live.Fail, "does not exist: the pod cannot be scheduled")
		case c.State != live.Ready:
			it.say(live.Unknown, "is not known: "+c.Err.String())
		case c.Phase == string(corev1.ClaimBound):
			it.say(live.OK, strings.TrimSpace("bound, "+c.Size+" "+c.Class))
		case c.Phase == string(corev1.ClaimLost):
			it.say(live.Fail, "lost its volume")
		default:
			it.say(live.Warn, "is not bound yet ("+c.Phase+"): it waits for a provisioner, or for its first pod")
		}
		s.Items = append(s.Items, it)
	}
	return s
}

// identity judges the ServiceAccount.
func (a *assessment) identity() Section {
	s := Section{Area: Identity, Title: "who it is"}
	name := a.Template.Spec.ServiceAccountName
	if name == "" {
		name = "default"
	}
	it := Item{Ref: a.ref("ServiceAccount", name), Severity: live.OK}
	switch a.Account.State {
	case live.Ready:
		it.say(live.OK, "is there")
	case live.Absent:
		it.say(live.Fail, "does not exist: new pods are refused")
	default:
		it.say(live.Unknown, "is not known: "+a.Account.Err.String())
	}
	s.Items = append(s.Items, it)
	return s
}

// budgets judges the disruption budgets that speak of the pods.
func (a *assessment) budgets() Section {
	s := Section{Area: Budgets, Title: "disruption budgets", Empty: "None speaks of its pods: a drain may take all of them at once."}
	s.gap("disruption budgets", a.Budgets.State, a.Budgets.Err)
	for _, b := range a.Budgets.Items {
		sel, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || !sel.Matches(labels.Set(a.Template.Labels)) {
			continue
		}
		s.Items = append(s.Items, a.budget(b))
	}
	if len(s.Items) > 1 {
		for i := range s.Items {
			s.Items[i].note(live.Warn, fmt.Sprintf("%d budgets speak of the same pods: every eviction fails (500) then", len(s.Items)))
		}
	}
	return s
}

func (a *assessment) budget(b *policyv1.PodDisruptionBudget) Item {
	it := Item{Ref: a.ref("PodDisruptionBudget", b.Name), Severity: live.OK}
	st := b.Status
	text := fmt.Sprintf("allows %s now: %d of %d are healthy, %d have to be", plural(int(st.DisruptionsAllowed), "disruption"), st.CurrentHealthy, st.ExpectedPods, st.DesiredHealthy)
	switch {
	case b.Generation > st.ObservedGeneration:
		it.say(live.Unknown, "has not been reckoned for its present spec yet")
	case st.DisruptionsAllowed == 0 && st.ExpectedPods > 0:
		it.say(live.Warn, text+"; drains of nodes wait, rollouts do not (they delete pods, which it does not guard)")
	default:
		it.say(live.OK, text)
	}
	return it
}
