//go:build scale

package tree

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"midwatch/profiles/internal/proftest"
)

// used is what one process took.
type used struct {
	wall, cpu time.Duration
	rss       int64 // bytes, at most
	out       string
}

func timed(t *testing.T, name string, args ...string) used {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return used{
		wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		rss: usage.Maxrss << 10, out: out.String(),
	}
}

// TestLargeProfileAgainstPprof compares midwatch with the pprof tool on the
// same file of a million samples, process against process:
//
//	go test -tags scale -run TestLargeProfileAgainstPprof -v ./profiles/tree
func TestLargeProfileAgainstPprof(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "large.pb")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := proftest.WriteLarge(f, 1_000_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "midwatch")
	if out, err := exec.Command("go", "build", "-o", binary, "midwatch").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	tool, err := exec.Command("go", "tool", "-n", "pprof").Output()
	if err != nil {
		t.Fatal(err)
	}
	pprof := timed(t, strings.TrimSpace(string(tool)), "-symbolize=none", "-top", "-nodefraction=0", "-nodecount=0", "-unit=ms", file)
	// Top and flame: decoding, table and tree.
	ours := timed(t, binary, "profile", file, "--limit", "0")
	t.Logf("%.0f MB, 1,000,000 samples", float64(info.Size())/1e6)
	t.Logf("go tool pprof -top: %v wall, %v CPU, %d MB", pprof.wall, pprof.cpu, pprof.rss>>20)
	t.Logf("midwatch profile:   %v wall, %v CPU, %d MB", ours.wall, ours.cpu, ours.rss>>20)
	t.Logf("ratio: %.2f wall, %.2f CPU", ours.wall.Seconds()/pprof.wall.Seconds(), ours.cpu.Seconds()/pprof.cpu.Seconds())
	if r := ours.wall.Seconds() / pprof.wall.Seconds(); r > 0.5 {
		t.Errorf("%.2f of pprof's time, budget 0.5", r)
	}
	if ours.rss > 1_300<<20 {
		t.Errorf("%d MB, budget 1,300", ours.rss>>20)
	}
	// The same first row, so that both did the same work.
	row := regexp.MustCompile(`(?m)^\s*([\d.]+)\S*\s+\S+%\s+\S+%\s+([\d.]+)\S*\s+\S+%\s+(\S+)`)
	a, b := row.FindStringSubmatch(pprof.out), row.FindStringSubmatch(ours.out)
	if a == nil || b == nil || fmt.Sprint(a[3]) != fmt.Sprint(b[3]) {
		t.Errorf("first rows differ: %v, %v", a, b)
	}
}
