package profiles

import (
	"fmt"
	"strings"
)

// Merge adds profiles of equal sample types up, as pprof does with several
// files: equal stacks become one. Places of the same binary are one even when
// it was loaded elsewhere.
func Merge(list ...*Profile) (*Profile, error) { return combine(list, nil) }

// Subtract returns p less base, stack by stack, as `pprof -base` does. Values
// may be negative, and the total is the sum of magnitudes. To compare two
// profiles with statistics, use package diff.
func Subtract(p, base *Profile) (*Profile, error) {
	return combine([]*Profile{p}, []*Profile{base})
}

func combine(plus, minus []*Profile) (*Profile, error) {
	if len(plus) == 0 {
		return nil, fmt.Errorf("no profiles to merge")
	}
	first := plus[0]
	b := NewBuilder(first.Format, first.Exactness, first.Types...)
	out := b.Profile()
	out.Source, out.Time, out.Duration = first.Source, first.Time, 0
	out.DefaultType, out.PeriodType, out.Period = first.DefaultType, first.PeriodType, first.Period
	out.DropFrames, out.KeepFrames, out.DocURL = first.DropFrames, first.KeepFrames, first.DocURL
	m := merger{b: b, mappings: map[mappingKey]int32{}}
	for i, p := range append(append([]*Profile(nil), plus...), minus...) {
		if typesOf(p) != typesOf(first) {
			return nil, fmt.Errorf("%s measures %s, %s measures %s: only profiles of one type can be put together",
				title(first), typesOf(first), title(p), typesOf(p))
		}
		sign := int64(1)
		if i >= len(plus) {
			sign = -1
		}
		m.add(p, sign)
		out.Duration += p.Duration
		out.Warnings = append(out.Warnings, p.Warnings...)
		out.Exactness = max(out.Exactness, p.Exactness)
		out.Period = max(out.Period, p.Period)
		if !p.Time.IsZero() && p.Time.Before(out.Time) {
			out.Time = p.Time
		}
	}
	b.retotal()
	return out, nil
}

func title(p *Profile) string {
	if p.Source != "" {
		return p.Source
	}
	return "one profile"
}

// typesOf writes the sample types for comparison and for messages.
func typesOf(p *Profile) string {
	names := make([]string, len(p.Types))
	for i, t := range p.Types {
		names[i] = t.Type + " in " + t.Unit
	}
	return strings.Join(names, ", ")
}

// mappingKey identifies a binary wherever it was loaded, as pprof does.
type mappingKey struct {
	size, offset uint64
	id           string
}

type merger struct {
	b        *Builder
	mappings map[mappingKey]int32
}

// add adds one profile's samples, times sign.
func (m *merger) add(p *Profile, sign int64) {
	mappings := make([]int32, len(p.Mappings))
	for i, x := range p.Mappings {
		size := x.Limit - x.Start
		key := mappingKey{size: size + 0xfff - (size+0xfff)%0x1000, offset: x.Offset, id: x.BuildID.String()}
		if key.id == "" {
			key.id = x.File.String()
		}
		at, ok := m.mappings[key]
		if !ok {
			at = m.b.Mapping(x)
			m.mappings[key] = at
		}
		mappings[i] = at
	}
	functions := make([]int32, len(p.Functions))
	for i, f := range p.Functions {
		functions[i] = m.b.Function(f.Name.String(), f.SystemName.String(), f.File.String(), f.StartLine)
	}
	locations := make([]int32, len(p.Locations))
	for i, l := range p.Locations {
		c := l
		if l.Mapping >= 0 {
			c.Mapping = mappings[l.Mapping]
			c.Address = l.Address - p.Mappings[l.Mapping].Start + m.b.p.Mappings[c.Mapping].Start
		}
		c.Lines = make([]Line, len(l.Lines))
		for k, ln := range l.Lines {
			c.Lines[k] = Line{Function: functions[ln.Function], Line: ln.Line, Column: ln.Column}
		}
		locations[i] = m.b.Location(c)
	}
	nodes := make([]int32, len(p.Nodes))
	for i, n := range p.Nodes {
		if i > 0 {
			nodes[i] = m.b.Child(nodes[n.Parent], locations[n.Location])
		}
	}
	values := make([]int64, len(p.Types))
	for i, e := range p.Entries {
		for k, v := range p.Values(i) {
			values[k] = sign * v
		}
		m.b.Add(nodes[e.Node], m.b.Labels(p.LabelSets[e.Labels]), values...)
	}
}

// retotal takes the totals from what equal stacks add up to, as pprof does
// after a merge.
func (b *Builder) retotal() {
	clear(b.p.totals)
	for i := range b.p.Entries {
		for k, v := range b.p.Values(i) {
			b.p.totals[k] += max(v, -v)
		}
	}
}
