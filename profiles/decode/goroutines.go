package decode

import (
	"bytes"
	"regexp"
	"strings"

	"midwatch/profiles"
)

// goroutineHead begins the stack of one goroutine in Go's text dumps:
// goroutine?debug=2, SIGQUIT, a panic.
var goroutineHead = regexp.MustCompile(`^goroutine (\d+)(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[([^\]]*)\](?: \{[^}]*\})?:$`)

func isGoroutines(raw []byte) bool {
	seen := 0
	for line := range bytes.Lines(raw[:min(len(raw), 16<<10)]) {
		if goroutineHead.Match(bytes.TrimRight(line, "\r\n")) {
			return true
		}
		if seen++; seen > 40 {
			break
		}
	}
	return false
}

// decodeGoroutines reads a text dump of goroutine stacks. What a goroutine
// waits for becomes the label "state", without how long it has.
func decodeGoroutines(raw []byte, limits Limits) (*profiles.Profile, error) {
	b := newBuilder(limits, profiles.GoroutineDump, profiles.Exact, profiles.ValueType{Type: "goroutine", Unit: "count"})
	var stack []goroutineFrame // leaf first
	labels, open := int32(0), false
	var count, deep int64
	finish := func() {
		if !open {
			return
		}
		if len(stack) > limits.Depth {
			deep++
			stack = append([]goroutineFrame{stack[0]}, stack[len(stack)-limits.Depth+1:]...)
		}
		node := int32(0)
		for i := len(stack) - 1; i >= 0; i-- {
			node = b.Child(node, b.Frame(stack[i].name, stack[i].file, stack[i].line))
		}
		b.Add(node, labels, 1)
		stack, open = stack[:0], false
	}
	for text := range strings.Lines(string(raw)) {
		text = strings.TrimRight(text, "\r\n")
		if m := goroutineHead.FindStringSubmatch(text); m != nil {
			finish()
			if count++; count > limits.Samples {
				return nil, tooLarge("the dump has more than %d goroutines", limits.Samples)
			}
			state, _, _ := strings.Cut(m[2], ",")
			labels, open = b.Labels([]profiles.Label{{Key: "state", Str: profiles.Symbol(state)}}), true
			continue
		}
		if open {
			stack = goroutineLine(stack, text)
		}
	}
	finish()
	if deep > 0 {
		b.Warn("%d stacks were deeper than %d frames: their middle was left out", deep, limits.Depth)
	}
	return b.Profile(), nil
}

type goroutineFrame struct {
	name, file string
	line       int64
}

// goroutineLine reads one line of a stack: "name(args)", then, indented, the
// place. Who created the goroutine is not part of its stack.
func goroutineLine(stack []goroutineFrame, text string) []goroutineFrame {
	if place, ok := strings.CutPrefix(text, "\t"); ok {
		if len(stack) == 0 || stack[len(stack)-1].file != "" {
			return stack
		}
		place, _, _ = strings.Cut(place, " +0x")
		if file, number, ok := cutLast(place, ":"); ok {
			f := &stack[len(stack)-1]
			f.file = file
			f.line, _ = digits(number)
		}
		return stack
	}
	if strings.HasPrefix(text, "created by ") || strings.HasPrefix(text, "...") || text == "" {
		return stack
	}
	// The arguments are what the last parenthesis opens.
	i := strings.LastIndexByte(text, '(')
	if i <= 0 || !strings.HasSuffix(text, ")") || len(stack) > 1<<16 {
		return stack
	}
	return append(stack, goroutineFrame{name: text[:i]})
}
