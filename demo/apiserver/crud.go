package apiserver

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// lookup returns the object a call names or 404.
func (s *Server) lookup(c *call) (Object, error) {
	k := c.key()
	obj, ok := s.store.Get(k.Resource, k.Namespace, k.Name)
	if !ok {
		return nil, apierrors.NewNotFound(k.Resource, k.Name)
	}
	return obj, nil
}

func (s *Server) get(w http.ResponseWriter, c *call) error {
	obj, err := s.lookup(c)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, c.format.present(obj), c.format.media)
	return nil
}

// writeOptions reads fieldManager and dryRun. Without fieldManager the manager is the first part of the user agent, as upstream
// has it (k8s.io/apiserver pkg/endpoints/handlers/create.go managerOrUserAgent).
func writeOptions(c *call) (WriteOptions, error) {
	q := c.HTTP.URL.Query()
	o := WriteOptions{Manager: q.Get("fieldManager"), Subresource: c.Subresource}
	if o.Manager == "" {
		o.Manager, _, _ = strings.Cut(c.HTTP.UserAgent(), "/")
	}
	var err error
	o.DryRun, err = dryRun(q)
	return o, err
}

func dryRun(q url.Values) (bool, error) {
	for _, v := range q["dryRun"] {
		if v != metav1.DryRunAll {
			return false, apierrors.NewBadRequest(fmt.Sprintf("Unsupported value: %q: supported values: %q", v, metav1.DryRunAll))
		}
	}
	return len(q["dryRun"]) > 0, nil
}

func strict(c *call) bool {
	return c.HTTP.URL.Query().Get("fieldValidation") == metav1.FieldValidationStrict
}

// readObject decodes the body of a create or update and checks its namespace and name against the URL.
func readObject(c *call) (Object, error) {
	body, err := readBody(c.HTTP)
	if err != nil {
		return nil, err
	}
	obj, err := decodeObject(body, c.HTTP.Header.Get("Content-Type"), c.res, strict(c))
	if err != nil {
		return nil, err
	}
	key := c.key()
	if obj.GetNamespace() == "" {
		obj.SetNamespace(key.Namespace)
	}
	if obj.GetNamespace() != key.Namespace {
		return nil, apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	if key.Name != "" && obj.GetName() == "" {
		obj.SetName(key.Name)
	}
	if key.Name != "" && obj.GetName() != key.Name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", obj.GetName(), key.Name))
	}
	return obj, nil
}

func (s *Server) post(w http.ResponseWriter, c *call) error {
	o, err := writeOptions(c)
	if err != nil {
		return err
	}
	obj, err := readObject(c)
	if err != nil {
		return err
	}
	if obj.GetResourceVersion() != "" {
		return apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	if c.res.Status {
		clearStatus(obj)
	}
	if obj, err = s.store.Create(obj, o); err != nil {
		return err
	}
	respond(w, http.StatusCreated, c.format.present(obj), c.format.media)
	return nil
}

func (s *Server) put(w http.ResponseWriter, c *call) error {
	o, err := writeOptions(c)
	if err != nil {
		return err
	}
	obj, err := readObject(c)
	if err != nil {
		return err
	}
	if obj, err = s.store.Update(obj, o); err != nil {
		return err
	}
	respond(w, http.StatusOK, c.format.present(obj), c.format.media)
	return nil
}

func (s *Server) del(w http.ResponseWriter, c *call) error {
	o, err := deleteOptions(c)
	if err != nil {
		return err
	}
	key := c.key()
	obj, gone, err := s.store.Delete(key, o)
	if err != nil {
		return err
	}
	if !gone || c.res.Plural == "pods" {
		respond(w, http.StatusOK, c.format.present(obj), c.format.media)
		return nil
	}
	status := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: key.Name, Group: c.res.Group, Kind: c.res.Plural, UID: obj.GetUID()},
	}
	respond(w, http.StatusOK, status, c.format.media)
	return nil
}

// deleteOptions reads the options from the body or, as kubectl's --raw and some clients send them, from the query.
func deleteOptions(c *call) (DeleteOptions, error) {
	body, err := readBody(c.HTTP)
	if err != nil {
		return DeleteOptions{}, err
	}
	var opts metav1.DeleteOptions
	if len(body) > 0 {
		if err := decodeDeleteOptions(body, c.HTTP.Header.Get("Content-Type"), c.res, &opts); err != nil {
			return DeleteOptions{}, err
		}
	}
	return storeDeleteOptions(&opts, c.HTTP.URL.Query())
}

func decodeDeleteOptions(body []byte, contentType string, res *Resource, into *metav1.DeleteOptions) error {
	media, _, _ := mime.ParseMediaType(contentType)
	if media != mediaProtobuf {
		if err := json.Unmarshal(body, into); err != nil {
			return apierrors.NewBadRequest("error decoding delete options: " + err.Error())
		}
		return nil
	}
	info, err := serializerFor(media)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	gvk := schema.GroupVersionKind{Group: res.Group, Version: res.Version, Kind: "DeleteOptions"}
	if _, _, err := info.Serializer.Decode(body, &gvk, into); err != nil {
		return apierrors.NewBadRequest("error decoding delete options: " + err.Error())
	}
	return nil
}

func storeDeleteOptions(opts *metav1.DeleteOptions, q url.Values) (DeleteOptions, error) {
	o := DeleteOptions{GraceSeconds: opts.GracePeriodSeconds, DryRun: len(opts.DryRun) > 0}
	if p := opts.Preconditions; p != nil {
		if p.UID != nil {
			o.UID = *p.UID
		}
		if p.ResourceVersion != nil {
			o.ResourceVersion = *p.ResourceVersion
		}
	}
	if opts.PropagationPolicy != nil {
		o.Propagation = *opts.PropagationPolicy
	} else if v := q.Get("propagationPolicy"); v != "" {
		o.Propagation = metav1.DeletionPropagation(v)
	}
	if v := q.Get("gracePeriodSeconds"); v != "" && o.GraceSeconds == nil {
		var n int64
		if _, err := fmt.Sscan(v, &n); err != nil {
			return o, apierrors.NewBadRequest("gracePeriodSeconds: " + err.Error())
		}
		o.GraceSeconds = &n
	}
	dry, err := dryRun(q)
	o.DryRun = o.DryRun || dry
	return o, err
}
