package podlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// onceWithin bounds reading a log that is not followed.
const onceWithin = 2 * time.Minute

// container is one container being read, through all its restarts.
type container struct {
	stream    *Stream
	pod, name string
	uid       string // of the pod
	changed   *bell
	pauses    pauses

	resume   resume
	restarts int32  // restartCount of the instance read last
	began    bool   // an instance was read
	ended    string // the instance that was read to its end, see [instance]
	said     string // the last note, so that it is not said again
}

// run reads the container until there is nothing more to come.
func (c *container) run(ctx context.Context, pod *corev1.Pod) {
	if !c.stream.query.Follow {
		_, err := c.read(ctx)
		c.final(ctx, err)
		return
	}
	for {
		next := c.changed.next()
		wait, over := c.step(ctx, pod)
		if over || ctx.Err() != nil || wait && !c.pauses.wait(ctx, next) {
			return
		}
		fresh, err := c.stream.look(ctx, c.pod)
		switch {
		case err == nil:
			pod = fresh
		case c.final(ctx, err):
			return
		}
	}
}

// step does what the pod's state asks for: say why there is no log, or read it
// for as long as it comes. wait is true when there is nothing to do until the
// pod changes; over, when it never will.
func (c *container) step(ctx context.Context, pod *corev1.Pod) (wait, over bool) {
	c.recognise(pod)
	st := status(pod, c.name)
	last := lastEnd(st)
	switch {
	case st == nil:
		c.say("waiting: %s", podWaits(pod))
		return true, finished(pod)
	case st.State.Running == nil && last == nil:
		c.say("waiting: %s", containerWaits(pod, st))
		return true, finished(pod)
	case st.State.Running == nil && instance(last) == c.ended:
		c.sayEnd(st, last)
		return true, finished(pod)
	}
	c.restarted(st)
	lines, err := c.read(ctx)
	switch {
	case ctx.Err() != nil:
		return false, true
	case err != nil:
		return true, c.final(ctx, err)
	case st.State.Running == nil:
		c.ended = instance(last)
		c.sayEnd(st, last)
		return true, finished(pod)
	}
	// The log ended. Either the container did, or the kubelet lost interest.
	return lines == 0, false
}

// recognise starts anew when the pod is another one of the same name.
func (c *container) recognise(pod *corev1.Pod) {
	if c.uid == string(pod.UID) {
		return
	}
	c.say("replaced by a new pod of this name")
	c.uid, c.began, c.ended, c.resume = string(pod.UID), false, "", resume{}
}

// restarted says so when this is another instance than the one read before.
func (c *container) restarted(st *corev1.ContainerStatus) {
	if c.began && st.RestartCount > c.restarts {
		text := fmt.Sprintf("restart %d", st.RestartCount)
		if t := st.LastTerminationState.Terminated; t != nil && st.State.Running != nil {
			text += ", after " + endOf(t)
		}
		c.say("%s", text)
	}
	c.began, c.restarts = true, st.RestartCount
}

// sayEnd says how the container ended and what it waits for.
func (c *container) sayEnd(st *corev1.ContainerStatus, last *corev1.ContainerStateTerminated) {
	if w := st.State.Waiting; w != nil && w.Reason != "" {
		c.say("ended: %s, now %s", endOf(last), w.Reason)
		return
	}
	c.say("ended: %s", endOf(last))
}

// lastEnd is how the container ended that pods/log serves while none runs: the
// kubelet keeps the last one (kubelet_pods.go validateContainerLogStatus).
func lastEnd(st *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	switch {
	case st == nil:
		return nil
	case st.State.Terminated != nil:
		return st.State.Terminated
	}
	return st.LastTerminationState.Terminated
}

// instance tells one run of a container from the next, also where the runtime
// gives no ID.
func instance(t *corev1.ContainerStateTerminated) string {
	return t.ContainerID + " " + t.FinishedAt.String()
}

// finished reports a pod whose containers will not start again.
func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// podWaits is why a pod has no containers yet.
func podWaits(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status != corev1.ConditionTrue && c.Reason != "" {
			return c.Reason + ": " + c.Message
		}
	}
	if pod.Status.Reason != "" {
		return pod.Status.Reason + ": " + pod.Status.Message
	}
	return "the pod is " + string(pod.Status.Phase)
}

// containerWaits is why a container has not started.
func containerWaits(pod *corev1.Pod, st *corev1.ContainerStatus) string {
	w := st.State.Waiting
	switch {
	case w == nil || w.Reason == "":
		return podWaits(pod)
	case w.Message == "":
		return w.Reason
	}
	return w.Reason + ": " + w.Message
}

// read reads the log from where it was left until it ends, and returns how
// many new lines it had.
func (c *container) read(ctx context.Context) (count int, err error) {
	if !c.stream.query.Follow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, onceWithin)
		defer cancel()
	}
	q := c.stream.query
	body, err := c.stream.cluster.Typed().CoreV1().Pods(q.Namespace).GetLogs(c.pod, c.options()).Stream(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the log of %s/%s: %w", q.Namespace, c.pod, err)
	}
	defer func() { _ = body.Close() }() // only read from
	c.resume.reopened()
	in := newLines(body)
	for {
		raw, err := in.next()
		if errors.Is(err, io.EOF) {
			return count, nil
		}
		if err != nil {
			return count, fmt.Errorf("read the log of %s/%s: %w", q.Namespace, c.pod, err)
		}
		at, text := stamped(raw)
		if !c.resume.accept(at) {
			continue
		}
		count++
		c.said = ""
		c.pauses.reset()
		c.stream.add(Line{At: at, Pod: c.pod, Container: c.name, Text: clean(text)})
	}
}

// options ask for the log from where it was left.
func (c *container) options() *corev1.PodLogOptions {
	q := c.stream.query
	o := &corev1.PodLogOptions{Container: c.name, Follow: q.Follow, Previous: q.Previous, Timestamps: true}
	if !c.resume.at.IsZero() {
		at := metav1.NewTime(c.resume.at)
		o.SinceTime = &at
		return o
	}
	if q.Tail > 0 {
		tail := int64(q.Tail)
		o.TailLines = &tail
	}
	if since := c.stream.since; !since.IsZero() {
		at := metav1.NewTime(since)
		o.SinceTime = &at
	}
	return o
}

// final says what went wrong and reports whether trying again is of no use.
func (c *container) final(ctx context.Context, err error) bool {
	switch {
	case err == nil:
		return false
	case ctx.Err() != nil:
		return true
	case apierrors.IsNotFound(err):
		c.say("the pod is gone")
		return true
	case apierrors.IsForbidden(err):
		c.say("%s", words(err))
		return true
	case apierrors.IsBadRequest(err) || !c.stream.query.Follow:
		// A container that is waiting to start says so itself, and is looked
		// at again.
		c.say("%s", words(err))
		return false
	}
	c.say("trying again: %s", words(err))
	return false
}

// say puts a note between the lines, once.
func (c *container) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text == c.said {
		return
	}
	c.said = text
	c.stream.note(c.pod, c.name, "%s", text)
}
