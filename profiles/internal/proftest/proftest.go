// Package proftest has what the tests of several profile packages share: the
// published test profiles of google/pprof, generated profiles, and the
// pprof tool as an oracle.
package proftest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/pprof/profile"
)

// Published returns the test profiles of the google/pprof module (Apache-2.0)
// and the Go toolchain's own default.pgo, by path. They are read where the
// module cache and the toolchain keep them: nothing is copied.
func Published(tb testing.TB) []string {
	tb.Helper()
	dir := goOutput(tb, "list", "-m", "-f", "{{.Dir}}", "github.com/google/pprof")
	var files []string
	for _, pattern := range []string{"profile/testdata/*", "internal/driver/testdata/*", "internal/proftest/testdata/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range found {
			base := filepath.Base(f)
			if strings.HasSuffix(f, ".string") || strings.HasSuffix(f, ".src") || strings.HasPrefix(base, "pprof.") {
				continue // expected output and sources
			}
			files = append(files, f)
		}
	}
	files = append(files, DefaultPGO(tb))
	if len(files) < 20 {
		tb.Fatalf("only %d published profiles under %s: want at least 20", len(files), dir)
	}
	return files
}

// DefaultPGO is the compiler's own CPU profile, which every Go toolchain has.
func DefaultPGO(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(goOutput(tb, "env", "GOROOT"), "src", "cmd", "compile", "default.pgo")
}

func goOutput(tb testing.TB, args ...string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", args...).Output()
	if err != nil {
		tb.Fatalf("go %s: %v (these tests need the go command)", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// Generated makes one random but valid profile: recursion, inlined calls,
// functions of one name, unsymbolised places, labels, several types, zeros,
// and with negative values when seed is a multiple of three.
func Generated(seed uint64) *profile.Profile {
	r := rand.New(rand.NewPCG(seed, 4))
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:     10_000_000, DurationNanos: 10_000_000_000, TimeNanos: 1_700_000_000_000_000_000,
	}
	m := &profile.Mapping{ID: 1, Start: 0x400000, Limit: 0x4000000, File: "/bin/shop", BuildID: fmt.Sprint("b", seed%2), HasFunctions: true}
	p.Mapping = []*profile.Mapping{m}
	packages := []string{"main", "shop/cart", "encoding/json", "runtime", "github.com/acme/db/v4"}
	for i := range 3 + r.IntN(40) {
		name := fmt.Sprintf("%s.fn%d", packages[r.IntN(len(packages))], i%25)
		p.Function = append(p.Function, &profile.Function{
			ID: uint64(i + 1), Name: name, SystemName: name, Filename: fmt.Sprintf("/src/f%d.go", i%7), StartLine: int64(i),
		})
	}
	for i := range 5 + r.IntN(80) {
		l := &profile.Location{ID: uint64(i + 1), Mapping: m, Address: 0x400000 + uint64(i)*16}
		if r.IntN(12) > 0 {
			for range 1 + r.IntN(3)/2 {
				l.Line = append(l.Line, profile.Line{Function: p.Function[r.IntN(len(p.Function))], Line: int64(r.IntN(200))})
			}
		}
		p.Location = append(p.Location, l)
	}
	for range r.IntN(300) {
		s := &profile.Sample{Value: []int64{int64(r.IntN(20)), 0}}
		s.Value[1] = s.Value[0] * 10_000_000
		if seed%3 == 0 && r.IntN(4) == 0 {
			s.Value[0], s.Value[1] = -s.Value[0], -s.Value[1]
		}
		for range 1 + r.IntN(12) {
			s.Location = append(s.Location, p.Location[r.IntN(len(p.Location))])
		}
		if r.IntN(3) == 0 {
			s.Label = map[string][]string{"route": {[]string{"/cart", "/order"}[r.IntN(2)]}}
		}
		if r.IntN(5) == 0 {
			s.NumLabel = map[string][]int64{"bytes": {int64(r.IntN(3) * 512)}}
			s.NumUnit = map[string][]string{"bytes": {"bytes"}}
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// Encode returns a profile as an uncompressed protobuf.
func Encode(tb testing.TB, p *profile.Profile) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := p.WriteUncompressed(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// pprofBinary is where `go tool` keeps its pprof, built on first use.
var pprofBinary = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "pprof").Output()
	return strings.TrimSpace(string(out)), err
})

// Pprof runs `go tool pprof` without symbolisation and returns its output.
func Pprof(tb testing.TB, args ...string) (string, error) {
	tb.Helper()
	binary, err := pprofBinary()
	if err != nil {
		return "", fmt.Errorf("go tool -n pprof: %w (these tests need the go command)", err)
	}
	cmd := exec.CommandContext(tb.Context(), binary, append([]string{"-symbolize=none"}, args...)...)
	home := tb.TempDir()
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+home, "PPROF_BINARY_PATH="+home)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go tool pprof %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
