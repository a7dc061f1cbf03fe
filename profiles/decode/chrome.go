package decode

import (
	"encoding/json"
	"errors"
	"math"
	"sort"

	"midwatch/profiles"
)

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
