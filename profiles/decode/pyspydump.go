package decode

import (
	"encoding/json"

	"midwatch/foreign"
	"midwatch/profiles"
)

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
