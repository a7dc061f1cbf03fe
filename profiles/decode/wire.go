package decode

import (
	"errors"
)

// The wire types of protobuf that occur (the deprecated groups do not).
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// field is one field of a protobuf message.
type field struct {
	num   int
	wire  int
	value uint64 // varint and fixed
	data  []byte // bytes
}

// varint reads one varint and returns its length, 0 or less when it is cut or
// longer than ten bytes.
func varint(data []byte) (uint64, int) {
	var v uint64
	for i := 0; i < len(data) && i < 10; i++ {
		c := data[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// next splits the first field off data.
func next(data []byte) (field, []byte, error) {
	key, n := varint(data)
	if n <= 0 {
		return field{}, nil, errTruncated
	}
	data = data[n:]
	f := field{num: int(key >> 3), wire: int(key & 7)}
	switch f.wire {
	case wireVarint:
		if f.value, n = varint(data); n <= 0 {
			return f, nil, errTruncated
		}
		return f, data[n:], nil
	case wireBytes:
		length, n := varint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return f, nil, errTruncated
		}
		end := n + int(length)
		f.data = data[n:end]
		return f, data[end:], nil
	case wireFixed64, wireFixed32:
		width := 8
		if f.wire == wireFixed32 {
			width = 4
		}
		if len(data) < width {
			return f, nil, errTruncated
		}
		for i := width - 1; i >= 0; i-- {
			f.value = f.value<<8 | uint64(data[i])
		}
		return f, data[width:], nil
	}
	return f, nil, errMalformed
}

// fields calls visit for every field of a message.
func fields(data []byte, visit func(field) error) error {
	for len(data) > 0 {
		f, rest, err := next(data)
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		data = rest
	}
	return nil
}

func (f field) message(to *[][]byte) error {
	if f.wire != wireBytes {
		return errMalformed
	}
	*to = append(*to, f.data)
	return nil
}

func (f field) int64(to *int64) error {
	if f.wire != wireVarint {
		return errMalformed
	}
	*to = int64(f.value)
	return nil
}

func (f field) uint64(to *uint64) error {
	if f.wire != wireVarint {
		return errMalformed
	}
	*to = f.value
	return nil
}

func (f field) bool(to *bool) error {
	if f.wire != wireVarint {
		return errMalformed
	}
	*to = f.value != 0
	return nil
}

// int64s appends a repeated field, packed or not.
func (f field) int64s(to *[]int64) error {
	switch f.wire {
	case wireVarint:
		*to = append(*to, int64(f.value))
		return nil
	case wireBytes:
		for data := f.data; len(data) > 0; {
			v, n := varint(data)
			if n <= 0 {
				return errTruncated
			}
			*to = append(*to, int64(v))
			data = data[n:]
		}
		return nil
	}
	return errMalformed
}

// idTable maps ids, dense or not, to indices.
type idTable struct {
	dense  []int32 // index + 1
	sparse map[uint64]int32
}

var errDuplicate = errors.New("an id is used twice")

// set stores the index of id; n is how many ids there are in all.
func (t *idTable) set(id uint64, index int32, n int) error {
	if id == 0 {
		return errors.New("an id is 0")
	}
	if t.get(id) >= 0 {
		return errDuplicate
	}
	if t.dense == nil {
		t.dense = make([]int32, n+n/2+2)
	}
	if id < uint64(len(t.dense)) {
		t.dense[id] = index + 1
		return nil
	}
	if t.sparse == nil {
		t.sparse = map[uint64]int32{}
	}
	t.sparse[id] = index
	return nil
}

// get returns the index of id, or -1.
func (t *idTable) get(id uint64) int32 {
	if id < uint64(len(t.dense)) {
		return t.dense[id] - 1
	}
	if i, ok := t.sparse[id]; ok {
		return i
	}
	return -1
}
