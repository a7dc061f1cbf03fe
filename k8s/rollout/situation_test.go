package rollout

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"midwatch/k8s"
)

var update = flag.Bool("update", false, "write what Assess says now into the expectations of testdata/*.yaml")

// situation is one file of testdata: a description with an expectation,
// followed by the objects as kubectl shows them. What only links objects is
// left out there and filled in by [situation.link]: namespaces, UIDs, owners.
type situation struct {
	Kind string `json:"kind"` // Situation
	// What says what is going on, for the reader.
	What string    `json:"what"`
	Now  time.Time `json:"now"`
	// Unknown lists what was not read yet: sets, pods.
	Unknown []string    `json:"unknown,omitempty"`
	Expect  expectation `json:"expect"`
	// WithoutPods is what is said while the pods are not known yet.
	WithoutPods *expectation `json:"withoutPods,omitempty"`

	file   string
	object *Object
	typed  any // the workload as the API has it, for the oracle
	input  Input
	sets   []*appsv1.ReplicaSet
	pods   []*corev1.Pod
	crs    []*appsv1.ControllerRevision
}

// expectation is what Assess is to say. Times are RFC 3339, empty for zero.
type expectation struct {
	Phase     k8s.Phase `json:"phase"`
	Severity  string    `json:"severity"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Since     string    `json:"since,omitempty"`
	Recheck   string    `json:"recheck,omitempty"`
	Deadline  string    `json:"deadline,omitempty"`
	BlockedBy []string  `json:"blockedBy,omitempty"`
	// Counts are "updated/ready/available of desired, total N, old N", and
	// the strategy's limits.
	Counts string `json:"counts"`
	Limits string `json:"limits"`
	// Revision is "new <- previous" by number and name.
	Revision string `json:"revision,omitempty"`
	// Causes are "step kind count/of which: text", and what else is known of
	// each.
	Causes []string `json:"causes,omitempty"`
	Delete []string `json:"delete,omitempty"`
	// Evidence are the leading pieces, "kind ref: text".
	Evidence []string `json:"evidence,omitempty"`
}

// maxListed is how many pieces of evidence an expectation lists.
const maxListed = 4

func told(v k8s.Verdict, s k8s.RolloutStatus) expectation {
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	e := expectation{
		Phase: v.Phase, Severity: v.Severity.String(), Reason: v.Reason, Message: v.Message.String(),
		Since: when(v.Since), Recheck: when(v.Recheck), Deadline: when(s.Deadline), BlockedBy: s.BlockedBy,
		Counts: fmt.Sprintf("%d updated, %d ready, %d available of %d; %d in all, %d old", s.Updated, s.Ready, s.Available, s.Desired, s.Total, s.OldReplicas),
		Limits: fmt.Sprintf("%s surge %d unavailable %d", s.Strategy, s.Surge, s.Unavailable),
	}
	if s.Partition > 0 {
		e.Limits += fmt.Sprintf(" partition %d", s.Partition)
	}
	if s.Steps > 0 {
		e.Limits += fmt.Sprintf(" step %d/%d weight %d", s.Step, s.Steps, s.Weight)
	}
	name := func(r k8s.Revision) string { return fmt.Sprintf("%d %s", r.Number, r.Name) }
	if s.Revision.Name != "" {
		e.Revision = name(s.Revision)
	}
	if s.PreviousRevision.Name != "" {
		e.Revision += " <- " + name(s.PreviousRevision)
	}
	for i := range v.Causes {
		e.Causes = append(e.Causes, causeLine(&v.Causes[i], when))
	}
	for _, r := range v.Delete {
		e.Delete = append(e.Delete, r.Name)
	}
	for _, x := range v.Evidence[:min(len(v.Evidence), maxListed)] {
		e.Evidence = append(e.Evidence, x.Kind+" "+x.Ref+": "+x.Text.String())
	}
	return e
}

// causeLine is everything a cause says, but for its advice.
func causeLine(c *k8s.Cause, when func(time.Time) string) string {
	text := fmt.Sprintf("%d %s %d/%d", c.Step, c.Kind, c.Count, c.Of)
	if c.Which != "" {
		text += " " + c.Which
	}
	text += ": " + c.Text.String()
	add := func(name, value string) {
		if value != "" {
			text += "; " + name + " " + value
		}
	}
	if !c.Fatal {
		text += "; may pass"
	}
	add("container", c.Container)
	add("probe", strings.TrimSpace(c.Probe+" "+c.Endpoint))
	add("object", c.Object)
	if c.OldToo > 0 {
		add("old too", fmt.Sprint(c.OldToo))
	}
	if c.Times > 0 {
		add("at least", fmt.Sprint(c.Times))
	}
	add("next start", when(c.NextStart))
	if c.Exit != nil {
		add("exit", fmt.Sprintf("%d %s at %s", c.Exit.Code, c.Exit.Reason, when(c.Exit.At)))
	}
	return text
}

// readyPods is shorthand for pods that have been up and ready since a time.
type readyPods struct {
	Hash  string      `json:"hash"`
	Since metav1.Time `json:"since"`
	Names []string    `json:"names"`
	Node  string      `json:"node"`
}

func loadSituation(t testing.TB, file string) *situation {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &situation{file: file}
	docs := utilyaml.NewYAMLReader(newReader(raw))
	for i := 0; ; i++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.add(doc)
		}
		if err != nil {
			t.Fatalf("%s, document %d: %v", file, i+1, err)
		}
	}
	if s.object == nil || s.Kind != "Situation" {
		t.Fatalf("%s: want a Situation and a workload", file)
	}
	s.link()
	return s
}

func (s *situation) add(doc []byte) error {
	var head struct{ Kind string }
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	switch head.Kind {
	case "Situation":
		return yaml.UnmarshalStrict(doc, s)
	case k8s.Deployment:
		d, err := decode[appsv1.Deployment](doc)
		s.typed = d
		named(d)
		s.object = FromDeployment(d, nil)
		return err
	case k8s.StatefulSet:
		d, err := decode[appsv1.StatefulSet](doc)
		s.typed = d
		named(d)
		s.object = FromStatefulSet(d, nil)
		return err
	case k8s.DaemonSet:
		d, err := decode[appsv1.DaemonSet](doc)
		s.typed = d
		named(d)
		s.object = FromDaemonSet(d, nil)
		return err
	case k8s.Rollout:
		u := &unstructured.Unstructured{}
		raw, err := yaml.YAMLToJSON(doc)
		if err == nil {
			err = u.UnmarshalJSON(raw)
		}
		if err != nil {
			return err
		}
		named(u)
		s.typed = u
		s.object, err = FromArgoRollout(u, nil)
		return err
	case "ReplicaSet":
		rs, err := decode[appsv1.ReplicaSet](doc)
		s.sets = append(s.sets, rs)
		return err
	case "ControllerRevision":
		cr, err := decode[appsv1.ControllerRevision](doc)
		s.crs = append(s.crs, cr)
		return err
	case "Pod":
		p, err := decode[corev1.Pod](doc)
		s.pods = append(s.pods, p)
		return err
	case "Node":
		n, err := decode[corev1.Node](doc)
		if s.input.Nodes == nil {
			s.input.Nodes = map[string]*Node{}
		}
		s.input.Nodes[n.Name] = FromNode(n)
		return err
	case "ReadyPods":
		r, err := decode[readyPods](doc, "kind")
		for _, name := range r.Names {
			s.pods = append(s.pods, readyPod(name, r))
		}
		return err
	case "Event":
		e, err := decode[corev1.Event](doc)
		if e.InvolvedObject.Namespace == "" {
			e.InvolvedObject.Namespace = "shop"
		}
		s.input.Events = append(s.input.Events, FromEvent(e, nil))
		return err
	}
	return fmt.Errorf("kind %q is none the situations know", head.Kind)
}

// decode reads a document strictly: a misspelt field is an error.
func decode[T any](doc []byte, drop ...string) (*T, error) {
	out := new(T)
	if len(drop) > 0 {
		var m map[string]any
		if err := yaml.Unmarshal(doc, &m); err != nil {
			return out, err
		}
		for _, k := range drop {
			delete(m, k)
		}
		doc, _ = yaml.Marshal(m)
	}
	return out, yaml.UnmarshalStrict(doc, out)
}

func named(o metav1.Object) {
	if o.GetNamespace() == "" {
		o.SetNamespace("shop")
	}
	if o.GetUID() == "" {
		o.SetUID(types.UID("uid-" + o.GetName()))
	}
}

func own(o metav1.Object, kind, name string) {
	yes := true
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: &yes}})
}

func readyPod(name string, r *readyPods) *corev1.Pod {
	yes := true
	p := &corev1.Pod{}
	p.Name, p.CreationTimestamp = name, r.Since
	p.Labels = map[string]string{"hash": r.Hash}
	p.Spec.NodeName = orWord(r.Node, "node-1")
	p.Spec.Containers = []corev1.Container{{Name: "app"}}
	p.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, StartTime: &r.Since,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: r.Since}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Ready: true, Started: &yes, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: r.Since}},
		}},
	}
	return p
}

// link fills in namespaces, UIDs, owners and the labels that say which
// revision a pod is of; pods carry theirs as label "hash" in the files.
func (s *situation) link() {
	o := s.object
	for _, rs := range s.sets {
		named(rs)
		own(rs, o.Kind, o.Name)
		s.input.Sets = append(s.input.Sets, FromReplicaSet(rs, nil))
	}
	for _, cr := range s.crs {
		named(cr)
		own(cr, o.Kind, o.Name)
		s.input.Revisions = append(s.input.Revisions, FromControllerRevision(cr, nil))
	}
	for _, p := range s.pods {
		named(p)
		hash := p.Labels["hash"]
		switch o.Kind {
		case k8s.StatefulSet:
			own(p, o.Kind, o.Name)
			p.Labels = map[string]string{"controller-revision-hash": o.Name + "-" + hash}
		case k8s.DaemonSet:
			own(p, o.Kind, o.Name)
			p.Labels = map[string]string{"controller-revision-hash": hash}
		case k8s.Rollout:
			own(p, "ReplicaSet", o.Name+"-"+hash)
			p.Labels = map[string]string{"rollouts-pod-template-hash": hash}
		default:
			own(p, "ReplicaSet", o.Name+"-"+hash)
			p.Labels = map[string]string{"pod-template-hash": hash}
		}
		s.input.Pods = append(s.input.Pods, FromPod(p, nil))
	}
	s.input.Object, s.input.Now, s.input.SetsKnown, s.input.PodsKnown = o, s.Now, true, true
	for _, u := range s.Unknown {
		switch u {
		case "sets":
			s.input.SetsKnown, s.input.Sets, s.input.Revisions = false, nil, nil
		case "pods":
			s.input.PodsKnown, s.input.Pods = false, nil
		}
	}
}

func situations(t *testing.T) []*situation {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("testdata holds %d situations (%v), want at least 40", len(files), err)
	}
	var out []*situation
	for _, f := range files {
		out = append(out, loadSituation(t, f))
	}
	return out
}

func (s *situation) name() string { return strings.TrimSuffix(filepath.Base(s.file), ".yaml") }

// write replaces the description in the file, keeping the objects.
func (s *situation) write(t *testing.T) {
	t.Helper()
	raw, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	_, objects, _ := bytes.Cut(raw, []byte("\n---\n"))
	head, err := yaml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.file, append(append(head, "---\n"...), objects...), 0o644); err != nil {
		t.Fatal(err)
	}
}
