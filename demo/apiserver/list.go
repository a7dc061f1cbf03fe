package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// selection is what of a resource a list or watch is about.
type selection struct {
	namespace string
	labels    labels.Selector
	fields    fields.Selector
	res       *Resource
}

func listOptions(r *http.Request) (metav1.ListOptions, error) {
	var o metav1.ListOptions
	if err := scheme.ParameterCodec.DecodeParameters(r.URL.Query(), schema.GroupVersion{Version: "v1"}, &o); err != nil {
		return o, apierrors.NewBadRequest(err.Error())
	}
	return o, nil
}

func (c *call) selection(o *metav1.ListOptions) (*selection, error) {
	sel := &selection{namespace: c.key().Namespace, res: c.res}
	var err error
	if sel.labels, err = labels.Parse(o.LabelSelector); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if sel.fields, err = fields.ParseSelector(o.FieldSelector); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	known := sel.fieldsOf(c.res.newObject())
	for _, req := range sel.fields.Requirements() {
		if _, ok := known[req.Field]; !ok {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("Unable to find %q that match label selector %q, field selector %q: field label not supported: %s",
				c.res.GVK().GroupVersion().WithResource(c.res.Plural), o.LabelSelector, o.FieldSelector, req.Field))
		}
	}
	if c.Name != "" {
		sel.fields = fields.AndSelectors(sel.fields, fields.OneTermEqualSelector("metadata.name", c.Name))
	}
	return sel, nil
}

func (s *selection) fieldsOf(o Object) fields.Set {
	set := fields.Set{}
	if s.res.Selectable != nil {
		for k, v := range s.res.Selectable(o) {
			set[k] = v
		}
	}
	set["metadata.name"] = o.GetName()
	if !s.res.Cluster {
		set["metadata.namespace"] = o.GetNamespace()
	}
	return set
}

func (s *selection) all() bool { return s.labels.Empty() && s.fields.Empty() }

func (s *selection) matches(o Object) bool {
	if o == nil || (s.namespace != "" && o.GetNamespace() != s.namespace) || !s.labels.Matches(labels.Set(o.GetLabels())) {
		return false
	}
	return s.fields.Empty() || s.fields.Matches(s.fieldsOf(o))
}

func (s *selection) filter(objs []Object) []Object {
	if s.all() {
		return objs
	}
	return slices.DeleteFunc(slices.Clone(objs), func(o Object) bool { return !s.matches(o) })
}

func (s *Server) list(w http.ResponseWriter, c *call) error {
	o, err := listOptions(c.HTTP)
	if err != nil {
		return err
	}
	sel, err := c.selection(&o)
	if err != nil {
		return err
	}
	at, start, err := s.listFrom(&o)
	if err != nil {
		return err
	}
	objs, rv, ok := s.store.snapshot(c.bucket, sel.namespace, at)
	if !ok {
		return s.expiredList(&o)
	}
	objs = after(sel.filter(objs), start)
	meta := metav1.ListMeta{ResourceVersion: strconv.FormatUint(rv, 10)}
	// A list from the watch cache (resourceVersion=0) ignores the limit, as upstream does.
	if o.Limit > 0 && int64(len(objs)) > o.Limit && o.ResourceVersion != "0" {
		left := int64(len(objs)) - o.Limit
		objs = objs[:o.Limit]
		meta.Continue = encodeContinue(rv, storeKey(objs[len(objs)-1]))
		if sel.all() {
			meta.RemainingItemCount = &left
		}
	}
	doc, err := c.format.presentList(c.res, objs, meta)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, doc, c.format.media)
	return nil
}

// listFrom returns the version a list stands for (0: now) and the key it starts after.
func (s *Server) listFrom(o *metav1.ListOptions) (at uint64, start string, err error) {
	if o.Continue != "" {
		if o.ResourceVersion != "" && o.ResourceVersion != "0" {
			return 0, "", apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
		}
		return decodeContinue(o.Continue)
	}
	rv, err := parseVersion(o.ResourceVersion)
	if err != nil {
		return 0, "", err
	}
	if current := s.store.Version(); rv > current {
		return 0, "", tooLargeVersion(rv, current)
	}
	if o.ResourceVersionMatch == metav1.ResourceVersionMatchExact {
		return rv, "", nil
	}
	return 0, "", nil // not older than: the newest is
}

func parseVersion(v string) (uint64, error) {
	if v == "" || v == "0" {
		return 0, nil
	}
	rv, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, apierrors.NewBadRequest("Invalid value: \"" + v + "\": " + err.Error())
	}
	return rv, nil
}

// tooLargeVersion is k8s.io/apiserver pkg/storage/errors.go NewTooLargeResourceVersionError.
func tooLargeVersion(asked, current uint64) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", asked, current), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version"}}
	return err
}

// expiredList answers a list at a version that is gone: 410, with a token to go on without consistency when it was a page.
func (s *Server) expiredList(o *metav1.ListOptions) error {
	if o.Continue == "" {
		return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
	}
	_, start, err := decodeContinue(o.Continue)
	if err != nil {
		return err
	}
	e := apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
		"the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the " +
		"provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk " +
		"was returned and now may show up in the list.")
	e.ErrStatus.ListMeta.Continue = encodeContinue(s.store.Version(), start)
	return e
}

func storeKey(o Object) string { return o.GetNamespace() + "/" + o.GetName() }

func after(objs []Object, start string) []Object {
	if start == "" {
		return objs
	}
	return slices.DeleteFunc(slices.Clone(objs), func(o Object) bool { return compareKeys(storeKey(o), start) <= 0 })
}

func compareKeys(a, b string) int {
	nsA, nameA, _ := strings.Cut(a, "/")
	nsB, nameB, _ := strings.Cut(b, "/")
	if c := strings.Compare(nsA, nsB); c != 0 {
		return c
	}
	return strings.Compare(nameA, nameB)
}

// continueToken has the shape of k8s.io/apiserver pkg/storage/continue.go.
type continueToken struct {
	APIVersion string `json:"v"`
	Version    uint64 `json:"rv"`
	Start      string `json:"start"`
}

func encodeContinue(rv uint64, start string) string {
	b, err := json.Marshal(continueToken{APIVersion: "meta.k8s.io/v1", Version: rv, Start: start})
	if err != nil {
		panic(fmt.Sprintf("encode a continue token: %v", err)) // two strings and a number always encode
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeContinue(token string) (uint64, string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, "", apierrors.NewBadRequest("continue key is not valid: " + err.Error())
	}
	var t continueToken
	if err := json.Unmarshal(b, &t); err != nil {
		return 0, "", apierrors.NewBadRequest("continue key is not valid: " + err.Error())
	}
	return t.Version, t.Start, nil
}
