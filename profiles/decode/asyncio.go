package decode

import (
	"bytes"
	"strconv"
	"strings"

	"midwatch/profiles"
)

// The branches of the tree that `python -m asyncio pstree` draws (CPython 3.14,
// Lib/asyncio/tools.py).
const (
	branch     = "├── "
	lastBranch = "└── "
	taskMark   = "(T) "
)

// isTaskTree reports whether the first line is a task of such a tree.
func isTaskTree(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, "\r\n"), []byte(lastBranch+taskMark))
}

// waiting is a task on the way through the tree: where it is at, the deepest
// coroutine of its own.
type waiting struct {
	node  int32
	depth int
	name  string
}

// decodeTaskTree reads the tree of asyncio tasks: each is counted once, at the
// coroutine it waits in, below the tasks that wait for it. A task that several
// others wait for is drawn, and counted, below each.
func decodeTaskTree(raw []byte, limits Limits) (*profiles.Profile, error) {
	b := newBuilder(limits, profiles.AsyncioTree, profiles.Exact, profiles.ValueType{Type: "tasks", Unit: "count"})
	type step struct {
		node int32
		task int
	}
	var path []step
	var tasks []waiting
	skipped := 0
	for line := range bytes.Lines(raw) {
		depth, label, ok := splitBranch(string(bytes.TrimRight(line, "\r\n")))
		if !ok || depth > len(path) || depth >= limits.Depth || int64(len(tasks)) > limits.Samples {
			if len(bytes.TrimSpace(line)) > 0 {
				skipped++
			}
			continue
		}
		at := step{task: -1}
		if depth > 0 {
			at = path[depth-1]
		}
		name, isTask := strings.CutPrefix(label, taskMark)
		switch {
		case isTask:
			at = step{b.Child(at.node, b.Frame("(task)", "", 0)), len(tasks)}
			tasks = append(tasks, waiting{at.node, depth, name})
		case at.task < 0:
			skipped++
			continue
		default:
			at.node = b.Child(at.node, coroutine(b, label))
			if t := &tasks[at.task]; depth > t.depth {
				t.node, t.depth = at.node, depth
			}
		}
		path = append(path[:depth], at)
	}
	for _, t := range tasks {
		b.Add(t.node, b.Labels([]profiles.Label{{Key: "task", Str: profiles.Symbol(t.name)}}), 1)
	}
	if skipped > 0 {
		b.Warn("%d lines are no part of a tree of tasks and were left out", skipped)
	}
	return b.Profile(), nil
}

// splitBranch takes the drawing off a line: four columns for each level.
func splitBranch(line string) (depth int, label string, ok bool) {
	for {
		rest, found := strings.CutPrefix(line, "│   ")
		if !found {
			rest, found = strings.CutPrefix(line, "    ")
		}
		if !found {
			break
		}
		line = rest
		depth++
	}
	for _, mark := range []string{branch, lastBranch} {
		if label, ok := strings.CutPrefix(line, mark); ok {
			return depth, strings.TrimLeft(label, " "), true
		}
	}
	return 0, "", false
}

// coroutine is the frame of "name file:line", or of a name alone.
func coroutine(b *profiles.Builder, label string) int32 {
	name, place, ok := strings.Cut(label, " ")
	if i := strings.LastIndexByte(place, ':'); ok && i > 0 {
		if n, err := strconv.ParseInt(place[i+1:], 10, 64); err == nil {
			return b.Frame(name, place[:i], n)
		}
	}
	return b.Frame(label, "", 0)
}
