//go:build unix

package connect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"

	"midwatch/k8s/connect"
	"midwatch/live"
)

func TestNothingReachesTheScreen(t *testing.T) {
	real := os.Stderr
	screen, err := os.CreateTemp(t.TempDir(), "screen")
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = screen
	defer func() { os.Stderr = real }()
	s, err := connect.TakeStdio(live.SystemClock{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(os.Stderr, "Password: ")
	fmt.Fprintln(os.Stderr)
	if err := s.EnterScreen(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(os.Stderr, "\x1b[2Jplugin\r\n\n")
	klog.ErrorS(errors.New("boom"), "reflector")
	klog.Info("watch closed")
	utilruntime.HandleError(errors.New("lost"))
	warn(t)
	child := exec.CommandContext(t.Context(), "sh", "-c", "cat; echo from a child >&2")
	child.Stdin, child.Stderr = os.Stdin, os.Stderr
	out, err := child.Output()
	if err != nil || len(out) != 0 {
		t.Errorf("a plugin must find standard input empty: %q, %v", out, err)
	}
	if err := s.LeaveScreen(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, "after")
	if err := s.Restore(); err != nil {
		t.Fatal(err)
	}
	if os.Stderr != screen {
		t.Error("standard error was not restored")
	}
	got, err := os.ReadFile(screen.Name())
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "Password: \nafter\n" {
		t.Errorf("the screen shows %q", got)
	}
	facts, _, _ := s.Log().Since(0)
	said := map[string]string{}
	for _, l := range facts {
		said[l.Text.String()] = l.From
	}
	for text, from := range map[string]string{
		"Password: ": "stderr", "␛[2Jplugin": "stderr", "from a child": "stderr", "after": "stderr",
		`"reflector" err="boom"`: "client-go", "watch closed": "client-go", "apps/v1beta1 is deprecated": "warning",
	} {
		if said[text] != from {
			t.Errorf("%q is from %q, want %q; all: %q", text, said[text], from, said)
		}
	}
	if !strings.Contains(fmt.Sprint(said), "lost") {
		t.Errorf("errors of client-go's goroutines are missing: %q", said)
	}
}

// warn makes an API server send a warning.
func warn(t *testing.T) {
	t.Helper()
	_, cfg := tlsServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Warning", `299 - "apps/v1beta1 is deprecated"`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"PodList","gitVersion":"v1.37.2"}`))
	}))
	cl := open(t, as(cfg), connect.Options{})
	defer cl.Close()
	if _, err := cl.Typed().CoreV1().Pods("").List(context.WithoutCancel(within(t)), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
}
