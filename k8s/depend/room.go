package depend

import (
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"midwatch/live"
)

// room judges the quotas of the namespace by the pods the workload may add.
func (a *assessment) room() Section {
	s := Section{Area: Room, Title: "room in the quotas", Empty: "The namespace has no ResourceQuota."}
	s.gap("resource quotas", a.Quotas.State, a.Quotas.Err)
	spec := a.podSpec()
	for _, q := range a.Quotas.Items {
		applies, why := scoped(q, spec)
		if !applies {
			continue
		}
		it := a.quota(q, spec)
		if why != "" {
			it.note(live.Info, why)
		}
		s.Items = append(s.Items, it)
	}
	return s
}

// podSpec is what a new pod asks for: a running pod's, whose requests a
// LimitRange may have filled in, of the present template; else the template's.
func (a *assessment) podSpec() *corev1.PodSpec {
	for _, p := range a.Pods {
		if len(p.Spec.Containers) > 0 && len(a.Template.Spec.Containers) > 0 && p.Spec.Containers[0].Image == a.Template.Spec.Containers[0].Image {
			return &p.Spec
		}
	}
	return &a.Template.Spec
}

// scoped reports whether a quota counts these pods
// (pkg/quota/v1/evaluator/core/pods.go podMatchesScopeFunc); why says of which
// of its scopes that is not known.
func scoped(q *corev1.ResourceQuota, spec *corev1.PodSpec) (applies bool, why string) {
	conditions := make([]corev1.ScopedResourceSelectorRequirement, 0, len(q.Spec.Scopes))
	for _, s := range q.Spec.Scopes {
		conditions = append(conditions, corev1.ScopedResourceSelectorRequirement{ScopeName: s, Operator: corev1.ScopeSelectorOpExists})
	}
	if q.Spec.ScopeSelector != nil {
		conditions = append(conditions, q.Spec.ScopeSelector.MatchExpressions...)
	}
	for _, c := range conditions {
		ok, known := inScope(c, spec)
		switch {
		case !known:
			why = fmt.Sprintf("whether its scope %s counts these pods is not known", c.ScopeName)
		case !ok:
			return false, ""
		}
	}
	return true, why
}

func inScope(c corev1.ScopedResourceSelectorRequirement, spec *corev1.PodSpec) (ok, known bool) {
	n := asked(spec)
	bestEffort := len(n.requests) == 0 && len(n.limits) == 0
	switch c.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return spec.ActiveDeadlineSeconds != nil, true
	case corev1.ResourceQuotaScopeNotTerminating:
		return spec.ActiveDeadlineSeconds == nil, true
	case corev1.ResourceQuotaScopeBestEffort:
		return bestEffort, true
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !bestEffort, true
	case corev1.ResourceQuotaScopePriorityClass:
		listed := slices.Contains(c.Values, spec.PriorityClassName)
		switch c.Operator {
		case corev1.ScopeSelectorOpIn:
			return listed, true
		case corev1.ScopeSelectorOpNotIn:
			return !listed, true
		case corev1.ScopeSelectorOpDoesNotExist:
			return spec.PriorityClassName == "", true
		}
		return spec.PriorityClassName != "", true
	}
	return false, false
}

// need is what pods ask for, by resource.
type need struct{ requests, limits corev1.ResourceList }

// asked is what the scheduler and quotas count of a pod: the larger of what
// its containers and sidecars ask for together and of what its init containers
// need while they run, plus the overhead (component-helpers/resource
// PodRequests); pod-level resources come before.
func asked(spec *corev1.PodSpec) need {
	requests := sum(spec, func(r corev1.ResourceRequirements) corev1.ResourceList { return requestsOf(r) })
	limits := sum(spec, func(r corev1.ResourceRequirements) corev1.ResourceList { return r.Limits })
	if spec.Resources != nil {
		for k, v := range spec.Resources.Requests {
			requests[k] = v
		}
		for k, v := range spec.Resources.Limits {
			limits[k] = v
		}
	}
	add(requests, spec.Overhead)
	return need{requests, limits}
}

// requestsOf fills requests in from limits, as the API server does.
func requestsOf(r corev1.ResourceRequirements) corev1.ResourceList {
	out := corev1.ResourceList{}
	for k, v := range r.Limits {
		out[k] = v
	}
	for k, v := range r.Requests {
		out[k] = v
	}
	return out
}

func sum(spec *corev1.PodSpec, of func(corev1.ResourceRequirements) corev1.ResourceList) corev1.ResourceList {
	total, sidecars, starting := corev1.ResourceList{}, corev1.ResourceList{}, corev1.ResourceList{}
	for i := range spec.Containers {
		add(total, of(spec.Containers[i].Resources))
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(total, of(c.Resources))
			add(sidecars, of(c.Resources))
			largest(starting, sidecars)
			continue
		}
		step := corev1.ResourceList{}
		add(step, sidecars)
		add(step, of(c.Resources))
		largest(starting, step)
	}
	largest(total, starting)
	return total
}

func add(into, from corev1.ResourceList) {
	for k, v := range from {
		have := into[k].DeepCopy()
		have.Add(v)
		into[k] = have
	}
}

func largest(into, from corev1.ResourceList) {
	for k, v := range from {
		if have, ok := into[k]; !ok || have.Cmp(v) < 0 {
			into[k] = v.DeepCopy()
		}
	}
}

// perPod is what one pod takes of a quota's resource; ok is false for what
// pods do not take.
func perPod(name corev1.ResourceName, n need) (q resource.Quantity, ok bool) {
	switch {
	case name == corev1.ResourcePods || name == "count/pods":
		return resource.MustParse("1"), true
	case name == corev1.ResourceCPU || name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage:
		q, ok = n.requests[name]
	case strings.HasPrefix(string(name), "requests."):
		q, ok = n.requests[corev1.ResourceName(strings.TrimPrefix(string(name), "requests."))]
	case strings.HasPrefix(string(name), "limits."):
		q, ok = n.limits[corev1.ResourceName(strings.TrimPrefix(string(name), "limits."))]
	}
	return q, ok
}

// mandatory are the resources a pod has to state when a quota counts them.
func mandatory(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory:
		return true
	}
	return false
}

func (a *assessment) quota(q *corev1.ResourceQuota, spec *corev1.PodSpec) Item {
	it := Item{Ref: a.ref("ResourceQuota", q.Name), Severity: live.OK}
	n := asked(spec)
	room, tight := math.MaxInt, ""
	for _, name := range sortedNames(q.Status.Hard) {
		hard, used := q.Status.Hard[name], q.Status.Used[name]
		each, ok := perPod(name, n)
		if !ok || each.IsZero() {
			if mandatory(name) {
				it.note(live.Warn, fmt.Sprintf("it counts %s, which the pods do not state: they are refused, unless a LimitRange fills it in", name))
			}
			continue
		}
		left := hard.DeepCopy()
		left.Sub(used)
		fits := int(max(left.MilliValue(), 0) / max(each.MilliValue(), 1))
		if fits < room {
			room = fits
			tight = fmt.Sprintf("%s: %s of %s used, a pod takes %s", name, used.String(), hard.String(), each.String())
		}
	}
	if room == math.MaxInt {
		it.say(live.OK, "does not count what these pods ask for")
		return it
	}
	wanted := max(a.Surge-a.Extra, 0)
	text := fmt.Sprintf("room for %s more (%s)", plural(room, "pod"), tight)
	switch {
	case room < wanted && a.Rolling:
		it.say(live.Fail, text+fmt.Sprintf("; this rollout may add %d and cannot", wanted))
	case room < wanted:
		it.say(live.Warn, text+fmt.Sprintf("; the next rollout adds up to %d and will be refused", wanted))
	case room == 0:
		it.say(live.Info, text+"; it cannot be scaled up")
	default:
		it.say(live.OK, text)
	}
	return it
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	out := make([]corev1.ResourceName, 0, len(list))
	for _, k := range sortedKeys(byString(list)) {
		out = append(out, corev1.ResourceName(k))
	}
	return out
}

func byString(list corev1.ResourceList) map[string]bool {
	out := make(map[string]bool, len(list))
	for k := range list {
		out[string(k)] = true
	}
	return out
}

// nearLimit is from which share of its memory limit on a pod is in danger.
const nearLimit = 90

// usage compares what the pods ask for with what they use.
func (a *assessment) usage() Section {
	s := Section{Area: Usage, Title: "requests against use", Empty: "The metrics API has nothing about its pods yet."}
	s.gap("pod metrics", a.Usage.State, a.Usage.Err)
	switch {
	case a.Usage.State == live.Absent:
		s.Empty = "This cluster serves no metrics.k8s.io (metrics-server): what the pods use is not known."
		return s
	case len(a.Usage.Items) == 0:
		return s
	}
	n := asked(a.podSpec())
	count := int64(len(a.Usage.Items))
	var cpu, memory, top int64
	topPod := ""
	for _, u := range a.Usage.Items {
		cpu, memory = cpu+u.MilliCPU, memory+u.Memory
		if u.Memory > top {
			top, topPod = u.Memory, u.Pod
		}
	}
	s.Items = append(s.Items, a.compare("cpu", cpu, n.requests.Cpu().MilliValue()*count, func(v int64) string { return resource.NewMilliQuantity(v, resource.DecimalSI).String() }))
	mem := a.compare("memory", memory, n.requests.Memory().Value()*count, mebi)
	if limit := n.limits.Memory().Value(); limit > 0 {
		share := top * 100 / limit
		text := fmt.Sprintf("the largest pod uses %s of its limit %s, %d %% (%s)", mebi(top), mebi(limit), share, topPod)
		if share >= nearLimit {
			mem.note(live.Warn, text+": at the limit it is killed (OOMKilled)")
		} else {
			mem.note(live.OK, text)
		}
	}
	s.Items = append(s.Items, mem)
	return s
}

func (a *assessment) compare(name string, used, requested int64, words func(int64) string) Item {
	it := Item{Ref: a.Workload, Severity: live.OK}
	count := plural(len(a.Usage.Items), "pod")
	if requested == 0 {
		it.say(live.Info, fmt.Sprintf("%s: %s use %s and request none: the scheduler counts them as nothing", name, count, words(used)))
		return it
	}
	share := used * 100 / requested
	text := fmt.Sprintf("%s: %s use %s of the %s they request, %d %%", name, count, words(used), words(requested), share)
	if share > 100 {
		it.say(live.Info, text+": more than was reserved for them")
		return it
	}
	it.say(live.OK, text)
	return it
}

func mebi(n int64) string {
	const mi = 1 << 20
	if n >= 10<<30 {
		return fmt.Sprintf("%.1fGi", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%dMi", n/mi)
}
