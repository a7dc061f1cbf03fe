package apiserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
)

// maxWatch ends watches that ask for no timeout; the real server picks 30 to 60 minutes.
const maxWatch = 45 * time.Minute

// watch streams changes: first, when asked or when no version is given, the objects that exist, then everything after.
func (s *Server) watch(w http.ResponseWriter, c *call) error {
	o, err := listOptions(c.HTTP)
	if err != nil {
		return err
	}
	sel, err := c.selection(&o)
	if err != nil {
		return err
	}
	if err := s.checkWatchOptions(&o); err != nil {
		return err
	}
	from, err := parseVersion(o.ResourceVersion)
	if err != nil {
		return err
	}
	if current := s.store.Version(); from > current {
		return tooLargeVersion(from, current)
	}
	st, err := newStream(w, c, sel)
	if err != nil {
		return err
	}
	st.bookmarks = o.AllowWatchBookmarks
	// The stream has begun: whatever ends it from here on is its end, not an error of the request.
	if st.start(s.store, &o, from) == nil {
		s.follow(c, st, watchTimeout(&o))
	}
	return nil
}

func watchTimeout(o *metav1.ListOptions) time.Duration {
	if o.TimeoutSeconds != nil && *o.TimeoutSeconds > 0 {
		return secondsOf(*o.TimeoutSeconds)
	}
	return maxWatch
}

// checkWatchOptions follows k8s.io/apimachinery pkg/apis/meta/internalversion/validation.
func (s *Server) checkWatchOptions(o *metav1.ListOptions) error {
	var errs field.ErrorList
	switch {
	case o.SendInitialEvents != nil && s.opts.NoWatchList:
		errs = append(errs, field.Forbidden(field.NewPath("sendInitialEvents"),
			"sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"))
	case o.SendInitialEvents != nil && o.ResourceVersionMatch != metav1.ResourceVersionMatchNotOlderThan:
		errs = append(errs, field.Forbidden(field.NewPath("resourceVersionMatch"),
			"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
	case o.SendInitialEvents == nil && o.ResourceVersionMatch != "":
		errs = append(errs, field.Forbidden(field.NewPath("resourceVersionMatch"),
			"resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"))
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(metav1.SchemeGroupVersion.WithKind("ListOptions").GroupKind(), "", errs)
}

// stream writes the events of one watch.
type stream struct {
	out       io.Writer
	flush     func() error
	encoder   runtime.Encoder // of the event around the object
	call      *call
	sel       *selection
	bookmarks bool
	sent      uint64 // everything up to this version has been sent
}

func newStream(w http.ResponseWriter, c *call, sel *selection) (*stream, error) {
	info, err := serializerFor(c.format.media)
	if err != nil {
		return nil, err
	}
	if info.StreamSerializer == nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusNotAcceptable, "", c.res.GroupResource(), "", "no stream of "+c.format.media, 0, false)
	}
	contentType := c.format.media
	if contentType == mediaProtobuf {
		contentType += ";stream=watch"
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	st := &stream{
		out: info.StreamSerializer.Framer.NewFrameWriter(w), flush: http.NewResponseController(w).Flush,
		encoder: info.StreamSerializer.Serializer, call: c, sel: sel,
	}
	return st, st.flush()
}

// start sends what the client is to know before changes: nothing when it resumes from a version, else every object, and with
// sendInitialEvents the bookmark that ends them.
func (st *stream) start(store *Store, o *metav1.ListOptions, from uint64) error {
	initial := o.SendInitialEvents != nil && *o.SendInitialEvents
	if from > 0 && !initial {
		st.sent = from
		return nil
	}
	if o.SendInitialEvents != nil && !initial {
		st.sent = store.Version()
		return nil
	}
	objs, rv, _ := store.snapshot(st.call.bucket, st.sel.namespace, 0)
	for _, obj := range st.sel.filter(objs) {
		if err := st.send(watch.Added, st.call.format.present(obj)); err != nil {
			return err
		}
	}
	st.sent = rv
	if initial && o.AllowWatchBookmarks {
		if err := st.bookmark(true); err != nil {
			return err
		}
	}
	return st.flush()
}

// follow sends changes until the client leaves, the time is over or the history does not reach back to where the stream is.
func (s *Server) follow(c *call, st *stream, timeout time.Duration) {
	end := time.NewTimer(timeout)
	defer end.Stop()
	mark := time.NewTicker(s.opts.BookmarkEvery)
	defer mark.Stop()
	for {
		changes, next, ok := s.store.since(c.bucket, st.sent)
		if !ok {
			st.expired(s.store.Version())
			return
		}
		if st.changes(changes) != nil {
			return
		}
		select {
		case <-next:
		case <-mark.C:
			// Every write of this resource up to now was sent, so the bookmark may carry the server's version.
			if st.bookmarks && len(changes) == 0 && s.caughtUp(c, st) && st.bookmark(false) != nil {
				return
			}
			_ = st.flush()
		case <-end.C:
			return
		case <-c.HTTP.Context().Done():
			return
		}
	}
}

// caughtUp moves the stream's version to the server's when no change of its resource lies between.
func (s *Server) caughtUp(c *call, st *stream) bool {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if n := len(c.bucket.changes); n > 0 && c.bucket.changes[n-1].RV > st.sent {
		return false
	}
	st.sent = s.store.rv
	return true
}

func (st *stream) changes(changes []Change) error {
	for _, ch := range changes {
		if err := st.change(ch); err != nil {
			return err
		}
		st.sent = ch.RV
	}
	if len(changes) == 0 {
		return nil
	}
	return st.flush()
}

// change sends a change as the selection sees it: an object that begins to match is added, one that ceases to match is deleted
// (in its former state with the new version: k8s.io/apiserver pkg/storage/cacher convertToWatchEvent).
func (st *stream) change(ch Change) error {
	was := ch.Type != watch.Added && st.sel.matches(ch.Old)
	is := ch.Type != watch.Deleted && st.sel.matches(ch.New)
	switch {
	case is && was:
		return st.send(watch.Modified, st.call.format.present(ch.New))
	case is:
		return st.send(watch.Added, st.call.format.present(ch.New))
	case was && ch.Type == watch.Deleted:
		return st.send(watch.Deleted, st.call.format.present(ch.New))
	case was:
		old := copyOf(ch.Old)
		old.SetResourceVersion(strconv.FormatUint(ch.RV, 10))
		return st.send(watch.Deleted, st.call.format.present(old))
	}
	return nil
}

func (st *stream) bookmark(initialEnd bool) error {
	obj := st.call.res.newObject()
	obj.SetResourceVersion(strconv.FormatUint(st.sent, 10))
	if initialEnd {
		obj.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	if err := st.send(watch.Bookmark, st.call.format.present(obj)); err != nil {
		return err
	}
	return st.flush()
}

func (st *stream) expired(current uint64) {
	status := apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", st.sent, current)).Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if st.send(watch.Error, &status) == nil {
		_ = st.flush()
	}
}

func (st *stream) send(typ watch.EventType, obj runtime.Object) error {
	raw, err := encode(obj, st.call.format.media)
	if err != nil {
		return err
	}
	event := &metav1.WatchEvent{Type: string(typ), Object: runtime.RawExtension{Raw: raw}}
	var buf bytes.Buffer
	if err := st.encoder.Encode(event, &buf); err != nil {
		return fmt.Errorf("encode a watch event: %w", err)
	}
	_, err = st.out.Write(buf.Bytes())
	return err
}
