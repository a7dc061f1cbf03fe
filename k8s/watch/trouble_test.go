package watch

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midwatch/demo/apiserver"
	"midwatch/live"
)

func TestNamespacedUserIsAskedOnceAndServed(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	service(t, c, "team-01", "search", 3, 0)
	star := []string{"*"}
	c.Allow(apiserver.Rule{Namespace: "shop", Verbs: []string{"get", "list", "watch"}, Groups: star, Resources: star})
	s, hub := open(t, c, Options{Namespaces: []string{"shop"}})
	got := until(t, hub, "the board of shop", boardTopic(), func(s live.Snapshot) bool {
		return len(board(s).Loading) == 0 && len(board(s).Workloads) == 1
	})
	b := board(got)
	if got.State != live.Ready || find(b, "shop/Deployment/checkout") == nil || !find(b, "shop/Deployment/checkout").PodsKnown {
		t.Errorf("state %s, board %+v", got.State, b)
	}
	if want := "forbidden: list pods in all namespaces; reading shop only"; !slices.Contains(b.Restricted, want) {
		t.Errorf("restricted %q, want %q", b.Restricted, want)
	}
	names := until(t, hub, "the namespaces", live.Topic{Name: TopicNamespaces}, func(s live.Snapshot) bool {
		return s.Value.(*Namespaces).Err != ""
	}).Value.(*Namespaces)
	if names.Known || !cmp.Equal(names.Names, []string{"shop"}) || names.Err != "forbidden: list namespaces" {
		t.Errorf("namespaces %+v", names)
	}
	// A scope tried and left: what was refused is not asked again.
	s.SetScope(NewScope("shop"))
	until(t, hub, "the scope shop", boardTopic(), func(s live.Snapshot) bool { return !board(s).Scope.All() && len(board(s).Loading) == 0 })
	s.SetScope(Scope{})
	until(t, hub, "all namespaces again", boardTopic(), func(s live.Snapshot) bool {
		return board(s).Scope.All() && len(board(s).Loading) == 0 && len(board(s).Workloads) == 1
	})
	for _, res := range []string{"deployments", "replicasets", "pods", "events"} {
		if n := requests(c, "list", res, ""); n != 1 {
			t.Errorf("the cluster's %s were asked for %d times, want once", res, n)
		}
	}
	if n := requests(c, "list", "namespaces", ""); n != 1 {
		t.Errorf("namespaces were asked for %d times, want once", n)
	}
	// An explicit retry asks, and finds that the right was granted meanwhile.
	c.AllowAll()
	s.Retry()
	until(t, hub, "everything", boardTopic(), func(s live.Snapshot) bool {
		return len(board(s).Workloads) == 2 && len(board(s).Restricted) == 0
	})
}

func TestForbiddenEventsAreSaidAndDoNotStopTheRest(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 1)
	c.Fail(apiserver.On("list", "events", "", apiserver.Denied()))
	_, hub := open(t, c, Options{Scope: NewScope("shop")})
	b := board(until(t, hub, "a complete board", boardTopic(), func(s live.Snapshot) bool {
		return s.State == live.Ready && len(board(s).Loading) == 0
	}))
	if !cmp.Equal(b.Restricted, []string{"forbidden: list events in shop"}) {
		t.Errorf("restricted %q", b.Restricted)
	}
	if w := find(b, "shop/Deployment/checkout"); w == nil || w.Verdict.Severity == live.OK || !w.PodsKnown {
		t.Errorf("judged without events: %+v", w)
	}
	events := until(t, hub, "the events topic", live.Topic{Name: TopicEvents}, func(live.Snapshot) bool { return true })
	if events.State != live.Forbidden || events.Err != "forbidden: list events in shop" {
		t.Errorf("events: %s %q", events.State, events.Err)
	}
}

func TestAnOutageHealsWithoutLosingRows(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	service(t, c, "shop", "search", 3, 3)
	clk := &clock{}
	_, hub := open(t, c, Options{Clock: clk})
	until(t, hub, "the board", boardTopic(), func(s live.Snapshot) bool {
		return s.State == live.Ready && len(board(s).Loading) == 0 && len(board(s).Workloads) == 2
	})
	c.Stop()
	broken := until(t, hub, "the outage", boardTopic(), func(s live.Snapshot) bool {
		return s.State == live.Unreachable && s.Err == "connection refused"
	})
	if len(board(broken).Workloads) != 2 || broken.Since.IsZero() || broken.Recheck.IsZero() {
		t.Errorf("during the outage: %+v, %d rows", broken, len(board(broken).Workloads))
	}
	clk.advance(live.StaleAfter)
	stale := until(t, hub, "staleness", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Stale })
	if len(board(stale).Workloads) != 2 || !stale.Since.Before(broken.Since.Add(time.Second)) {
		t.Errorf("stale since %s, broken since %s", stale.Since, broken.Since)
	}
	// Deleted while nobody was watching, beyond what can be watched back.
	remove(t, c, "deployments", "shop", "search")
	c.Store().Compact()
	c.Start()
	healed := until(t, hub, "healing", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Ready && len(board(s).Workloads) == 1 })
	if find(board(healed), "shop/Deployment/checkout") == nil || healed.Err != "" {
		t.Errorf("after the outage: %+v", healed)
	}
}

func remove(t *testing.T, c *cluster, resource, namespace, name string) {
	t.Helper()
	key := apiserver.Key{Resource: groupResource(resource), Namespace: namespace, Name: name}
	if _, _, err := c.Store().Delete(key, apiserver.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestAnExpiredLoginHeals(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 1, 1)
	takeBack := c.Fail(func(*apiserver.Request) *apiserver.Fault { return apiserver.Unauthorized() })
	_, hub := open(t, c, Options{})
	got := until(t, hub, "the refusal", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Unreachable })
	if !strings.HasPrefix(got.Err.String(), "login failed") {
		t.Errorf("error %q", got.Err)
	}
	takeBack()
	until(t, hub, "the board", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Ready && len(board(s).Workloads) == 1 })
}

func TestAnExpiredWatchIsListedAgain(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 1, 1)
	gone := make(chan struct{}, 1)
	c.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Resource == "deployments" && r.Verb == "watch" {
			select {
			case gone <- struct{}{}:
				return apiserver.Gone()
			default:
			}
		}
		return nil
	})
	_, hub := open(t, c, Options{})
	until(t, hub, "the board", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Ready && len(board(s).Loading) == 0 })
	service(t, c, "shop", "search", 1, 1)
	until(t, hub, "what came after", boardTopic(), func(s live.Snapshot) bool { return len(board(s).Workloads) == 2 })
	if n := requests(c, "list", "deployments", ""); n != 2 {
		t.Errorf("listed %d times, want twice", n)
	}
}

func TestAnswersThatAreNoneAreSaid(t *testing.T) {
	c := newCluster(t)
	takeBack := c.Fail(apiserver.On("list", "deployments", "", apiserver.HTML(200, "<html>Sign in</html>")))
	_, hub := open(t, c, Options{})
	got := until(t, hub, "the complaint", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Unreachable })
	if !strings.Contains(got.Err.String(), "not a Kubernetes list") {
		t.Errorf("error %q", got.Err)
	}
	takeBack()
	until(t, hub, "healing", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Ready })
}

func TestRolloutsAreNotMissedWithoutTheirCRD(t *testing.T) {
	c := newCluster(t)
	star := []string{"*"}
	c.Allow(apiserver.Rule{Verbs: star, Groups: []string{"", "apps", "autoscaling"}, Resources: star})
	_, hub := open(t, c, Options{})
	b := board(until(t, hub, "the board", boardTopic(), func(s live.Snapshot) bool { return len(board(s).Loading) == 0 }))
	if len(b.Restricted) != 0 {
		t.Errorf("complains about a right nobody misses: %q", b.Restricted)
	}
	if n := requests(c, "list", "rollouts", ""); n != 0 {
		t.Errorf("listed a resource the server does not have %d times", n)
	}
}

func TestAHangingSourceDoesNotHoldTheOthers(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	c.Fail(apiserver.On("list", "daemonsets", "", apiserver.Slow(time.Hour)))
	_, hub := open(t, c, Options{})
	b := board(until(t, hub, "everything else", boardTopic(), func(s live.Snapshot) bool {
		return cmp.Equal(board(s).Loading, []string{daemonSetsName}) && len(board(s).Workloads) == 1
	}))
	if !b.Workloads[0].PodsKnown {
		t.Errorf("board %+v", b)
	}
}

// An API server that has just started refuses everybody until it has read its
// RBAC rules. What could be read before must heal by itself.
func TestRefusalsOfARestartedServerAreDoubted(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	clk := &clock{}
	_, hub := open(t, c, Options{Clock: clk})
	until(t, hub, "the board", boardTopic(), func(s live.Snapshot) bool {
		return s.State == live.Ready && len(board(s).Loading) == 0 && len(board(s).Workloads) == 1
	})
	c.Stop()
	until(t, hub, "the outage", boardTopic(), func(s live.Snapshot) bool { return s.State == live.Unreachable })
	allow := c.Fail(func(r *apiserver.Request) *apiserver.Fault { return apiserver.Denied() })
	c.ForgetRequests()
	c.Start()
	refused := func(r *apiserver.Request) bool { return r.Code == http.StatusForbidden }
	until(t, hub, "refusals", boardTopic(), func(live.Snapshot) bool {
		clk.advance(20 * time.Second)
		return c.Count(refused) > 0
	})
	allow()
	healed := until(t, hub, "healing without a key", boardTopic(), func(s live.Snapshot) bool {
		clk.advance(20 * time.Second)
		return s.State == live.Ready && s.Err == ""
	})
	if len(board(healed).Workloads) != 1 || len(board(healed).Restricted) != 0 {
		t.Errorf("after the restart: %+v", board(healed))
	}
}
