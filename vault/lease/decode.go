package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxKept is how many keys of one listing are kept; all are counted.
const MaxKept = 300_000

// errNoKeys says that an answer was not that of a listing.
var errNoKeys = errors.New("the answer is not a listing: it has no data.keys")

// keys receives the keys of a listing one by one.
type keys struct {
	folders []string
	leases  []string
	total   int
	kept    int
}

func (k *keys) add(key string) {
	k.total++
	if k.kept >= MaxKept {
		return
	}
	k.kept++
	if strings.HasSuffix(key, "/") {
		k.folders = append(k.folders, key)
		return
	}
	k.leases = append(k.leases, key)
}

// decodeKeys reads {"data": {"keys": [...]}, ...} without holding the answer:
// 250,000 keys are eleven megabytes of JSON.
func decodeKeys(r io.Reader, k *keys) error {
	dec := json.NewDecoder(r)
	found := false
	err := object(dec, func(name string) error {
		if name != "data" {
			return skip(dec)
		}
		return object(dec, func(name string) error {
			if name != "keys" {
				return skip(dec)
			}
			found = true
			return array(dec, k)
		})
	})
	if err == nil && !found {
		err = errNoKeys
	}
	return err
}

// object calls field for every member of the object that comes next; field
// consumes the value. null is an object without members.
func object(dec *json.Decoder, field func(name string) error) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open == nil {
		return nil
	}
	if open != json.Delim('{') {
		return fmt.Errorf("want an object, not %v", kindOf(open))
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		s, _ := name.(string) // the decoder lets nothing else stand there
		if err := field(s); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func array(dec *json.Decoder, k *keys) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open == nil {
		return nil
	}
	if open != json.Delim('[') {
		return fmt.Errorf("data.keys: want an array, not %v", kindOf(open))
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("data.keys: want strings, not %v", kindOf(t))
		}
		k.add(key)
	}
	_, err = dec.Token()
	return err
}

// skip consumes one value.
func skip(dec *json.Decoder) error {
	depth := 0
	for {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return nil
		}
	}
}

// kindOf names a token's kind: its value may be anybody's.
func kindOf(t json.Token) string {
	switch t.(type) {
	case json.Delim:
		return "a bracket"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case nil:
		return "null"
	}
	return "a number"
}
