package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"

	"midwatch/foreign"
	"midwatch/profiles"
)

// maxJSON bounds JSON formats: decoded, they take several times their size.
const maxJSON = 128 << 20

// jsonHead has the fields that tell the JSON formats apart.
type jsonHead struct {
	Schema   string          `json:"$schema"`
	Shared   json.RawMessage `json:"shared"`
	Profiles json.RawMessage `json:"profiles"`
	Events   json.RawMessage `json:"traceEvents"`
	Detail   json.RawMessage `json:"detail"`
	Message  json.RawMessage `json:"message"`
	Error    json.RawMessage `json:"error"`
}

// jsonItem has the fields that tell the JSON lists apart.
type jsonItem struct {
	SizeKB  *float64        `json:"size_kb"`
	Phase   *string         `json:"ph"`
	Thread  *json.Number    `json:"thread_id"`
	Frames  json.RawMessage `json:"frames"`
	Filpath *string         `json:"file"`
}

// decodeJSON reads what begins with { or [.
func decodeJSON(raw []byte, cut bool, limits Limits) (*profiles.Profile, error) {
	if len(raw) > maxJSON {
		return nil, tooLarge("the JSON profile is larger than %s", size(maxJSON))
	}
	if cut {
		return nil, fail(Cut, "capture it again, perhaps for a shorter time", "the JSON profile ends early, after %s", size(int64(len(raw))))
	}
	if raw[0] == '{' {
		var head jsonHead
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, jsonError(err, raw)
		}
		switch {
		case head.Shared != nil && head.Profiles != nil:
			return decodeSpeedscope(raw, limits)
		case head.Events != nil:
			return decodeChrome(head.Events, limits)
		}
		return nil, answered(head)
	}
	if strings.TrimSpace(string(raw[1:min(len(raw), 64)])) == "]" {
		return nil, fail(EmptyFile, "tracemalloc must be started in the process (tracemalloc.start), py-spy needs a running thread", "the list is empty: nothing was recorded")
	}
	first, err := firstItem(raw)
	if err != nil {
		return nil, jsonError(err, raw)
	}
	switch {
	case first.SizeKB != nil:
		return decodeTracemallocJSON(raw, limits)
	case first.Phase != nil:
		return decodeChrome(raw, limits)
	case first.Frames != nil && first.Thread != nil:
		return decodeDump(raw, limits)
	}
	return nil, fail(Unknown, "see docs/PROFILES.md for the formats", "this JSON list is no profile of a known format")
}

// firstItem decodes the first element of a list.
func firstItem(raw []byte) (jsonItem, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	var item jsonItem
	if _, err := dec.Token(); err != nil {
		return item, err
	}
	err := dec.Decode(&item)
	return item, err
}

// answered explains a JSON object that is no profile: most often a web
// framework's error.
func answered(head jsonHead) error {
	for _, m := range []json.RawMessage{head.Detail, head.Message, head.Error} {
		if m != nil {
			return fail(Unknown, "check the path and the key", "not a profile: the endpoint answered %s", foreign.CleanN(string(m), 160))
		}
	}
	return fail(Unknown, "see docs/PROFILES.md for the formats", "this JSON object is no profile of a known format")
}

func jsonError(err error, raw []byte) error {
	var syntax *json.SyntaxError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &syntax) && syntax.Offset >= int64(len(raw)) {
		return fail(Cut, "capture it again", "the JSON ends early, after %s", size(int64(len(raw))))
	}
	return fail(Damaged, "capture it again", "the JSON is damaged (%s)", clean(err))
}

// scope is a speedscope file: https://www.speedscope.app/file-format-schema.json
type scope struct {
	Shared struct {
		Frames []struct {
			Name string `json:"name"`
			File string `json:"file"`
			Line int64  `json:"line"`
		} `json:"frames"`
	} `json:"shared"`
	Profiles []scopeProfile `json:"profiles"`
	Active   int            `json:"activeProfileIndex"`
	Exporter string         `json:"exporter"`
	Name     string         `json:"name"`
}

type scopeProfile struct {
	Type    string      `json:"type"` // "sampled" or "evented"
	Name    string      `json:"name"`
	Unit    string      `json:"unit"`
	Start   float64     `json:"startValue"`
	End     float64     `json:"endValue"`
	Samples [][]int32   `json:"samples"` // root first
	Weights []float64   `json:"weights"`
	Events  []scopeStep `json:"events"`
}

type scopeStep struct {
	Type  string  `json:"type"` // "O" opens a frame, "C" closes it
	Frame int32   `json:"frame"`
	At    float64 `json:"at"`
}

// scopeUnits are the units of speedscope and their size in the unit shown.
var scopeUnits = map[string]struct {
	unit  string
	scale float64
}{
	"nanoseconds": {"nanoseconds", 1}, "microseconds": {"nanoseconds", 1e3}, "milliseconds": {"nanoseconds", 1e6},
	"seconds": {"nanoseconds", 1e9}, "bytes": {"bytes", 1}, "none": {"count", 1}, "": {"count", 1},
}

// scopeReader reads one speedscope file.
type scopeReader struct {
	file   scope
	b      *profiles.Builder
	limits Limits
	frames []int32
	column int // of the value; the other counts samples
	scale  float64
	labels int32
	seen   int64
	deep   int64
	skip   int64
}

// decodeSpeedscope reads speedscope's own format, as py-spy and memray
// export it. The threads of py-spy become a label; memray's two profiles,
// bytes and allocations of the same stacks, become two sample types.
func decodeSpeedscope(raw []byte, limits Limits) (*profiles.Profile, error) {
	r := &scopeReader{limits: limits}
	if err := json.Unmarshal(raw, &r.file); err != nil {
		return nil, jsonError(err, raw)
	}
	if len(r.file.Profiles) == 0 {
		return nil, fail(EmptyFile, "record again", "the speedscope file holds no profile")
	}
	memray := strings.HasPrefix(r.file.Exporter, "memray")
	active := min(max(r.file.Active, 0), len(r.file.Profiles)-1)
	unit, ok := scopeUnits[r.file.Profiles[active].Unit]
	if !ok {
		return nil, fail(Damaged, "record again", "the speedscope file has the unit %q", profiles.Symbol(r.file.Profiles[active].Unit))
	}
	exactness, kind := profiles.Sampled, "time"
	switch {
	case memray:
		exactness, kind = profiles.Exact, "inuse_space"
	case strings.HasPrefix(r.file.Exporter, "py-spy"):
		kind = "cpu"
	case unit.unit == "bytes":
		kind = "space"
	case unit.unit == "count":
		kind = "weight"
	}
	first := profiles.ValueType{Type: "samples", Unit: "count"}
	if memray {
		first = profiles.ValueType{Type: "inuse_objects", Unit: "count"}
	}
	r.b = newBuilder(limits, profiles.Speedscope, exactness, first, profiles.ValueType{Type: kind, Unit: unit.unit})
	for _, f := range r.file.Shared.Frames {
		r.frames = append(r.frames, r.b.Frame(f.Name, f.File, f.Line))
	}
	if err := r.profiles(unit.unit, memray); err != nil {
		return nil, err
	}
	return r.b.Profile(), nil
}

func (r *scopeReader) profiles(unit string, memray bool) error {
	var longest float64
	for i := range r.file.Profiles {
		p := &r.file.Profiles[i]
		u, ok := scopeUnits[p.Unit]
		r.column, r.scale, r.labels = 1, u.scale, 0
		switch {
		case memray && p.Unit == "none":
			r.column, r.scale = 0, 1
		case !ok || u.unit != unit:
			r.b.Warn("the profile %q is in another unit (%q) and was left out", profiles.Symbol(p.Name), profiles.Symbol(p.Unit))
			continue
		case len(r.file.Profiles) > 1 && !memray:
			r.labels = r.b.Labels([]profiles.Label{{Key: "thread", Str: profiles.Symbol(p.Name)}})
		}
		if u.unit == "nanoseconds" {
			longest = math.Max(longest, (p.End-p.Start)*u.scale)
		}
		if err := r.profile(p, memray); err != nil {
			return err
		}
	}
	r.b.Profile().Duration = clampDuration(longest)
	if r.skip > 0 {
		r.b.Warn("%d samples name frames that are not there and were left out", r.skip)
	}
	if r.deep > 0 {
		r.b.Warn("%d stacks were deeper than %d frames: their middle was left out", r.deep, r.limits.Depth)
	}
	return nil
}

func (r *scopeReader) profile(p *scopeProfile, memray bool) error {
	if p.Type == "evented" {
		return r.evented(p)
	}
	for i, stack := range p.Samples {
		weight := 1.0
		if i < len(p.Weights) {
			weight = p.Weights[i]
		}
		value := [2]int64{1, 0}
		if memray {
			value[0] = 0
		}
		value[r.column] = round(weight * r.scale)
		if err := r.add(stack, value); err != nil {
			return err
		}
	}
	return nil
}

// evented replays opening and closing of frames: between two events the time
// belongs to the stack that is open.
func (r *scopeReader) evented(p *scopeProfile) error {
	var open []int32
	at := p.Start
	unmatched := 0
	for _, e := range p.Events {
		if value := round((e.At - at) * r.scale); value > 0 && len(open) > 0 {
			if err := r.add(open, [2]int64{1, value}); err != nil {
				return err
			}
		}
		at = e.At
		switch {
		case e.Type == "O":
			open = append(open, e.Frame)
		case len(open) > 0 && open[len(open)-1] == e.Frame:
			open = open[:len(open)-1]
		default:
			unmatched++
		}
		if len(open) > 10*r.limits.Depth {
			return fail(Damaged, "record again", "the speedscope file opens frames without end")
		}
	}
	if unmatched > 0 {
		r.b.Warn("%d frames are closed that were not open", unmatched)
	}
	return nil
}

// add adds one stack, root first.
func (r *scopeReader) add(stack []int32, value [2]int64) error {
	if r.seen++; r.seen > r.limits.Samples {
		return tooLarge("the profile has more than %d samples", r.limits.Samples)
	}
	for _, f := range stack {
		if f < 0 || int(f) >= len(r.frames) {
			r.skip++
			return nil
		}
	}
	node := int32(0)
	for i, f := range stack {
		if len(stack) > r.limits.Depth && i >= r.limits.Depth-1 && i < len(stack)-1 {
			continue
		}
		node = r.b.Child(node, r.frames[f])
	}
	if len(stack) > r.limits.Depth {
		r.deep++
	}
	r.b.Add(node, r.labels, value[:]...)
	return nil
}

// round converts to an integer; what is no number is nothing.
func round(v float64) int64 {
	if math.IsNaN(v) || v > math.MaxInt64/4 || v < math.MinInt64/4 {
		return 0
	}
	return int64(math.Round(v))
}

// traceEvent is one event of Chrome's trace format.
type traceEvent struct {
	Phase string      `json:"ph"`
	Name  string      `json:"name"`
	At    json.Number `json:"ts"`  // microseconds
	Dur   json.Number `json:"dur"` // of complete events
	PID   json.Number `json:"pid"`
	TID   json.Number `json:"tid"`
	Args  struct {
		File string      `json:"filename"`
		Line json.Number `json:"line"`
		Name string      `json:"name"`
	} `json:"args"`
}

// UnmarshalJSON skips an event whose arguments are of another kind.
func (e *traceEvent) UnmarshalJSON(data []byte) error {
	type plain traceEvent
	if err := json.Unmarshal(data, (*plain)(e)); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return nil
		}
		return err
	}
	return nil
}

// chromeThread is the open stack of one thread.
type chromeThread struct {
	open   []int32
	ends   []float64 // of complete events; 0 when an end event will come
	at     float64
	labels int32
}

// decodeChrome reads Chrome's trace events as py-spy writes them: begin and
// end of each frame by thread, in microseconds.
func decodeChrome(raw []byte, limits Limits) (*profiles.Profile, error) {
	var events []traceEvent
	if err := json.Unmarshal(raw, &events); err != nil {
		return nil, jsonError(err, raw)
	}
	if int64(len(events)) > limits.Samples {
		return nil, tooLarge("the trace has more than %d events", limits.Samples)
	}
	b := newBuilder(limits, profiles.ChromeTrace, profiles.Sampled, profiles.ValueType{Type: "time", Unit: "nanoseconds"})
	names := map[string]string{}
	for _, e := range events {
		if e.Phase == "M" && e.Name == "thread_name" {
			names[e.PID.String()+"/"+e.TID.String()] = e.Args.Name
		}
	}
	// Events of one thread are in order; py-spy puts the last ends behind.
	sort.SliceStable(events, func(i, j int) bool { return number(events[i].At) < number(events[j].At) })
	threads := map[string]*chromeThread{}
	first, last := math.Inf(1), 0.0
	for i := range events {
		e := &events[i]
		if e.Phase != "B" && e.Phase != "E" && e.Phase != "X" {
			continue
		}
		key := e.PID.String() + "/" + e.TID.String()
		t := threads[key]
		if t == nil {
			name := names[key]
			if name == "" {
				name = "thread " + e.TID.String()
			}
			t = &chromeThread{labels: b.Labels([]profiles.Label{{Key: "thread", Str: profiles.Symbol(name)}})}
			threads[key] = t
		}
		at := number(e.At)
		first, last = math.Min(first, at), math.Max(last, at)
		t.step(b, e, at, limits)
	}
	for _, t := range threads {
		t.advance(b, math.Inf(1))
	}
	if last > first {
		b.Profile().Duration = clampDuration((last - first) * 1e3)
	}
	return b.Profile(), nil
}

func number(n json.Number) float64 {
	v, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// spend gives the time up to at to the open stack.
func (t *chromeThread) spend(b *profiles.Builder, at float64) {
	if v := round((at - t.at) * 1e3); v > 0 && len(t.open) > 0 && !math.IsInf(at, 0) {
		node := int32(0)
		for _, f := range t.open {
			node = b.Child(node, f)
		}
		b.Add(node, t.labels, v)
	}
	if !math.IsInf(at, 0) {
		t.at = math.Max(t.at, at)
	}
}

// advance closes complete events that end before at.
func (t *chromeThread) advance(b *profiles.Builder, at float64) {
	for n := len(t.open); n > 0 && t.ends[n-1] > 0 && t.ends[n-1] <= at; n = len(t.open) {
		t.spend(b, t.ends[n-1])
		t.open, t.ends = t.open[:n-1], t.ends[:n-1]
	}
	t.spend(b, at)
}

func (t *chromeThread) step(b *profiles.Builder, e *traceEvent, at float64, limits Limits) {
	t.advance(b, at)
	switch {
	case e.Phase == "E":
		if n := len(t.open); n > 0 {
			t.open, t.ends = t.open[:n-1], t.ends[:n-1]
		}
	case len(t.open) < limits.Depth:
		t.open = append(t.open, b.Frame(e.Name, e.Args.File, round(number(e.Args.Line))))
		end := 0.0
		if e.Phase == "X" {
			end = at + number(e.Dur)
		}
		t.ends = append(t.ends, end)
	}
}

// dumpThread is one thread of `py-spy dump --json`.
type dumpThread struct {
	PID      int64       `json:"pid"`
	Thread   json.Number `json:"thread_id"`
	Name     string      `json:"thread_name"`
	Active   bool        `json:"active"`
	OwnsGIL  bool        `json:"owns_gil"`
	Frames   []dumpFrame `json:"frames"` // leaf first
	Ignored1 any         `json:"process_info"`
}

type dumpFrame struct {
	Name  string `json:"name"`
	File  string `json:"filename"`
	Short string `json:"short_filename"`
	Line  int64  `json:"line"`
}

// decodeDump reads the stacks of all threads at one moment, as goroutine
// profiles are for Go. Local variables, should the dump have them, are not
// looked at.
func decodeDump(raw []byte, limits Limits) (*profiles.Profile, error) {
	var threads []dumpThread
	if err := json.Unmarshal(raw, &threads); err != nil {
		return nil, jsonError(err, raw)
	}
	if int64(len(threads)) > limits.Samples {
		return nil, tooLarge("the dump has more than %d threads", limits.Samples)
	}
	b := newBuilder(limits, profiles.PySpyDump, profiles.Exact, profiles.ValueType{Type: "threads", Unit: "count"})
	for _, t := range threads {
		state := foreign.Text("idle")
		switch {
		case t.OwnsGIL:
			state = "holds the GIL"
		case t.Active:
			state = "active"
		}
		name := t.Name
		if name == "" {
			name = "thread " + t.Thread.String()
		}
		labels := b.Labels([]profiles.Label{{Key: "state", Str: state}, {Key: "thread", Str: profiles.Symbol(name)}})
		node := int32(0)
		frames := t.Frames
		if len(frames) > limits.Depth {
			frames = append([]dumpFrame{frames[0]}, frames[len(frames)-limits.Depth+1:]...)
			b.Warn("a stack was deeper than %d frames: its middle was left out", limits.Depth)
		}
		for i := len(frames) - 1; i >= 0; i-- {
			f := frames[i]
			node = b.Child(node, b.Frame(f.Name, f.File, f.Line))
		}
		b.Add(node, labels, 1)
	}
	return b.Profile(), nil
}

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
