package tree

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"midwatch/foreign"
	"midwatch/profiles"
)

// resolve applies the options to each location once. Stacks then only walk.
func (b *builder) resolve() {
	drop, keep := b.dropPatterns()
	seen := map[foreign.Text]bool{} // names → does DropFrames match
	b.places = make([]place, len(b.p.Locations))
	for i := range b.p.Locations {
		l := &b.p.Locations[i]
		lines := l.Lines
		pl := &b.places[i]
		if drop != nil {
			lines = b.prunePlace(pl, lines, drop, keep, seen)
		}
		b.filterPlace(pl, l, lines)
	}
}

// dropPatterns compiles the profile's DropFrames and KeepFrames. A pattern
// that does not compile is ignored, as in pprof.
func (b *builder) dropPatterns() (drop, keep *regexp.Regexp) {
	if b.p.DropFrames == "" || b.o.AllFrames {
		return nil, nil
	}
	drop, err := regexp.Compile("^(" + b.p.DropFrames + ")$")
	if err != nil {
		return nil, nil
	}
	if b.p.KeepFrames != "" {
		if keep, err = regexp.Compile("^(" + b.p.KeepFrames + ")$"); err != nil {
			return nil, nil
		}
	}
	return drop, keep
}

// prunePlace finds the outermost line that DropFrames matches (pprof's
// Profile.Prune) and returns the lines that stay.
func (b *builder) prunePlace(pl *place, lines []profiles.Line, drop, keep *regexp.Regexp, seen map[foreign.Text]bool) []profiles.Line {
	for i := len(lines) - 1; i >= 0; i-- {
		name := b.p.Functions[lines[i].Function].Name
		if name == "" {
			continue
		}
		matches, known := seen[name]
		if !known {
			simple := simplify(name.String())
			matches = drop.MatchString(simple) && (keep == nil || !keep.MatchString(simple))
			seen[name] = matches
		}
		if matches {
			pl.pruneBelow = true
			if i == len(lines)-1 {
				pl.prune = true
				return lines
			}
			return lines[i+1:]
		}
	}
	return lines
}

var brackets = regexp.MustCompile(`\(anonymous namespace\)|operator\(\)|\(`)

// simplify removes the argument list of a C++ name (pprof's simplifyFunc).
func simplify(name string) string {
	name = strings.TrimPrefix(name, ".")
	for _, at := range brackets.FindAllStringIndex(name, -1) {
		if name[at[0]:at[1]] == "(" {
			return name[:at[0]]
		}
	}
	return name
}

// filterPlace applies focus, ignore, hide, show and the own-code filter, as
// pprof's FilterSamplesByName does, and names the frames that are left.
func (b *builder) filterPlace(pl *place, l *profiles.Location, lines []profiles.Line) {
	object := foreign.Text("")
	if l.Mapping >= 0 {
		object = b.p.Mappings[l.Mapping].File
	}
	inObject := func(re *regexp.Regexp) bool { return l.Mapping >= 0 && re.MatchString(object.String()) }
	matches := func(re *regexp.Regexp) bool {
		return re != nil && (slices.ContainsFunc(lines, func(ln profiles.Line) bool { return b.lineMatches(re, ln) }) || inObject(re))
	}
	pl.ignored = matches(b.o.Ignore)
	pl.focused = !pl.ignored && matches(b.o.Focus)
	hidden := false
	if re := b.o.Hide; matches(re) {
		lines = keepLines(lines, func(ln profiles.Line) bool { return !inObject(re) && !b.lineMatches(re, ln) })
		hidden = len(lines) == 0
	}
	if re := b.o.Show; re != nil {
		lines = keepLines(lines, func(ln profiles.Line) bool { return inObject(re) || b.lineMatches(re, ln) })
		hidden = hidden || len(lines) == 0
	}
	if hidden {
		return
	}
	if b.o.NoInlines && len(lines) > 1 {
		lines = lines[len(lines)-1:]
	}
	b.nameFrames(pl, lines, object)
}

func (b *builder) lineMatches(re *regexp.Regexp, ln profiles.Line) bool {
	f := &b.p.Functions[ln.Function]
	return re.MatchString(f.Name.String()) || re.MatchString(f.File.String())
}

func keepLines(lines []profiles.Line, keep func(profiles.Line) bool) []profiles.Line {
	var kept []profiles.Line
	for _, ln := range lines {
		if keep(ln) {
			kept = append(kept, ln)
		}
	}
	return kept
}

// nameFrames finds the frames of a location, outermost first.
func (b *builder) nameFrames(pl *place, lines []profiles.Line, object foreign.Text) {
	if len(lines) == 0 {
		key := frameKey{object: object}
		b.addFrame(pl, b.frame(key, Frame{Name: objectName(object)}))
		return
	}
	for i := len(lines) - 1; i >= 0; i-- {
		f := &b.p.Functions[lines[i].Function]
		key := b.key(f)
		fr := Frame{Name: f.Name, File: f.File, Line: f.StartLine}
		if fr.Line == 0 {
			fr.Line = lines[i].Line
		}
		if f.Name == "" {
			key.object, key.start = object, f.StartLine
			fr.Name = objectName(object)
		}
		b.addFrame(pl, b.frame(key, fr))
	}
}

// key identifies a function by name alone where pprof does, and by name and
// file elsewhere: Python names are short, and every module has a get.
func (b *builder) key(f *profiles.Function) frameKey {
	switch b.p.Format {
	case profiles.Pprof, profiles.PprofLegacy, profiles.GoroutineDump:
		return frameKey{name: f.Name}
	}
	if b.p.Format == profiles.Pstats || b.p.Format == profiles.Callgrind {
		// The line is where the function begins: two methods of one name in
		// one file are two.
		return frameKey{name: f.Name, object: f.File, start: f.StartLine}
	}
	return frameKey{name: f.Name, object: f.File}
}

func (b *builder) addFrame(pl *place, f int32) {
	if b.o.Own == nil || b.o.Own(b.t.Frames[f]) {
		pl.frames = append(pl.frames, f)
	}
}

// objectName is how a frame without a name is called.
func objectName(object foreign.Text) foreign.Text {
	if object == "" {
		return "<unknown>"
	}
	return foreign.Text("[" + path.Base(object.String()) + "]")
}

func (b *builder) frame(key frameKey, f Frame) int32 {
	if i, ok := b.keys[key]; ok {
		return i
	}
	i := int32(len(b.t.Frames))
	b.keys[key] = i
	b.t.Frames = append(b.t.Frames, f)
	return i
}

// labelFrame returns the frame for a set of labels under Options.LabelRoot,
// and the state of a stack that begins with it.
func (b *builder) labelFrame(set int32) (int32, state) {
	var values []string
	for _, l := range b.p.LabelSets[set] {
		if l.Key.String() != b.o.LabelRoot {
			continue
		}
		if l.Numeric {
			values = append(values, profiles.FormatValue(l.Num, l.Unit.String()))
			continue
		}
		values = append(values, l.Str.String())
	}
	name := foreign.Text(strings.Join(values, ", "))
	if name == "" {
		name = foreign.Text("(no " + b.o.LabelRoot + ")")
	}
	key := foreign.Text(b.o.LabelRoot)
	f := b.frame(frameKey{name: name, label: key}, Frame{Name: name, Label: key})
	matches := func(re *regexp.Regexp) bool {
		return re != nil && (re.MatchString(name.String()) || re.MatchString(key.String()))
	}
	s := state{focused: matches(b.o.Focus), ignored: matches(b.o.Ignore)}
	if b.o.Hide != nil && matches(b.o.Hide) || b.o.Show != nil && !matches(b.o.Show) {
		return -1, s
	}
	return f, s
}
