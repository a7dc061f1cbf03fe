package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	serjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
)

const (
	mediaJSON     = runtime.ContentTypeJSON
	mediaProtobuf = runtime.ContentTypeProtobuf
	mediaYAML     = runtime.ContentTypeYAML
)

// format is how a client wants its answer.
type format struct {
	media    string
	metadata bool // as=PartialObjectMetadata or …List
}

// negotiate picks the first clause of an Accept header the server can satisfy for a resource (nil for documents that have no
// resource). as=Table is not offered: a client that accepts nothing else gets 406.
func negotiate(accept string, res *Resource) (format, error) {
	if accept == "" {
		return format{media: mediaJSON}, nil
	}
	for clause := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(clause))
		if err != nil {
			continue
		}
		f := format{media: media}
		switch params["as"] {
		case "":
		case "PartialObjectMetadata", "PartialObjectMetadataList":
			f.metadata = true
		default:
			continue
		}
		switch media {
		case "*/*", "application/*":
			f.media = mediaJSON
			return f, nil
		case mediaJSON, mediaYAML:
			return f, nil
		case mediaProtobuf:
			if res == nil || res.typed || f.metadata {
				return f, nil
			}
		}
	}
	return format{}, apierrors.NewGenericServerResponse(http.StatusNotAcceptable, "", schema.GroupResource{}, "",
		"only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf", 0, false)
}

func serializerFor(media string) (runtime.SerializerInfo, error) {
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), media)
	if !ok {
		return info, fmt.Errorf("no serializer for %s", media)
	}
	return info, nil
}

// encode serialises an object whose type is set. The raw serializers are used on purpose: the versioning codec sets and restores
// the type of what it encodes, which would race between readers of one stored object.
func encode(obj runtime.Object, media string) ([]byte, error) {
	info, err := serializerFor(media)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := info.Serializer.Encode(obj, &buf); err != nil {
		return nil, fmt.Errorf("encode %T as %s: %w", obj, media, err)
	}
	return buf.Bytes(), nil
}

// present turns a stored object into what the client asked for.
func (f format) present(o Object) runtime.Object {
	if f.metadata {
		return metadataOf(o)
	}
	return o
}

// presentList makes the list document of a resource. Items of typed lists carry no kind, as on the real wire.
func (f format) presentList(res *Resource, objs []Object, meta metav1.ListMeta) (runtime.Object, error) {
	if f.metadata {
		list := &metav1.PartialObjectMetadataList{
			TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}, ListMeta: meta,
			Items: make([]metav1.PartialObjectMetadata, len(objs)),
		}
		for i, o := range objs {
			list.Items[i] = *metadataOf(o)
		}
		return list, nil
	}
	gvk := res.GroupVersion().WithKind(res.Kind + "List")
	if !res.typed {
		return unstructuredList(gvk, objs, meta), nil
	}
	list, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", res.Plural, err)
	}
	list.GetObjectKind().SetGroupVersionKind(gvk)
	v := reflect.ValueOf(list).Elem()
	v.FieldByName("ListMeta").Set(reflect.ValueOf(meta))
	items := reflect.MakeSlice(v.FieldByName("Items").Type(), len(objs), len(objs))
	for i, o := range objs {
		item := items.Index(i)
		item.Set(reflect.ValueOf(o).Elem())
		item.FieldByName("TypeMeta").SetZero()
	}
	v.FieldByName("Items").Set(items)
	return list, nil
}

func unstructuredList(gvk schema.GroupVersionKind, objs []Object, meta metav1.ListMeta) runtime.Object {
	list := &unstructured.UnstructuredList{Object: map[string]any{}}
	list.SetGroupVersionKind(gvk)
	list.SetResourceVersion(meta.ResourceVersion)
	list.SetContinue(meta.Continue)
	list.SetRemainingItemCount(meta.RemainingItemCount)
	for _, o := range objs {
		if u, ok := o.(*unstructured.Unstructured); ok {
			list.Items = append(list.Items, *u)
		}
	}
	return list
}

const maxBody = 3 << 20 // k8s.io/apiserver's MaxRequestBodyBytes

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, apierrors.NewBadRequest("read the request body: " + err.Error())
	}
	if len(body) > maxBody {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", maxBody))
	}
	return body, nil
}

// decodeObject reads an object of the resource's kind from a request body.
func decodeObject(body []byte, contentType string, res *Resource, strict bool) (Object, error) {
	if !res.typed {
		return decodeUnstructured(body, res)
	}
	obj, err := decodeTyped(body, contentType, res.GVK(), strict)
	if err != nil {
		return nil, err
	}
	o, ok := obj.(Object)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%T has no metadata", obj))
	}
	return o, nil
}

func decodeUnstructured(body []byte, res *Resource) (Object, error) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(body); err != nil {
		return nil, apierrors.NewBadRequest("error decoding: " + err.Error())
	}
	if u.GroupVersionKind() != res.GVK() {
		return nil, wrongKind(u.GroupVersionKind(), res.GVK())
	}
	return u, nil
}

func wrongKind(have, want schema.GroupVersionKind) error {
	return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s", have.Kind, have.GroupVersion(), want.Kind))
}

// decodeTyped reads a body as the wanted kind. With strict (fieldValidation=Strict) unknown and duplicate fields are refused.
func decodeTyped(body []byte, contentType string, want schema.GroupVersionKind, strict bool) (runtime.Object, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = mediaJSON
	}
	info, err := serializerFor(media)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "", schema.GroupResource{}, "",
			"the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf", 0, false)
	}
	var dec runtime.Decoder = info.Serializer
	if strict && media == mediaJSON {
		dec = strictDecoder()
	}
	obj, gvk, err := dec.Decode(body, &want, nil)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", want.Kind, want.Version, want.Kind, err))
	}
	if gvk != nil && *gvk != want {
		return nil, wrongKind(*gvk, want)
	}
	obj.GetObjectKind().SetGroupVersionKind(want)
	return obj, nil
}

func strictDecoder() runtime.Decoder {
	return serjson.NewSerializerWithOptions(serjson.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, serjson.SerializerOptions{Strict: true})
}

// toJSON returns the JSON form patches are applied to.
func toJSON(o Object) ([]byte, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", o.GetName(), err)
	}
	return b, nil
}

// respond writes an object with a status code.
func respond(w http.ResponseWriter, code int, obj runtime.Object, media string) {
	body, err := encode(obj, media)
	if err != nil {
		respondError(w, apierrors.NewInternalError(err))
		return
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that went away is not our error
}

// respondError writes an error as metav1.Status, always as JSON.
func respondError(w http.ResponseWriter, err error) {
	var status metav1.Status
	if s, ok := err.(apierrors.APIStatus); ok { // store errors are never wrapped
		status = s.Status()
	} else {
		status = apierrors.NewInternalError(err).Status()
	}
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if status.Code == 0 {
		status.Code = http.StatusInternalServerError
	}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(status.Details.RetryAfterSeconds))
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status)
}
