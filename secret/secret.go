// Package secret holds values that must never be seen: tokens of the servers
// midwatch talks to. A [Value] prints, marshals and logs as a placeholder, so
// that a struct which carries one can be printed by accident without harm, and
// it is read out in exactly one way, by [Value.Reveal].
//
// The package imports the standard library only.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// hidden is what stands on every surface in place of a value.
const hidden = "‹hidden›"

// maxSize bounds a token file; tokens are far shorter.
const maxSize = 64 << 10

// Value is a token. The zero Value holds none. It cannot be compared to find
// out what it is, and no verb of fmt, no encoder and no logger shows it.
type Value struct{ p *string }

// New hides a token. Surrounding white space, which a file ends with and no
// token contains, is removed.
func New(s string) Value {
	s = strings.TrimSpace(s)
	if s == "" {
		return Value{}
	}
	return Value{p: &s}
}

// Reveal returns the token. Its one use is an Authorization header.
func (v Value) Reveal() string {
	if v.p == nil {
		return ""
	}
	return *v.p
}

// Empty reports whether there is no token.
func (v Value) Empty() bool { return v.p == nil }

// String says whether there is a value, and nothing of it.
func (v Value) String() string {
	if v.Empty() {
		return ""
	}
	return hidden
}

// GoString is [Value.String].
func (v Value) GoString() string { return v.String() }

// Format answers every verb of fmt, %#v and %x among them, with the
// placeholder.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }

// MarshalText keeps the value out of JSON, YAML and XML.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText hides a token that comes in a server's answer.
func (v *Value) UnmarshalText(b []byte) error {
	*v = New(string(b))
	return nil
}

// LogValue keeps the value out of structured logs.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Scrub replaces the token in a text that a server wrote: some echo it.
func (v Value) Scrub(text string) string {
	// A very short token would eat into ordinary words.
	if t := v.Reveal(); len(t) >= 6 {
		return strings.ReplaceAll(text, t, hidden)
	}
	return text
}

// Ref says where a token is to be read from. It is never given in the
// settings themselves, where it would be seen by everyone who reads them.
type Ref struct {
	// Env is the name of an environment variable.
	Env string `yaml:"env" json:"env,omitempty"`
	// File is a file whose whole content, without surrounding white space, is
	// the token.
	File string `yaml:"file" json:"file,omitempty"`
}

// IsZero reports whether nothing was given.
func (r Ref) IsZero() bool { return r.Env == "" && r.File == "" }

// String names the place: "$UNLEASH_TOKEN", "the file /etc/token".
func (r Ref) String() string {
	switch {
	case r.Env != "":
		return "$" + r.Env
	case r.File != "":
		return "the file " + r.File
	}
	return "nowhere"
}

// Validate says what is wrong with the reference itself.
func (r Ref) Validate() error {
	if r.Env != "" && r.File != "" {
		return errors.New("give env or file, not both")
	}
	if r.Env != "" && !isName(r.Env) {
		return errors.New("env: want the name of an environment variable, not its value")
	}
	return nil
}

// isName reports a POSIX name. Tokens of every kind have characters beyond it.
func isName(s string) bool {
	for i, c := range s {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// UnmarshalYAML refuses a token written into the settings, without repeating
// it as the decoder's own message would.
func (r *Ref) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Ref
	if err := unmarshal((*plain)(r)); err != nil {
		return errors.New("a token is not written here: give env: NAME_OF_A_VARIABLE or file: /path/to/it")
	}
	return nil
}

// Read reads the token. env is os.LookupEnv. The zero Ref reads as the empty
// Value; a place that is named and holds nothing is an error.
func (r Ref) Read(env func(string) (string, bool)) (Value, error) {
	switch {
	case r.Env != "":
		v, ok := env(r.Env)
		if !ok || strings.TrimSpace(v) == "" {
			return Value{}, fmt.Errorf("%s is not set", r)
		}
		return New(v), nil
	case r.File != "":
		f, err := os.Open(r.File)
		if err != nil {
			return Value{}, fmt.Errorf("read the token: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		b, err := io.ReadAll(io.LimitReader(f, maxSize))
		if err != nil {
			return Value{}, fmt.Errorf("read the token: %w", err)
		}
		if v := New(string(b)); !v.Empty() {
			return v, nil
		}
		return Value{}, fmt.Errorf("%s is empty", r)
	}
	return Value{}, nil
}
