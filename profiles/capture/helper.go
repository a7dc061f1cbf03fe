package capture

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s/connect"
)

// helper is an ephemeral container with py-spy beside a container that has
// none.
type helper struct {
	name   string
	taker  *Taker
	target Target
	of     string
	image  string
}

// helperPrefix begins the names of midwatch's ephemeral containers, so that
// one that runs is found again.
const helperPrefix = "midwatch-py-"

// How long a helper lives, and how long its start is waited for.
const (
	helperLives  = 15 * time.Minute
	helperWithin = 90 * time.Second
)

// Image is what the settings name as the image with py-spy for the target;
// empty when they name none: midwatch pulls nothing by itself.
func (t *Taker) Image(ctx context.Context, target Target) string {
	pod, err := t.pod(ctx, target.Pod)
	if err != nil {
		return ""
	}
	rule := matching(pod, owner(target), t.o.Rules)
	return rule.PySpy
}

// PlanHelper plans to add an ephemeral container with the image. It shares the
// process namespace of the container that Look looked at. running waits, once
// the plan was carried out, until the container runs; the error says why it
// does not.
func (t *Taker) PlanHelper(ctx context.Context, target Target, of, image string) (plan *action.Plan, running func(context.Context) error, err error) {
	pod, err := t.pod(ctx, target.Pod)
	if err != nil {
		return nil, nil, named(err, "", target.Pod)
	}
	if of, err = containerOf(pod, of); err != nil {
		return nil, nil, named(err, "", target.Pod)
	}
	target.Pod.UID = string(pod.UID)
	h := &helper{taker: t, target: target, of: of, image: image, name: helperPrefix + suffix()}
	plan = action.New(action.Plan{
		Verb: "debug", Title: fmt.Sprintf("Add an ephemeral container with py-spy to %s?", target.Pod),
		Target: t.planTarget(target),
		Changes: []action.Field{
			{Path: "spec.ephemeralContainers", After: foreign.CleanN(h.name, 64)},
			{Path: "image", After: foreign.CleanN(image, 300)},
			{Path: "targetContainerName", After: foreign.CleanN(of, 64)},
			{Path: "securityContext", After: "capabilities.add SYS_PTRACE, runAsUser 0"},
		},
		Blast: fmt.Sprintf("It shares the processes of container %s, which are not restarted, and ends by itself after %d minutes.", of, int(helperLives/time.Minute)),
		Warnings: []string{
			"it asks for the capability SYS_PTRACE and runs as root: whoever may exec into it can read the memory of container " + of,
			"it cannot be removed: it stays in the pod's list until the pod is deleted",
		},
		Danger: action.DangerName, Undo: "Cannot be undone: Kubernetes has no way to remove an ephemeral container from a pod.",
		Equivalent: fmt.Sprintf("kubectl --context %s -n %s debug %s --image %s --target %s --profile general -- sleep %d", t.o.Context, target.Pod.Namespace, target.Pod.Name,
			foreign.CleanN(image, 200), of, int(helperLives/time.Second)),
		VerifyWithin: helperWithin,
	}, action.Steps{
		Check:  h.check,
		DryRun: func(ctx context.Context) error { return h.send(ctx, []string{metav1.DryRunAll}) },
		Apply:  func(ctx context.Context) error { return h.send(ctx, nil) },
		Verify: func(ctx context.Context) (string, error) {
			if err := h.running(ctx); err != nil {
				return "", err
			}
			return "it runs", nil
		},
	})
	return plan, h.running, nil
}

// suffix makes names of a pod's ephemeral containers differ.
func suffix() string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))] //nolint:gosec // no secret
	}
	return string(b)
}

// runningHelper is an ephemeral container of midwatch's that runs beside the
// container.
func runningHelper(pod *corev1.Pod, of string) string {
	for i := range pod.Spec.EphemeralContainers {
		c := &pod.Spec.EphemeralContainers[i]
		if !strings.HasPrefix(c.Name, helperPrefix) || c.TargetContainerName != of {
			continue
		}
		for _, s := range pod.Status.EphemeralContainerStatuses {
			if s.Name == c.Name && s.State.Running != nil {
				return c.Name
			}
		}
	}
	return ""
}

func (h *helper) check(ctx context.Context) error {
	pod, err := h.taker.o.Cluster.Typed().CoreV1().Pods(h.target.Pod.Namespace).Get(ctx, h.target.Pod.Name, metav1.GetOptions{})
	switch {
	case err != nil:
		return errors.New(connect.Explain(err).Line())
	case string(pod.UID) != h.target.Pod.UID || pod.DeletionTimestamp != nil:
		return fmt.Errorf("%w: the pod is another one, or is being deleted", action.ErrChanged)
	case runningHelper(pod, h.of) != "":
		return fmt.Errorf("%w: there is such a container already (%s), take the profile again", action.ErrChanged, runningHelper(pod, h.of))
	}
	return nil
}

// send adds the container. The UID makes it a precondition that the pod is
// still the same.
func (h *helper) send(ctx context.Context, dryRun []string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": h.target.Pod.UID},
		"spec":     map[string]any{"ephemeralContainers": []corev1.EphemeralContainer{h.container()}},
	})
	if err != nil {
		return fmt.Errorf("make the patch: %w", err)
	}
	_, err = h.taker.o.Cluster.Typed().CoreV1().Pods(h.target.Pod.Namespace).Patch(ctx, h.target.Pod.Name, types.StrategicMergePatchType, patch,
		metav1.PatchOptions{DryRun: dryRun, FieldManager: "midwatch"}, "ephemeralcontainers")
	if err != nil {
		return named(h.refused(err), "", h.target.Pod)
	}
	return nil
}

func (h *helper) container() corev1.EphemeralContainer {
	return corev1.EphemeralContainer{
		TargetContainerName: h.of,
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: h.name, Image: h.image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{"sleep", fmt.Sprint(int(helperLives / time.Second))},
			SecurityContext: &corev1.SecurityContext{
				// A capability that is added is not effective for another user than root.
				RunAsUser: ptr.To[int64](0), RunAsNonRoot: ptr.To(false),
				Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}},
			},
		},
	}
}

// violates is what the PodSecurity admission says (k/k
// staging/src/k8s.io/pod-security-admission/admission).
var violates = regexp.MustCompile(`violates PodSecurity "([^"]+)": (.*)`)

// refused explains why the server did not take the container. The server's own
// error is not kept in it: it would be explained once more.
func (h *helper) refused(err error) *Error {
	text := foreign.CleanN(err.Error(), 400).String()
	var status apierrors.APIStatus
	m := violates.FindStringSubmatch(text)
	switch {
	case isLocked(err):
		return h.taker.explainExec(context.Background(), h.target, err)
	case m != nil:
		level, _, _ := strings.Cut(m[1], ":")
		return &Error{Cause: NotAllowed, Next: "put py-spy into the image, or ask who sets the namespace's label pod-security.kubernetes.io/enforce",
			Why: fmt.Sprintf("PodSecurity level %s of namespace %s forbids it (%s)", level, h.target.Pod.Namespace, m[2])}
	case apierrors.IsForbidden(err) && strings.Contains(text, "cannot patch"):
		return &Error{Cause: NotAllowed, Why: "forbidden: needs the verb patch on pods/ephemeralcontainers", Next: "ask for it"}
	case apierrors.IsForbidden(err), strings.Contains(text, "admission webhook"), strings.Contains(text, "denied the request"):
		return &Error{Cause: NotAllowed, Why: "admission refused it: " + text, Next: "ask who sets that policy"}
	case apierrors.IsNotFound(err) && errors.As(err, &status) && (status.Status().Details == nil || status.Status().Details.Name == ""):
		return &Error{Cause: NoTool, Why: "this API server knows no ephemeral containers"}
	case apierrors.IsNotFound(err):
		return &Error{Cause: Gone, Why: "the pod is gone", Next: "choose another one"}
	case errors.As(err, &status) && status.Status().Code == http.StatusUnprocessableEntity:
		return &Error{Cause: Trouble, Why: "the server does not take it: " + text}
	}
	return &Error{Cause: Trouble, Why: connect.Explain(err).Line()}
}

// running waits until the container runs; the error says why it does not.
func (h *helper) running(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, helperWithin, errLate)
	defer cancel()
	last := "nothing is known of it"
	for {
		running, err := h.watch(ctx, &last)
		switch {
		case running:
			return nil
		case ctx.Err() != nil && errors.Is(context.Cause(ctx), errLate):
			return named(fail(Trouble, "it may still start; take the profile again then", "ephemeral container %s did not start within %v (%s)", h.name, helperWithin, last), "", h.target.Pod)
		case ctx.Err() != nil:
			return named(fail(Cancelled, "", "cancelled; the ephemeral container stays"), "", h.target.Pod)
		case err != nil:
			return named(err, "", h.target.Pod)
		}
		again, stop := h.taker.o.Clock.After(time.Second)
		select {
		case <-again:
		case <-ctx.Done():
		}
		stop()
	}
}

// watch follows the pod until the container runs or fails, or the watch ends.
func (h *helper) watch(ctx context.Context, last *string) (running bool, err error) {
	pods := h.taker.o.Cluster.Typed().CoreV1().Pods(h.target.Pod.Namespace)
	pod, err := pods.Get(ctx, h.target.Pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, fail(Gone, "choose another one", "the pod is gone")
	case err != nil:
		return false, &Error{Cause: Trouble, Why: connect.Explain(err).Line(), Err: err}
	}
	if running, err := h.judge(pod, last); running || err != nil {
		return running, err
	}
	w, err := pods.Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", h.target.Pod.Name).String(), ResourceVersion: pod.ResourceVersion,
	})
	if err != nil {
		return false, &Error{Cause: Trouble, Why: connect.Explain(err).Line(), Err: err}
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case event, open := <-w.ResultChan():
			if !open {
				return false, nil // looked at anew
			}
			if event.Type == watch.Deleted {
				return false, fail(Gone, "choose another one", "the pod was deleted")
			}
			if pod, ok := event.Object.(*corev1.Pod); ok {
				if running, err := h.judge(pod, last); running || err != nil {
					return running, err
				}
			}
		}
	}
}

// judge reads how the container is doing.
func (h *helper) judge(pod *corev1.Pod, last *string) (running bool, err error) {
	if pod.DeletionTimestamp != nil || string(pod.UID) != h.target.Pod.UID {
		return false, fail(Gone, "choose another one", "the pod is being deleted")
	}
	for _, s := range pod.Status.EphemeralContainerStatuses {
		if s.Name != h.name {
			continue
		}
		switch state := s.State; {
		case state.Running != nil:
			return true, nil
		case state.Terminated != nil:
			said := cmp.Or(state.Terminated.Message, state.Terminated.Reason)
			return false, fail(Trouble, "the image needs sh, sleep and py-spy", "ephemeral container %s ended at once, with code %d (%s)", h.name, state.Terminated.ExitCode, foreign.CleanN(said, 200))
		case state.Waiting != nil:
			*last = foreign.CleanN(state.Waiting.Reason, 60).String()
			if err := h.stuck(state.Waiting); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// stuck explains waiting reasons that do not pass by themselves (k/k
// pkg/kubelet/images/types.go, kuberuntime/kuberuntime_container.go).
func (h *helper) stuck(w *corev1.ContainerStateWaiting) error {
	said := foreign.CleanN(w.Message, 200).String()
	switch w.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed":
		return fail(Trouble, "name an image that this node can pull", "image %s cannot be pulled (%s: %s)", foreign.CleanN(h.image, 200), w.Reason, said)
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return fail(Trouble, "", "ephemeral container %s cannot start (%s: %s)", h.name, w.Reason, said)
	}
	return nil
}
