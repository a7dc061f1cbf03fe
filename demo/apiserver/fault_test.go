package apiserver_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"midwatch/demo/apiserver"
)

func TestFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault *apiserver.Fault
		check func(error) bool
	}{
		{"denied", apiserver.Denied(), func(err error) bool {
			return apierrors.IsForbidden(err) && err.Error() == `pods is forbidden: User "oncall@example.com" cannot list resource "pods" in API group "" in the namespace "shop"`
		}},
		{"unauthorized", apiserver.Unauthorized(), apierrors.IsUnauthorized},
		{"unavailable", apiserver.Unavailable(), apierrors.IsServiceUnavailable},
		{"gone", apiserver.Gone(), apierrors.IsResourceExpired},
		{"html", apiserver.HTML(502, "<html><body>Bad Gateway</body></html>"), func(err error) bool {
			s, ok := err.(apierrors.APIStatus)
			return ok && s.Status().Code == 502
		}},
		{"html instead of a list", apiserver.HTML(200, "<html>log in</html>"), func(err error) bool { return err != nil }},
		{"cut in the middle", apiserver.Cut(40), func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"slow", apiserver.Slow(time.Millisecond), func(err error) bool { return err == nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t)
			addPods(t, f, 3)
			remove := f.Fail(apiserver.On("list", "pods", "shop", tt.fault))
			if _, err := f.client.CoreV1().Pods("shop").List(ctx(t), metav1.ListOptions{}); !tt.check(err) {
				t.Errorf("got %v", err)
			}
			remove()
			if _, err := f.client.CoreV1().Pods("shop").List(ctx(t), metav1.ListOptions{}); err != nil {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
}

func TestTooManyRequestsIsRetried(t *testing.T) {
	f := start(t)
	first := true
	f.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if first {
			first = false
			return apiserver.TooManyRequests(0)
		}
		return nil
	})
	if _, err := f.client.CoreV1().Pods("shop").List(ctx(t), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if all := f.Requests(); len(all) != 2 || all[0].Code != 429 || all[1].Code != 200 {
		t.Errorf("requests: %+v", all)
	}
}

// A read is retried by the client for seconds when its connection breaks; a write is not.
func TestCutAtOnce(t *testing.T) {
	f := start(t)
	f.Fail(apiserver.On("create", "pods", "", apiserver.Cut(0)))
	if _, err := f.client.CoreV1().Pods("shop").Create(ctx(t), pod("web", ""), metav1.CreateOptions{}); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestSlowEndsWithTheClient(t *testing.T) {
	f := start(t)
	f.Fail(apiserver.On("list", "pods", "", apiserver.Slow(time.Hour)))
	c, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := f.client.CoreV1().Pods("shop").List(c, metav1.ListOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestStopCutsWatchesAndRefusesConnections(t *testing.T) {
	f := start(t)
	w := must[watch.Interface](t)(f.client.CoreV1().Pods("").Watch(ctx(t), metav1.ListOptions{}))
	defer w.Stop()
	f.Stop()
	for range w.ResultChan() { //nolint:revive // drain until it is closed
	}
	if _, err := f.client.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{}); !utilnet.IsConnectionRefused(err) {
		t.Errorf("while stopped: %v", err)
	}
	f.Start()
	if _, err := f.client.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{}); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestRulesDecideRequestsAndReviews(t *testing.T) {
	f := start(t)
	f.Allow(apiserver.Rule{Namespace: "shop", Verbs: []string{"get", "list"}, Groups: []string{""}, Resources: []string{"pods", "pods/log"}})
	if _, err := f.client.CoreV1().Pods("shop").List(ctx(t), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	_, err := f.client.CoreV1().Pods("").List(ctx(t), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) || !strings.HasSuffix(err.Error(), `cannot list resource "pods" in API group "" at the cluster scope`) {
		t.Errorf("cluster-wide: %v", err)
	}
	_, err = f.client.AppsV1().Deployments("shop").Get(ctx(t), "web", metav1.GetOptions{})
	if !apierrors.IsForbidden(err) || !strings.HasPrefix(err.Error(), `deployments.apps "web" is forbidden: User`) {
		t.Errorf("another resource: %v", err)
	}
	for verb, want := range map[string]bool{"list": true, "delete": false} {
		r, err := f.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx(t), &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: "pods", Namespace: "shop"}},
		}, metav1.CreateOptions{})
		if err != nil || r.Status.Allowed != want {
			t.Errorf("%s: allowed %v, %v", verb, r.Status.Allowed, err)
		}
	}
	rules, err := f.client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx(t), &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: "shop"}}, metav1.CreateOptions{})
	if err != nil || len(rules.Status.ResourceRules) != 1 || rules.Status.Incomplete {
		t.Errorf("rules: %+v, %v", rules.Status, err)
	}
	if _, err := f.client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx(t), &authorizationv1.SelfSubjectRulesReview{}, metav1.CreateOptions{}); !apierrors.IsBadRequest(err) {
		t.Errorf("rules without a namespace: %v", err)
	}
	who, err := f.client.AuthenticationV1().SelfSubjectReviews().Create(ctx(t), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || who.Status.UserInfo.Username != "oncall@example.com" {
		t.Errorf("who am I: %+v, %v", who.Status, err)
	}
}

func TestEvictionRespectsBudgets(t *testing.T) {
	f := start(t)
	addPods(t, f, 1)
	budget := &policyv1.PodDisruptionBudget{
		TypeMeta: metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}, ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"},
		Spec:   policyv1.PodDisruptionBudgetSpec{MinAvailable: ptrTo(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status: policyv1.PodDisruptionBudgetStatus{DesiredHealthy: 1, CurrentHealthy: 1},
	}
	if _, err := f.Store().Put(budget); err != nil {
		t.Fatal(err)
	}
	evict := func() error {
		return f.client.CoreV1().Pods("shop").EvictV1(ctx(t), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "p00", Namespace: "shop"}})
	}
	if err := evict(); !apierrors.IsTooManyRequests(err) || !apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause) {
		t.Errorf("no disruption allowed: %v", err)
	}
	allowed := budget.DeepCopy()
	allowed.Status.DisruptionsAllowed = 1
	if _, err := f.Store().Put(allowed); err != nil {
		t.Fatal(err)
	}
	if err := evict(); err != nil {
		t.Error(err)
	}
	if p := must[*corev1.Pod](t)(f.client.CoreV1().Pods("shop").Get(ctx(t), "p00", metav1.GetOptions{})); p.DeletionTimestamp == nil {
		t.Error("the pod is not terminating")
	}
}

func ptrTo[T any](v T) *T { return &v }

func TestDiscovery(t *testing.T) {
	f := start(t)
	f.Register(apiserver.Resource{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout", Plural: "rollouts", Status: true})
	for _, legacy := range []bool{false, true} {
		d := discovery.NewDiscoveryClientForConfigOrDie(f.RESTConfig())
		d.UseLegacyDiscovery = legacy
		groups, lists, err := d.ServerGroupsAndResources()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, l := range lists {
			for _, r := range l.APIResources {
				found[l.GroupVersion+" "+r.Name] = true
			}
		}
		for _, want := range []string{"v1 pods", "v1 pods/log", "v1 pods/eviction", "apps/v1 deployments/scale", "autoscaling/v2 horizontalpodautoscalers",
			"argoproj.io/v1alpha1 rollouts", "authorization.k8s.io/v1 selfsubjectaccessreviews"} {
			if !found[want] {
				t.Errorf("legacy=%v: %s is missing among %d groups", legacy, want, len(groups))
			}
		}
	}
	v, err := f.client.ServerVersion()
	if err != nil || v.GitVersion != "v1.37.2" || v.Minor != "37" {
		t.Errorf("version %+v, %v", v, err)
	}
	if _, err := f.client.RESTClient().Get().AbsPath("/apis/nope/v1/things").DoRaw(ctx(t)); !apierrors.IsNotFound(err) {
		t.Errorf("unknown group: %v", err)
	}
	_, err = f.client.CoreV1().RESTClient().Get().Resource("pods").SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx(t))
	if !apierrors.IsNotAcceptable(err) {
		t.Errorf("as=Table: %v", err)
	}
}

func TestRequestsTellReadsFromWrites(t *testing.T) {
	f := start(t)
	_, _ = f.client.CoreV1().Pods("shop").List(ctx(t), metav1.ListOptions{})
	_, _ = f.client.CoreV1().Pods("shop").Create(ctx(t), pod("web", ""), metav1.CreateOptions{})
	writes := f.Count(func(r *apiserver.Request) bool { return r.Writes() })
	if all := f.Requests(); len(all) != 2 || writes != 1 || all[0].Verb != "list" || all[0].Resource != "pods" || all[1].Code != 201 {
		t.Errorf("%d writes in %+v", writes, all)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := apiserver.New(apiserver.Options{Namespaces: []string{"shop"}})
	client := kubernetes.NewForConfigOrDie(rest.CopyConfig(s.RESTConfig()))
	w := must[watch.Interface](t)(client.CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{}))
	if _, err := client.CoreV1().Pods("shop").Create(t.Context(), pod("web", ""), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	<-w.ResultChan()
	s.Close()
	w.Stop()
	goleak.VerifyNone(t, before)
}
