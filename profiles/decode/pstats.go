package decode

import (
	"errors"
	"math"

	"midwatch/profiles"
)

// decodePstats reads what cProfile and yappi dump: a marshalled dict
//
//	{(file, line, name): (cc, nc, tt, ct, {caller: (nc, cc, tt, ct)})}
//
// with primitive and total calls, own and cumulative seconds. The first two
// are the other way round for callers than for functions, and yappi writes
// them the other way round for functions too: the larger is the total.
// Callers of the old pure-Python profiler are plain numbers of calls.
func decodePstats(raw []byte, limits Limits) (*profiles.Profile, error) {
	r := &marshalReader{data: raw, limit: 50 * limits.Samples}
	v, err := r.value()
	pairs, ok := v.([]marshalPair)
	var known *Error
	switch {
	case errors.As(err, &known):
		return nil, err
	case err != nil && len(pairs) == 0:
		if errors.Is(err, errTruncated) {
			return nil, fail(Cut, "write it again with dump_stats", "the stats file ends early, after %s", size(int64(len(raw))))
		}
		return nil, unknown(raw)
	case !ok:
		return nil, unknown(raw)
	}
	g := newGraph(limits, profiles.Pstats,
		profiles.ValueType{Type: "calls", Unit: "count"}, profiles.ValueType{Type: "time", Unit: "nanoseconds"})
	skipped := 0
	for _, p := range pairs {
		if !pstatsRow(g, p) {
			skipped++
		}
	}
	if skipped > 0 {
		g.b.Warn("%d entries are no functions and were left out", skipped)
	}
	if err != nil {
		g.b.Warn("the stats file ends early: only the %d functions before are shown", len(pairs)-skipped)
	}
	if len(g.order) == 0 && skipped > 0 {
		return nil, unknown(raw)
	}
	return g.profile(limits), nil
}

// pstatsRow adds one function and its callers.
func pstatsRow(g *graph, p marshalPair) bool {
	fn, ok := pstatsKey(g, p.key)
	row, isTuple := p.value.([]any)
	if !ok || !isTuple || len(row) != 5 {
		return false
	}
	calls, own, cum, ok := pstatsTotals(row[:4])
	if !ok {
		return false
	}
	g.flat(fn, calls, own)
	g.cum(fn, calls, cum)
	callers, _ := row[4].([]marshalPair)
	outside := 0.0 // calls by others, where callers are counts
	for _, c := range callers {
		from, ok := pstatsKey(g, c.key)
		if n, isCount := c.value.(float64); ok && isCount && from != fn {
			outside += n
		}
	}
	for _, c := range callers {
		from, ok := pstatsKey(g, c.key)
		if !ok {
			continue
		}
		switch v := c.value.(type) {
		case []any:
			if calls, _, cum, ok := pstatsTotals(v); ok {
				g.edge(from, fn, calls, cum)
			}
		case float64: // profile.Profile counts calls only
			share := 0.0
			if outside > 0 && from != fn {
				share = v / outside
			}
			g.edge(from, fn, round(v), round(share*float64(cum)))
		}
	}
	return true
}

// pstatsTotals reads (calls, calls, own, cum); times come back in nanoseconds.
func pstatsTotals(v []any) (calls, own, cum int64, ok bool) {
	if len(v) != 4 {
		return 0, 0, 0, false
	}
	var n [4]float64
	for i := range n {
		if n[i], ok = v[i].(float64); !ok {
			return 0, 0, 0, false
		}
	}
	return round(math.Max(n[0], n[1])), round(n[2] * 1e9), round(n[3] * 1e9), true
}

// pstatsKey reads (file, line, name).
func pstatsKey(g *graph, v any) (int32, bool) {
	k, ok := v.([]any)
	if !ok || len(k) != 3 {
		return 0, false
	}
	file, ok1 := k[0].(string)
	line, ok2 := k[1].(float64)
	name, ok3 := k[2].(string)
	if !ok1 || !ok2 || !ok3 {
		return 0, false
	}
	return g.function(name, file, round(line)), true
}
