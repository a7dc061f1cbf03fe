package tree

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"testing"

	"midwatch/profiles"
	"midwatch/profiles/decode"
	"midwatch/profiles/internal/proftest"
)

// cpu reports the processor time of the loop beside the time on the clock,
// which on a busy machine is mostly waiting.
func cpu(b *testing.B) func() {
	b.Helper()
	now := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
	}
	began := now()
	return func() { b.ReportMetric((now()-began)/float64(b.N), "cpu-ms/op") }
}

// pgo is the compiler's profile: 0.7 MB raw, 8,565 samples, about 51,000 nodes.
func pgo(b *testing.B) []byte {
	b.Helper()
	data, err := os.ReadFile(proftest.DefaultPGO(b))
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func decoded(b *testing.B, data []byte) *profiles.Profile {
	b.Helper()
	p, err := decode.Bytes(data, decode.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkFileToTable is a profile of ordinary size from bytes to table,
// tree and flame. Budget: 50 ms.
func BenchmarkFileToTable(b *testing.B) {
	data := pgo(b)
	done := cpu(b)
	for b.Loop() {
		t := Build(decoded(b, data), Options{Type: 1})
		if err := t.WriteTop(io.Discard, ByFlat, 40); err != nil {
			b.Fatal(err)
		}
		t.Layout(0, LayoutOptions{Width: 160, Height: 48})
	}
	done()
}

// BenchmarkLayout lays 51,000 nodes out anew, as after each key. Budget: 5 ms.
func BenchmarkLayout(b *testing.B) {
	t := Build(decoded(b, pgo(b)), Options{Type: 1})
	b.ReportMetric(float64(len(t.Nodes)), "nodes")
	done := cpu(b)
	for b.Loop() {
		t.Layout(0, LayoutOptions{Width: 200, Height: 50, Fold: Library})
	}
	done()
}

// BenchmarkSearch looks through 51,000 nodes. Budget: 20 ms.
func BenchmarkSearch(b *testing.B) {
	t := Build(decoded(b, pgo(b)), Options{Type: 1})
	match, err := Matcher("ssa")
	if err != nil {
		b.Fatal(err)
	}
	done := cpu(b)
	for b.Loop() {
		t.Search(match)
	}
	done()
}

// BenchmarkFilter builds the tree anew under a filter.
func BenchmarkFilter(b *testing.B) {
	p := decoded(b, pgo(b))
	done := cpu(b)
	for b.Loop() {
		Build(p, Options{Type: 1, Own: Own})
	}
	done()
}

// BenchmarkLarge is 100,000 samples, a tenth of the large profile of
// TestLargeProfileAgainstPprof.
func BenchmarkLarge(b *testing.B) {
	var data bytes.Buffer
	if err := proftest.WriteLarge(&data, 100_000); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(data.Len()))
	done := cpu(b)
	for b.Loop() {
		Build(decoded(b, data.Bytes()), Options{Type: 1}).Top(ByFlat)
	}
	done()
}
