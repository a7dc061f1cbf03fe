package lease

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

func TestDecodeKeys(t *testing.T) {
	for name, c := range map[string]struct {
		in      string
		leases  int
		folders int
		fails   bool
	}{
		"as Vault answers":  {`{"request_id":"x","data":{"keys":["app/","h1","h2"]},"warnings":null,"wrap_info":{"a":[1,{"b":2}]}}`, 2, 1, false},
		"keys not last":     {`{"data":{"other":[["x"]],"keys":["h1"],"more":{}}}`, 1, 0, false},
		"null":              {`{"data":{"keys":null}}`, 0, 0, false},
		"no keys":           {`{"data":{}}`, 0, 0, true},
		"numbers":           {`{"data":{"keys":[1]}}`, 0, 0, true},
		"not a list":        {`{"data":{"keys":{"a":1}}}`, 0, 0, true},
		"cut":               {`{"data":{"keys":["a","b`, 1, 0, true},
		"a page":            {`<html>`, 0, 0, true},
		"nothing":           {``, 0, 0, true},
		"data is a string":  {`{"data":"x"}`, 0, 0, true},
		"data null":         {`{"data":null}`, 0, 0, true},
		"hostile lease IDs": {`{"data":{"keys":["\u001b[31m","\u202e"]}}`, 2, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			var k keys
			err := decodeKeys(strings.NewReader(c.in), &k)
			if (err != nil) != c.fails {
				t.Fatalf("got %v", err)
			}
			if len(k.leases) != c.leases || len(k.folders) != c.folders || k.total != c.leases+c.folders {
				t.Errorf("got %d leases, %d folders of %d", len(k.leases), len(k.folders), k.total)
			}
		})
	}
}

func FuzzDecodeKeys(f *testing.F) {
	for _, s := range []string{`{"data":{"keys":["a/","b"]}}`, `{"data":null}`, `[]`, `{"data":{"keys":[[]]}}`, `{"a":{"b":[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var k keys
		err := decodeKeys(bytes.NewReader(in), &k)
		if k.total < len(k.leases)+len(k.folders) {
			t.Errorf("kept more than there were: %+v", k)
		}
		// What the standard decoder takes for a listing is one.
		var whole struct {
			Data struct {
				Keys []string `json:"keys"`
			} `json:"data"`
		}
		if err == nil && json.Valid(in) && json.Unmarshal(in, &whole) == nil && strings.Count(string(in), `"keys"`) == 1 &&
			strings.Count(string(in), `"data"`) == 1 && !bytes.Contains(in, []byte(`\u`)) && len(whole.Data.Keys) > k.total {
			t.Errorf("lost keys: %d of %d", k.total, len(whole.Data.Keys))
		}
	})
}

// listing is an answer of n keys, made as it is read.
func listing(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, `{"request_id":"x","data":{"keys":[`)
		for i := range n {
			sep := ","
			if i == 0 {
				sep = ""
			}
			_, _ = fmt.Fprintf(w, `%s"%024d.%020d"`, sep, i, i)
		}
		_, _ = io.WriteString(w, `]}}`)
		_ = w.Close() // never fails, see io.PipeWriter
	}()
	return r
}

func TestAQuarterMillionKeys(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var k keys
	if err := decodeKeys(listing(250_000), &k); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if k.total != 250_000 || len(k.leases) != 250_000 {
		t.Fatalf("got %d of %d", len(k.leases), k.total)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 40<<20 {
		t.Errorf("the listing holds %d MiB", grown>>20)
	}
	runtime.KeepAlive(k)
}

func TestMoreKeysThanAreKept(t *testing.T) {
	var k keys
	if err := decodeKeys(listing(MaxKept+10), &k); err != nil {
		t.Fatal(err)
	}
	if len(k.leases) != MaxKept || k.total != MaxKept+10 {
		t.Errorf("kept %d of %d", len(k.leases), k.total)
	}
}

func BenchmarkDecode250k(b *testing.B) {
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, listing(250_000)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(buf.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var k keys
		if err := decodeKeys(bytes.NewReader(buf.Bytes()), &k); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPick(t *testing.T) {
	ids := make([]ID, 1000)
	for i := range ids {
		ids[i] = ID(fmt.Sprint(i))
	}
	a, again, other := pick(ids, 50, 1), pick(ids, 50, 1), pick(ids, 50, 2)
	if len(a) != 50 || fmt.Sprint(a) != fmt.Sprint(again) || fmt.Sprint(a) == fmt.Sprint(other) {
		t.Errorf("%d picked; the seed decides: %v", len(a), fmt.Sprint(a) == fmt.Sprint(again))
	}
	seen := map[ID]bool{}
	for _, id := range a {
		if seen[id] {
			t.Errorf("%s twice", id)
		}
		seen[id] = true
	}
	if len(pick(ids, 5000, 1)) != 1000 {
		t.Error("a sample larger than the whole is the whole")
	}
}
