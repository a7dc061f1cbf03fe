package decode

import (
	"errors"

	"midwatch/profiles"
)

// decodeSnapshot reads tracemalloc.Snapshot.dump: every traced block with the
// stack that allocated it, as deep as tracemalloc.start was told.
//
// A trace is (domain, size, ((file, line), …), frames in all); the stack is
// most recent first as the C module hands it out.
func decodeSnapshot(raw []byte, limits Limits) (*profiles.Profile, error) {
	r := &pickleReader{data: raw, limit: 100 * limits.Samples}
	v, err := r.load()
	var known *Error
	switch {
	case errors.As(err, &known):
		return nil, err
	case errors.Is(err, errTruncated):
		return nil, fail(Cut, "dump it again", "the snapshot ends early, after %s", size(int64(len(raw))))
	case err != nil:
		return nil, fail(Unknown, "only tracemalloc snapshots are read from pickles", "this pickle is no snapshot of tracemalloc")
	}
	traces, ok := snapshotTraces(v)
	if !ok {
		return nil, fail(Damaged, "dump it again with Snapshot.dump", "the snapshot holds no traces")
	}
	if int64(len(traces)) > limits.Samples {
		return nil, tooLarge("the snapshot has %d traces, more than %d", len(traces), limits.Samples)
	}
	b := newBuilder(limits, profiles.TracemallocSnapshot, profiles.Exact,
		profiles.ValueType{Type: "inuse_objects", Unit: "count"}, profiles.ValueType{Type: "inuse_space", Unit: "bytes"})
	var skipped, short int64
	for _, t := range traces {
		cut, ok := snapshotTrace(b, t, limits)
		if !ok {
			skipped++
		}
		if cut {
			short++
		}
	}
	if skipped > 0 {
		b.Warn("%d traces could not be read and were left out", skipped)
	}
	if short > 0 {
		b.Warn("%d of %d stacks are cut: tracemalloc.start was told to keep fewer frames", short, len(traces))
	}
	return b.Profile(), nil
}

// snapshotTraces finds the list of traces in a Snapshot object.
func snapshotTraces(v any) ([]any, bool) {
	snapshot, ok := v.(*pickled)
	if !ok || snapshot.class != "Snapshot" {
		return nil, false
	}
	state, ok := snapshot.state.(map[string]any)
	if !ok {
		return nil, false
	}
	traces, ok := state["traces"].(*pickled)
	if !ok {
		return nil, false
	}
	inner, ok := traces.state.(map[string]any)
	if !ok {
		return nil, false
	}
	list, ok := inner["_traces"].(*[]any)
	if !ok {
		return nil, false
	}
	return *list, true
}

// snapshotTrace adds one block. cut says that its stack was longer.
func snapshotTrace(b *profiles.Builder, v any, limits Limits) (cut, ok bool) {
	t, isTuple := v.(*[]any)
	if !isTuple || len(*t) < 3 {
		return false, false
	}
	bytes, ok1 := (*t)[1].(int64)
	frames, ok2 := (*t)[2].(*[]any)
	if !ok1 || !ok2 {
		return false, false
	}
	stack := *frames
	if len(stack) > limits.Depth {
		stack, cut = stack[:limits.Depth], true
	}
	node := int32(0)
	for i := len(stack) - 1; i >= 0; i-- {
		place, isTuple := stack[i].(*[]any)
		if !isTuple || len(*place) != 2 {
			return false, false
		}
		file, ok1 := (*place)[0].(string)
		line, ok2 := (*place)[1].(int64)
		if !ok1 || !ok2 {
			return false, false
		}
		node = b.Child(node, placeFrame(b, file, line))
	}
	b.Add(node, 0, 1, bytes)
	if len(*t) > 3 {
		if all, ok := (*t)[3].(int64); ok && all > int64(len(*frames)) {
			cut = true
		}
	}
	return cut, true
}
