package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// rewatchAfter is the pause before a watch that was cut off is started again.
const rewatchAfter = time.Second

// world is the objects a watch follows, by UID.
type world map[types.UID]*unstructured.Unstructured

// judge looks at a world and says how things stand, and whether that is what
// was waited for.
type judge func(world) (text string, done bool)

// follow lists and watches objects until the judge is satisfied or ctx ends,
// and returns the last thing it said. A watch that is cut off is taken up
// again; an answer that will not change (403, 404) is an error at once.
func (p *Planner) follow(ctx context.Context, objects dynamic.ResourceInterface, opts metav1.ListOptions, seen judge) (text string, err error) {
	for {
		var done bool
		text, done, err = followOnce(ctx, objects, opts, seen, text)
		switch {
		case done:
			return text, nil
		case ctx.Err() != nil:
			return text, fmt.Errorf("last seen: %s: %w", orNothing(text), ctx.Err())
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsUnauthorized(err):
			return text, fmt.Errorf("watch for the effect: %w", readable(err))
		}
		again, stop := p.clock.After(rewatchAfter)
		select {
		case <-again:
		case <-ctx.Done():
		}
		stop()
	}
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// followOnce is one list and one watch from there.
func followOnce(ctx context.Context, objects dynamic.ResourceInterface, opts metav1.ListOptions, seen judge, last string) (text string, done bool, err error) {
	list, err := objects.List(ctx, opts)
	if err != nil {
		return last, false, err
	}
	w := make(world, len(list.Items))
	for i := range list.Items {
		w[list.Items[i].GetUID()] = &list.Items[i]
	}
	if text, done = seen(w); done {
		return text, true, nil
	}
	opts.ResourceVersion = list.GetResourceVersion()
	events, err := objects.Watch(ctx, opts)
	if err != nil {
		return text, false, err
	}
	defer events.Stop()
	for {
		select {
		case e, open := <-events.ResultChan():
			if !open {
				return text, false, errors.New("the watch ended")
			}
			if e.Type == watch.Error {
				return text, false, apierrors.FromObject(e.Object)
			}
			if !w.take(e) {
				continue
			}
			if text, done = seen(w); done {
				return text, true, nil
			}
		case <-ctx.Done():
			return text, false, ctx.Err()
		}
	}
}

// take applies an event and reports whether it was about an object.
func (w world) take(e watch.Event) bool {
	u, ok := e.Object.(*unstructured.Unstructured)
	if !ok || e.Type == watch.Bookmark {
		return false
	}
	if e.Type == watch.Deleted {
		delete(w, u.GetUID())
	} else {
		w[u.GetUID()] = u
	}
	return true
}

// followSubject follows one workload. The judge is given the object, or nil
// when it is gone or another one has its name.
func (p *Planner) followSubject(ctx context.Context, s *subject, seen func(*unstructured.Unstructured) (string, bool)) (string, error) {
	opts := metav1.ListOptions{FieldSelector: "metadata.name=" + s.ref.Name}
	return p.follow(ctx, p.objects(s.kind, s.ref.Namespace), opts, func(w world) (string, bool) {
		u := w[types.UID(s.ref.UID)]
		if u == nil {
			return fmt.Sprintf("%s is gone", s.ref), false
		}
		return seen(u)
	})
}
