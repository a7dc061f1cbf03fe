package connect_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"midwatch/demo/apiserver"
	"midwatch/k8s/connect"
	"midwatch/live"
)

// bubble runs a test on a clock of its own, against a server in memory.
func bubble(t *testing.T, f func(t *testing.T, s *apiserver.Server, config *connect.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := apiserver.New(apiserver.Options{Seed: 7})
		defer s.Close()
		f(t, s, memory(s.RESTConfig()))
	})
}

func TestServerThatNeverConnectsIsGivenUpIn3Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := memory(&rest.Config{Host: "http://10.255.0.1:6443", Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select { // as long as client-go's own dialer
			case <-ctx.Done():
			case <-time.After(30 * time.Second):
			}
			return nil, errors.New("i/o timeout")
		}})
		start := time.Now()
		_, err := config.Open(t.Context(), connect.Options{})
		says(t, connect.Explain(err), connect.KindUnreachable, "cannot reach http://10.255.0.1:6443", `context "demo"`, "within 3s")
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
		time.Sleep(time.Minute) // net/http goes on dialing for whoever comes next
	})
}

func TestServerThatSaysNothingIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *apiserver.Server, config *connect.Config) {
		s.Fail(apiserver.On("", "", "", apiserver.Slow(time.Hour)))
		start := time.Now()
		_, err := config.Open(t.Context(), connect.Options{})
		says(t, connect.Explain(err), connect.KindUnreachable, "said nothing for")
		if took := time.Since(start); took > 35*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestRequestTimeoutBoundsRequestsButNotWatches(t *testing.T) {
	bubble(t, func(t *testing.T, s *apiserver.Server, _ *connect.Config) {
		cfg := s.RESTConfig()
		cfg.Timeout = 5 * time.Second
		cl, err := as(cfg).Open(t.Context(), connect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		w, err := cl.Typed().CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		s.Fail(apiserver.On("list", "pods", "", apiserver.Slow(time.Minute)))
		start := time.Now()
		_, err = cl.Typed().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
		says(t, connect.Explain(err), connect.KindUnreachable, "said nothing for 5s")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %s", took)
		}
		select {
		case e, open := <-w.ResultChan():
			t.Errorf("the watch did not survive: %v %v", e, open)
		case <-time.After(40 * time.Second):
		}
	})
}

func TestHealthTellsWhenTheServerIsAwayAndHealsByItself(t *testing.T) {
	bubble(t, func(t *testing.T, s *apiserver.Server, config *connect.Config) {
		told := 0
		cl, err := config.Open(t.Context(), connect.Options{OnHealth: func() { told++ }})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		w, err := cl.Typed().CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		synctest.Wait()
		if _, err := cl.Identified(t.Context()); err != nil || told != 2 {
			t.Fatalf("told %d times (want: ready, identified), %v", told, err)
		}
		time.Sleep(10 * time.Minute)
		if h := cl.Health(); h.State != live.Ready {
			t.Fatalf("a silent watch is no failure: %+v", h)
		}
		requests := len(s.Requests())
		if requests > 5 {
			t.Errorf("%d requests while all is well: nothing should be polled", requests)
		}
		lost := time.Now()
		s.Stop()
		synctest.Wait()
		h := cl.Health()
		if h.State != live.Unreachable || !h.Since.Equal(lost) || h.Err != `cannot reach http://apiserver.invalid (context "demo"): connection refused` {
			t.Fatalf("just after the cut: %+v", h)
		}
		if told != 3 {
			t.Errorf("told %d times", told)
		}
		time.Sleep(7 * time.Minute)
		if h := cl.Health(); h.State != live.Unreachable || !h.Since.Equal(lost) {
			t.Fatalf("still away, since the same time: %+v", h)
		}
		s.Start()
		back := time.Now()
		for cl.Health().State != live.Ready {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(back); took > 6*time.Second {
			t.Errorf("healed after %s", took)
		}
		if p := cl.Problem(); p != (connect.Problem{}) || told != 4 {
			t.Errorf("problem %+v, told %d times", p, told)
		}
	})
}

func TestExpiredTokenIsSaidOnceItIsCertain(t *testing.T) {
	bubble(t, func(t *testing.T, s *apiserver.Server, config *connect.Config) {
		cl, err := config.Open(t.Context(), connect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		list := func() {
			_, _ = cl.Typed().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
			time.Sleep(2 * time.Second) // the keeper asks, once a second at most
		}
		once := s.Fail(apiserver.On("list", "pods", "", apiserver.Unauthorized()))
		list()
		if h := cl.Health(); h.State != live.Ready {
			t.Errorf("one 401 while a token is renewed: %+v", h)
		}
		once()
		always := s.Fail(apiserver.On("", "", "", apiserver.Unauthorized()))
		list()
		if h := cl.Health(); h.State != live.Unreachable || cl.Problem().Kind != connect.KindLogin {
			t.Errorf("every request 401: %+v, %+v", h, cl.Problem())
		}
		always()
		time.Sleep(10 * time.Second)
		if h := cl.Health(); h.State != live.Ready {
			t.Errorf("after logging in again elsewhere: %+v", h)
		}
	})
}

func TestWebPageInsteadOfTheAPIIsNotHealthy(t *testing.T) {
	bubble(t, func(t *testing.T, s *apiserver.Server, config *connect.Config) {
		cl, err := config.Open(t.Context(), connect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if _, err := cl.Identified(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Fail(apiserver.On("", "", "", apiserver.HTML(http.StatusServiceUnavailable, "<title>Maintenance</title>")))
		_, err = cl.Typed().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
		says(t, connect.Explain(err), connect.KindUnreachable, "proxy", "Maintenance")
		if h := cl.Health(); h.State != live.Unreachable {
			t.Errorf("%+v", h)
		}
	})
}

func TestCallersThatLeaveAndRefusalsAreNoFailure(t *testing.T) {
	bubble(t, func(t *testing.T, s *apiserver.Server, config *connect.Config) {
		cl, err := config.Open(t.Context(), connect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		s.Fail(apiserver.On("list", "pods", "", apiserver.Slow(time.Hour)))
		s.Fail(apiserver.On("list", "secrets", "", apiserver.Denied()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := cl.Typed().CoreV1().Pods("").List(ctx, metav1.ListOptions{}); err == nil {
			t.Fatal("the list should have been given up")
		}
		if _, err := cl.Typed().CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); connect.Explain(err).Kind != connect.KindForbidden {
			t.Fatalf("got %v", err)
		}
		synctest.Wait()
		if h := cl.Health(); h.State != live.Ready {
			t.Errorf("%+v", h)
		}
	})
}
