package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/demo/apiserver"
)

// commands is what runs in the containers of a cluster: what midwatch runs there to profile Python, and nothing else. There is no
// Python in here: py-spy's answers are made up, the same every time.
type commands struct{ seed int64 }

// python is a container with a Python program.
type python struct {
	pySpy  bool
	frames []pyFrame
	stacks []pyStack
}

type pyFrame struct {
	Name string `json:"name"`
	File string `json:"file"`
	Line int    `json:"line"`
	Col  *int   `json:"col"`
}

// pyStack is a stack by the numbers of its frames, root first, and its part of a hundred samples.
type pyStack struct {
	frames []int
	part   int
	idle   bool // only with --idle
}

// pythons are the services that are written in it, by image. fastapi-service has py-spy in its image, fraud-scorer has not.
func pythons() map[string]python {
	const app, site = "/app/app/", "/app/.venv/lib/python3.12/site-packages/"
	return map[string]python{
		"fastapi-service": {
			pySpy: true,
			frames: []pyFrame{
				{"<module>", "/app/.venv/bin/uvicorn", 8, nil}, {"run", site + "uvicorn/server.py", 66, nil}, {"app", site + "fastapi/routing.py", 301, nil},
				{"list_items", app + "routes/items.py", 34, nil}, {"with_prices", app + "services/items.py", 88, nil}, {"convert", app + "money.py", 19, nil},
				{"loads", "/usr/lib/python3.12/json/__init__.py", 346, nil}, {"model_validate", site + "pydantic/main.py", 212, nil},
				{"fetchall", site + "sqlalchemy/engine/result.py", 1402, nil}, {"select", "/usr/lib/python3.12/selectors.py", 468, nil},
			},
			stacks: []pyStack{
				{[]int{0, 1, 2, 3, 4, 5}, 41, false}, {[]int{0, 1, 2, 3, 4, 6}, 14, false}, {[]int{0, 1, 2, 3, 7}, 19, false},
				{[]int{0, 1, 2, 3, 8}, 12, false}, {[]int{0, 1, 2}, 6, false}, {[]int{0, 1, 9}, 160, true},
			},
		},
		"fraud-scorer": {
			frames: []pyFrame{
				{"<module>", "/srv/scorer/main.py", 12, nil}, {"consume", "/srv/scorer/worker.py", 51, nil}, {"score", "/srv/scorer/model.py", 77, nil},
				{"predict", "/usr/lib/python3/dist-packages/sklearn/ensemble/_forest.py", 904, nil}, {"features", "/srv/scorer/features.py", 140, nil}, {"poll", "/srv/scorer/worker.py", 38, nil},
			},
			stacks: []pyStack{{[]int{0, 1, 2, 3}, 58, false}, {[]int{0, 1, 2, 4}, 29, false}, {[]int{0, 1}, 4, false}, {[]int{0, 1, 5}, 60, true}},
		},
	}
}

// helper says that a container is one that midwatch added.
func helper(container string) bool { return strings.HasPrefix(container, "midwatch-py-") }

// Exec implements apiserver.ExecSource.
func (x commands) Exec(ctx context.Context, c apiserver.Command) (int, error) {
	name, _ := release(c.Pod)
	py, isPython := pythons()[name]
	py.pySpy = py.pySpy || helper(c.Container)
	at := slices.Index(c.Args, "py-spy")
	switch {
	case at < 0 && len(c.Args) == 3 && c.Args[0] == "sh" && strings.Contains(c.Args[2], "/proc/[0-9]*"):
		processes(c, name, py, isPython)
		return 0, nil
	case at < 0 || !py.pySpy || at+1 >= len(c.Args):
		return -1, apiserver.NotFound(c.Args[0])
	case c.Args[at+1] == "dump":
		return x.dump(c, py)
	}
	return x.record(ctx, c, py, c.Args[at:])
}

// processes is the answer to what midwatch asks first.
func processes(c apiserver.Command, name string, py python, isPython bool) {
	const stat = "(%s) S %d 1 1 0 -1 4194560 1 1 1 1 %d 20 0 0 20 0 1 0 5 1 1\n"
	exe, comm := "/usr/local/bin/"+name, name
	if isPython {
		exe, comm = "/usr/bin/python3.12", "python3.12"
	}
	if py.pySpy {
		fmt.Fprintln(c.Stdout, "pyspy py-spy 0.4.2")
	}
	if helper(c.Container) {
		fmt.Fprint(c.Stdout, "caps 00000000a80c25fb\nuid 0\n") // with SYS_PTRACE
	} else {
		fmt.Fprint(c.Stdout, "caps 0000000000000000\nuid 1000\n")
	}
	fmt.Fprintf(c.Stdout, "process 1000 %s|1 "+stat, exe, comm, 0, 50)
	if isPython {
		for i := range 2 {
			fmt.Fprintf(c.Stdout, "process 1000 %s|%d "+stat, exe, 7+i, comm, 1, 90_000-i*700)
		}
	}
}

func (x commands) dump(c apiserver.Command, py python) (int, error) {
	type frame struct {
		Name     string `json:"name"`
		Filename string `json:"filename"`
		Line     int    `json:"line"`
	}
	var threads []map[string]any
	for i, s := range py.stacks {
		var frames []frame
		for _, f := range s.frames {
			frames = append(frames, frame{py.frames[f].Name, py.frames[f].File, py.frames[f].Line})
		}
		slices.Reverse(frames)
		threads = append(threads, map[string]any{"pid": 7, "thread_id": 140_200 + i, "thread_name": fmt.Sprintf("worker-%d", i), "active": !s.idle, "owns_gil": i == 0, "frames": frames})
	}
	return 0, json.NewEncoder(c.Stdout).Encode(threads)
}

// record samples for as long as it was asked to, or until its input says that nobody waits for it any more.
func (x commands) record(ctx context.Context, c apiserver.Command, py python, args []string) (int, error) {
	seconds := 1
	if i := slices.Index(args, "--duration"); i > 0 && i+1 < len(args) {
		seconds, _ = strconv.Atoi(args[i+1]) // 0 when it is no number
	}
	stopped := make(chan struct{})
	go func() { // ends with the stream, which the server closes after the command
		defer close(stopped)
		_, _ = bufio.NewReader(c.Stdin).ReadString('\n')
	}()
	timer := time.NewTimer(time.Duration(seconds) * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stopped:
		return 130, nil
	case <-ctx.Done():
		return 130, nil
	}
	data, err := json.Marshal(x.speedscope(c.Pod, py, seconds*100, slices.Contains(args, "--idle")))
	if err != nil {
		return 1, nil //nolint:nilerr // a program that fails
	}
	_, _ = c.Stdout.Write(data) // the client may be gone
	_, _ = io.WriteString(c.Stderr, fmt.Sprintf("py-spy> Wrote speedscope file to '/dev/fd/3'. Samples: %d Errors: 0\n", seconds*100))
	return 0, nil
}

// speedscope is what py-spy writes of n ticks. Pods of one service differ a little.
func (x commands) speedscope(pod *corev1.Pod, py python, n int, idle bool) any {
	var samples [][]int
	var weights []float64
	for i, s := range py.stacks {
		if s.idle && !idle {
			continue
		}
		wobble := int((uint64(x.seed) + uint64(len(pod.Name))*31 + uint64(pod.Name[len(pod.Name)-1])*7 + uint64(i)*17) % 7)
		for range max(n*(s.part*10+wobble)/1000, 1) {
			samples, weights = append(samples, s.frames), append(weights, 0.01)
		}
	}
	return map[string]any{
		"$schema": "https://www.speedscope.app/file-format-schema.json", "exporter": "py-spy@0.4.2", "name": "py-spy profile", "activeProfileIndex": 0,
		"shared": map[string]any{"frames": py.frames},
		"profiles": []map[string]any{{
			"type": "sampled", "name": `Thread 140245 "MainThread"`, "unit": "seconds", "startValue": 0, "endValue": float64(n) / 100, "samples": samples, "weights": weights,
		}},
	}
}
