package apiserver

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// patch applies a JSON, merge or strategic merge patch: k8s.io/apiserver pkg/endpoints/handlers/patch.go. Server-side apply is
// refused with 415.
func (s *Server) patch(w http.ResponseWriter, c *call) error {
	o, err := writeOptions(c)
	if err != nil {
		return err
	}
	apply, err := readPatch(c)
	if err != nil {
		return err
	}
	obj, err := s.store.Modify(c.key(), o, func(cur Object) (Object, error) {
		doc, err := toJSON(cur)
		if err != nil {
			return nil, err
		}
		if doc, err = apply(doc); err != nil {
			return nil, err
		}
		return decodeObject(doc, mediaJSON, c.res, strict(c))
	})
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, c.format.present(obj), c.format.media)
	return nil
}

// readPatch returns what the body does to a JSON document.
func readPatch(c *call) (func([]byte) ([]byte, error), error) {
	body, err := readBody(c.HTTP)
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(c.HTTP.Header.Get("Content-Type"))
	switch types.PatchType(media) {
	case types.JSONPatchType:
		return jsonPatch(body)
	case types.MergePatchType:
		return mergePatch(body)
	case types.StrategicMergePatchType:
		if c.res.typed {
			return strategicPatch(body, c.patchedKind())
		}
	}
	return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "", schema.GroupResource{}, "",
		"the body of the request was in an unknown format - accepted media types include: application/json-patch+json, "+
			"application/merge-patch+json, application/strategic-merge-patch+json", 0, false)
}

func jsonPatch(body []byte) (func([]byte) ([]byte, error), error) {
	p, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return func(doc []byte) ([]byte, error) {
		out, err := p.Apply(doc)
		if err != nil {
			// A failed `test` ends here: 422 without a word about which one.
			return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
		}
		return out, nil
	}, nil
}

func mergePatch(body []byte) (func([]byte) ([]byte, error), error) {
	if !json.Valid(body) {
		return nil, apierrors.NewBadRequest("error decoding patch: the body is not JSON")
	}
	return func(doc []byte) ([]byte, error) {
		out, err := jsonpatch.MergePatch(doc, body)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return out, nil
	}, nil
}

func strategicPatch(body []byte, gvk schema.GroupVersionKind) (func([]byte) ([]byte, error), error) {
	if !json.Valid(body) {
		return nil, apierrors.NewBadRequest("error decoding patch: the body is not JSON")
	}
	shape, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil, fmt.Errorf("strategic merge patch of %s: %w", gvk, err)
	}
	return func(doc []byte) ([]byte, error) {
		out, err := strategicpatch.StrategicMergePatch(doc, body, shape)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return out, nil
	}, nil
}

// patchedKind is the kind a patch applies to: the subresource's where it has its own.
func (c *call) patchedKind() schema.GroupVersionKind {
	if c.Subresource == "scale" {
		return scaleKind()
	}
	return c.res.GVK()
}
