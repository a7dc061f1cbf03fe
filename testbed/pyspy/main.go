// Command py-spy stands for py-spy (github.com/benfred/py-spy 0.4) in tests: it
// has its command line, its words on standard output and standard error, and
// the shape of its files. It looks whether the process is there, is Python and
// may be read, as py-spy has to, and ends on an interrupt with what it has.
//
// It is no sampler: the names of the functions are made up. It stands here
// because py-spy is in no package registry that the tests can use.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	args := os.Args[1:]
	if len(args) == 0 {
		os.Exit(2)
	}
	switch o := parse(args[1:]); args[0] {
	case "--version", "-V":
		fmt.Println("py-spy 0.4.2")
	case "record":
		check(o.pid)
		record(o)
	case "dump":
		check(o.pid)
		dump(o)
	default:
		fmt.Fprintf(os.Stderr, "error: unrecognized subcommand '%s'\n", args[0])
		os.Exit(2)
	}
}

type options struct {
	pid, seconds, rate int
	format, output     string
	idle, json         bool
}

func parse(args []string) options {
	o := options{rate: 100, format: "flamegraph"}
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			fmt.Fprintf(os.Stderr, "error: invalid value '%s'\n", args[i])
			os.Exit(2)
		}
		return n
	}
	for i := 0; i < len(args); i++ {
		value := i+1 < len(args)
		switch a := args[i]; {
		case (a == "--pid" || a == "-p") && value:
			i++
			o.pid = number(i)
		case (a == "--duration" || a == "-d") && value:
			i++
			o.seconds = number(i)
		case (a == "--rate" || a == "-r") && value:
			i++
			o.rate = number(i)
		case (a == "--format" || a == "-f") && value:
			i++
			o.format = args[i]
		case (a == "--output" || a == "-o") && value:
			i++
			o.output = args[i]
		case a == "--idle" || a == "-i":
			o.idle = true
		case a == "--json" || a == "-j":
			o.json = true
		case a == "--nonblocking":
		default:
			fmt.Fprintf(os.Stderr, "error: unexpected argument '%s' found\n", a)
			os.Exit(2)
		}
	}
	return o
}

// check fails as py-spy does for a process that it cannot read.
func check(pid int) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if _, err := os.Stat(dir); err != nil {
		fail("Error: Failed to open process %d - check if it is running.\nReason: No such process (os error 3)", pid)
	}
	mem, err := os.Open(filepath.Join(dir, "mem")) // the kernel asks what ptrace would
	switch {
	case errors.Is(err, fs.ErrPermission):
		fail("Permission Denied: Try running again with elevated permissions by going 'sudo env \"PATH=$PATH\" !!'")
	case err == nil:
		_ = mem.Close()
	}
	exe, _ := os.Readlink(filepath.Join(dir, "exe")) // not Python when empty
	if !strings.HasPrefix(filepath.Base(exe), "python") {
		fail("Error: Failed to find python version from target process")
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// note tells a test, in the file that it names, what happens.
func note(text string) {
	f, err := os.OpenFile(os.Getenv("PYSPY_LOG"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %d\n", text, os.Getpid())
}

type frame struct {
	Name string `json:"name"`
	File string `json:"file"`
	Line int    `json:"line"`
	Col  any    `json:"col"`
}

func record(o options) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	note("sampling")
	fmt.Printf("py-spy> Sampling process %d times a second for %d seconds. Press Control-C to exit.\n\n", o.rate, o.seconds)
	var n int
	tick := time.NewTicker(time.Second / time.Duration(o.rate))
	defer tick.Stop()
	end := time.After(time.Duration(o.seconds) * time.Second)
sampling:
	for {
		select {
		case <-interrupted:
			note("interrupted")
			fmt.Println("py-spy> Stopped sampling because Control-C pressed")
			break sampling
		case <-end:
			break sampling
		case <-tick.C:
			n++
		}
	}
	data, err := json.Marshal(speedscope(o, n))
	if err != nil {
		fail("Error: %v", err)
	}
	out, err := os.OpenFile(o.output, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		fail("Error: %v", err)
	}
	if _, err := out.Write(data); err != nil {
		fail("Error: %v", err)
	}
	if err := out.Close(); err != nil {
		fail("Error: %v", err)
	}
	note("wrote")
	fmt.Printf("py-spy> Wrote speedscope file to '%s'. Samples: %d Errors: 0\n", o.output, n)
}

// speedscope is the file of n ticks: a thread that is busy nine times of ten
// and, with --idle, one that waits.
func speedscope(o options, n int) any {
	frames := []frame{
		{"<module>", "/srv/app/main.py", 90, nil}, {"handle_order", "/srv/app/orders.py", 33, nil}, {"price", "/srv/app/orders.py", 26, nil},
		{"dumps", "/usr/lib/python3.11/json/__init__.py", 231, nil}, {"select", "/usr/lib/python3.11/selectors.py", 468, nil},
	}
	type thread struct {
		Type    string    `json:"type"`
		Name    string    `json:"name"`
		Unit    string    `json:"unit"`
		Start   float64   `json:"startValue"`
		End     float64   `json:"endValue"`
		Samples [][]int   `json:"samples"`
		Weights []float64 `json:"weights"`
	}
	weight := 1 / float64(o.rate)
	threads := []*thread{{Type: "sampled", Name: `Thread 140245 "MainThread"`, Unit: "seconds", End: float64(n) * weight}}
	if o.idle {
		threads = append(threads, &thread{Type: "sampled", Name: `Thread 140246 "selector"`, Unit: "seconds", End: float64(n) * weight})
	}
	for i := range n {
		if i%10 != 9 {
			stack := []int{0, 1, 2}
			if i%5 == 0 {
				stack = []int{0, 1, 3}
			}
			threads[0].Samples, threads[0].Weights = append(threads[0].Samples, stack), append(threads[0].Weights, weight)
		}
		if o.idle {
			threads[1].Samples, threads[1].Weights = append(threads[1].Samples, []int{0, 4}), append(threads[1].Weights, weight)
		}
	}
	return map[string]any{
		"$schema": "https://www.speedscope.app/file-format-schema.json", "profiles": threads, "shared": map[string]any{"frames": frames},
		"activeProfileIndex": nil, "exporter": "py-spy@0.4.2", "name": "py-spy profile",
	}
}

func dump(o options) {
	if !o.json {
		fail("error: this stand-in knows only --json")
	}
	type line struct {
		Name     string `json:"name"`
		Filename string `json:"filename"`
		Short    string `json:"short_filename"`
		Line     int    `json:"line"`
	}
	out, err := json.Marshal([]map[string]any{{
		"pid": o.pid, "thread_id": 140245, "thread_name": "MainThread", "os_thread_id": o.pid, "active": true, "owns_gil": true,
		"frames": []line{{"price", "/srv/app/orders.py", "orders.py", 26}, {"handle_order", "/srv/app/orders.py", "orders.py", 33}, {"<module>", "/srv/app/main.py", "main.py", 90}},
	}})
	if err != nil {
		fail("Error: %v", err)
	}
	fmt.Println(string(out))
}
