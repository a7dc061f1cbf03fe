package capture

import (
	"strings"
	"testing"
)

// list is what the script says of a container: a server with two workers, and
// a shell.
const list = `pyspy py-spy 0.4.2
caps 00000000a80425fb
uid 1000
scope 1
process 0 /usr/bin/tini|1 (tini) S 0 1 1 0 -1 4194560 1 1 1 1 5 2 0 0 20 0 1 0 5 1 1
process 1000 /usr/local/bin/python3.12|7 (gunicorn: mast) S 1 7 7 0 -1 4194560 1 1 1 1 50 20 0 0 20 0 1 0 5 1 1
process 1000 /usr/local/bin/python3.12|9 (gunicorn) w) R 7 7 7 0 -1 4194560 1 1 1 1 900 100 0 0 20 0 1 0 5 1 1
process 1000 /usr/local/bin/python3.12 (deleted)|10 (gunicorn: work) S 7 7 7 0 -1 4194560 1 1 1 1 800 100 0 0 20 0 1 0 5 1 1
process 1000 /bin/bash|40 (python) S 1 7 7 0 -1 4194560 1 1 1 1 9000 100 0 0 20 0 1 0 5 1 1
process broken
`

func read(text string) *Python {
	p := &Python{Container: "app", Of: "app", UID: -1, OfUID: -1, Shell: true}
	p.read(text)
	return p
}

func TestTheBusiestPythonIsChosen(t *testing.T) {
	p := read(list)
	if p.PID != 9 || p.Pythons != 3 || p.Version != "3.12" || p.Exe != "/usr/local/bin/python3.12" || p.First != "tini" || p.PySpy != "0.4.2" || p.UID != 1000 || p.OfUID != 1000 || p.Scope != 1 {
		t.Errorf("read %+v", p)
	}
	p.take(10)
	if p.PID != 10 || p.Version != "3.12" || p.Pythons != 1 {
		t.Errorf("took %+v", p)
	}
	p.take(99)
	if p.PID != 99 || p.Version != "" || p.OfUID != -1 {
		t.Errorf("took %+v", p)
	}
	if p := read("process 0 |1 (python3) S 0 1 1 0 -1 4194560 1 1 1 1 5 2 0 0 20 0 1 0 5 1 1\n"); p.PID != 1 {
		t.Errorf("a process whose program may not be read is not known by its name: %+v", p)
	}
}

// TestWays says how each kind can be taken, or why it cannot.
func TestWays(t *testing.T) {
	const one = "process 0 /usr/bin/python3.15|1 (python3.15) S 0 1 1 0 -1 4194560 1 1 1 1 5 2 0 0 20 0 1 0 5 1 1\n"
	old := strings.ReplaceAll(one, "3.15", "3.12")
	const may = "caps 00000000a80c25fb\nuid 0\n" // with SYS_PTRACE
	for name, c := range map[string]struct {
		text string
		kind Kind
		way  Way
		want Cause
		why  string
	}{
		"py-spy":                    {"pyspy py-spy 0.4.2\n" + old, PyCPU, ByPySpy, "", ""},
		"py-spy before the builtin": {"pyspy py-spy 0.4.2\n" + one, PyWall, ByPySpy, "", ""},
		"the builtin":               {one, PyCPU, ByBuiltin, "", ""},
		"no stacks by the builtin":  {one, PyStacks, "", NoTool, "neither py-spy"},
		"tasks":                     {one, PyTasks, ByBuiltin, "", ""},
		"tasks of an old one":       {old, PyTasks, "", NoKind, "needs Python 3.14 in container app; it is 3.12"},
		"nothing":                   {old, PyCPU, "", NoTool, "put it into the image"},
		"no Python":                 {strings.ReplaceAll(old, "python3.12", "java"), PyCPU, "", NotPython, "PID 1 is java"},
		"Yama":                      {"pyspy py-spy 0.4.2\nscope 1\nuid 0\ncaps 00000000a80425fb\n" + old, PyCPU, "", NoPtrace, "ptrace_scope is 1"},
		"Yama with the capability":  {"pyspy py-spy 0.4.2\nscope 1\n" + may + old, PyCPU, ByPySpy, "", ""},
		"another user":              {"pyspy py-spy 0.4.2\nuid 1000\ncaps 0000000000000400\n" + old, PyCPU, "", NoPtrace, "of user 0, the command of user 1000"},
	} {
		way, err := read(c.text).Ways(c.kind)
		switch {
		case way != c.way || (err == nil) != (c.want == ""):
			t.Errorf("%s: %q, %v", name, way, err)
		case err != nil && (err.Cause != c.want || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s: %s %v", name, err.Cause, err)
		}
	}
}

// TestCommandsOfPythonsOwn are what CPython 3.14 and 3.15 document.
func TestCommandsOfPythonsOwn(t *testing.T) {
	p := &Python{PID: 7, Exe: "/usr/bin/python3.15", Version: "3.15", Shell: true}
	for kind, want := range map[Kind]string{
		PyCPU:   "/usr/bin/python3.15 -m profiling.sampling attach --duration 10 --all-threads --mode cpu --collapsed --output /dev/fd/3 7",
		PyWall:  "/usr/bin/python3.15 -m profiling.sampling attach --duration 10 --all-threads --mode wall --collapsed --output /dev/fd/3 7",
		PyTasks: "/usr/bin/python3.15 -m asyncio pstree 7",
	} {
		if got := strings.Join(p.command(ByBuiltin, Request{Kind: kind}), " "); got != want {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

func TestStatusLinesAreCutOff(t *testing.T) {
	raw := "py-spy> Sampling process 100 times a second for 2 seconds. Press Control-C to exit.\n\n{\"a\":1}py-spy> Wrote speedscope file to '/dev/stdout'. Samples: 99 Errors: 3\n"
	if got := string(unwrapped([]byte(raw))); got != `{"a":1}` {
		t.Errorf("got %q", got)
	}
	if got := string(unwrapped([]byte("main;f 3\n"))); got != "main;f 3\n" {
		t.Errorf("got %q", got)
	}
	if n, failed := counted(raw); n != 99 || failed != 3 {
		t.Errorf("counted %d, %d", n, failed)
	}
}

func FuzzLook(f *testing.F) {
	f.Add(list)
	f.Fuzz(func(_ *testing.T, text string) { _, _ = read(text).Ways(PyCPU) })
}
