package hygiene

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHiddenFromChildrenKnownToUs(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "MIDWATCH_CANARY_env")
	env, err := Hide(os.LookupEnv, os.Unsetenv, Tokens()...)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := env("VAULT_TOKEN"); !ok || v != "MIDWATCH_CANARY_env" {
		t.Errorf("the look-up lost the token: %q, %v", v, ok)
	}
	if _, ok := env("PATH"); !ok {
		t.Error("the look-up lost PATH")
	}
	if _, ok := env("BAO_TOKEN"); ok {
		t.Error("a variable that was not set is set now")
	}
	out, err := exec.Command("env").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "MIDWATCH_CANARY") {
		t.Error("a child inherits the token")
	}
}

func TestHideSaysWhatItCannotDo(t *testing.T) {
	stuck := errors.New("stuck")
	_, err := Hide(func(string) (string, bool) { return "x", true }, func(string) error { return stuck }, "VAULT_TOKEN")
	if !errors.Is(err, stuck) {
		t.Errorf("got %v", err)
	}
}

func TestTracing(t *testing.T) {
	set := map[string]string{"TEA_TRACE": "/tmp/x", "TEA_DEBUG": ""}
	got := Tracing(func(n string) (string, bool) { v, ok := set[n]; return v, ok })
	if !slices.Equal(got, []string{"TEA_TRACE"}) {
		t.Errorf("got %q", got)
	}
}

func TestHarden(t *testing.T) {
	if os.Getenv("HYGIENE_CHILD") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHarden$", "-test.v")
		cmd.Env = append(os.Environ(), "HYGIENE_CHILD=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	report := Harden()
	if len(report.Failed) > 0 {
		t.Errorf("failed: %q", report.Failed)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
		t.Errorf("core limit %+v, %v", core, err)
	}
	if runtime.GOOS == "linux" {
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil || dumpable != 0 {
			t.Errorf("dumpable %d, %v", dumpable, err)
		}
	}
}
