package decode

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// Python's marshal format, as far as pstats files use it: dictionaries,
// tuples, lists, strings, numbers. Codes: CPython Python/marshal.c.

var errMarshal = errors.New("not marshal data")

// maxNesting bounds how deeply containers nest: a stats file has four levels.
const maxNesting = 32

// marshalPair is one entry of a dictionary. Keys are tuples, so a Go map
// would not do.
type marshalPair struct{ key, value any }

type marshalReader struct {
	data  []byte
	at    int
	refs  []any
	depth int
	items int64
	limit int64 // of items in all: a small file can ask for many
}

// isMarshalDict reports whether data begins like marshal.dump of a dict whose
// first key is a tuple, or of an empty one.
func isMarshalDict(data []byte) bool {
	if len(data) < 2 || data[0]&^0x80 != '{' {
		return false
	}
	switch data[1] &^ 0x80 {
	case '(', ')', '0':
		return true
	}
	return false
}

func (r *marshalReader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.data)-r.at {
		return nil, errTruncated
	}
	b := r.data[r.at : r.at+n]
	r.at += n
	return b, nil
}

func (r *marshalReader) long() (int, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return int(int32(binary.LittleEndian.Uint32(b))), nil
}

// null ends a dictionary.
type null struct{}

// value reads one object.
func (r *marshalReader) value() (any, error) {
	if r.items++; r.items > r.limit {
		return nil, tooLarge("the stats hold more than %d objects", r.limit)
	}
	if r.depth++; r.depth > maxNesting {
		return nil, errMarshal
	}
	defer func() { r.depth-- }()
	b, err := r.take(1)
	if err != nil {
		return nil, err
	}
	code, ref := b[0]&^0x80, b[0]&0x80 != 0
	slot := -1
	if ref && code != 'r' {
		// A container takes its number before its contents do.
		slot = len(r.refs)
		r.refs = append(r.refs, nil)
	}
	v, err := r.object(code)
	if err == nil && slot >= 0 {
		r.refs[slot] = v
	}
	return v, err
}

func (r *marshalReader) object(code byte) (any, error) {
	switch code {
	case '0':
		return null{}, nil
	case 'N', 'T', 'F', '.':
		return nil, nil
	case 'i', 'l', 'g', 'f', 'I':
		return r.number(code)
	case 's', 'u', 'a', 'A', 't':
		return r.text(4)
	case 'z', 'Z':
		return r.text(1)
	case 'r':
		n, err := r.long()
		if err != nil || n < 0 || n >= len(r.refs) {
			return nil, errMarshal
		}
		return r.refs[n], nil
	case ')':
		b, err := r.take(1)
		if err != nil {
			return nil, err
		}
		return r.list(int(b[0]))
	case '(', '[':
		n, err := r.long()
		if err != nil {
			return nil, err
		}
		return r.list(n)
	case '{':
		return r.dict()
	}
	return nil, errMarshal
}

// number reads an integer or a decimal; both come back as float64.
func (r *marshalReader) number(code byte) (any, error) {
	switch code {
	case 'i':
		n, err := r.long()
		return float64(n), err
	case 'l':
		return r.digits()
	case 'g':
		b, err := r.take(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
	case 'f':
		s, err := r.text(1)
		if err != nil {
			return nil, err
		}
		v, err := strconv.ParseFloat(s, 64)
		return v, err
	case 'I':
		b, err := r.take(8)
		if err != nil {
			return nil, err
		}
		return float64(int64(binary.LittleEndian.Uint64(b))), nil
	}
	return nil, errMarshal
}

// text reads a string with a length of width bytes.
func (r *marshalReader) text(width int) (string, error) {
	if width == 1 {
		b, err := r.take(1)
		if err != nil {
			return "", err
		}
		b, err = r.take(int(b[0]))
		return string(b), err
	}
	n, err := r.long()
	if err != nil {
		return "", err
	}
	b, err := r.take(n)
	return string(b), err
}

// digits reads an integer of many digits of 15 bits.
func (r *marshalReader) digits() (any, error) {
	n, err := r.long()
	if err != nil {
		return nil, err
	}
	sign := 1.0
	if n < 0 {
		sign, n = -1, -n
	}
	b, err := r.take(2 * n)
	if err != nil {
		return nil, err
	}
	v := 0.0
	for i := n - 1; i >= 0; i-- {
		v = v*32768 + float64(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return sign * v, nil
}

func (r *marshalReader) list(n int) (any, error) {
	if n < 0 || n > len(r.data)-r.at {
		return nil, errTruncated // every item takes a byte at least
	}
	items := make([]any, 0, min(n, 1024))
	for range n {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return items, nil
}

func (r *marshalReader) dict() (any, error) {
	var pairs []marshalPair
	for {
		k, err := r.value()
		if err != nil {
			return pairs, err
		}
		if _, end := k.(null); end {
			return pairs, nil
		}
		v, err := r.value()
		if err != nil {
			return pairs, err
		}
		pairs = append(pairs, marshalPair{k, v})
	}
}
