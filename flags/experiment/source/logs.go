package source

import (
	"context"
	"fmt"
	"time"

	"midwatch/flags/experiment"
	"midwatch/k8s"
	"midwatch/k8s/podlog"
)

// Bounds of one report: what the API server and the kubelets are asked for.
const (
	mostPods  = 20
	tailLines = 20_000 // of each container
	keepLines = 20_000 // not yet looked at
	logWindow = time.Hour
	readFor   = 15 * time.Second
)

// exposures counts what the pods of a workload logged.
func (r *Reader) exposures(ctx context.Context, ref k8s.Ref, rep *Report, defs []experiment.Definition) ([]experiment.Exposures, error) {
	pods, err := r.pods(ctx, ref)
	if err != nil {
		return nil, err
	}
	rep.Of = len(pods)
	if len(pods) == 0 {
		rep.note("%s has no pods, so no exposures can be seen", ref)
		return nil, nil
	}
	pods = pods[:min(len(pods), mostPods)]
	var targets []podlog.Target
	for i := range pods {
		targets = append(targets, podlog.Target{Name: pods[i].Name, UID: string(pods[i].UID)})
	}
	window := r.Window
	if window <= 0 {
		window = logWindow
	}
	rep.Since = rep.At.Add(-window)
	return r.count(ctx, ref, rep, targets, window, defs)
}

func (r *Reader) count(ctx context.Context, ref k8s.Ref, rep *Report, targets []podlog.Target, window time.Duration, defs []experiment.Definition) ([]experiment.Exposures, error) {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	news := make(chan struct{}, 1)
	s, err := podlog.Open(ctx, r.Cluster, podlog.Query{
		Namespace: ref.Namespace, Pods: targets, Tail: tailLines, Since: window, Keep: keepLines, Limit: mostPods,
		Dirty: func() {
			select {
			case news <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the logs of %s: %w", ref, err)
	}
	defer s.Close()
	c := experiment.NewCounter(defs...)
	var at, lost uint64
	for {
		ended := s.Status().Ended // before the lines: what comes later is seen in the next round
		lines, now, missed := s.Since(at)
		at, lost = now, lost+missed
		for i := range lines {
			if l := &lines[i]; !l.Note {
				rep.Lines++
				if e, ok := experiment.ParseExposure(l.Text.String(), l.At); ok {
					c.Add(e)
				}
			} else if len(rep.Notes) < 8 {
				rep.note("%s: %s", l.Pod, l.Text)
			}
		}
		if ended {
			break
		}
		select {
		case <-news:
		case <-ctx.Done():
			rep.note("the logs took too long: what was read within %v counts", readFor)
			rep.Pods = len(targets)
			return c.Result(), nil
		}
	}
	rep.Pods = len(targets)
	if lost > 0 {
		rep.note("%d log lines came too fast to be looked at", lost)
	}
	if c.Dropped > 0 {
		rep.note("%d exposures belong to further experiments that are not counted", c.Dropped)
	}
	return c.Result(), nil
}
