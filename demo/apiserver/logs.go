package apiserver

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LogLine is one line of a container's log.
type LogLine struct {
	At   time.Time
	Text string
}

// LogSource invents what containers write. It must give the same lines whenever it is asked for the same span.
type LogSource interface {
	// Lines returns the lines written after `after` and up to `until`, oldest first. previous asks for the instance before the
	// running one.
	Lines(pod *corev1.Pod, container string, previous bool, after, until time.Time) []LogLine
}

// SetLogs says where pods/log comes from. Without a source every log is empty.
func (s *Server) SetLogs(src LogSource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs = src
}

// followEvery is how often a followed log is looked at for new lines.
const followEvery = 200 * time.Millisecond

func (s *Server) serveLog(w http.ResponseWriter, c *call) error {
	obj, err := s.lookup(c)
	if err != nil {
		return err
	}
	pod := obj.(*corev1.Pod)
	o, err := logOptions(c.HTTP.URL.Query())
	if err != nil {
		return err
	}
	if o.Container, err = logContainer(pod, o.Container); err != nil {
		return err
	}
	if err := logAvailable(pod, &o); err != nil {
		return err
	}
	s.mu.Lock()
	src := s.logs
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	if src != nil {
		s.streamLog(w, c, src, pod, &o)
	}
	return nil
}

// logOptions reads the query by hand: client-go's scheme can write PodLogOptions into a query but not read them from one.
func logOptions(q url.Values) (corev1.PodLogOptions, error) {
	var errs []error
	flag := func(name string) bool {
		v, err := strconv.ParseBool(cmp.Or(q.Get(name), "false"))
		errs = append(errs, err)
		return v
	}
	number := func(name string) *int64 {
		if !q.Has(name) {
			return nil
		}
		n, err := strconv.ParseInt(q.Get(name), 10, 64)
		errs = append(errs, err)
		return &n
	}
	o := corev1.PodLogOptions{
		Container: q.Get("container"), Follow: flag("follow"), Previous: flag("previous"), Timestamps: flag("timestamps"),
		SinceSeconds: number("sinceSeconds"), TailLines: number("tailLines"), LimitBytes: number("limitBytes"),
	}
	if q.Has("sinceTime") {
		at, err := time.Parse(time.RFC3339, q.Get("sinceTime"))
		errs = append(errs, err)
		o.SinceTime = &metav1.Time{Time: at}
	}
	if err := errors.Join(errs...); err != nil {
		return o, apierrors.NewBadRequest(err.Error())
	}
	return o, nil
}

// logContainer finds the container meant: k/k pkg/registry/core/pod/strategy.go LogLocation.
func logContainer(pod *corev1.Pod, name string) (string, error) {
	var names []string
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	if name == "" && len(names) == 1 {
		return names[0], nil
	}
	if name == "" {
		return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s, choose one of: %v", pod.Name, names))
	}
	for _, c := range pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	if !slices.Contains(names, name) {
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
	}
	return name, nil
}

// logAvailable refuses logs of containers that never ran: k/k pkg/kubelet/kubelet_pods.go validateContainerLogStatus.
func logAvailable(pod *corev1.Pod, o *corev1.PodLogOptions) error {
	i := slices.IndexFunc(pod.Status.ContainerStatuses, func(st corev1.ContainerStatus) bool { return st.Name == o.Container })
	if i < 0 {
		return apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is not available", o.Container, pod.Name))
	}
	st := pod.Status.ContainerStatuses[i]
	if o.Previous && st.LastTerminationState.Terminated == nil {
		return apierrors.NewBadRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", o.Container, pod.Name))
	}
	if w := st.State.Waiting; w != nil && st.LastTerminationState.Terminated == nil {
		return apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", o.Container, pod.Name, waitingText(w)))
	}
	return nil
}

func waitingText(w *corev1.ContainerStateWaiting) string {
	switch w.Reason {
	case "ErrImagePull":
		return "image can't be pulled"
	case "ImagePullBackOff":
		return "trying and failing to pull image"
	}
	return w.Reason
}

func (s *Server) streamLog(w http.ResponseWriter, c *call, src LogSource, pod *corev1.Pod, o *corev1.PodLogOptions) {
	now := s.opts.Now()
	from := logStart(o, now)
	lines := src.Lines(pod, o.Container, o.Previous, from, now)
	if o.TailLines != nil && int64(len(lines)) > *o.TailLines {
		lines = lines[int64(len(lines))-*o.TailLines:]
	}
	out := &logWriter{w: w, stamps: o.Timestamps}
	if o.LimitBytes != nil {
		out.left, out.limited = *o.LimitBytes, true
	}
	flush := http.NewResponseController(w)
	if out.write(lines) != nil || !o.Follow || o.Previous {
		return
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		_ = flush.Flush()
		select {
		case <-c.HTTP.Context().Done():
			return
		case <-tick.C:
		}
		until := s.opts.Now()
		obj, ok := s.store.Get(c.res.GroupResource(), pod.Namespace, pod.Name)
		if ok && obj.GetUID() == pod.UID {
			if out.write(src.Lines(obj.(*corev1.Pod), o.Container, false, now, until)) != nil {
				return
			}
		}
		if !ok || obj.GetUID() != pod.UID || containerEnded(obj.(*corev1.Pod), o.Container) {
			return
		}
		now = until
	}
}

// containerEnded reports that a followed log comes to its end: the kubelet closes it with the container.
func containerEnded(pod *corev1.Pod, name string) bool {
	for _, st := range pod.Status.ContainerStatuses {
		if st.Name == name {
			return st.State.Running == nil
		}
	}
	return true
}

func logStart(o *corev1.PodLogOptions, now time.Time) time.Time {
	switch {
	case o.SinceTime != nil:
		return o.SinceTime.Time
	case o.SinceSeconds != nil:
		return now.Add(-secondsOf(*o.SinceSeconds))
	}
	return time.Time{}
}

type logWriter struct {
	w       io.Writer
	stamps  bool
	limited bool
	left    int64
}

func (l *logWriter) write(lines []LogLine) error {
	for _, line := range lines {
		text := strings.TrimSuffix(line.Text, "\n") + "\n"
		if l.stamps {
			text = line.At.UTC().Format(time.RFC3339Nano) + " " + text
		}
		if l.limited && int64(len(text)) > l.left {
			_, _ = io.WriteString(l.w, text[:l.left])
			return io.EOF
		}
		l.left -= int64(len(text))
		if _, err := io.WriteString(l.w, text); err != nil {
			return fmt.Errorf("write the log: %w", err)
		}
	}
	return nil
}
