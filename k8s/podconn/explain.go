package podconn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

var (
	// ErrRefused says that the pod is there and nothing listens on the port.
	ErrRefused = errors.New("connection refused")
	// ErrGone says that the pod does not exist any more.
	ErrGone = errors.New("the pod is gone")
)

// Denied is a right that is missing.
type Denied struct {
	// Verbs are those that would do; the first is the one a server from 1.35
	// on asks for.
	Verbs []string
	// Resource is pods/portforward or pods/exec.
	Resource string
	// Message is the API server's.
	Message foreign.Text
}

// Error names the right to ask for.
func (d *Denied) Error() string {
	return fmt.Sprintf("forbidden: needs the verb %s on %s (%s)", strings.Join(d.Verbs, " or "), d.Resource, d.Message)
}

// refusedBy is what container runtimes and kwok say when nothing listens:
// containerd "failed to connect to localhost:6060 inside namespace …: dial tcp4
// 127.0.0.1:6060: connect: connection refused", CRI-O's socat "E connect(5,
// AF=2 127.0.0.1:6060, 16): Connection refused".
var refusedBy = regexp.MustCompile(`(?i)connection refused`)

// remoteError puts what the kubelet said into words.
func remoteError(port int, said string) error {
	line := foreign.CleanN(strings.TrimSpace(said), 300).String()
	if refusedBy.MatchString(said) {
		return fmt.Errorf("%w: nothing listens on port %d in the pod", ErrRefused, port)
	}
	return fmt.Errorf("the node says: %s", line)
}

// explain finds the reason why a stream was not opened. A kubelet that cannot
// be reached, and a pod that does not run, look alike from outside; the pod
// itself tells them apart.
func explain(ctx context.Context, cluster Cluster, pod k8s.Ref, resource string, err error) error {
	var refused *refusedUpgrade
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &refused) && refused.status.Code == http.StatusForbidden:
		return &Denied{Verbs: []string{"create", "get"}, Resource: resource, Message: foreign.CleanN(refused.status.Message, 300)}
	case errors.As(err, &refused) && refused.status.Code == http.StatusUnauthorized:
		return err
	}
	if why := Look(ctx, cluster, pod); why != nil {
		return why
	}
	return err
}

// Look asks the API server whether the pod can be connected to at all. It
// returns [ErrGone] for one that is not there or whose name is another pod's
// by now, the state of one that does not run, and nil when the pod runs or
// nobody can tell.
func Look(ctx context.Context, cluster Cluster, pod k8s.Ref) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	p, err := cluster.Typed().CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return ErrGone
	case err != nil:
		return nil //nolint:nilerr // the caller has an error of its own
	case pod.UID != "" && string(p.UID) != pod.UID:
		return fmt.Errorf("%w: another pod has its name now", ErrGone)
	case p.DeletionTimestamp != nil:
		return fmt.Errorf("%w: it is being deleted", ErrGone)
	case p.Spec.NodeName == "":
		return errors.New("the pod is not scheduled to a node yet")
	case p.Status.Phase != corev1.PodRunning:
		return fmt.Errorf("the pod is %s, not Running", p.Status.Phase)
	}
	return nil
}
