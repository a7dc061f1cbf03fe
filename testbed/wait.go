package testbed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TB is the part of testing.TB the wait helpers need.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// pollInterval is how often conditions are looked at. Short against what is
// waited for, long against what one look costs an API server on loopback.
const pollInterval = 100 * time.Millisecond

// Eventually looks again and again until fn returns nil, and fails the test
// with fn's last error when the timeout has passed. fn's error should say what
// is missing: it is all the reader of a failed test will see.
func (b *Bed) Eventually(t TB, timeout time.Duration, fn func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := b.Wait(ctx, fn); err != nil {
		t.Fatalf("%v", err)
	}
}

// Wait looks until fn returns nil or ctx ends; the error then is fn's last one.
// It ends at once if a server of the bed has died.
func (b *Bed) Wait(ctx context.Context, fn func(ctx context.Context) error) error {
	return b.waitEvery(ctx, pollInterval, fn)
}

// waitEvery is Wait for looks that cost the API server something.
func (b *Bed) waitEvery(ctx context.Context, interval time.Duration, fn func(ctx context.Context) error) error {
	var last error
	err := poll(ctx, interval, func() (bool, error) {
		err := fn(ctx)
		if err == nil {
			return true, nil
		}
		// The look that the deadline cut short knows less than the one before.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		return false, b.alive()
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("gave up waiting: %w", last)
	}
	return err
}

// WaitRollout waits until the Deployment's newest template has rolled out
// completely, as the Deployment controller defines it.
//
// The error of giving up tells what its pods were at.
func (b *Bed) WaitRollout(ctx context.Context, namespace, name string) error {
	err := b.Wait(ctx, func(ctx context.Context) error {
		d, err := b.Client().AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !rolledOut(d) {
			s := d.Status
			return fmt.Errorf("deployment %s/%s: %d wanted; %d pods, %d updated, %d ready, %d available (generation %d, observed %d)",
				namespace, name, replicasOf(d.Spec.Replicas), s.Replicas, s.UpdatedReplicas, s.ReadyReplicas,
				s.AvailableReplicas, d.Generation, s.ObservedGeneration)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\nits namespace's pods:\n%s", err, b.podsOf(namespace))
}

// podsOf tells in a line for each pod of a namespace how far it has come. It
// explains a failure, so it has time of its own.
func (b *Bed) podsOf(namespace string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	pods, err := b.Client().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("  | (%v)", err)
	}
	var lines strings.Builder
	for _, p := range pods.Items {
		fmt.Fprintf(&lines, "  | %s on %q, %s", p.Name, p.Spec.NodeName, p.Status.Phase)
		for _, c := range p.Status.Conditions {
			fmt.Fprintf(&lines, ", %s %s since %s", c.Type, c.Status, c.LastTransitionTime.Format(time.TimeOnly))
		}
		lines.WriteByte('\n')
	}
	return strings.TrimRight(lines.String(), "\n")
}

func rolledOut(d *appsv1.Deployment) bool {
	want := replicasOf(d.Spec.Replicas)
	s := d.Status
	return s.ObservedGeneration >= d.Generation &&
		s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want
}

func replicasOf(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// poll calls fn at once and then at every interval until it says it is done,
// fails, or ctx ends.
func poll(ctx context.Context, interval time.Duration, fn func() (done bool, err error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		done, err := fn()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
