package decode

import (
	"bytes"
	"slices"
	"strings"

	"midwatch/profiles"
)

// isFolded reports whether the first lines are "root;…;leaf COUNT".
func isFolded(raw []byte) bool {
	good, bad := 0, 0
	for line := range bytes.Lines(raw[:min(len(raw), 64<<10)]) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' || recorderTalk(line) {
			continue
		}
		if _, _, ok := splitFolded(line); ok {
			good++
		} else {
			bad++
		}
		if good+bad >= 50 {
			break
		}
	}
	return good > 0 && bad*10 <= good
}

// splitFolded takes a line apart at its last space. The count is a whole
// number, or a decimal that some writers put there.
func splitFolded(line []byte) (stack []byte, count int64, ok bool) {
	i := bytes.LastIndexByte(line, ' ')
	if i <= 0 {
		return nil, 0, false
	}
	digits := line[i+1:]
	if dot := bytes.IndexByte(digits, '.'); dot > 0 {
		digits = digits[:dot]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return nil, 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return nil, 0, false
		}
		count = count*10 + int64(d-'0')
	}
	return bytes.TrimSpace(line[:i]), count, true
}

// recorderTalk reports lines that py-spy prints among the stacks when it
// writes to standard output. One of them even looks like a stack.
func recorderTalk(line []byte) bool {
	line = bytes.TrimPrefix(line, []byte("py-spy> "))
	for _, s := range []string{"Sampling process ", "Wrote raw flamegraph", "Wrote ", "Stopped sampling"} {
		if bytes.HasPrefix(line, []byte(s)) {
			return true
		}
	}
	return false
}

// decodeFolded reads folded stacks: py-spy's raw format, Python's sampler
// (--collapsed), fgprof and stackcollapse scripts. Lines that are no stack
// are counted and skipped; so is the last line when the data was cut.
func decodeFolded(raw []byte, cut bool, limits Limits) (*profiles.Profile, error) {
	b := newBuilder(limits, profiles.Folded, profiles.Sampled, profiles.ValueType{Type: "samples", Unit: "count"})
	if cut {
		raw = raw[:bytes.LastIndexByte(raw, '\n')+1]
	}
	var skipped, deep, records int64
	upsideDown := leafFirst(raw)
	for line := range bytes.Lines(raw) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' || recorderTalk(line) {
			continue
		}
		stack, count, ok := splitFolded(line)
		if !ok {
			skipped++
			continue
		}
		if records++; records > limits.Samples {
			return nil, tooLarge("the profile has more than %d stacks", limits.Samples)
		}
		frames := splitStack(string(stack))
		if len(frames) == 0 {
			skipped++
			continue
		}
		if upsideDown {
			slices.Reverse(frames)
		}
		if len(frames) > limits.Depth {
			deep++
			frames = append(frames[:limits.Depth-1:limits.Depth-1], frames[len(frames)-1])
		}
		labels := int32(0)
		if thread, ok := strings.CutPrefix(frames[0], "tid:"); ok && len(frames) > 1 {
			// Python's own sampler puts the thread above each stack.
			labels = b.Labels([]profiles.Label{{Key: "thread", Str: profiles.Symbol(thread)}})
			frames = frames[1:]
		}
		node := int32(0)
		for _, f := range frames {
			name, file, number := splitFrame(f)
			node = b.Child(node, b.Frame(name, file, number))
		}
		b.Add(node, labels, count)
	}
	if upsideDown {
		b.Warn("the stacks are written leaf first, as fgprof does: they were turned around")
	}
	if skipped > 0 {
		b.Warn("%d lines are no stacks and were left out", skipped)
	}
	if deep > 0 {
		b.Warn("%d stacks were deeper than %d frames: their middle was left out", deep, limits.Depth)
	}
	return b.Profile(), nil
}

// leafFirst reports whether the outermost frame of Go's goroutines comes last
// in most stacks: fgprof's folded format begins with the leaf.
func leafFirst(raw []byte) bool {
	first, last := 0, 0
	for line := range bytes.Lines(raw[:min(len(raw), 64<<10)]) {
		stack, _, ok := splitFolded(bytes.TrimSpace(line))
		switch {
		case !ok:
		case bytes.HasSuffix(stack, []byte(";runtime.goexit")), bytes.HasSuffix(stack, []byte(";runtime.main")):
			last++
		case bytes.HasPrefix(stack, []byte("runtime.goexit;")), bytes.HasPrefix(stack, []byte("runtime.main;")):
			first++
		}
	}
	return last > first
}

// splitStack splits at semicolons, but not within the quoted command line of
// the frame that py-spy puts at the root of a subprocess.
func splitStack(s string) []string {
	var frames []string
	if strings.HasPrefix(s, `process `) {
		if i := strings.LastIndex(s, `";`); i > 0 {
			frames, s = append(frames, s[:i+1]), s[i+2:]
		}
	}
	for f := range strings.SplitSeq(s, ";") {
		if f = strings.TrimSpace(f); f != "" {
			frames = append(frames, f)
		}
	}
	return frames
}

// splitFrame takes the frames of Python profilers apart: "name (file.py:42)"
// as py-spy writes them and "file.py:name:42" as Python's own sampler does.
// Any other frame is a name.
func splitFrame(f string) (name, file string, line int64) {
	if strings.HasSuffix(f, ")") {
		if i := strings.LastIndex(f, " ("); i > 0 {
			inner := f[i+2 : len(f)-1]
			if path, number, ok := cutLast(inner, ":"); ok {
				if n, ok := digits(number); ok {
					return f[:i], path, n
				}
			}
			if strings.HasSuffix(inner, ".py") {
				return f[:i], inner, 0
			}
		}
	}
	if rest, number, ok := cutLast(f, ":"); ok {
		if n, ok := digits(number); ok {
			if path, function, ok := cutLast(rest, ":"); ok && looksLikePython(path) && function != "" {
				return function, path, n
			}
		}
	}
	return f, "", 0
}

func looksLikePython(path string) bool {
	return strings.HasSuffix(path, ".py") || strings.HasPrefix(path, "<") || path == "~"
}

func digits(s string) (int64, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	var n int64
	for _, d := range s {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, true
}
