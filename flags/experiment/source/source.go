package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"midwatch/flags/experiment"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Cluster is what is read from.
type Cluster interface {
	Typed() kubernetes.Interface
	Clock() live.Clock
}

// Place is where definitions are kept: a ConfigMap, or a file.
type Place struct {
	// Namespace and ConfigMap name a ConfigMap; an empty namespace is the
	// workload's. Key is one of its keys; empty for all of them.
	Namespace, ConfigMap, Key string
	File                      string
}

// String is "ConfigMap shop/experiments".
func (p Place) String() string {
	if p.File != "" {
		return p.File
	}
	s := "ConfigMap " + p.Namespace + "/" + p.ConfigMap
	if p.Key != "" {
		s += ", key " + p.Key
	}
	return s
}

// Reader reads reports.
type Reader struct {
	Cluster Cluster
	Places  []Place
	// Window is how far back logs are read; an hour when 0.
	Window time.Duration
}

// Report is what is known of a workload's experiments at one moment.
type Report struct {
	Ref         k8s.Ref
	At          time.Time
	Experiments []*Experiment
	// Notes say what could not be read.
	Notes []foreign.Text
	// Pods are how many pods' logs were read, of Of; Lines how many lines;
	// Since from when on.
	Pods, Of, Lines int
	Since           time.Time
}

// Experiment is one experiment and the verdict on it.
type Experiment struct {
	Name string
	// Definition is nil when only exposures of it were seen.
	Definition *experiment.Definition
	Lints      []experiment.Lint
	Shares     []experiment.Share
	// Exposures is nil when none were seen.
	Exposures *experiment.Exposures
	// Split is nil when there is nothing to test, or nothing to test against.
	Split *experiment.Split
	// Changed is when the definition last changed, by whom, where known.
	Changed   time.Time
	ChangedBy foreign.Text
	// Kill is the one action that ends it.
	Kill Kill

	place  Place
	object *corev1.ConfigMap
}

// Severity is the experiment's in one word.
func (e *Experiment) Severity() live.Severity {
	worst := live.OK
	if e.Split != nil && e.Split.Health == experiment.Mismatch {
		return live.Fail
	}
	for _, l := range e.Lints {
		if l.Severity.Rank() < worst.Rank() {
			worst = l.Severity
		}
	}
	if e.Definition == nil {
		return live.Unknown
	}
	return worst
}

// Read makes a report of a workload.
func (r *Reader) Read(ctx context.Context, ref k8s.Ref) (*Report, error) {
	rep := &Report{Ref: ref, At: r.Cluster.Clock().Now()}
	found := r.definitions(ctx, ref, rep)
	var defs []experiment.Definition
	for _, e := range found {
		defs = append(defs, *e.Definition)
	}
	counted, err := r.exposures(ctx, ref, rep, defs)
	if err != nil {
		if len(found) == 0 {
			return nil, err
		}
		rep.note("exposures are not known: %v", err)
	}
	rep.Experiments = found
	for i := range counted {
		c := &counted[i]
		at := slices.IndexFunc(rep.Experiments, func(e *Experiment) bool { return e.Name == c.Experiment })
		if at < 0 {
			rep.Experiments = append(rep.Experiments, &Experiment{Name: c.Experiment})
			at = len(rep.Experiments) - 1
		}
		rep.Experiments[at].Exposures = c
	}
	for _, e := range rep.Experiments {
		e.judge()
	}
	return rep, nil
}

func (rep *Report) note(format string, args ...any) {
	rep.Notes = append(rep.Notes, foreign.CleanN(fmt.Sprintf(format, args...), 300))
}

// judge derives what follows from definition and exposures.
func (e *Experiment) judge() {
	if e.Definition != nil {
		e.Lints, e.Shares = e.Definition.Lint(), e.Definition.Shares()
	}
	e.Kill = e.kill()
	if e.Exposures == nil || e.Definition == nil || e.Exposures.Users == 0 {
		return
	}
	split := e.Definition.Split(e.Exposures.ByVariant)
	e.Split = &split
}

// definitions reads all places; what cannot be read is a note.
func (r *Reader) definitions(ctx context.Context, ref k8s.Ref, rep *Report) []*Experiment {
	var out []*Experiment
	for _, p := range r.Places {
		if p.ConfigMap != "" && p.Namespace == "" {
			p.Namespace = ref.Namespace
		}
		list, err := r.place(ctx, p)
		if err != nil {
			rep.note("%v", err)
		}
		for _, e := range list {
			if slices.ContainsFunc(out, func(o *Experiment) bool { return o.Name == e.Name }) {
				rep.note("experiment %s is defined twice; %s is left out", e.Name, e.Definition.From)
				continue
			}
			out = append(out, e)
		}
	}
	return out
}

func (r *Reader) place(ctx context.Context, p Place) ([]*Experiment, error) {
	if p.File != "" {
		raw, err := readFile(p.File)
		if err != nil {
			return nil, err
		}
		return parse(raw, p, p.String(), nil)
	}
	cm, err := r.Cluster.Typed().CoreV1().ConfigMaps(p.Namespace).Get(ctx, p.ConfigMap, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%s is not there", p)
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("%s: forbidden: get configmaps in %s", p, p.Namespace)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	var out []*Experiment
	var errs []error
	for _, key := range slices.Sorted(keys(cm.Data)) {
		if p.Key != "" && key != p.Key {
			continue
		}
		at := p
		at.Key = key
		list, err := parse([]byte(cm.Data[key]), at, at.String(), cm)
		out, errs = append(out, list...), append(errs, err)
	}
	if p.Key != "" && cm.Data[p.Key] == "" {
		errs = append(errs, fmt.Errorf("ConfigMap %s/%s has no key %s", p.Namespace, p.ConfigMap, p.Key))
	}
	return out, errors.Join(errs...)
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func parse(raw []byte, p Place, from string, cm *corev1.ConfigMap) ([]*Experiment, error) {
	defs, err := experiment.Parse(raw, from)
	if err != nil {
		return nil, err
	}
	out := make([]*Experiment, len(defs))
	for i := range defs {
		out[i] = &Experiment{Name: foreign.CleanN(defs[i].Name, 256).String(), Definition: &defs[i], place: p, object: cm}
		out[i].Changed, out[i].ChangedBy = lastChange(cm)
	}
	return out, nil
}

// lastChange is the newest entry of an object's managed fields.
func lastChange(cm *corev1.ConfigMap) (at time.Time, by foreign.Text) {
	if cm == nil {
		return time.Time{}, ""
	}
	at = cm.CreationTimestamp.Time
	for _, f := range cm.ManagedFields {
		if f.Time != nil && !f.Time.Time.Before(at) {
			at, by = f.Time.Time, foreign.CleanN(f.Manager, 80)
		}
	}
	return at, by
}

// maxFile bounds a file of definitions.
const maxFile = 1 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the experiments: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the experiments: %w", err)
	}
	return raw, nil
}

// pods are a workload's, newest first, and how many there are.
func (r *Reader) pods(ctx context.Context, ref k8s.Ref) ([]corev1.Pod, error) {
	selector, err := r.selector(ctx, ref)
	if err != nil {
		return nil, err
	}
	list, err := r.Cluster.Typed().CoreV1().Pods(ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: 500})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s: %w", ref, err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	return list.Items, nil
}

// selector reads how a workload selects its pods.
func (r *Reader) selector(ctx context.Context, ref k8s.Ref) (string, error) {
	apps := r.Cluster.Typed().AppsV1()
	var s *metav1.LabelSelector
	var err error
	switch ref.Kind {
	case k8s.Deployment:
		var d *appsv1.Deployment
		if d, err = apps.Deployments(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			s = d.Spec.Selector
		}
	case k8s.StatefulSet:
		var d *appsv1.StatefulSet
		if d, err = apps.StatefulSets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			s = d.Spec.Selector
		}
	case k8s.DaemonSet:
		var d *appsv1.DaemonSet
		if d, err = apps.DaemonSets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			s = d.Spec.Selector
		}
	default:
		return "", fmt.Errorf("the pods of a %s are not looked for here", strings.ToLower(ref.Kind))
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	return metav1.FormatLabelSelector(s), nil
}
