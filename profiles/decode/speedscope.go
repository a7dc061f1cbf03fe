package decode

import (
	"encoding/json"
	"math"
	"strings"

	"midwatch/profiles"
)

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
