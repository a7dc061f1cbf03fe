package decode

import (
	"bytes"
	"strings"

	"github.com/google/pprof/profile"

	"midwatch/profiles"
)

// legacyHeads are the beginnings of the text formats before protobuf: Go's
// debug=1, gperftools, Java.
var legacyHeads = []string{
	"heap profile:", "goroutine profile:", "threadcreate profile:", "block profile:", "mutex profile:",
	"--- contention", "--- mutex", "--- heapz", "--- heap", "--- threadz", "--- Memory map", "--- contentionz",
	"heapz ", "contentionz ", "growthz ", "--- growthz", "goroutineleak profile:",
}

// maxLegacy bounds the text formats: the library makes objects of each line.
const maxLegacy = 64 << 20

func isLegacy(raw []byte) bool {
	head := bytes.TrimLeft(raw, " \t\r\n")
	for _, h := range legacyHeads {
		if bytes.HasPrefix(head, []byte(h)) {
			return true
		}
	}
	return false
}

// decodeLegacy reads the formats before protobuf with the pprof library.
func decodeLegacy(raw []byte, limits Limits) (p *profiles.Profile, err error) {
	if len(raw) > 1 && raw[0] == 0x1f && raw[1] == 0x8b {
		return nil, unknown(raw) // the library would unpack it without a limit
	}
	if len(raw) > maxLegacy {
		return nil, tooLarge("the profile text is larger than %s", size(maxLegacy))
	}
	defer func() {
		// The library's legacy parsers index what they split.
		if r := recover(); r != nil {
			p, err = nil, fail(Damaged, "capture it again, without debug=1", "the profile text is damaged")
		}
	}()
	parsed, err := profile.ParseData(raw)
	if err != nil {
		return nil, fail(Damaged, "capture it again, without debug=1", "the profile text is damaged (%s)", clean(err))
	}
	if int64(len(parsed.Sample)) > limits.Samples {
		return nil, tooLarge("the profile has %d samples, more than %d", len(parsed.Sample), limits.Samples)
	}
	symbolize(parsed, raw)
	p = profiles.FromProto(parsed)
	p.Format = profiles.PprofLegacy
	if len(p.Types) > 0 && (p.Types[0].Type == "goroutine" || p.Types[0].Type == "threadcreate") {
		p.Exactness = profiles.Exact // each one is listed
	}
	return p, nil
}

// symbolize uses the comments with which Go's debug=1 text explains each
// stack ("#	0x49a2f5	main.work+0x75	/src/main.go:31"), which the library
// leaves out: without them a debug=1 profile is a list of addresses. Inlined
// functions are separate comments of one address, the innermost first.
func symbolize(p *profile.Profile, raw []byte) {
	lines := map[uint64][]profile.Line{}
	functions := map[[2]string]*profile.Function{}
	for _, f := range p.Function {
		functions[[2]string{f.Name, f.Filename}] = f
	}
	done := map[uint64]bool{} // addresses whose comments are complete
	var last uint64
	for text := range strings.Lines(string(raw)) {
		c, ok := parseComment(text)
		if !ok {
			continue
		}
		if c.address != last && last != 0 {
			done[last] = true
		}
		last = c.address
		if done[c.address] {
			continue
		}
		key := [2]string{c.name, c.file}
		f := functions[key]
		if f == nil {
			f = &profile.Function{ID: uint64(len(p.Function) + 1), Name: c.name, SystemName: c.name, Filename: c.file}
			functions[key] = f
			p.Function = append(p.Function, f)
		}
		lines[c.address] = append(lines[c.address], profile.Line{Function: f, Line: c.line})
	}
	for _, l := range p.Location {
		if len(l.Line) > 0 {
			continue
		}
		// The library moves return addresses back by one.
		for _, a := range []uint64{l.Address, l.Address + 1} {
			if found := lines[a]; len(found) > 0 {
				l.Line = found
				break
			}
		}
	}
}

// comment is one explained address of Go's debug=1 text.
type comment struct {
	address    uint64
	name, file string
	line       int64
}

func parseComment(text string) (comment, bool) {
	if !strings.HasPrefix(text, "#\t0x") {
		return comment{}, false
	}
	parts := strings.Split(strings.TrimRight(text, "\r\n"), "\t")
	// "#", address, name+offset padded with tabs, file:line
	if len(parts) < 4 {
		return comment{}, false
	}
	var c comment
	for _, d := range parts[1][2:] {
		v := strings.IndexRune("0123456789abcdef", d)
		if v < 0 {
			return comment{}, false
		}
		c.address = c.address<<4 | uint64(v)
	}
	c.name, _, _ = cutLast(parts[2], "+0x")
	place := parts[len(parts)-1]
	file, number, ok := cutLast(place, ":")
	if !ok {
		return comment{}, false
	}
	c.file = strings.TrimSpace(file)
	for _, d := range number {
		if d < '0' || d > '9' || c.line > 1<<30 {
			return comment{}, false
		}
		c.line = c.line*10 + int64(d-'0')
	}
	return c, c.name != ""
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
