// Package decode reads profiles of every format midwatch knows into the one
// model of package profiles.
//
// The format is recognised from the content, never from a name, because a
// pod's endpoint or a file may be called anything. Input is untrusted: sizes
// are bounded before anything is allocated for them, names are cleaned, and a
// profile that is damaged gives one line that says so. Where part of the data
// is still valid, that part is returned with a warning.
package decode

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"midwatch/foreign"
	"midwatch/profiles"
)

// Limits bound what one profile may cost. The zero value of a field takes the
// field from [DefaultLimits].
type Limits struct {
	Compressed int64 // bytes as read
	Raw        int64 // bytes after decompression
	Samples    int64 // sample records
	Depth      int   // frames of one stack; deeper ones lose their middle
	Paths      int   // distinct call paths
}

// DefaultLimits suit a jump host: a profile at every limit still decodes in a
// few hundred megabytes.
func DefaultLimits() Limits {
	return Limits{Compressed: 64 << 20, Raw: 512 << 20, Samples: 2_000_000, Depth: 2_000, Paths: profiles.MaxPaths}
}

func (l Limits) filled() Limits {
	d := DefaultLimits()
	if l.Compressed <= 0 {
		l.Compressed = d.Compressed
	}
	if l.Raw <= 0 {
		l.Raw = d.Raw
	}
	if l.Samples <= 0 {
		l.Samples = d.Samples
	}
	if l.Depth <= 1 {
		l.Depth = d.Depth
	}
	if l.Paths <= 0 {
		l.Paths = d.Paths
	}
	return l
}

// newBuilder begins a profile within the limits.
func newBuilder(limits Limits, format profiles.Format, exactness profiles.Exactness, types ...profiles.ValueType) *profiles.Builder {
	return profiles.NewBuilder(format, exactness, types...).LimitPaths(limits.Paths)
}

// Error is a profile that could not be read. Its text is one line: what is
// wrong, then what to do.
type Error struct {
	Kind Kind
	Why  string
	Next string // may be empty
}

// Kind sorts the ways in which a profile cannot be read.
type Kind int

// The kinds of errors.
const (
	Unknown   Kind = iota // no format midwatch knows
	EmptyFile             // no bytes at all
	HTML                  // a web page, most often a login page or a proxy's error
	Cut                   // the data ends early
	Damaged               // of a known format, but inconsistent
	TooLarge              // beyond the limits
)

func (e *Error) Error() string {
	if e.Next == "" {
		return e.Why
	}
	return e.Why + ": " + e.Next
}

func fail(kind Kind, next, why string, args ...any) error {
	return &Error{Kind: kind, Why: fmt.Sprintf(why, args...), Next: next}
}

// File reads a profile from a file; "-" is standard input.
func File(path string, limits Limits) (*profiles.Profile, error) {
	var r io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // only read from
		r = f
	}
	p, err := Reader(r, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.Source = foreign.Clean(path).String()
	return p, nil
}

// Reader reads a profile to its end, at most limits.Compressed bytes of it
// when compressed and limits.Raw when not.
func Reader(r io.Reader, limits Limits) (*profiles.Profile, error) {
	limits = limits.filled()
	in := bufio.NewReader(r)
	most := limits.Raw
	if head, err := in.Peek(2); err == nil && head[0] == 0x1f && head[1] == 0x8b {
		most = limits.Compressed
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	return Bytes(data, limits)
}

// Bytes decodes a profile held in memory. The result does not refer to data.
func Bytes(data []byte, limits Limits) (*profiles.Profile, error) {
	limits = limits.filled()
	raw, cut, err := inflate(data, limits)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, fail(EmptyFile, "the endpoint or the recorder wrote nothing", "the profile is empty (0 bytes)")
	}
	p, err := decodeRaw(raw, cut, limits)
	if err != nil {
		return nil, err
	}
	if len(p.Nodes) > limits.Paths {
		return nil, tooLarge("the profile has more than %d different call paths", limits.Paths)
	}
	if cut {
		p.Warnings = append(p.Warnings, "the file ends early: only what came before is shown")
	}
	if p.Empty() {
		p.Warnings = append(p.Warnings, emptyReason(p))
	}
	return p, nil
}

// A real profile packs to a tenth, folded stacks to a fiftieth at best. What
// claims more than mostRatio is a bomb, and is not unpacked beyond leastRaw.
const (
	mostRatio = 200
	leastRaw  = 64 << 20
)

// inflate undoes gzip, within limits. cut says that the data ended early and
// raw is what came before.
func inflate(data []byte, limits Limits) (raw []byte, cut bool, err error) {
	if len(data) < 2 || data[0] != 0x1f || data[1] != 0x8b {
		if int64(len(data)) > limits.Raw {
			return nil, false, tooLarge("the profile is larger than %s", size(limits.Raw))
		}
		return data, false, nil
	}
	if int64(len(data)) > limits.Compressed {
		return nil, false, tooLarge("the compressed profile is larger than %s", size(limits.Compressed))
	}
	gz, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, false, fail(Cut, "capture it again", "the gzip header is damaged (%s)", clean(err))
	}
	limits.Raw = min(limits.Raw, max(leastRaw, mostRatio*int64(len(data))))
	var out bytes.Buffer
	out.Grow(int(min(int64(len(data))*4, limits.Raw, 256<<20)))
	_, err = io.Copy(&out, io.LimitReader(gz, limits.Raw+1))
	switch {
	case int64(out.Len()) > limits.Raw:
		return nil, false, tooLarge("the profile unpacks to more than %s (from %s)", size(limits.Raw), size(int64(len(data))))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return out.Bytes(), true, nil
	case err != nil:
		return nil, false, fail(Damaged, "capture it again", "the gzip data is damaged after %s (%s)", size(int64(out.Len())), clean(err))
	}
	return out.Bytes(), false, nil
}

func tooLarge(why string, args ...any) error {
	return fail(TooLarge, "save it to a file and open it on a larger machine, or record for a shorter time", why, args...)
}

func clean(err error) string { return foreign.CleanN(err.Error(), 200).String() }

func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.4g MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.4g kB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// emptyReason says why a profile of this type may hold no samples.
func emptyReason(p *profiles.Profile) string {
	for _, t := range p.Types {
		switch t.Type {
		case "contentions", "delay":
			return "no samples: block and mutex profiles stay empty until the program calls runtime.SetBlockProfileRate or SetMutexProfileFraction"
		case "cpu":
			return "no samples: the process used (almost) no CPU in that time"
		}
	}
	return "no samples: nothing was recorded in that time"
}

// text reports whether data looks like text: valid UTF-8 in its first part
// and free of NUL.
func text(data []byte) bool {
	head := data[:min(len(data), 4096)]
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 && len(head) > utf8.UTFMax {
			return false
		}
		head = head[n:]
	}
	return true
}

// clampDuration converts nanoseconds that came as a decimal; what cannot be a
// duration is unknown.
func clampDuration(ns float64) time.Duration {
	if !(ns > 0) || ns > float64(365*24*time.Hour) {
		return 0
	}
	return time.Duration(ns)
}
