package watch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"midwatch/foreign"
	"midwatch/live"
)

// target is where a feed puts what it reads. The world's tables implement it.
type target interface {
	// put reduces the object to a row and keeps it.
	put(runtime.Object) (uid string, err error)
	drop(uid string)
	// sweep drops the rows of a namespace ("" for all) that were not seen in a
	// complete list: what was deleted while nobody was watching.
	sweep(namespace string, seen map[string]struct{})
	count(namespace string) int
}

// feed reads one resource in one namespace ("" for all of them) for as long
// as its context lives. It differs from client-go's reflector in what a
// console needs: rows appear while the list arrives, a 403 is not repeated,
// every failure is visible at once, and a retry can be asked for.
type feed struct {
	resource  *resource
	namespace string
	cluster   Cluster
	lister    lister
	rows      target
	clock     live.Clock
	health    *health
	// kick ends a pause early. Buffered by one.
	kick chan struct{}
	// denied makes the feed rest at once: the same was refused before.
	denied bool
	// changed is called when rows changed, notable when the state did.
	changed, notable func()
	// refused is called after a 403 on the list, before the feed rests; loaded
	// after every complete list.
	refused, loaded func(*feed)
}

// errRelist says that the watch cannot go on from where it was.
var errRelist = errors.New("watch expired")

// run lists and watches until ctx ends.
func (f *feed) run(ctx context.Context) {
	if f.denied {
		f.refused(f)
		if !f.restForbidden(ctx, "list") {
			return
		}
	}
	var pause backoff
	// The first list takes whatever the API server's watch cache has, which
	// costs it least and is what every informer does; a later one nothing
	// older than what was seen.
	version, listed := "0", false
	for ctx.Err() == nil {
		var err error
		verb := "list"
		if !listed {
			if err = f.relist(ctx, &version); err == nil {
				listed = true
				pause.reset()
			}
		}
		if err == nil {
			verb = "watch"
			err = f.follow(ctx, &version, &pause)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRelist):
			listed = false
		case err != nil:
			if !f.recover(ctx, verb, err, &pause) {
				return
			}
		}
	}
}

// relist reads everything once, not older than a version; if that cannot be
// served any more, or not yet, then as it is now.
func (f *feed) relist(ctx context.Context, version *string) error {
	if f.resource.exists != nil {
		if err := f.resource.exists(ctx, f.cluster); err != nil {
			return err
		}
	}
	got, err := f.list(ctx, *version)
	if isExpired(err) {
		got, err = f.list(ctx, "")
	}
	if err != nil {
		return err
	}
	*version = got
	f.clearKick()
	f.health.listed(f.clock.Now())
	f.loaded(f)
	f.notable()
	return nil
}

func (f *feed) list(ctx context.Context, version string) (string, error) {
	seen := map[string]struct{}{}
	opts := metav1.ListOptions{ResourceVersion: version, FieldSelector: f.resource.fields}
	version, err := f.lister.list(ctx, opts, func(o runtime.Object) error {
		seen[f.put(o)] = struct{}{}
		if len(seen)%256 == 1 {
			f.health.counted(len(seen))
			f.changed()
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	f.rows.sweep(f.namespace, seen)
	return version, nil
}

// put keeps an object and returns its UID. One that cannot be read must not
// hide all others: that it is missing is said with the source.
func (f *feed) put(o runtime.Object) string {
	uid, err := f.rows.put(o)
	if err != nil {
		f.health.note(foreign.CleanN(err.Error(), 160))
	}
	return uid
}

// follow watches from a version on, renewing the watch as often as it ends,
// and returns errRelist, or why it could not be renewed.
func (f *feed) follow(ctx context.Context, version *string, pause *backoff) error {
	for ctx.Err() == nil {
		if err := f.watchOnce(ctx, version, pause); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// watchOnce opens one watch and reads it to its end. A watch that ends without
// an error, as every watch does after some minutes, is renewed by the caller.
func (f *feed) watchOnce(ctx context.Context, version *string, pause *backoff) error {
	limit := 5*time.Minute + rand.N(5*time.Minute)
	// A server that forgets to end the watch, or a proxy that keeps a dead one
	// open, must not leave the console believing in silence.
	ctx, cancel := context.WithTimeout(ctx, limit+time.Minute)
	defer cancel()
	w, err := f.lister.watch(ctx, metav1.ListOptions{
		ResourceVersion: *version, FieldSelector: f.resource.fields,
		AllowWatchBookmarks: true, TimeoutSeconds: seconds(limit),
	})
	if isExpired(err) {
		return errRelist
	}
	if err != nil {
		return err
	}
	defer w.Stop()
	begun, count := f.clock.Now(), 0
	events := w.ResultChan()
	select {
	case e, ok := <-events:
		if !ok {
			return errEnded // how client-go answers a connection lost at once
		}
		if err := f.apply(e, version); err != nil {
			return err
		}
		count++
	default:
	}
	f.clearKick()
	if f.health.connected(f.clock.Now()) {
		f.notable()
	}
	for e := range events {
		if err := f.apply(e, version); err != nil {
			return err
		}
		count++
	}
	if count == 0 && f.clock.Now().Sub(begun) < shortest {
		return errEnded // a proxy that ends every watch must not be asked without a pause
	}
	pause.reset()
	return nil
}

// shortest is how long a watch without events lasts at least if all is well.
const shortest = time.Second

var errEnded = errors.New("the connection ended at once")

// apply takes one watch event.
func (f *feed) apply(e apiwatch.Event, version *string) error {
	if e.Type == apiwatch.Error {
		err := apierrors.FromObject(e.Object)
		if isExpired(err) {
			return errRelist
		}
		return err
	}
	o, err := meta.Accessor(e.Object)
	if err != nil {
		return fmt.Errorf("watch %s: unexpected %T", f.resource.name, e.Object)
	}
	switch e.Type {
	case apiwatch.Added, apiwatch.Modified:
		f.put(e.Object)
		f.changed()
	case apiwatch.Deleted:
		f.rows.drop(string(o.GetUID()))
		f.changed()
	case apiwatch.Bookmark:
	}
	if v := o.GetResourceVersion(); v != "" {
		*version = v
	}
	f.health.connected(f.clock.Now())
	return nil
}

// patience is how often a refusal is doubted where reading was allowed before:
// about a minute of pauses.
const patience = 8

// isRefusal reports answers that asking again does not change: no right, no
// such resource.
func isRefusal(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// recover waits until another attempt makes sense; false when ctx ended. A
// refusal waits for a retry by hand, everything else for the next pause.
func (f *feed) recover(ctx context.Context, verb string, err error, pause *backoff) bool {
	now := f.clock.Now()
	switch {
	case isRefusal(err) && f.health.complete() && pause.failures < patience:
		// What could be read before is asked for again: an API server that has
		// just started refuses until it has read its RBAC rules, and has no
		// custom resources until it has read their definitions.
	case apierrors.IsForbidden(err):
		if verb == "list" {
			f.refused(f)
		}
		return f.restForbidden(ctx, verb)
	case apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err):
		f.health.rest(now, live.Absent, foreign.Clean("the server has no "+f.resource.name))
		f.notable()
		return f.waitForRetry(ctx)
	}
	if f.health.failed(now, explain(err)) {
		f.notable()
	}
	var asked time.Duration
	if s, ok := apierrors.SuggestsClientDelay(err); ok {
		asked = time.Duration(s) * time.Second
	}
	c, stop := f.clock.After(pause.next(asked))
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-f.kick:
	case <-c:
	}
	return true
}

// restForbidden says which right is missing and waits for a retry by hand.
func (f *feed) restForbidden(ctx context.Context, verb string) bool {
	f.health.rest(f.clock.Now(), live.Forbidden, denial(verb, f.resource.name, f.namespace))
	f.notable()
	return f.waitForRetry(ctx)
}

func (f *feed) waitForRetry(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-f.kick:
		f.health.retry(f.clock.Now())
		f.notable()
		return true
	}
}

// retry ends the feed's pause, however long it was meant to be.
func (f *feed) retry() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// clearKick forgets a retry that came while nothing was wrong.
func (f *feed) clearKick() {
	select {
	case <-f.kick:
	default:
	}
}

// denial is "forbidden: list events in shop".
func denial(verb, resource, namespace string) foreign.Text {
	switch {
	case resource == namespacesName:
		return foreign.Clean("forbidden: " + verb + " namespaces")
	case namespace == "":
		namespace = "all namespaces"
	}
	return foreign.Clean("forbidden: " + verb + " " + resource + " in " + namespace)
}

// isExpired reports that a resource version cannot be served any more (410),
// or not yet by this API server of several.
func isExpired(err error) bool {
	return err != nil && (apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || isTooLarge(err))
}

// isTooLarge is a 504 from an API server whose cache lags behind the version
// asked for (client-go tools/cache/reflector.go isTooLargeResourceVersionError).
func isTooLarge(err error) bool {
	return apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}
