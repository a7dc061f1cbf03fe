// Package diff compares profiles of two sides: a sick pod with a healthy one,
// a new revision with the old, now with an earlier capture.
//
// The sides are aligned by the path of function names, never by address, for
// build ids differ. Both values stay beside each other: nothing is
// subtracted, so that what grew and what shrank cannot hide each other. Each
// function gets a verdict from a test, and what the test cannot tell is
// called noise.
package diff

import (
	"fmt"
	"math"

	"midwatch/foreign"
	"midwatch/profiles"
	"midwatch/profiles/internal/pair"
	"midwatch/profiles/tree"
)

// Mode is what is compared.
type Mode int

// The modes. They are never mixed in one table.
const (
	// Auto is Share for time and Absolute for memory and goroutines.
	Auto Mode = iota
	// Share compares percentages of each side's total. It cannot see a
	// uniform slowdown: read it with the total line.
	Share
	// Cores compares CPU seconds per second of wall time and pod.
	Cores
	// PerRequest compares values per request; it needs Side.Requests.
	PerRequest
	// Absolute compares values per pod: bytes, goroutines.
	Absolute
)

// String returns the word the screen shows.
func (m Mode) String() string {
	switch m {
	case Share:
		return "share"
	case Cores:
		return "cores"
	case PerRequest:
		return "per request"
	case Absolute:
		return "absolute"
	}
	return "auto"
}

// Side is one of the two: a profile for each pod, taken at the same time for
// the same seconds.
type Side struct {
	Profiles []*profiles.Profile
	// Requests is how many requests those pods served meanwhile, in all; 0
	// when unknown.
	Requests float64
}

// Options choose what is compared and how it is judged.
type Options struct {
	// Type names the sample type; "" for the default.
	Type string
	Mode Mode
	// View holds filters; its Type is not looked at.
	View tree.Options
	// Rate is the false discovery rate; 0 means 0.05.
	Rate float64
	// Least is the smallest change that counts, in points of share (in the
	// other modes in per cent of the larger total); 0 means 0.5.
	Least float64
}

// Values are one side's numbers of a function or node, summed over its pods,
// in the unit of the sample type.
type Values struct{ Flat, Cum int64 }

// Verdict is what the comparison says about one function.
type Verdict int

// The verdicts.
const (
	Noise       Verdict = iota
	Regression          // costs more, beyond chance
	Improvement         // costs less, beyond chance
	Through             // costs more or less only because of one function it calls: Row.Via
	Within              // costs more or less as a part of what one function does: Row.Via
	TooFew              // fewer than ten samples on both sides together
)

// String returns the word of the JSON.
func (v Verdict) String() string {
	switch v {
	case Regression:
		return "regression"
	case Improvement:
		return "improvement"
	case Through:
		return "through"
	case Within:
		return "within"
	case TooFew:
		return "too-few"
	}
	return "noise"
}

// Row is one function.
type Row struct {
	Frame     int32 // index in Diff.Frames
	Name      foreign.Text
	File      foreign.Text
	Base, New Values
	// BaseCum, NewCum, BaseFlat and NewFlat are in the unit of the mode:
	// per cent, cores per pod, units per request or per pod.
	BaseFlat, NewFlat float64
	BaseCum, NewCum   float64
	// Samples is how many samples stand behind it, both sides together.
	Samples float64
	P       float64 // of no difference, two-sided, before correction
	Verdict Verdict
	// Via names the function that explains the change, for Through and Within.
	Via foreign.Text
}

// Delta returns the change of cum in the unit of the mode.
func (r Row) Delta() float64 { return r.NewCum - r.BaseCum }

// Node is one call path with the values of both sides. A parent comes before
// its children, which are in order of name, so that frames keep their place.
type Node struct {
	Parent, FirstChild, NextSibling int32 // -1 for none
	Frame                           int32 // -1 for the root
	Base, New                       Values
}

// Total is one side as a whole.
type Total struct {
	Pods    int
	Samples float64
	Value   int64   // in the unit of the sample type, over all pods
	Seconds float64 // of wall time, per pod; 0 for a snapshot
	// PerPod is Value per pod: cores for CPU time when Seconds is known, else
	// in the unit of the sample type.
	PerPod float64
}

// Diff is the result of a comparison. It does not change once made.
type Diff struct {
	Type      profiles.ValueType
	Mode      Mode
	Base, New Total
	Frames    []tree.Frame
	Nodes     []Node
	// Rows are all functions: what got worse first, the largest change first,
	// noise last.
	Rows []Row
	// Culprits are the functions of one's own that carry what got worse, the
	// largest change first: where to look.
	Culprits []Row
	// Variance says whether pods of one side were compared among each other
	// (three a side); without, chance is judged from counts alone.
	Variance bool
	// Correction is what the new side's shares were multiplied by before they
	// were judged: what grew takes share from what kept its cost. 1 for none.
	Correction float64
	Warnings   []string

	requests [2]float64 // of base and new
}

// Compare compares two sides.
func Compare(base, other Side, o Options) (*Diff, error) {
	if len(base.Profiles) == 0 || len(other.Profiles) == 0 {
		return nil, fmt.Errorf("a comparison needs a profile on each side")
	}
	c := &comparer{o: o, d: &Diff{}, names: map[foreign.Text]int32{}}
	if c.o.Rate == 0 {
		c.o.Rate = 0.05
	}
	if c.o.Least == 0 {
		c.o.Least = 0.5
	}
	if err := c.prepare(base, other); err != nil {
		return nil, err
	}
	c.align()
	c.rows()
	c.judge()
	c.explain()
	c.d.Correction = c.shift
	c.order()
	return c.d, nil
}

// pod is one profile under comparison.
type pod struct {
	p       *profiles.Profile
	t       *tree.Tree
	frames  []int32 // frame of the tree → frame of the diff
	total   float64 // sum of the values shown
	samples float64
	seconds float64
}

// comparer is the state of one comparison.
type comparer struct {
	o       Options
	d       *Diff
	sides   [2][]*pod // base, new
	names   map[foreign.Text]int32
	perPod  [2][][]Values // by pod, then frame
	shift   float64       // what the new side's shares are multiplied by
	sig     []bool        // by row
	flatSig []bool
}

// prepare builds each pod's tree and checks that the sides can be compared.
func (c *comparer) prepare(base, other Side) error {
	first := base.Profiles[0]
	typ, err := first.TypeIndex(c.o.Type)
	if err != nil {
		return err
	}
	c.d.Type = first.Types[typ]
	c.d.Mode = c.o.Mode
	if c.d.Mode == Auto {
		c.d.Mode = Share
		switch tree.SubjectOf(first, typ) {
		case tree.Heap, tree.Goroutines, tree.Other:
			c.d.Mode = Absolute
		}
	}
	c.d.requests = [2]float64{base.Requests, other.Requests}
	if c.d.Mode == PerRequest && (base.Requests <= 0 || other.Requests <= 0) {
		return fmt.Errorf("comparing per request needs the number of requests of both sides, which is not known%s: a counter named in the settings (profiles.requests) or by --per-request is read while a profile is taken",
			ofSide(base.Requests <= 0, other.Requests <= 0))
	}
	for side, s := range []Side{base, other} {
		for _, p := range s.Profiles {
			i, err := p.TypeIndex(c.d.Type.Type)
			if err != nil || p.Types[i].Unit != c.d.Type.Unit {
				return fmt.Errorf("the sides measure different things: %s in %s is not in %s", c.d.Type.Type, c.d.Type.Unit, nameOf(p))
			}
			view := c.o.View
			view.Type = i
			x := &pod{p: p, t: tree.Build(p, view), seconds: p.Duration.Seconds()}
			x.total = float64(x.t.Nodes[0].Cum)
			x.samples = samplesOf(p, i) * share(x.total, float64(p.Sum(i)))
			c.sides[side] = append(c.sides[side], x)
		}
	}
	c.d.Base, c.d.New = c.total(0), c.total(1)
	if c.d.Mode == Cores && (c.d.Base.Seconds == 0 || c.d.New.Seconds == 0 || c.d.Type.Unit != "nanoseconds") {
		return fmt.Errorf("comparing cores needs CPU profiles that say how long they took")
	}
	c.d.Variance = c.d.Base.Pods >= 3 && c.d.New.Pods >= 3
	c.warn()
	return nil
}

func nameOf(p *profiles.Profile) string {
	if p.Source != "" {
		return p.Source
	}
	return "the other profile"
}

func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

// heapRate is how many bytes a heap sample of Go stands for by default.
const heapRate = 512 << 10

// samplesOf returns how many samples stand behind a profile, the n of every
// test. A heap profile's values are scaled up from about one sample per
// sampling period of bytes.
func samplesOf(p *profiles.Profile, typ int) float64 {
	switch tree.SubjectOf(p, typ) {
	case tree.Heap, tree.Allocs:
		if p.Types[typ].Unit == "bytes" && p.Exactness == profiles.Sampled {
			rate := float64(heapRate)
			if p.PeriodType.Unit == "bytes" && p.Period > 0 {
				rate = float64(p.Period)
			}
			return math.Max(1, float64(p.Total(typ))/rate)
		}
		if p.Exactness == profiles.Exact || p.Exactness == profiles.FlatOnly {
			return float64(p.Total(0)) // objects
		}
		return float64(p.Records)
	case tree.Goroutines:
		return float64(p.Total(typ))
	}
	return float64(p.SampleCount())
}

func (c *comparer) total(side int) Total {
	t := Total{Pods: len(c.sides[side])}
	for _, p := range c.sides[side] {
		t.Value += int64(p.total)
		t.Samples += p.samples
		t.Seconds += p.seconds
	}
	t.Seconds /= float64(t.Pods)
	t.PerPod = float64(t.Value) / float64(t.Pods)
	if t.Seconds > 0 && c.d.Type.Unit == "nanoseconds" {
		t.PerPod /= t.Seconds * 1e9
	}
	return t
}

// warn says what makes the comparison weaker than it looks.
func (c *comparer) warn() {
	say := func(format string, args ...any) { c.d.Warnings = append(c.d.Warnings, fmt.Sprintf(format, args...)) }
	first := c.sides[0][0].p
	for _, side := range c.sides {
		for _, p := range side {
			if p.p.Period != first.Period {
				say("the sides were sampled at different rates: counts of samples do not compare")
			}
			if p.p.Exactness == profiles.Reconstructed {
				say("stacks are reconstructed: trust the functions, not the paths")
			}
			if p.p.Exactness == profiles.FlatOnly {
				say("only the largest places are listed: one that is missing may be small, not gone")
			}
		}
	}
	if b, n := c.d.Base.Seconds, c.d.New.Seconds; math.Abs(b-n) > 0.1*math.Max(b, n) {
		say("the sides were looked at for different times: %.3g s and %.3g s", b, n)
	}
	if !c.d.Variance {
		say("fewer than three pods a side: how much pods differ among themselves is not known")
	}
	c.d.Warnings = unique(c.d.Warnings)
}

func unique(list []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// align gives frames of one name one number, and lays the trees over each
// other.
func (c *comparer) align() {
	renamed := c.canonical()
	for side := range c.sides {
		for _, p := range c.sides[side] {
			p.frames = make([]int32, len(p.t.Frames))
			for i, f := range p.t.Frames {
				key := alignKey(f)
				if r, ok := renamed[key]; ok {
					f.Name, key = r, r
				}
				n, ok := c.names[key]
				if !ok {
					n = int32(len(c.d.Frames))
					c.names[key] = n
					c.d.Frames = append(c.d.Frames, f)
				}
				p.frames[i] = n
			}
		}
	}
	var children pair.Map
	c.d.Nodes = []Node{{Parent: -1, FirstChild: -1, NextSibling: -1, Frame: -1}}
	for side := range c.sides {
		for _, p := range c.sides[side] {
			at := make([]int32, len(p.t.Nodes))
			for i := range p.t.Nodes {
				n := &p.t.Nodes[i]
				if i > 0 {
					child, added := children.Add(at[n.Parent], p.frames[n.Frame], int32(len(c.d.Nodes)))
					if added {
						c.d.Nodes = append(c.d.Nodes, Node{Parent: at[n.Parent], FirstChild: -1, NextSibling: -1, Frame: p.frames[n.Frame]})
					}
					at[i] = child
				}
				v := &c.d.Nodes[at[i]].Base
				if side == 1 {
					v = &c.d.Nodes[at[i]].New
				}
				v.Flat += n.Self
				v.Cum += n.Cum
			}
		}
	}
	c.link()
}

// alignKey is the name two frames are aligned by. In Python the file's name
// belongs to it; its folder may differ between images.
func alignKey(f tree.Frame) foreign.Text {
	file := f.File.String()
	if file == "" || !isScript(file) {
		return f.Name
	}
	for i := len(file) - 1; i >= 0; i-- {
		if file[i] == '/' {
			file = file[i+1:]
			break
		}
	}
	return f.Name + foreign.Text(" ("+file+")")
}

// ofSide names the side whose number of requests is missing, if it is one.
func ofSide(base, other bool) string {
	switch {
	case base && other:
		return ""
	case base:
		return " of the base"
	}
	return " of the new side"
}
