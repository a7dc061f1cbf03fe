// Package live carries what is happening from the sources to the screen.
//
// A source (a watch on a cluster, a flag stream, a lease table) calls
// [Hub.Dirty] for every event: it does no work there and cannot block. The
// screen pulls with [Hub.Next], which waits for a coalescing interval, builds
// an immutable [Snapshot] of each dirty topic that is wanted, and returns them
// as one [Batch]. The next Next starts only after the batch was handled, so
// back-pressure needs no queue: at most one batch is in flight and the latest
// value always wins.
//
// There are two delivery classes and no third. Snapshots are latest-wins.
// Facts that must not vanish (log lines, action results) go through a [Ring]:
// ordered, bounded, with a count of what fell out.
//
// The package imports the standard library and package foreign only.
package live
