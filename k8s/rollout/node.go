package rollout

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Node is what is known of a node that pods in trouble are on.
type Node struct {
	Name string
	// Known is false when it was not, or could not be, read; Err says why it
	// could not.
	Known bool
	Err   foreign.Text
	// Gone is true when there is no such node (any more).
	Gone bool
	// Ready is the Ready condition: True, False or Unknown; Since its last
	// transition, Reason and Message its own words.
	Ready   string
	Since   time.Time
	Reason  string
	Message foreign.Text
	// Heard is when its kubelet last renewed its lease; zero if not known.
	Heard time.Time
}

// FromNode reduces a node.
func FromNode(n *corev1.Node) *Node {
	out := &Node{Name: foreign.CleanN(n.Name, maxName).String(), Known: true}
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
			out.Ready, out.Since = foreign.CleanN(string(c.Status), maxReason).String(), c.LastTransitionTime.Time
			out.Reason, out.Message = foreign.CleanN(c.Reason, maxReason).String(), foreign.CleanN(c.Message, maxPodMessage)
			out.Heard = c.LastHeartbeatTime.Time
		}
	}
	return out
}

// node is what is known of a pod's node: what was read of it, or what the node
// controller said of it in events about the pod.
func (a *assessment) node(p *k8s.PodRow) *Node {
	if p.Node == "" {
		return nil
	}
	a.ask(k8s.Ref{Kind: "Node", Name: p.Node})
	if n := a.Nodes[p.Node]; n != nil && (n.Known || n.Gone) {
		return n
	} else if n != nil && n.Err != "" && a.unread == nil {
		a.unread = &live.Evidence{Kind: "node", Ref: "Node " + p.Node, Text: foreign.CleanN("how the node is could not be read: "+n.Err.String(), maxText)}
	}
	if e := a.newestEvent(p.Ref(), p.Created, reasonNodeNotReady); e != nil {
		return &Node{Name: p.Node, Known: true, Ready: "False", Since: e.First, Reason: e.Reason}
	}
	if p.Reason == reasonNodeNotReady {
		return &Node{Name: p.Node, Ready: "Unknown"}
	}
	return &Node{Name: p.Node}
}

// lost reports whether the node is known not to work.
func (n *Node) lost() bool {
	return n != nil && (n.Gone || n.Ready == "False" || n.Ready == "Unknown")
}

// words say what is wrong with the node.
func (n *Node) words() string {
	switch {
	case n == nil:
		return "its node is lost"
	case n.Gone:
		return "node " + n.Name + " does not exist any more"
	case n.Ready == "Unknown" && n.Known:
		return "node " + n.Name + " is lost: its kubelet stopped reporting"
	case n.Message != "":
		return "node " + n.Name + " is not ready: " + trailing(n.Message.String())
	}
	return "node " + n.Name + " is not ready"
}

// maxClues is how many things an assessment asks to be looked up.
const maxClues = 8

// ask notes that something else would tell more.
func (a *assessment) ask(r k8s.Ref) {
	for _, have := range a.clues {
		if have == r {
			return
		}
	}
	if len(a.clues) < maxClues {
		a.clues = append(a.clues, r)
	}
}
