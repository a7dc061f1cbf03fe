package secret

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// Mask is what stands for a secret, of one width for every value: a mask as
// long as the value would tell its length.
const Mask = "••••••"

// Bytes is a value that was read to be shown for a moment, and can be cleared
// afterwards: one key of a secret. It prints, marshals and logs as the
// placeholder, like a [Value]. The zero Bytes is empty. Copies share the bytes:
// [Bytes.Zero] clears all of them. It is safe for concurrent use.
//
// It does not claim to keep copies out of memory: a decoder, an HTTP buffer
// and the drawn frame have each seen the value. It sees to it that midwatch
// keeps none longer than it has to.
type Bytes struct{ held *held }

type held struct {
	mu    sync.Mutex
	bytes []byte
}

// Take makes a Bytes of a buffer and takes it over: the caller keeps no copy.
func Take(value []byte) Bytes { return Bytes{held: &held{bytes: value}} }

// Empty reports whether there is nothing, or nothing any more.
func (b Bytes) Empty() bool {
	if b.held == nil {
		return true
	}
	b.held.mu.Lock()
	defer b.held.mu.Unlock()
	return len(b.held.bytes) == 0
}

// Expose calls use with the bytes themselves, which must not be kept. It is
// the only way to them, so that a search for its name finds every use.
func (b Bytes) Expose(use func(value []byte)) {
	if b.held == nil {
		use(nil)
		return
	}
	b.held.mu.Lock()
	defer b.held.mu.Unlock()
	use(b.held.bytes)
}

// Zero overwrites the value; from then on the secret is empty.
func (b Bytes) Zero() {
	if b.held == nil {
		return
	}
	b.held.mu.Lock()
	defer b.held.mu.Unlock()
	Wipe(b.held.bytes)
	b.held.bytes = nil
}

// Wipe overwrites a buffer that has held a value.
func Wipe(buf []byte) { clear(buf[:cap(buf)]) }

// String, GoString, Format, MarshalText, MarshalJSON, MarshalYAML and LogValue
// all hide the value.
func (Bytes) String() string { return hidden }

// GoString hides the value from %#v.
func (Bytes) GoString() string { return hidden }

// Format hides the value from every verb.
func (Bytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText hides the value from encoders of text.
func (Bytes) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON hides the value from encoding/json.
func (Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalYAML hides the value from YAML encoders.
func (Bytes) MarshalYAML() (any, error) { return hidden, nil }

// LogValue hides the value from log/slog.
func (Bytes) LogValue() slog.Value { return slog.StringValue(hidden) }
