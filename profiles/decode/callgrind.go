package decode

import (
	"bytes"
	"strconv"
	"strings"

	"midwatch/profiles"
)

// isCallgrind looks for the header of Callgrind's format.
func isCallgrind(raw []byte) bool {
	head := raw[:min(len(raw), 4096)]
	if bytes.HasPrefix(head, []byte("# callgrind format")) {
		return true
	}
	return bytes.Contains(head, []byte("\nevents:")) && (bytes.Contains(head, []byte("fn=")) || bytes.Contains(head, []byte("version:"))) ||
		bytes.HasPrefix(head, []byte("events:")) && bytes.Contains(head, []byte("fn="))
}

// callgrind reads Callgrind's output format, as yappi and valgrind write it:
// https://valgrind.org/docs/manual/cl-format.html
type callgrind struct {
	limits  Limits
	g       *graph
	events  []profiles.ValueType
	scale   float64
	columns int // of positions before the costs
	names   map[string]map[string]string
	file    string
	object  string
	yappi   bool
	fn      string // as written, and the file it was written under
	fnFile  string
	callee  string
	into    string // file of the callee
	inCall  bool   // a calls= line was read: the next costs are the call's
	skipped int64
	lines   int64
}

func decodeCallgrind(raw []byte, limits Limits) (*profiles.Profile, error) {
	c := &callgrind{limits: limits, columns: 1, scale: 1, names: map[string]map[string]string{}}
	creator := ""
	for line := range bytes.Lines(raw) {
		if c.lines++; c.lines > 20*limits.Samples {
			return nil, tooLarge("the callgrind file has more than %d lines", 20*limits.Samples)
		}
		s := strings.TrimSpace(string(line))
		if s == "" || s[0] == '#' {
			continue
		}
		if rest, ok := strings.CutPrefix(s, "creator:"); ok {
			creator = strings.TrimSpace(rest)
			continue
		}
		c.line(s, creator)
	}
	if c.g == nil {
		return nil, fail(Damaged, "write it again", "the callgrind file names no events")
	}
	if c.skipped > 0 {
		c.g.b.Warn("%d lines could not be read and were left out", c.skipped)
	}
	c.total()
	return c.g.profile(limits), nil
}

// start begins the graph once the events are known.
func (c *callgrind) start(events, creator string) {
	fields := strings.Fields(events)
	if strings.HasPrefix(creator, "yappi") || len(fields) == 1 && strings.EqualFold(fields[0], "ticks") {
		// yappi's ticks are microseconds.
		c.events = []profiles.ValueType{{Type: "time", Unit: "nanoseconds"}}
		c.scale, c.yappi = 1000, true
	} else {
		for _, e := range fields {
			c.events = append(c.events, profiles.ValueType{Type: profiles.Symbol(e).String(), Unit: "count"})
		}
	}
	if len(c.events) == 0 || len(c.events) > 32 {
		c.events = []profiles.ValueType{{Type: "cost", Unit: "count"}}
	}
	c.g = newGraph(c.limits, profiles.Callgrind, c.events...)
	c.g.b.Profile().DefaultType = c.events[0].Type
}

func (c *callgrind) line(s, creator string) {
	if key, rest, ok := strings.Cut(s, ":"); ok && c.header(key, strings.TrimSpace(rest), creator) {
		return
	}
	if c.g == nil {
		return // still in the header
	}
	if key, value, ok := strings.Cut(s, "="); ok && len(key) <= 5 {
		c.position(key, value)
		return
	}
	c.cost(s)
}

// header reads "key: value" lines.
func (c *callgrind) header(key, value, creator string) bool {
	switch key {
	case "events":
		if c.g == nil {
			c.start(value, creator)
		}
	case "positions":
		c.columns = max(1, len(strings.Fields(value)))
	case "version", "creator", "cmd", "pid", "thread", "part", "desc", "summary", "totals", "event":
	default:
		return false
	}
	return true
}

// name undoes name compression: "(12) text" defines, "(12)" refers.
func (c *callgrind) name(kind, value string) string {
	value = strings.TrimSpace(value)
	if !strings.HasPrefix(value, "(") {
		return value
	}
	id, text, ok := strings.Cut(value[1:], ")")
	if !ok || strings.Trim(id, "0123456789") != "" {
		return value
	}
	table := c.names[kind]
	if table == nil {
		table = map[string]string{}
		c.names[kind] = table
	}
	if text = strings.TrimSpace(text); text != "" {
		table[id] = text
		return text
	}
	return table[id]
}

// position reads "key=value" lines, which say where the costs belong.
func (c *callgrind) position(key, value string) {
	switch key {
	case "fl", "fi", "fe":
		c.file = c.name("file", value)
	case "ob":
		c.object = c.name("object", value)
	case "fn":
		// yappi lists all names first, so that nothing is made of one yet.
		c.fn, c.fnFile, c.callee, c.into = c.name("fn", value), c.file, "", c.file
	case "cfi", "cfl":
		c.into = c.name("file", value)
	case "cob":
		c.name("object", value)
	case "cfn":
		c.callee = c.name("fn", value)
	case "calls":
		c.inCall = true
	case "jump", "jcnd", "jfi", "jfn":
	default:
		c.skipped++
	}
}

// function makes a function of a name. yappi writes "name file:line".
func (c *callgrind) function(name, file string) int32 {
	if c.yappi {
		if short, place, ok := cutLast(name, " "); ok {
			if path, number, ok := cutLast(place, ":"); ok {
				if n, ok := digits(number); ok {
					if path == "builtins" || path == "__builtin__" {
						path = "~" // as cProfile calls it
					}
					return c.g.function(short, path, n)
				}
			}
		}
	}
	return c.g.function(name, file, 0)
}

// cost reads a line of numbers: positions, then a cost for each event. After
// a calls= line it is the inclusive cost of those calls.
func (c *callgrind) cost(s string) {
	inCall := c.inCall
	c.inCall = false
	fields := strings.Fields(s)
	if len(fields) < c.columns || c.fn == "" {
		c.skipped++
		return
	}
	values := make([]int64, len(c.events))
	for i, f := range fields[c.columns:] {
		if i >= len(values) {
			break
		}
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			c.skipped++
			return
		}
		values[i] = round(v * c.scale)
	}
	fn := c.function(c.fn, c.fnFile)
	if !inCall {
		c.g.flat(fn, values...)
		return
	}
	if c.callee != "" {
		c.g.edge(fn, c.function(c.callee, c.into), values...)
	}
	c.callee, c.into = "", c.fnFile
}

// total computes each function's inclusive cost: its own and its calls', but
// for calls to itself. Within a cycle of functions this counts twice, so it
// never exceeds the whole.
func (c *callgrind) total() {
	g := c.g
	whole := make([]int64, g.types)
	for _, f := range g.order {
		add(whole, g.rows[f].flat)
		add(g.rows[f].cum, g.rows[f].flat)
	}
	for _, key := range g.pairs {
		if key[0] != key[1] {
			add(g.rows[key[0]].cum, g.edges[key])
		}
	}
	bounded := 0
	for _, f := range g.order {
		r := g.rows[f]
		if r.cum[0] > whole[0] {
			bounded++
		}
		for i, v := range r.cum {
			r.cum[i] = min(v, whole[i])
		}
	}
	if bounded > 0 {
		g.b.Warn("%d functions call themselves through others: their cum is an upper bound", bounded)
	}
}
