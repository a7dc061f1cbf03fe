package podlog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/demo/apiserver"
	"midwatch/k8s/podlog"
)

// untilLines waits until the stream holds exactly these.
func (w *world) untilLines(t *testing.T, s *podlog.Stream, want ...string) {
	t.Helper()
	w.until(t, s, fmt.Sprintf("it holds %d lines", len(want)), func() bool { return len(texts(s)) >= len(want) })
	if diff := cmp.Diff(want, texts(s)); diff != "" {
		t.Fatalf("lines (-want +got):\n%s", diff)
	}
}

func TestFollowedLogBeginsWithItsTailAndGoesOn(t *testing.T) {
	w := newWorld(t)
	w.pod(t, "api-1", "api")
	w.write("api-1/api", "one", "two", "three")
	s := w.open(t, podlog.Query{Pods: targets("api-1"), Follow: true, Tail: 2})
	w.untilLines(t, s, "api-1 two", "api-1 three")
	w.write("api-1/api", "four")
	w.untilLines(t, s, "api-1 two", "api-1 three", "api-1 four")
	if st := s.Status(); st.Reading != 1 || st.Pods != 1 || st.Capped != 0 || st.Ended {
		t.Errorf("status %+v", st)
	}
}

func TestLogReadOnceEnds(t *testing.T) {
	w := newWorld(t)
	w.pod(t, "api-1", "api")
	w.write("api-1/api", "one", "two")
	s := w.open(t, podlog.Query{Pods: targets("api-1")})
	w.until(t, s, "it ended", func() bool { return s.Status().Ended })
	w.untilLines(t, s, "api-1 one", "api-1 two")
}

func TestPreviousInstance(t *testing.T) {
	w := newWorld(t)
	p := w.pod(t, "api-1", "api")
	w.set(t, p, func(st *corev1.PodStatus) {
		st.ContainerStatuses[0].LastTerminationState, st.ContainerStatuses[0].RestartCount = died(1, "Error"), 1
	})
	w.pod(t, "api-2", "api")
	w.write("api-1/api!", "before")
	w.write("api-1/api", "now")
	s := w.open(t, podlog.Query{Pods: targets("api-1", "api-2"), Previous: true, Follow: true})
	w.until(t, s, "it ended", func() bool { return s.Status().Ended })
	got := texts(s)
	slices.Sort(got)
	want := []string{"api-1 before", `api-2 -- previous terminated container "api" in pod "api-2" not found --`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWhichContainersAreRead(t *testing.T) {
	for _, tt := range []struct {
		name, container string
		annotations     map[string]string
		want            []string
	}{
		{"the first by default", "", nil, []string{"api-1 from api"}},
		{"the annotated one by default", "", map[string]string{"kubectl.kubernetes.io/default-container": "proxy"}, []string{"api-1 from proxy"}},
		{"the one named", "proxy", nil, []string{"api-1 from proxy"}},
		{"all of them", podlog.AllContainers, nil, []string{"api-1 from api", "api-1 from proxy"}},
		{"one that is not there", "nope", nil, []string{"api-1 -- the pod has no container nope --"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.pod(t, "api-1", "api", "proxy")
			p.Annotations = tt.annotations
			if _, err := w.client.CoreV1().Pods("shop").Update(t.Context(), p, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			w.write("api-1/api", "from api")
			w.write("api-1/proxy", "from proxy")
			s := w.open(t, podlog.Query{Pods: targets("api-1"), Container: tt.container})
			w.until(t, s, "it ended", func() bool { return s.Status().Ended })
			got := texts(s)
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if got := s.Status().Containers; !slices.Equal(got, []string{"api", "proxy"}) {
				t.Errorf("containers to choose from: %v", got)
			}
		})
	}
}

func TestRestartIsFollowedAndNoLineComesTwice(t *testing.T) {
	w := newWorld(t)
	p := w.pod(t, "api-1", "api")
	w.write("api-1/api", "first life")
	s := w.open(t, podlog.Query{Pods: []podlog.Target{{Name: "api-1", Version: "1"}}, Follow: true})
	w.untilLines(t, s, "api-1 first life")

	w.write("api-1/api", "last words")
	p = w.set(t, p, func(st *corev1.PodStatus) {
		c := &st.ContainerStatuses[0]
		c.LastTerminationState, c.State = died(1, "Error"), waiting("CrashLoopBackOff", "back-off 10s")
	})
	ended := []string{"api-1 first life", "api-1 last words", "api-1 -- ended: exit 1 (Error), now CrashLoopBackOff --"}
	w.untilLines(t, s, ended...)

	w.write("api-1/api", "second life")
	w.set(t, p, func(st *corev1.PodStatus) {
		c := &st.ContainerStatuses[0]
		c.State, c.RestartCount = running(), 1
	})
	s.SetPods([]podlog.Target{{Name: "api-1", Version: "2"}})
	w.untilLines(t, s, append(ended, "api-1 -- restart 1, after exit 1 (Error) --", "api-1 second life")...)
}

func TestContainerThatCannotStartSaysWhyUntilItDoes(t *testing.T) {
	w := newWorld(t)
	p := w.pod(t, "api-1", "api")
	p = w.set(t, p, func(st *corev1.PodStatus) {
		st.Phase = corev1.PodPending
		st.ContainerStatuses[0].State = waiting("ImagePullBackOff", "Back-off pulling image \"shop/api\"")
	})
	s := w.open(t, podlog.Query{Pods: targets("api-1"), Follow: true})
	note := `api-1 -- waiting: ImagePullBackOff: Back-off pulling image "shop/api" --`
	w.untilLines(t, s, note)
	w.clock.pass(t) // it looks again and has nothing new to say
	w.write("api-1/api", "up")
	w.set(t, p, func(st *corev1.PodStatus) { st.Phase, st.ContainerStatuses[0].State = corev1.PodRunning, running() })
	s.SetPods([]podlog.Target{{Name: "api-1", Version: "2"}})
	w.untilLines(t, s, note, "api-1 up")
}

func TestFailuresAreSaidBetweenTheLines(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault *apiserver.Fault
		want  string
		heals bool
	}{
		{"forbidden", apiserver.Denied(), "forbidden", false},
		{"unavailable", apiserver.Unavailable(), "trying again", true},
		{"a web page", apiserver.HTML(502, "<html><body>bad gateway</body></html>"), "trying again", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t).connected(t)
			w.pod(t, "api-1", "api")
			w.write("api-1/api", "one")
			remove := w.Fail(func(r *apiserver.Request) *apiserver.Fault {
				if r.Subresource == "log" {
					return tt.fault
				}
				return nil
			})
			s := w.open(t, podlog.Query{Pods: targets("api-1"), Follow: true})
			w.until(t, s, "it says so", func() bool { return len(texts(s)) == 1 })
			got := texts(s)[0]
			if !strings.Contains(got, tt.want) || !strings.HasPrefix(got, "api-1 -- ") || strings.Contains(got, "<") {
				t.Errorf("note %q, want %q in it and no page", got, tt.want)
			}
			remove()
			if !tt.heals {
				w.until(t, s, "it gave up", func() bool { return s.Status().Ended })
				return
			}
			w.clock.pass(t)
			w.untilLines(t, s, got, "api-1 one")
		})
	}
}

func TestPodThatIsGone(t *testing.T) {
	w := newWorld(t)
	s := w.open(t, podlog.Query{Pods: targets("api-1"), Follow: true})
	w.until(t, s, "it ended", func() bool { return s.Status().Ended })
	w.untilLines(t, s, "api-1 -- the pod is gone --")
}

func TestCutConnectionIsTakenUpWithoutRepeatingLines(t *testing.T) {
	w := newWorld(t)
	w.pod(t, "api-1", "api")
	at := time.Now().Add(-time.Minute)
	for i := range 40 { // several with the same stamp, all within one second
		w.logs["api-1/api"] = append(w.logs["api-1/api"], apiserver.LogLine{At: at.Add(time.Duration(i/4) * time.Millisecond), Text: fmt.Sprintf("line %02d", i)})
	}
	cut := false
	w.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Subresource != "log" || cut {
			return nil
		}
		cut = true
		return apiserver.Cut(800)
	})
	s := w.open(t, podlog.Query{Pods: targets("api-1"), Follow: true})
	w.until(t, s, "it lost the connection", func() bool { return slices.ContainsFunc(texts(s), isNote) })
	w.clock.pass(t)
	w.until(t, s, "it has all lines", func() bool { return len(texts(s)) >= 41 })
	got := slices.DeleteFunc(texts(s), isNote)
	for i, l := range got {
		if want := fmt.Sprintf("api-1 line %02d", i); l != want && !strings.HasPrefix(want, l) {
			t.Fatalf("line %d is %q, want %q; all: %q", i, l, want, got)
		}
	}
}

func isNote(s string) bool { return strings.HasSuffix(s, " --") }

func TestNoMorePodsAreReadThanTheLimit(t *testing.T) {
	w := newWorld(t)
	var names []string
	pods := map[string]*corev1.Pod{}
	for i := range 5 {
		n := fmt.Sprintf("api-%d", i)
		names, pods[n] = append(names, n), w.pod(t, n, "api")
		w.write(n+"/api", "up")
	}
	s := w.open(t, podlog.Query{Pods: targets(names...), Follow: true, Limit: 3})
	w.until(t, s, "three are read", func() bool { return len(texts(s)) == 3 })
	if st := s.Status(); st.Pods != 5 || st.Capped != 2 || st.Reading != 3 {
		t.Fatalf("status %+v, want 3 of 5", st)
	}
	if err := w.client.CoreV1().Pods("shop").Delete(t.Context(), "api-1", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
	s.SetPods(targets("api-0", "api-2", "api-3", "api-4"))
	w.until(t, s, "the next is read", func() bool { return slices.Contains(texts(s), "api-3 up") })
	if st := s.Status(); st.Pods != 4 || st.Capped != 1 {
		t.Errorf("status %+v, want 3 of 4", st)
	}
}

func TestSuccessorOfTheSameNameIsRead(t *testing.T) {
	w := newWorld(t)
	old := w.pod(t, "db-0", "db")
	w.write("db-0/db", "old")
	s := w.open(t, podlog.Query{Pods: []podlog.Target{{Name: "db-0", UID: string(old.UID)}}, Follow: true})
	w.untilLines(t, s, "db-0 old")
	if err := w.client.CoreV1().Pods("shop").Delete(t.Context(), "db-0", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	clear(w.logs)
	w.mu.Unlock()
	young := w.pod(t, "db-0", "db")
	w.write("db-0/db", "young")
	s.SetPods([]podlog.Target{{Name: "db-0", UID: string(young.UID)}})
	w.until(t, s, "the young one is read", func() bool { return slices.Contains(texts(s), "db-0 young") })
}

func TestRingCountsWhatItLost(t *testing.T) {
	w := newWorld(t)
	w.pod(t, "api-1", "api")
	for i := range 50 {
		w.write("api-1/api", fmt.Sprint(i))
	}
	s := w.open(t, podlog.Query{Pods: targets("api-1"), Keep: 20})
	w.until(t, s, "it ended", func() bool { return s.Status().Ended })
	lines, added, lost := s.Since(0)
	if len(lines) != 20 || added != 50 || lost != 30 || lines[19].Text != "49" {
		t.Errorf("%d lines of %d, %d lost", len(lines), added, lost)
	}
}

func TestHostileLines(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, tt := range []struct{ name, raw, want string }{
		{"colours are taken off", "\x1b[1;32mINFO\x1b[0m up", "INFO up"},
		{"other sequences stay visible", "\x1b[2J\x1b]0;pwned\x07", `␛[2J␛]0;pwned\x07`},
		{"a carriage return at the end", "done\r", "done"},
		{"a carriage return within", "10%\r20%", `10%\x0d20%`},
		{"reversed text", "\u202egnp.exe", "⟨U+202E⟩gnp.exe"},
		{"bytes that are no text", "\xff\xfe", `\xff\xfe`},
		{"an endless line", long, long[:podlog.MaxText] + "…"},
		{"an empty line", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.pod(t, "api-1", "api")
			w.write("api-1/api", tt.raw, "next")
			s := w.open(t, podlog.Query{Pods: targets("api-1")})
			w.until(t, s, "it ended", func() bool { return s.Status().Ended })
			if diff := cmp.Diff([]string{"api-1 " + tt.want, "api-1 next"}, texts(s)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenNeedsANamespace(t *testing.T) {
	if _, err := podlog.Open(t.Context(), newWorld(t), podlog.Query{Pods: targets("a")}); err == nil {
		t.Error("logs of no namespace are read")
	}
}
