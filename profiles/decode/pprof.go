package decode

import (
	"errors"
	"time"

	"midwatch/foreign"
	"midwatch/profiles"
)

// Field numbers of message Profile (github.com/google/pprof/proto/profile.proto).
const (
	fieldSampleType = 1 + iota
	fieldSample
	fieldMapping
	fieldLocation
	fieldFunction
	fieldString
	fieldDropFrames
	fieldKeepFrames
	fieldTimeNanos
	fieldDurationNanos
	fieldPeriodType
	fieldPeriod
	fieldComment
	fieldDefaultType
	fieldDocURL
)

var (
	errTruncated = errors.New("it ends in the middle of a field")
	errMalformed = errors.New("malformed field")
)

// pprofDecoder reads the protobuf straight into the model's tables and prefix
// tree, without an object for each sample: the library's decoder needs about
// a kilobyte a sample. Its verdict about what is valid and what it means is
// the library's (profile.ParseUncompressed and CheckValid); the tests hold
// both against each other.
type pprofDecoder struct {
	b      *profiles.Builder
	out    *profiles.Profile
	limits Limits

	// First pass: where things are. Samples come before the tables they need.
	types, samples, mappings, locations, functions [][]byte
	strings                                        []string
	dropFrames, keepFrames, defaultType, docURL    int64
	timeNanos, duration, period                    int64
	periodType                                     []byte
	comments                                       []int64

	mappingIDs, functionIDs, locationIDs idTable

	stack  []int32 // of the sample before, leaf first
	nodes  []int32 // its nodes, root first
	ids    []int32
	values []int64
	sets   map[string]int32 // raw bytes of label fields → set
	raw    []byte
	deep   int64

	// coarse leaves out addresses and lines, so that places within a function
	// are one: for profiles with too many call paths otherwise.
	coarse bool
}

// decodePprof decodes an uncompressed pprof protobuf.
func decodePprof(raw []byte, limits Limits) (*profiles.Profile, error) {
	d := &pprofDecoder{limits: limits, sets: map[string]int32{}}
	err := d.decode(raw)
	if err == nil && d.b.Full() {
		d = &pprofDecoder{limits: limits, sets: map[string]int32{}, coarse: true}
		if err = d.decode(raw); err == nil {
			d.b.Warn("lines and addresses were left out: there are more than %d call paths with them", limits.Paths)
		}
	}
	var known *Error
	switch {
	case err == nil:
		return d.out, nil
	case errors.As(err, &known):
		return nil, err
	case len(d.types) == 0 || len(d.strings) == 0:
		// Random bytes often parse for a few fields: it never was a profile.
		if !errors.Is(err, errTruncated) || len(d.types) == 0 {
			return nil, unknown(raw)
		}
	}
	if errors.Is(err, errTruncated) {
		return nil, fail(Cut, "capture it again", "the profile ends early, after %s", size(int64(len(raw))))
	}
	return nil, fail(Damaged, "capture it again", "the pprof data is damaged (%s)", clean(err))
}

func (d *pprofDecoder) decode(raw []byte) error {
	if err := fields(raw, d.top); err != nil {
		return err
	}
	if len(d.strings) == 0 {
		d.strings = []string{}
	}
	if int64(len(d.samples)) > d.limits.Samples {
		return tooLarge("the profile has %d samples, more than %d", len(d.samples), d.limits.Samples)
	}
	if len(d.types) == 0 {
		return errors.New("missing sample type information")
	}
	types := make([]profiles.ValueType, len(d.types))
	for i, t := range d.types {
		var err error
		if types[i], err = d.valueType(t); err != nil {
			return err
		}
	}
	d.b = newBuilder(d.limits, profiles.Pprof, profiles.Sampled, types...)
	d.out = d.b.Profile()
	d.b.Reserve(len(d.functions), len(d.locations), len(d.samples))
	for _, step := range []func() error{d.head, d.readMappings, d.readFunctions, d.readLocations, d.readSamples} {
		if err := step(); err != nil {
			return err
		}
	}
	switch types[0].Type {
	case "goroutine", "goroutineleak", "threadcreate":
		d.out.Exactness = profiles.Exact // each one is listed
	}
	if d.deep > 0 {
		d.b.Warn("%d stacks were deeper than %d frames: their middle was left out", d.deep, d.limits.Depth)
	}
	return nil
}

// top sorts the fields of the outermost message.
func (d *pprofDecoder) top(f field) error {
	switch f.num {
	case fieldSampleType:
		return f.message(&d.types)
	case fieldSample:
		return f.message(&d.samples)
	case fieldMapping:
		return f.message(&d.mappings)
	case fieldLocation:
		return f.message(&d.locations)
	case fieldFunction:
		return f.message(&d.functions)
	case fieldString:
		if f.wire != wireBytes || len(d.strings) == 0 && len(f.data) > 0 {
			return errMalformed
		}
		d.strings = append(d.strings, string(f.data))
		return nil
	case fieldPeriodType:
		if f.wire != wireBytes {
			return errMalformed
		}
		d.periodType = f.data
		return nil
	case fieldComment:
		return f.int64s(&d.comments)
	case fieldTimeNanos:
		if d.timeNanos != 0 {
			return fail(Damaged, "split it, or merge them with `go tool pprof -proto`", "these are several profiles, one after another")
		}
	}
	numbers := map[int]*int64{
		fieldDropFrames: &d.dropFrames, fieldKeepFrames: &d.keepFrames, fieldTimeNanos: &d.timeNanos, fieldDurationNanos: &d.duration,
		fieldPeriod: &d.period, fieldDefaultType: &d.defaultType, fieldDocURL: &d.docURL,
	}
	if to := numbers[f.num]; to != nil {
		return f.int64(to)
	}
	return nil
}

func (d *pprofDecoder) str(i int64) (string, error) {
	if i < 0 || i >= int64(len(d.strings)) {
		return "", errMalformed
	}
	return d.strings[i], nil
}

// valueType decodes message ValueType.
func (d *pprofDecoder) valueType(data []byte) (profiles.ValueType, error) {
	var typ, unit int64
	err := fields(data, func(f field) error {
		switch f.num {
		case 1:
			return f.int64(&typ)
		case 2:
			return f.int64(&unit)
		}
		return nil
	})
	if err != nil {
		return profiles.ValueType{}, err
	}
	t, err := d.str(typ)
	if err != nil {
		return profiles.ValueType{}, err
	}
	u, err := d.str(unit)
	return profiles.ValueType{Type: foreign.Clean(t).String(), Unit: foreign.Clean(u).String()}, err
}

// head fills the fields of the profile as a whole.
func (d *pprofDecoder) head() error {
	var err error
	if d.out.PeriodType, err = d.valueType(d.periodType); err != nil {
		return err
	}
	d.out.Period = d.period
	d.out.Duration = time.Duration(d.duration)
	if d.timeNanos != 0 {
		d.out.Time = time.Unix(0, d.timeNanos)
	}
	var def, doc string
	for _, s := range []struct {
		index int64
		to    *string
	}{{d.dropFrames, &d.out.DropFrames}, {d.keepFrames, &d.out.KeepFrames}, {d.defaultType, &def}, {d.docURL, &doc}} {
		if *s.to, err = d.str(s.index); err != nil {
			return err
		}
	}
	d.out.DefaultType, d.out.DocURL = foreign.Clean(def).String(), foreign.Clean(doc)
	for _, i := range d.comments {
		c, err := d.str(i)
		if err != nil {
			return err
		}
		d.out.Comments = append(d.out.Comments, foreign.Clean(c))
	}
	return nil
}

func (d *pprofDecoder) readMappings() error {
	for _, data := range d.mappings {
		var id uint64
		var file, build int64
		var m profiles.Mapping
		err := fields(data, func(f field) error {
			switch f.num {
			case 1:
				return f.uint64(&id)
			case 2:
				return f.uint64(&m.Start)
			case 3:
				return f.uint64(&m.Limit)
			case 4:
				return f.uint64(&m.Offset)
			case 5:
				return f.int64(&file)
			case 6:
				return f.int64(&build)
			case 7:
				return f.bool(&m.HasFunctions)
			case 8:
				return f.bool(&m.HasFilenames)
			case 9:
				return f.bool(&m.HasLineNumbers)
			case 10:
				return f.bool(&m.HasInlineFrames)
			}
			return nil
		})
		if err != nil {
			return err
		}
		fileName, err := d.str(file)
		if err != nil {
			return err
		}
		buildID, err := d.str(build)
		if err != nil {
			return err
		}
		m.File, m.BuildID = profiles.Symbol(fileName), profiles.Symbol(buildID)
		if err := d.mappingIDs.set(id, d.b.Mapping(m), len(d.mappings)); err != nil {
			return err
		}
	}
	return nil
}

func (d *pprofDecoder) readFunctions() error {
	for _, data := range d.functions {
		var id uint64
		var name, system, file, start int64
		err := fields(data, func(f field) error {
			switch f.num {
			case 1:
				return f.uint64(&id)
			case 2:
				return f.int64(&name)
			case 3:
				return f.int64(&system)
			case 4:
				return f.int64(&file)
			case 5:
				return f.int64(&start)
			}
			return nil
		})
		if err != nil {
			return err
		}
		var s [3]string
		for i, x := range []int64{name, system, file} {
			if s[i], err = d.str(x); err != nil {
				return err
			}
		}
		if err := d.functionIDs.set(id, d.b.Function(s[0], s[1], s[2], start), len(d.functions)); err != nil {
			return err
		}
	}
	return nil
}

func (d *pprofDecoder) readLocations() error {
	for _, data := range d.locations {
		var id, mapping uint64
		var l profiles.Location
		err := fields(data, func(f field) error {
			switch f.num {
			case 1:
				return f.uint64(&id)
			case 2:
				return f.uint64(&mapping)
			case 3:
				return f.uint64(&l.Address)
			case 4:
				return d.line(f, &l)
			case 5:
				return f.bool(&l.Folded)
			}
			return nil
		})
		if err != nil {
			return err
		}
		l.Mapping = d.mappingIDs.get(mapping)
		if d.coarse {
			l.Address, l.Folded = 0, false
			for i := range l.Lines {
				l.Lines[i].Line, l.Lines[i].Column = 0, 0
			}
		}
		if err := d.locationIDs.set(id, d.b.Location(l), len(d.locations)); err != nil {
			return err
		}
	}
	return nil
}

func (d *pprofDecoder) line(f field, l *profiles.Location) error {
	if f.wire != wireBytes {
		return errMalformed
	}
	var function uint64
	var ln profiles.Line
	err := fields(f.data, func(f field) error {
		switch f.num {
		case 1:
			return f.uint64(&function)
		case 2:
			return f.int64(&ln.Line)
		case 3:
			return f.int64(&ln.Column)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if ln.Function = d.functionIDs.get(function); ln.Function < 0 {
		return errors.New("a location names a function that is not there")
	}
	l.Lines = append(l.Lines, ln)
	return nil
}
