package uitest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// update is a flag of the test binary, as the go command's own tests have it.
var update = flag.Bool("update", false, "write the golden frames instead of comparing with them")

// Golden compares a frame with testdata/<name>.golden. With -update it writes
// the file. The file is for people: the frame between bars, so that trailing
// spaces show, then the looks, one line of runs a line of the frame:
//
//	80x2
//	|workloads       |
//	|✗ deploy  api   |
//	-- looks
//	1: 0+9 bold
//	2: 0+1 bold fg=#ff7b72; 2+6 fg=#9aa5b1
func Golden(t testing.TB, name, frame string) {
	t.Helper()
	got, err := describe(frame)
	if err != nil {
		t.Fatalf("golden %s: %v\n%s", name, err, Plain(frame))
	}
	path := filepath.Join("testdata", fileName(name)+".golden")
	if *update {
		if err := write(path, got); err != nil {
			t.Fatalf("golden %s: %v", name, err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("golden %s: %v\nrun the test with -update and look at what it writes\n%s", name, err, Plain(frame))
	}
	if d := difference(string(want), got); d != "" {
		t.Errorf("golden %s: the frame differs from %s (-update accepts it)\n%s\n%s", name, path, d, Plain(frame))
	}
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the frame: %w", err)
	}
	return nil
}

// fileName keeps a name readable and portable.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_./", r):
			return r
		}
		return '_'
	}, name)
}

func describe(frame string) (string, error) {
	lines, err := layout(frame)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	w, h := size(frame)
	fmt.Fprintf(&b, "%dx%d\n", w, h)
	for _, l := range lines {
		fmt.Fprintf(&b, "|%s|\n", l.text)
	}
	b.WriteString("-- looks\n")
	for i, l := range lines {
		if len(l.runs) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%d:", i+1)
		for j, r := range l.runs {
			if j > 0 {
				b.WriteByte(';')
			}
			fmt.Fprintf(&b, " %d+%d %s", r.col, r.width, r.look)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// difference lists the lines that differ, at most a dozen.
func difference(want, got string) string {
	if want == got {
		return ""
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for i := range max(len(a), len(b)) {
		x, y := at(a, i), at(b, i)
		if x == y {
			continue
		}
		if len(out) == 24 {
			out = append(out, "…")
			break
		}
		out = append(out, fmt.Sprintf("%4d - %s", i+1, x), fmt.Sprintf("%4d + %s", i+1, y))
	}
	return strings.Join(out, "\n")
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no such line)"
}
