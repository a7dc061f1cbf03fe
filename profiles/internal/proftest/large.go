package proftest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// WriteLarge writes an uncompressed pprof CPU profile of n samples, about 140
// bytes each: 500 call paths 60 deep that branch off one another (about
// 30,000 nodes), 3,000 functions, and a place of its own for each call. It is
// written straight to the wire, for the library would need gigabytes.
func WriteLarge(w io.Writer, n int) error {
	out := bufio.NewWriterSize(w, 1<<20)
	g := &largeWriter{out: out, r: rand.New(rand.NewPCG(1, 2)), strings: map[string]uint64{}, places: map[[2]int]uint64{}}
	g.intern("")
	for _, t := range [][2]string{{"samples", "count"}, {"cpu", "nanoseconds"}} {
		g.message(1, varints(1, g.intern(t[0]), 2, g.intern(t[1])))
	}
	paths := g.paths()
	var sample, packed []byte
	for range n {
		path := paths[g.r.IntN(len(paths))]
		path = path[:40+g.r.IntN(21)]
		packed = packed[:0]
		for i := len(path) - 1; i >= 0; i-- {
			packed = binary.AppendUvarint(packed, path[i])
		}
		sample = append(sample[:0], 1<<3|2)
		sample = binary.AppendUvarint(sample, uint64(len(packed)))
		sample = append(sample, packed...)
		count := uint64(1 + g.r.IntN(3))
		packed = binary.AppendUvarint(binary.AppendUvarint(packed[:0], count), count*10_000_000)
		sample = append(sample, 2<<3|2, byte(len(packed)))
		sample = append(sample, packed...)
		g.message(2, sample)
	}
	g.tables()
	return g.out.Flush()
}

type largeWriter struct {
	out     *bufio.Writer
	r       *rand.Rand
	strings map[string]uint64
	list    []string
	places  map[[2]int]uint64 // function and line → location id
	order   [][2]int
}

func (g *largeWriter) intern(s string) uint64 {
	if i, ok := g.strings[s]; ok {
		return i
	}
	i := uint64(len(g.list))
	g.strings[s] = i
	g.list = append(g.list, s)
	return i
}

// varints encodes pairs of field number and value.
func varints(pairs ...uint64) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = binary.AppendUvarint(append(b, byte(pairs[i]<<3)), pairs[i+1])
	}
	return b
}

func (g *largeWriter) message(field byte, data []byte) {
	var head [binary.MaxVarintLen64 + 1]byte
	head[0] = field<<3 | 2
	k := binary.PutUvarint(head[1:], uint64(len(data)))
	_, _ = g.out.Write(head[:k+1]) // Flush reports the error
	_, _ = g.out.Write(data)
}

// place returns the location of a call in function f.
func (g *largeWriter) place(f, line int) uint64 {
	key := [2]int{f, line}
	if id, ok := g.places[key]; ok {
		return id
	}
	id := uint64(len(g.order) + 1)
	g.places[key] = id
	g.order = append(g.order, key)
	return id
}

// paths returns 500 stacks of 60 locations, root first.
func (g *largeWriter) paths() [][]uint64 {
	const functions, depth = 3000, 60
	chains := make([][]int, 500)
	for i := range chains {
		chain := make([]int, 0, depth)
		if i > 0 {
			other := chains[g.r.IntN(i)]
			chain = append(chain, other[:1+g.r.IntN(depth/6)]...)
		} else {
			chain = append(chain, 0)
		}
		for len(chain) < depth {
			chain = append(chain, g.r.IntN(functions))
		}
		chains[i] = chain
	}
	paths := make([][]uint64, len(chains))
	for i, chain := range chains {
		for k, f := range chain {
			line := 10
			if k+1 < len(chain) {
				line = 10 + chain[k+1]%8 // where the next one is called
			}
			paths[i] = append(paths[i], g.place(f, line))
		}
	}
	return paths
}

// tables writes functions, locations and strings, which come last.
func (g *largeWriter) tables() {
	g.message(3, varints(1, 1, 2, 0x400000, 3, 0x4000000, 5, g.intern("/bin/shop"), 7, 1))
	written := map[int]bool{}
	for i, p := range g.order {
		f := uint64(p[0] + 1)
		if !written[p[0]] {
			written[p[0]] = true
			name := g.intern(fmt.Sprintf("github.com/acme/shop/pkg%d.(*Type%d).Method%d", p[0]%40, p[0]%300, p[0]))
			g.message(5, varints(1, f, 2, name, 3, name, 4, g.intern(fmt.Sprintf("/src/pkg%d/file%d.go", p[0]%40, p[0]%200)), 5, 5))
		}
		line := varints(1, f, 2, uint64(p[1]))
		loc := varints(1, uint64(i+1), 2, 1, 3, uint64(0x400000+i*16))
		loc = append(append(loc, 4<<3|2, byte(len(line))), line...)
		g.message(4, loc)
	}
	for _, s := range g.list {
		g.message(6, []byte(s))
	}
	_, _ = g.out.Write(varints(10, 10_000_000_000, 12, 10_000_000))
}
