package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"midwatch/secret"
	"midwatch/vault"
)

// maxValues bounds a version that is read with its values: Vault takes up to
// 1 MiB per secret on integrated storage, twice escaped at worst.
const maxValues = 8 << 20

// needData is what reading values takes.
func needData(p Path) vault.Right { return p.need("data", "read") }

// errTooLarge says that a version is not read because of its size.
var errTooLarge = errors.New("the secret is larger than 8 MiB")

// values reads a version with its values, and hands use the raw object. The
// buffers are wiped afterwards. Vault's audit log shows it as a read of the
// secret.
func (r *Reader) values(ctx context.Context, p Path, version int, use func(data json.RawMessage) error) error {
	var buf []byte
	defer func() { secret.Wipe(buf) }()
	err := r.client.Stream(ctx, vault.Query{
		Tried: "read the values of " + p.String(), Path: p.api("data"), Need: needData(p),
		Params: url.Values{"version": {strconv.Itoa(version)}},
	}, func(body io.Reader) error {
		var err error
		buf, err = readAll(body)
		return err
	})
	if err != nil {
		return deletedOr(err)
	}
	var answer struct {
		Data struct {
			Data json.RawMessage `json:"data"`
		} `json:"data"`
	}
	// encoding/json's own errors may repeat a piece of what they read.
	if json.Unmarshal(buf, &answer) != nil || len(answer.Data.Data) == 0 {
		return errors.New("the answer is not a version of a secret")
	}
	defer secret.Wipe(answer.Data.Data)
	if bytes.Equal(answer.Data.Data, []byte("null")) {
		return ErrDeleted
	}
	return use(answer.Data.Data)
}

// readAll is io.ReadAll that wipes the buffers it grows out of.
func readAll(body io.Reader) ([]byte, error) {
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			if cap(buf) >= maxValues {
				secret.Wipe(buf)
				return nil, errTooLarge
			}
			grown := make([]byte, len(buf), 2*cap(buf))
			copy(grown, buf)
			secret.Wipe(buf)
			buf = grown
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			secret.Wipe(buf)
			return nil, err
		}
	}
}

// ErrNoKey says that a version does not have the key.
var ErrNoKey = errors.New("this version has no such key")

// find walks to a key's raw value, which is part of data or a copy that the
// caller wipes.
func find(data json.RawMessage, key Key) (json.RawMessage, error) {
	for _, name := range key {
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil {
			return nil, ErrNoKey
		}
		next, ok := members[name]
		for other, v := range members {
			if other != name {
				secret.Wipe(v)
			}
		}
		if !ok {
			return nil, ErrNoKey
		}
		data = next
	}
	return data, nil
}

// plain is what a raw value reads as: the text of a string, the JSON of
// anything else.
func plain(raw json.RawMessage) (value []byte, kind string) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil, "null"
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return []byte(s), "string"
		}
		return bytes.Clone(raw), "string"
	case '{':
		return bytes.Clone(raw), "object"
	case '[':
		return bytes.Clone(raw), "list"
	case 't', 'f':
		return bytes.Clone(raw), "boolean"
	case 'n':
		return nil, "null"
	}
	return bytes.Clone(raw), "number"
}

// Value is one revealed value.
type Value struct {
	secret.Bytes
	Shape Shape
	// Length is in bytes.
	Length int
}

// Reveal reads the value of one key. The caller zeroes it when it is no longer
// looked at. Vault's audit log shows a read of the whole secret: there is no
// request for one key.
func (r *Reader) Reveal(ctx context.Context, p Path, version int, key Key) (Value, error) {
	var out Value
	err := r.values(ctx, p, version, func(data json.RawMessage) error {
		raw, err := find(data, key)
		if err != nil {
			return err
		}
		value, kind := plain(raw)
		secret.Wipe(raw)
		out = Value{Bytes: secret.Take(value), Length: len(value), Shape: Shape{Type: kind, Size: sizeOf(len(value))}}
		return nil
	})
	if err != nil {
		return Value{}, fmt.Errorf("reveal %s of %s: %w", key, p, err)
	}
	return out, nil
}

// Shapes are what the values of a version look like, by key in the order of
// keys; a key that the version does not have gets the zero Shape.
func (r *Reader) shapes(ctx context.Context, p Path, version int, prints *secret.Fingerprints) (map[string]Shape, error) {
	out := map[string]Shape{}
	err := r.values(ctx, p, version, func(data json.RawMessage) error {
		return walkValues(data, nil, func(key Key, raw json.RawMessage) {
			value, kind := plain(raw)
			out[keyID(key)] = Shape{Type: kind, Size: sizeOf(len(value)), Mark: prints.Of(append([]byte(kind+"\x00"), value...))}
			secret.Wipe(value)
		})
	})
	return out, err
}

// keyID makes a map's key of a key; names may contain any character, but their
// JSON tells them apart.
func keyID(k Key) string {
	id, _ := json.Marshal([]string(k)) // strings always marshal
	return string(id)
}

// walkValues calls visit for every leaf, as keysOf finds them.
func walkValues(raw json.RawMessage, at Key, visit func(Key, json.RawMessage)) error {
	var members map[string]json.RawMessage
	if len(at) < maxDepth && json.Unmarshal(raw, &members) == nil && len(members) > 0 {
		for name, value := range members {
			if err := walkValues(value, append(at[:len(at):len(at)], name), visit); err != nil {
				return err
			}
			secret.Wipe(value)
		}
		return nil
	}
	if len(at) > 0 {
		visit(at, raw)
	}
	return nil
}

// CompareValues says of every key of two versions whether its value is the
// same, without showing one. Both versions are read, which the audit log
// shows.
func (r *Reader) CompareValues(ctx context.Context, p Path, old, now int, prints *secret.Fingerprints) ([]KeyChange, error) {
	changes, err := r.Diff(ctx, p, old, now)
	if err != nil {
		return nil, err
	}
	before, err := r.shapes(ctx, p, old, prints)
	if err != nil {
		return nil, versionError(old, err)
	}
	after, err := r.shapes(ctx, p, now, prints)
	if err != nil {
		return nil, versionError(now, err)
	}
	for i := range changes {
		c := &changes[i]
		id := keyID(c.Key)
		c.Old, c.New = before[id], after[id]
		if c.Change == Unknown {
			c.Change = Changed
			if c.Old.Mark == c.New.Mark {
				c.Change = Same
			}
		}
	}
	return changes, nil
}

func versionError(n int, err error) error { return fmt.Errorf("version %d: %w", n, err) }
