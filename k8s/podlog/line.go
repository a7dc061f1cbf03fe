package podlog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"midwatch/foreign"
)

// Line is a line of a log, or a note of ours between the lines.
type Line struct {
	// At is when the container runtime took the line, by the node's clock; of
	// a note, when it was made.
	At time.Time
	// Pod and Container wrote it.
	Pod, Container string
	// Text is cleaned and at most [MaxText] bytes long; a cut one ends in "…".
	Text foreign.Text
	// Note marks what the stream says itself: "restarted after exit 1 (Error)".
	Note bool
}

// MaxText bounds a line's text in bytes, the mark of the cut not counted. Ten
// thousand of the longest lines are 40 MiB.
const MaxText = foreign.MaxLine

// clean makes a line's text of what the container wrote. Colours are taken
// off; everything else that is not text stays visible as an escape.
func clean(raw []byte) foreign.Text {
	text := foreign.Clean(strings.TrimSuffix(string(withoutColours(raw)), "\r"))
	if len(text) <= MaxText+len("…") {
		return text
	}
	at := MaxText
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return text[:at] + "…"
}

// withoutColours takes out "ESC [ parameters m" (ECMA-48 8.3.117, SGR), which
// changes how text looks and nothing else. raw is not written to.
func withoutColours(raw []byte) []byte {
	if bytes.IndexByte(raw, 0x1b) < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if n := colour(raw[i:]); n > 0 {
			i += n
			continue
		}
		out = append(out, raw[i])
		i++
	}
	return out
}

// colour is the length of the SGR sequence that b begins with, or 0.
func colour(b []byte) int {
	if len(b) < 3 || b[0] != 0x1b || b[1] != '[' {
		return 0
	}
	for i := 2; i < len(b); i++ {
		switch c := b[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

// stamped splits "2026-11-24T03:40:00.123456789Z text", the form pods/log has
// with timestamps=true. A line without a stamp (written by a proxy, or cut)
// keeps the zero time.
func stamped(raw []byte) (time.Time, []byte) {
	stamp, text, ok := bytes.Cut(raw, []byte(" "))
	if !ok {
		stamp = raw // an empty line: the runtime writes the stamp alone
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return time.Time{}, raw
	}
	return at, text
}

// maxRaw is how much of one line is read; the rest of it is skipped. A stamp,
// and colours that will be taken off, stand before the text.
const maxRaw = MaxText + 1024

// lines reads lines of bounded length.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) *lines { return &lines{bufio.NewReaderSize(r, maxRaw)} }

// next returns a line without its end; it is valid until the next call. A last
// line without an end counts when the log ended there, not when the connection
// was cut: it comes again in full.
func (l *lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
	}
	if err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)) {
		return nil, err //nolint:wrapcheck // io.EOF has to stay what it is
	}
	return bytes.TrimSuffix(line, []byte("\n")), nil
}
