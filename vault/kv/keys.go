package kv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"midwatch/foreign"
	"midwatch/vault"
)

// Key is one key of a secret: the names that lead to it, more than one where a
// value is an object itself.
type Key []string

// Text is the key as it is shown: parts joined by a dot.
func (k Key) Text() foreign.Text { return foreign.CleanN(strings.Join(k, "."), 300) }

// String is Text.
func (k Key) String() string { return k.Text().String() }

func (k Key) compare(other Key) int { return slices.Compare(k, other) }

// maxKeys and maxDepth bound what is taken from one version.
const (
	maxKeys  = 10_000
	maxDepth = 32
)

// ErrDeleted says that a version has no keys any more.
var ErrDeleted = errors.New("this version is deleted or destroyed")

// Keys are the keys of a version, sorted, read with the values blanked by the
// server. version 0 is the current one.
func (r *Reader) Keys(ctx context.Context, p Path, version int) ([]Key, error) {
	var answer struct {
		Data struct {
			Subkeys json.RawMessage `json:"subkeys"`
		} `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "read the names of the keys of " + p.String(), Path: p.api("subkeys"), Need: p.need("subkeys", "read"),
		Params: url.Values{"version": {strconv.Itoa(version)}},
	}, &answer)
	var failed *vault.Error
	if errors.As(err, &failed) && failed.Kind == vault.KindNotFound {
		return nil, deletedOr(err)
	}
	if err != nil {
		return nil, err
	}
	return keysOf(answer.Data.Subkeys)
}

// deletedOr tells a version that was deleted, whose 404 comes with data, from
// a secret that is not there.
func deletedOr(err error) error {
	var failed *vault.Error
	if errors.As(err, &failed) && failed.WithData {
		return ErrDeleted
	}
	return err
}

// keysOf flattens an object whose values are null or objects.
func keysOf(raw json.RawMessage) ([]Key, error) {
	var keys []Key
	var walk func(raw json.RawMessage, at Key) error
	walk = func(raw json.RawMessage, at Key) error {
		var members map[string]json.RawMessage
		if len(at) < maxDepth && json.Unmarshal(raw, &members) == nil && len(members) > 0 {
			for name, value := range members {
				if err := walk(value, append(slices.Clip(at), name)); err != nil {
					return err
				}
			}
			return nil
		}
		if len(at) == 0 {
			return nil // no keys at all
		}
		if len(keys) >= maxKeys {
			return errors.New("more than 10,000 keys")
		}
		keys = append(keys, at)
		return nil
	}
	if err := walk(raw, nil); err != nil {
		return nil, err
	}
	slices.SortFunc(keys, Key.compare)
	return keys, nil
}

// Change says what became of a key from one version to the next.
type Change string

// What can become of a key. Whether a value changed is unknown until somebody
// compares the values.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Unknown Change = "in both" // the value may have changed
	Same    Change = "same"
	Changed Change = "changed"
)

// KeyChange is one line of a diff.
type KeyChange struct {
	Key    Key
	Change Change
	// Old and New say what the values look like; zero until compared.
	Old, New Shape
}

// DiffKeys compares the keys of two versions.
func DiffKeys(old, now []Key) []KeyChange {
	var out []KeyChange
	i, j := 0, 0
	for i < len(old) || j < len(now) {
		switch {
		case j == len(now), i < len(old) && old[i].compare(now[j]) < 0:
			out = append(out, KeyChange{Key: old[i], Change: Removed})
			i++
		case i == len(old), old[i].compare(now[j]) > 0:
			out = append(out, KeyChange{Key: now[j], Change: Added})
			j++
		default:
			out = append(out, KeyChange{Key: now[j], Change: Unknown})
			i, j = i+1, j+1
		}
	}
	return out
}

// Diff reads the keys of two versions and compares them; no value leaves the
// server.
func (r *Reader) Diff(ctx context.Context, p Path, old, now int) ([]KeyChange, error) {
	before, err := r.Keys(ctx, p, old)
	if err != nil {
		return nil, versionError(old, err)
	}
	after, err := r.Keys(ctx, p, now)
	if err != nil {
		return nil, versionError(now, err)
	}
	return DiffKeys(before, after), nil
}

// Shape says what a value looks like without saying what it is.
type Shape struct {
	// Type is string, number, boolean, null, list or object.
	Type string
	// Size is the length's bucket: "empty", "≤ 16 B", … An exact length would
	// tell more than needed.
	Size string
	// Mark tells values apart within this process; see [secret.Fingerprints].
	Mark string
}

var sizes = []struct {
	most int
	name string
}{{0, "empty"}, {16, "≤ 16 B"}, {64, "≤ 64 B"}, {256, "≤ 256 B"}, {1 << 10, "≤ 1 KiB"}, {16 << 10, "≤ 16 KiB"}, {256 << 10, "≤ 256 KiB"}}

func sizeOf(n int) string {
	i, _ := slices.BinarySearchFunc(sizes, n, func(s struct {
		most int
		name string
	}, n int) int {
		return cmp.Compare(s.most, n)
	})
	if i == len(sizes) {
		return "> 256 KiB"
	}
	return sizes[i].name
}
