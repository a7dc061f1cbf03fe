package decode

import (
	"errors"
	"fmt"
	"sort"

	"midwatch/foreign"
	"midwatch/profiles"
)

// readSamples walks all samples. This loop is where a large profile's time
// goes: it allocates nothing for a sample, and it finds the stack's node from
// what it shares with the stack before, because recorders write neighbouring
// stacks one after another.
func (d *pprofDecoder) readSamples() error {
	d.nodes = append(d.nodes, 0)
	for _, data := range d.samples {
		if err := d.sample(data); err != nil {
			return err
		}
		if d.b.Full() && !d.coarse {
			return nil // begin again without lines
		}
	}
	return nil
}

func (d *pprofDecoder) sample(data []byte) error {
	d.ids, d.values, d.raw = d.ids[:0], d.values[:0], d.raw[:0]
	for len(data) > 0 {
		f, rest, err := next(data)
		if err != nil {
			return err
		}
		switch f.num {
		case 1:
			err = d.locationsOf(f)
		case 2:
			err = f.int64s(&d.values)
		case 3:
			if f.wire != wireBytes {
				return errMalformed
			}
			// The label's bytes with its header: enough to know the set again.
			d.raw = append(d.raw, data[:len(data)-len(rest)]...)
		}
		if err != nil {
			return err
		}
		data = rest
	}
	if len(d.values) != len(d.types) {
		return fmt.Errorf("a sample has %d values for %d sample types", len(d.values), len(d.types))
	}
	labels := int32(0)
	if len(d.raw) > 0 {
		var err error
		if labels, err = d.labelSet(); err != nil {
			return err
		}
	}
	d.b.Add(d.node(), labels, d.values...)
	return nil
}

// locationsOf appends location ids, translated to indices.
func (d *pprofDecoder) locationsOf(f field) error {
	if f.wire == wireVarint {
		return d.location(f.value)
	}
	if f.wire != wireBytes {
		return errMalformed
	}
	data := f.data
	for i := 0; i < len(data); {
		id := uint64(data[i])
		i++
		if id >= 0x80 {
			// Most ids take two bytes.
			if i < len(data) && data[i] < 0x80 {
				id = id&0x7f | uint64(data[i])<<7
				i++
			} else {
				v, n := varint(data[i-1:])
				if n <= 0 {
					return errTruncated
				}
				id = v
				i += n - 1
			}
		}
		if err := d.location(id); err != nil {
			return err
		}
	}
	return nil
}

func (d *pprofDecoder) location(id uint64) error {
	l := d.locationIDs.get(id)
	if l < 0 {
		return errors.New("a sample names a location that is not there")
	}
	d.ids = append(d.ids, l)
	return nil
}

// node returns the node of the stack in d.ids (leaf first).
func (d *pprofDecoder) node() int32 {
	ids := d.ids
	if len(ids) > d.limits.Depth {
		// Keep the callers, for a tree that does not fan out, and the leaf,
		// for flat values that stay right.
		d.deep++
		kept := ids[len(ids)-d.limits.Depth:]
		kept[0] = ids[0]
		ids = kept
	}
	// d.nodes[k] is the node after the k outermost frames of the stack before.
	shared := 0
	for shared < len(ids) && shared < len(d.stack) && ids[len(ids)-1-shared] == d.stack[len(d.stack)-1-shared] {
		shared++
	}
	d.nodes = d.nodes[:shared+1]
	n := d.nodes[shared]
	for i := len(ids) - 1 - shared; i >= 0; i-- {
		n = d.b.Child(n, ids[i])
		d.nodes = append(d.nodes, n)
	}
	d.stack = append(d.stack[:0], ids...)
	return n
}

// labelSet returns the set of the labels in d.raw.
func (d *pprofDecoder) labelSet() (int32, error) {
	if i, ok := d.sets[string(d.raw)]; ok {
		return i, nil
	}
	var set []profiles.Label
	err := fields(d.raw, func(f field) error {
		l, ok, err := d.label(f.data)
		if ok {
			set = append(set, l)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	// In the order of profiles.FromProto: strings by key, then numbers by key.
	sort.SliceStable(set, func(i, j int) bool {
		if set[i].Numeric != set[j].Numeric {
			return set[j].Numeric
		}
		return set[i].Key < set[j].Key
	})
	i := d.b.Labels(set)
	d.sets[string(d.raw)] = i
	return i, nil
}

// label decodes message Label. One that has neither text nor number says
// nothing and is left out, as pprof does.
func (d *pprofDecoder) label(data []byte) (profiles.Label, bool, error) {
	var key, str, num, unit int64
	err := fields(data, func(f field) error {
		switch f.num {
		case 1:
			return f.int64(&key)
		case 2:
			return f.int64(&str)
		case 3:
			return f.int64(&num)
		case 4:
			return f.int64(&unit)
		}
		return nil
	})
	if err != nil {
		return profiles.Label{}, false, err
	}
	k, err := d.str(key)
	if err != nil {
		return profiles.Label{}, false, err
	}
	l := profiles.Label{Key: foreign.Clean(k)}
	if str != 0 {
		s, err := d.str(str)
		l.Str = foreign.Clean(s)
		return l, true, err
	}
	u, err := d.str(unit)
	l.Num, l.Unit, l.Numeric = num, foreign.Clean(u), true
	return l, num != 0 || unit != 0, err
}
