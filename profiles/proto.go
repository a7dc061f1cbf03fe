package profiles

import (
	"sort"
	"time"

	"github.com/google/pprof/profile"

	"midwatch/foreign"
)

// FromProto converts a pprof profile that has been decoded and checked
// (CheckValid). Samples of equal stack and labels become one.
func FromProto(p *profile.Profile) *Profile {
	types := make([]ValueType, len(p.SampleType))
	for i, t := range p.SampleType {
		types[i] = ValueType{foreign.Clean(t.Type).String(), foreign.Clean(t.Unit).String()}
	}
	b := NewBuilder(Pprof, Sampled, types...)
	out := b.Profile()
	out.Duration = time.Duration(p.DurationNanos)
	out.Period = p.Period
	out.DefaultType = foreign.Clean(p.DefaultSampleType).String()
	out.DropFrames, out.KeepFrames = p.DropFrames, p.KeepFrames
	out.DocURL = foreign.Clean(p.DocURL)
	if p.TimeNanos != 0 {
		out.Time = time.Unix(0, p.TimeNanos)
	}
	if p.PeriodType != nil {
		out.PeriodType = ValueType{foreign.Clean(p.PeriodType.Type).String(), foreign.Clean(p.PeriodType.Unit).String()}
	}
	for _, c := range p.Comments {
		out.Comments = append(out.Comments, foreign.Clean(c))
	}
	for _, m := range p.Mapping {
		b.Mapping(mappingOf(m))
	}
	for _, f := range p.Function {
		b.Function(f.Name, f.SystemName, f.Filename, f.StartLine)
	}
	locations := make(map[*profile.Location]int32, len(p.Location))
	for _, l := range p.Location {
		lines := make([]Line, len(l.Line))
		for i, ln := range l.Line {
			f := ln.Function
			lines[i] = Line{Function: b.Function(f.Name, f.SystemName, f.Filename, f.StartLine), Line: ln.Line, Column: ln.Column}
		}
		m := int32(-1)
		if l.Mapping != nil {
			m = b.Mapping(mappingOf(l.Mapping))
		}
		locations[l] = b.Location(Location{Mapping: m, Address: l.Address, Lines: lines, Folded: l.IsFolded})
	}
	for _, s := range p.Sample {
		node := int32(0)
		for i := len(s.Location) - 1; i >= 0; i-- {
			node = b.Child(node, locations[s.Location[i]])
		}
		b.Add(node, b.Labels(labelsOf(s)), s.Value...)
	}
	return out
}

func mappingOf(m *profile.Mapping) Mapping {
	return Mapping{
		Start: m.Start, Limit: m.Limit, Offset: m.Offset, File: Symbol(m.File), BuildID: Symbol(m.BuildID),
		HasFunctions: m.HasFunctions, HasFilenames: m.HasFilenames,
		HasLineNumbers: m.HasLineNumbers, HasInlineFrames: m.HasInlineFrames,
	}
}

// labelsOf returns a sample's labels: strings by key, then numbers by key.
func labelsOf(s *profile.Sample) []Label {
	var set []Label
	for _, k := range sortedKeys(s.Label) {
		for _, v := range s.Label[k] {
			set = append(set, Label{Key: foreign.Clean(k), Str: foreign.Clean(v)})
		}
	}
	for _, k := range sortedKeys(s.NumLabel) {
		units := s.NumUnit[k]
		for i, v := range s.NumLabel[k] {
			l := Label{Key: foreign.Clean(k), Num: v, Numeric: true}
			if i < len(units) {
				l.Unit = foreign.Clean(units[i])
			}
			set = append(set, l)
		}
	}
	return set
}

func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Proto converts to a pprof profile, for saving (its Write gzips) and for
// merging. The result is a copy.
func (p *Profile) Proto() *profile.Profile {
	out := &profile.Profile{
		DurationNanos: int64(p.Duration), Period: p.Period, DefaultSampleType: p.DefaultType,
		DropFrames: p.DropFrames, KeepFrames: p.KeepFrames, DocURL: p.DocURL.String(),
		PeriodType: &profile.ValueType{Type: p.PeriodType.Type, Unit: p.PeriodType.Unit},
	}
	if !p.Time.IsZero() {
		out.TimeNanos = p.Time.UnixNano()
	}
	for _, t := range p.Types {
		out.SampleType = append(out.SampleType, &profile.ValueType{Type: t.Type, Unit: t.Unit})
	}
	for _, c := range p.Comments {
		out.Comments = append(out.Comments, c.String())
	}
	for i, m := range p.Mappings {
		out.Mapping = append(out.Mapping, &profile.Mapping{
			ID: uint64(i + 1), Start: m.Start, Limit: m.Limit, Offset: m.Offset,
			File: m.File.String(), BuildID: m.BuildID.String(),
			HasFunctions: m.HasFunctions, HasFilenames: m.HasFilenames,
			HasLineNumbers: m.HasLineNumbers, HasInlineFrames: m.HasInlineFrames,
		})
	}
	for i, f := range p.Functions {
		out.Function = append(out.Function, &profile.Function{
			ID: uint64(i + 1), Name: f.Name.String(), SystemName: f.SystemName.String(),
			Filename: f.File.String(), StartLine: f.StartLine,
		})
	}
	for i, l := range p.Locations {
		loc := &profile.Location{ID: uint64(i + 1), Address: l.Address, IsFolded: l.Folded}
		if l.Mapping >= 0 {
			loc.Mapping = out.Mapping[l.Mapping]
		}
		for _, ln := range l.Lines {
			loc.Line = append(loc.Line, profile.Line{Function: out.Function[ln.Function], Line: ln.Line, Column: ln.Column})
		}
		out.Location = append(out.Location, loc)
	}
	for i, e := range p.Entries {
		s := &profile.Sample{Value: append([]int64(nil), p.Values(i)...)}
		for n := e.Node; n > 0; n = p.Nodes[n].Parent {
			s.Location = append(s.Location, out.Location[p.Nodes[n].Location])
		}
		addLabels(s, p.LabelSets[e.Labels])
		out.Sample = append(out.Sample, s)
	}
	return out
}

func addLabels(s *profile.Sample, set []Label) {
	for _, l := range set {
		k := l.Key.String()
		if !l.Numeric {
			if s.Label == nil {
				s.Label = map[string][]string{}
			}
			s.Label[k] = append(s.Label[k], l.Str.String())
			continue
		}
		if s.NumLabel == nil {
			s.NumLabel, s.NumUnit = map[string][]int64{}, map[string][]string{}
		}
		s.NumLabel[k] = append(s.NumLabel[k], l.Num)
		s.NumUnit[k] = append(s.NumUnit[k], l.Unit.String())
	}
}
