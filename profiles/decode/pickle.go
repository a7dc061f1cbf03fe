package decode

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// Python's pickle format, as far as tracemalloc snapshots use it. A pickle is
// a program for a stack machine that can call anything by name; this reader
// makes plain data of it and knows two names, both of tracemalloc, which it
// turns into containers. It calls nothing.

var errPickle = errors.New("not a snapshot of tracemalloc")

// pickled is an object of a class, with its state.
type pickled struct {
	class string
	state any
}

type pickleMark struct{}

type pickleReader struct {
	data  []byte
	at    int
	stack []any
	memo  map[int]any
	items int64
	limit int64
}

// isPickle reports data that begins with a pickle's protocol number, 2 to 5.
func isPickle(data []byte) bool {
	return len(data) > 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5
}

func (r *pickleReader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.data)-r.at {
		return nil, errTruncated
	}
	b := r.data[r.at : r.at+n]
	r.at += n
	return b, nil
}

// uint reads a little-endian number of n bytes.
func (r *pickleReader) uint(n int) (int, error) {
	b, err := r.take(n)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	v := binary.LittleEndian.Uint64(wide[:])
	if v > 1<<62 {
		return 0, errPickle
	}
	return int(v), nil
}

func (r *pickleReader) push(v any) { r.stack = append(r.stack, v) }

func (r *pickleReader) pop() (any, error) {
	if len(r.stack) == 0 {
		return nil, errPickle
	}
	v := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	return v, nil
}

// popMark returns what was pushed since the last mark.
func (r *pickleReader) popMark() ([]any, error) {
	for i := len(r.stack) - 1; i >= 0; i-- {
		if _, ok := r.stack[i].(pickleMark); ok {
			items := append([]any(nil), r.stack[i+1:]...)
			r.stack = r.stack[:i]
			return items, nil
		}
	}
	return nil, errPickle
}

// load runs the pickle and returns the object it makes.
func (r *pickleReader) load() (any, error) {
	r.memo = map[int]any{}
	for {
		if r.items++; r.items > r.limit {
			return nil, tooLarge("the snapshot holds more than %d objects", r.limit)
		}
		op, err := r.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			return r.pop()
		}
		if err := r.step(op[0]); err != nil {
			return nil, err
		}
	}
}

func (r *pickleReader) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := r.take(1)
		return err
	case 0x95: // FRAME
		_, err := r.take(8)
		return err
	case 'N', 0x88, 0x89: // NONE, NEWTRUE, NEWFALSE
		r.push(nil)
	case '(':
		r.push(pickleMark{})
	case ')', ']', '}': // empty tuple, list, dict
		if op == '}' {
			r.push(map[string]any{})
		} else {
			r.push(&[]any{})
		}
	case 'K', 'M', 'J', 0x8a: // integers
		return r.integer(op)
	case 0x8c, 'X', 0x8d: // strings
		return r.text(op)
	case 'q', 'r', 0x94, 'h', 'j': // memo
		return r.memory(op)
	case 0x85, 0x86, 0x87, 't', 'a', 'e', 's', 'u':
		return r.collect(op)
	case 'c', 0x93, 0x81, 'b':
		return r.object(op)
	default:
		return errPickle
	}
	return nil
}

func (r *pickleReader) integer(op byte) error {
	switch op {
	case 'K', 'M':
		n, err := r.uint(map[byte]int{'K': 1, 'M': 2}[op])
		r.push(int64(n))
		return err
	case 'J':
		n, err := r.uint(4)
		r.push(int64(int32(uint32(n))))
		return err
	}
	n, err := r.uint(1)
	if err != nil {
		return err
	}
	b, err := r.take(n)
	if err != nil || n > 8 {
		return errPickle
	}
	var v int64
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | int64(b[i])
	}
	if n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		v -= 1 << (8 * n)
	}
	r.push(v)
	return nil
}

func (r *pickleReader) text(op byte) error {
	n, err := r.uint(map[byte]int{0x8c: 1, 'X': 4, 0x8d: 8}[op])
	if err != nil {
		return err
	}
	b, err := r.take(n)
	r.push(string(b))
	return err
}

// memory stores and fetches what occurs more than once.
func (r *pickleReader) memory(op byte) error {
	if op == 0x94 {
		if len(r.stack) == 0 {
			return errPickle
		}
		r.memo[len(r.memo)] = r.stack[len(r.stack)-1]
		return nil
	}
	width := 1
	if op == 'r' || op == 'j' {
		width = 4
	}
	n, err := r.uint(width)
	if err != nil {
		return err
	}
	if op == 'h' || op == 'j' {
		v, ok := r.memo[n]
		if !ok {
			return errPickle
		}
		r.push(v)
		return nil
	}
	if len(r.stack) == 0 {
		return errPickle
	}
	r.memo[n] = r.stack[len(r.stack)-1]
	return nil
}

// collect builds tuples, lists and dicts.
func (r *pickleReader) collect(op byte) error {
	switch op {
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		n := int(op-0x85) + 1
		if len(r.stack) < n {
			return errPickle
		}
		items := append([]any(nil), r.stack[len(r.stack)-n:]...)
		r.stack = r.stack[:len(r.stack)-n]
		r.push(&items)
		return nil
	case 't':
		items, err := r.popMark()
		r.push(&items)
		return err
	}
	var items []any
	if op == 'a' || op == 's' {
		for range map[byte]int{'a': 1, 's': 2}[op] {
			v, err := r.pop()
			if err != nil {
				return err
			}
			items = append([]any{v}, items...)
		}
	} else {
		var err error
		if items, err = r.popMark(); err != nil {
			return err
		}
	}
	if len(r.stack) == 0 {
		return errPickle
	}
	switch to := r.stack[len(r.stack)-1].(type) {
	case *[]any:
		*to = append(*to, items...)
	case map[string]any:
		for i := 0; i+1 < len(items); i += 2 {
			k, ok := items[i].(string)
			if !ok {
				return errPickle
			}
			to[k] = items[i+1]
		}
	default:
		return errPickle
	}
	return nil
}

// object names a class, makes an object of it and gives it its state.
func (r *pickleReader) object(op byte) error {
	switch op {
	case 'c': // GLOBAL: two lines
		end := strings.IndexByte(string(r.data[r.at:min(len(r.data), r.at+256)]), '\n')
		if end < 0 {
			return errPickle
		}
		rest := string(r.data[r.at+end+1 : min(len(r.data), r.at+end+257)])
		name, _, ok := strings.Cut(rest, "\n")
		if !ok {
			return errPickle
		}
		module := string(r.data[r.at : r.at+end])
		r.at += end + len(name) + 2
		return r.class(module, name)
	case 0x93: // STACK_GLOBAL
		name, err := r.pop()
		if err != nil {
			return err
		}
		module, err := r.pop()
		if err != nil {
			return err
		}
		n, ok1 := name.(string)
		m, ok2 := module.(string)
		if !ok1 || !ok2 {
			return errPickle
		}
		return r.class(m, n)
	}
	top, err := r.pop()
	if err != nil || len(r.stack) == 0 {
		return errPickle
	}
	of, ok := r.stack[len(r.stack)-1].(*pickled)
	if !ok {
		return errPickle
	}
	if op == 0x81 { // NEWOBJ: class and arguments, of which there are none
		r.stack[len(r.stack)-1] = &pickled{class: of.class}
		return nil
	}
	of.state = top
	return nil
}

// class allows the two classes of a snapshot.
func (r *pickleReader) class(module, name string) error {
	if module != "tracemalloc" || name != "Snapshot" && name != "_Traces" {
		return fail(Damaged, "only tracemalloc snapshots are read from pickles", "this pickle holds a %s", strconv.Quote(module+"."+name))
	}
	r.push(&pickled{class: name})
	return nil
}
