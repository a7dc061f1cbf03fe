package apiserver_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/ptr"

	"midwatch/demo/apiserver"
)

func TestCreateFillsInWhatTheRealServerDoes(t *testing.T) {
	f := start(t)
	d := must[*appsv1.Deployment](t)(f.client.AppsV1().Deployments("shop").Create(ctx(t), deployment("web", 3), metav1.CreateOptions{FieldManager: "helm"}))
	if d.UID == "" || d.ResourceVersion == "" || d.Generation != 1 || !d.CreationTimestamp.Time.Equal(f.clock.Now()) {
		t.Errorf("uid %q rv %q generation %d created %v", d.UID, d.ResourceVersion, d.Generation, d.CreationTimestamp)
	}
	if got := *d.Spec.ProgressDeadlineSeconds; got != 600 {
		t.Errorf("progressDeadlineSeconds = %d, want 600", got)
	}
	if _, err := f.client.AppsV1().Deployments("shop").Create(ctx(t), deployment("web", 3), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("a second create: %v, want AlreadyExists", err)
	}
	other := deployment("web", 1)
	other.Namespace = "nowhere"
	if _, err := f.client.AppsV1().Deployments("nowhere").Create(ctx(t), other, metav1.CreateOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("create in a missing namespace: %v, want NotFound", err)
	}
}

func TestUpdateCountsGenerationsAndRefusesStaleVersions(t *testing.T) {
	f := start(t)
	api := f.client.AppsV1().Deployments("shop")
	first := must[*appsv1.Deployment](t)(api.Create(ctx(t), deployment("web", 3), metav1.CreateOptions{}))
	changed := first.DeepCopy()
	changed.Spec.Replicas = ptr.To[int32](5)
	changed.Status.Replicas = 99 // ignored: status has its own subresource
	second := must[*appsv1.Deployment](t)(api.Update(ctx(t), changed, metav1.UpdateOptions{}))
	if second.Generation != 2 || second.Status.Replicas != 0 {
		t.Errorf("generation %d, status.replicas %d; want 2, 0", second.Generation, second.Status.Replicas)
	}
	if _, err := api.Update(ctx(t), changed, metav1.UpdateOptions{}); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "the object has been modified") {
		t.Errorf("update with a stale resourceVersion: %v", err)
	}
	second.Status.Replicas = 5
	third := must[*appsv1.Deployment](t)(api.UpdateStatus(ctx(t), second, metav1.UpdateOptions{}))
	if third.Generation != 2 || third.Status.Replicas != 5 {
		t.Errorf("after a status write: generation %d, replicas %d", third.Generation, third.Status.Replicas)
	}
	again := must[*appsv1.Deployment](t)(api.Update(ctx(t), third, metav1.UpdateOptions{}))
	if again.ResourceVersion != third.ResourceVersion {
		t.Error("an update that changes nothing was written")
	}
	if _, err := api.Get(ctx(t), "nope", metav1.GetOptions{}); !apierrors.IsNotFound(err) || err.Error() != `deployments.apps "nope" not found` {
		t.Errorf("get of a missing one: %v", err)
	}
}

func TestPatchKinds(t *testing.T) {
	f := start(t)
	api := f.client.AppsV1().Deployments("shop")
	must[*appsv1.Deployment](t)(api.Create(ctx(t), deployment("web", 3), metav1.CreateOptions{}))
	tests := []struct {
		name, body string
		kind       types.PatchType
		check      func(*appsv1.Deployment, error) bool
	}{
		{"merge", `{"spec":{"paused":true}}`, types.MergePatchType, func(d *appsv1.Deployment, err error) bool { return err == nil && d.Spec.Paused }},
		{"strategic merges containers by name", `{"spec":{"template":{"spec":{"containers":[{"name":"api","image":"web:v2"}]}}}}`, types.StrategicMergePatchType,
			func(d *appsv1.Deployment, err error) bool {
				c := d.Spec.Template.Spec.Containers
				return err == nil && len(c) == 1 && c[0].Image == "web:v2" && c[0].ImagePullPolicy != ""
			}},
		{"json with a test that holds", `[{"op":"test","path":"/spec/paused","value":true},{"op":"replace","path":"/spec/replicas","value":4}]`, types.JSONPatchType,
			func(d *appsv1.Deployment, err error) bool { return err == nil && *d.Spec.Replicas == 4 }},
		{"json with a test that fails", `[{"op":"test","path":"/metadata/generation","value":1},{"op":"replace","path":"/spec/replicas","value":9}]`, types.JSONPatchType,
			func(_ *appsv1.Deployment, err error) bool {
				s, ok := err.(apierrors.APIStatus)
				return ok && s.Status().Code == 422 && s.Status().Message == "the server rejected our request due to an error in our request"
			}},
		{"json that is none", `{"op":"test"}`, types.JSONPatchType, func(_ *appsv1.Deployment, err error) bool { return apierrors.IsBadRequest(err) }},
		{"apply is refused", `{}`, types.ApplyPatchType, func(_ *appsv1.Deployment, err error) bool { return apierrors.IsUnsupportedMediaType(err) }},
		{"invalid result", `{"spec":{"replicas":-1}}`, types.MergePatchType, func(_ *appsv1.Deployment, err error) bool { return apierrors.IsInvalid(err) }},
		{"stale version", `{"metadata":{"resourceVersion":"1"},"spec":{"replicas":1}}`, types.MergePatchType, func(_ *appsv1.Deployment, err error) bool { return apierrors.IsConflict(err) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := api.Patch(ctx(t), "web", tt.kind, []byte(tt.body), metav1.PatchOptions{})
			if !tt.check(d, err) {
				t.Errorf("got %+v, %v", d.Spec, err)
			}
		})
	}
}

func TestDryRunAndStrictValidation(t *testing.T) {
	f := start(t)
	api := f.client.AppsV1().Deployments("shop")
	must[*appsv1.Deployment](t)(api.Create(ctx(t), deployment("web", 3), metav1.CreateOptions{}))
	before := f.Store().Version()
	d := must[*appsv1.Deployment](t)(api.Patch(ctx(t), "web", types.MergePatchType, []byte(`{"spec":{"replicas":8}}`), metav1.PatchOptions{DryRun: []string{"All"}}))
	if *d.Spec.Replicas != 8 || f.Store().Version() != before {
		t.Errorf("dry run: answered %d replicas, store moved from %d to %d", *d.Spec.Replicas, before, f.Store().Version())
	}
	if err := api.Delete(ctx(t), "web", metav1.DeleteOptions{DryRun: []string{"All"}}); err != nil || f.Store().Version() != before {
		t.Errorf("dry delete: %v", err)
	}
	_, err := api.Patch(ctx(t), "web", types.MergePatchType, []byte(`{"spec":{"replicaz":8}}`), metav1.PatchOptions{FieldValidation: "Strict"})
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "replicaz") {
		t.Errorf("unknown field under Strict: %v", err)
	}
}

func TestScaleSubresource(t *testing.T) {
	f := start(t)
	api := f.client.AppsV1().Deployments("shop")
	must[*appsv1.Deployment](t)(api.Create(ctx(t), deployment("web", 3), metav1.CreateOptions{}))
	scale, err := api.GetScale(ctx(t), "web", metav1.GetOptions{})
	if err != nil || scale.Spec.Replicas != 3 || scale.Status.Selector != "app=web" {
		t.Fatalf("get scale: %+v, %v", scale, err)
	}
	scale.Spec.Replicas = 6
	if _, err := api.UpdateScale(ctx(t), "web", scale, metav1.UpdateOptions{FieldManager: "midwatch"}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.UpdateScale(ctx(t), "web", scale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("second update with the old version: %v, want a conflict", err)
	}
	d := must[*appsv1.Deployment](t)(api.Get(ctx(t), "web", metav1.GetOptions{}))
	if *d.Spec.Replicas != 6 || d.Generation != 2 {
		t.Errorf("replicas %d generation %d", *d.Spec.Replicas, d.Generation)
	}
	if owner := ownerOf(t, d, "f:spec", "f:replicas"); owner != "midwatch/scale" {
		t.Errorf("spec.replicas belongs to %q, want midwatch/scale", owner)
	}
}

// ownerOf returns "manager/subresource" of the entry whose fields hold the path.
func ownerOf(t *testing.T, o metav1.Object, path ...string) string {
	t.Helper()
	for _, e := range o.GetManagedFields() {
		var set map[string]any
		if err := json.Unmarshal(e.FieldsV1.GetRawBytes(), &set); err != nil {
			t.Fatal(err)
		}
		found := true
		for _, p := range path {
			next, ok := set[p].(map[string]any)
			found = found && ok
			set = next
		}
		if found {
			return strings.TrimSuffix(e.Manager+"/"+e.Subresource, "/")
		}
	}
	return ""
}

func TestManagedFieldsFollowTheWriter(t *testing.T) {
	f := start(t)
	api := f.client.AppsV1().Deployments("shop")
	must[*appsv1.Deployment](t)(api.Create(ctx(t), deployment("web", 3), metav1.CreateOptions{FieldManager: "helm"}))
	d := must[*appsv1.Deployment](t)(api.Patch(ctx(t), "web", types.MergePatchType,
		[]byte(`{"spec":{"paused":true,"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"x"}}}}}`), metav1.PatchOptions{FieldManager: "midwatch"}))
	for path, want := range map[string]string{
		"f:spec f:replicas": "helm",
		"f:spec f:paused":   "midwatch",
		"f:spec f:template f:metadata f:annotations f:kubectl.kubernetes.io/restartedAt": "midwatch",
		`f:spec f:template f:spec f:containers k:{"name":"api"} f:image`:                 "helm",
		"f:spec f:template f:metadata f:labels f:app":                                    "helm",
	} {
		if got := ownerOf(t, d, strings.Fields(path)...); got != want {
			t.Errorf("%s belongs to %q, want %q", path, got, want)
		}
	}
}

func TestDelete(t *testing.T) {
	f := start(t)
	pods := f.client.CoreV1().Pods("shop")
	unscheduled := must[*corev1.Pod](t)(pods.Create(ctx(t), pod("a", ""), metav1.CreateOptions{}))
	running := must[*corev1.Pod](t)(pods.Create(ctx(t), pod("b", "node-1"), metav1.CreateOptions{}))

	wrong := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("another")}
	if err := pods.Delete(ctx(t), "a", wrong); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "Precondition failed: UID in precondition: another") {
		t.Errorf("delete with another UID: %v", err)
	}
	stale := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: ptr.To("1")}}
	if err := pods.Delete(ctx(t), "a", stale); !apierrors.IsConflict(err) {
		t.Errorf("delete with another resourceVersion: %v", err)
	}
	if err := pods.Delete(ctx(t), "a", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(unscheduled.UID))}); err != nil {
		t.Fatal(err)
	}
	if _, err := pods.Get(ctx(t), "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("an unscheduled pod should be gone at once: %v", err)
	}
	if err := pods.Delete(ctx(t), "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b := must[*corev1.Pod](t)(pods.Get(ctx(t), "b", metav1.GetOptions{}))
	if b.DeletionTimestamp == nil || *b.DeletionGracePeriodSeconds != 30 || !b.DeletionTimestamp.Time.Equal(f.clock.Now().Add(30*time.Second)) || b.UID != running.UID {
		t.Errorf("a running pod should be terminating: %+v", b.ObjectMeta)
	}
	if err := pods.Delete(ctx(t), "b", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := pods.Get(ctx(t), "b", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a forced delete should remove the pod: %v", err)
	}
}

func TestDeletionFollowsOwners(t *testing.T) {
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan} {
		t.Run(string(policy), func(t *testing.T) {
			f := start(t)
			d := must[*appsv1.Deployment](t)(f.client.AppsV1().Deployments("shop").Create(ctx(t), deployment("web", 1), metav1.CreateOptions{}))
			child := pod("child", "")
			child.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
			must[*corev1.Pod](t)(f.client.CoreV1().Pods("shop").Create(ctx(t), child, metav1.CreateOptions{}))
			if err := f.client.AppsV1().Deployments("shop").Delete(ctx(t), "web", metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
				t.Fatal(err)
			}
			if _, err := f.client.AppsV1().Deployments("shop").Get(ctx(t), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("the owner is still there: %v", err)
			}
			left, err := f.client.CoreV1().Pods("shop").Get(ctx(t), "child", metav1.GetOptions{})
			switch {
			case policy == metav1.DeletePropagationOrphan && (err != nil || len(left.OwnerReferences) != 0):
				t.Errorf("orphan: %v, owners %v", err, left.OwnerReferences)
			case policy != metav1.DeletePropagationOrphan && !apierrors.IsNotFound(err):
				t.Errorf("the dependent is still there: %v", err)
			}
		})
	}
}

func TestMetadataAndDynamicClients(t *testing.T) {
	f := start(t)
	f.Register(apiserver.Resource{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout", Plural: "rollouts", Short: []string{"ro"}, Status: true, Scale: true})
	gvr := schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}
	dyn := dynamic.NewForConfigOrDie(f.RESTConfig()).Resource(gvr).Namespace("shop")
	ro := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"replicas": int64(5)}, "status": map[string]any{"phase": "dropped"},
	}}
	created := must[*unstructured.Unstructured](t)(dyn.Create(ctx(t), ro, metav1.CreateOptions{}))
	if _, has := created.Object["status"]; has || created.GetGeneration() != 1 {
		t.Errorf("created: %v", created.Object)
	}
	patched := must[*unstructured.Unstructured](t)(dyn.Patch(ctx(t), "web", types.MergePatchType, []byte(`{"status":{"abort":true}}`), metav1.PatchOptions{}, "status"))
	if abort, _, _ := unstructured.NestedBool(patched.Object, "status", "abort"); !abort || patched.GetGeneration() != 1 {
		t.Errorf("status patch: %v", patched.Object)
	}
	if list := must[*unstructured.UnstructuredList](t)(dyn.List(ctx(t), metav1.ListOptions{})); len(list.Items) != 1 || list.Items[0].GetKind() != "Rollout" {
		t.Errorf("list: %v", list)
	}
	if err := dyn.Delete(ctx(t), "web", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(created.GetUID()))}); err != nil {
		t.Error(err)
	}

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "keys"}, Data: map[string][]byte{"jwt": []byte("hidden")}}
	must[*corev1.Secret](t)(f.client.CoreV1().Secrets("shop").Create(ctx(t), secret, metav1.CreateOptions{}))
	f.ForgetRequests()
	meta := metadata.NewForConfigOrDie(f.RESTConfig()).Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace("shop")
	list := must[*metav1.PartialObjectMetadataList](t)(meta.List(ctx(t), metav1.ListOptions{}))
	if len(list.Items) != 1 || list.Items[0].Name != "keys" {
		t.Errorf("metadata list: %+v", list)
	}
	if one := must[*metav1.PartialObjectMetadata](t)(meta.Get(ctx(t), "keys", metav1.GetOptions{})); one.UID == "" {
		t.Errorf("metadata get: %+v", one)
	}
	for _, r := range f.Requests() {
		if !strings.Contains(r.HTTP.Header.Get("Accept"), "PartialObjectMetadata") {
			t.Errorf("request without metadata-only: %s", r.HTTP.URL)
		}
	}
}
