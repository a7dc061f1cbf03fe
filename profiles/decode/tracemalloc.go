package decode

import (
	"encoding/json"
	"strconv"
	"strings"

	"midwatch/profiles"
)

// traced is one row of a tracemalloc endpoint.
type traced struct {
	File   string  `json:"file"` // traceback.format()[0]: `  File "/app/x.py", line 10`
	SizeKB float64 `json:"size_kb"`
	Count  float64 `json:"count"`
}

// decodeTracemallocJSON reads the list that a tracemalloc debug endpoint
// answers with: the largest places, without stacks.
func decodeTracemallocJSON(raw []byte, limits Limits) (*profiles.Profile, error) {
	var rows []traced
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, jsonError(err, raw)
	}
	if int64(len(rows)) > limits.Samples {
		return nil, tooLarge("the list has more than %d rows", limits.Samples)
	}
	b := newBuilder(limits, profiles.TracemallocJSON, profiles.FlatOnly,
		profiles.ValueType{Type: "inuse_objects", Unit: "count"}, profiles.ValueType{Type: "inuse_space", Unit: "bytes"})
	for _, r := range rows {
		file, line := tracebackPlace(r.File)
		b.Add(b.Child(0, placeFrame(b, file, line)), 0, round(r.Count), round(r.SizeKB*1024))
	}
	b.Warn("the endpoint lists the %d largest places only: smaller ones are missing, and there are no callers", len(rows))
	return b.Profile(), nil
}

// placeFrame names a place of Python code by file and line, for formats that
// know no function.
func placeFrame(b *profiles.Builder, file string, line int64) int32 {
	base := file
	if i := strings.LastIndexByte(strings.TrimSuffix(file, "/"), '/'); i >= 0 {
		base = file[i+1:]
	}
	if line > 0 {
		base += ":" + strconv.FormatInt(line, 10)
	}
	return b.Frame(base, file, line)
}

// tracebackPlace reads `File "/app/x.py", line 10`.
func tracebackPlace(s string) (file string, line int64) {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	rest, ok := strings.CutPrefix(s, `File "`)
	if !ok {
		return s, 0
	}
	file, after, ok := cutLast(rest, `"`)
	if !ok {
		return s, 0
	}
	if number, ok := strings.CutPrefix(after, ", line "); ok {
		number, _, _ = strings.Cut(number, ",")
		line, _ = digits(number)
	}
	return file, line
}
